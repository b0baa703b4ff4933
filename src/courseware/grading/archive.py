"""Zip archives of submissions: looked into within bounds, read entry by entry, never unpacked to disk."""

import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from courseware.notebooks import CourseError

LARGEST_FILE = 50_000_000  # bytes of one submission
LARGEST = 100_000_000  # bytes of one student's archive, unpacked
MOST_ENTRIES = 100  # of one student's archive
MOST_ENTRIES_OF_CLASS = 5_000
LARGEST_LIST = 2_000_000  # bytes that an archive's list of contents may take
HIGHEST_RATIO = 200  # no notebook shrinks as much
HARMLESS = 1_000_000  # bytes; below, the ratio plays no part
END, END_SIZE, LONGEST_COMMENT = b"PK\x05\x06", 22, 65_535
LOCATOR, LOCATOR_SIZE = b"PK\x06\x07", 20  # of the format for archives above 4 GB


DAMAGED = (zipfile.BadZipFile, struct.error, ValueError, OverflowError, OSError)


class ArchiveError(CourseError):
    """An archive or an entry that will not be read; the message says why."""


@dataclass(frozen=True)
class Entry:
    """A file inside an archive."""

    number: int
    parts: tuple[str, ...]
    problem: str


def entries(path: Path, of_class: bool = False) -> list[Entry]:
    """List an archive's files; one that will not be read has a problem.

    Raises:
        ArchiveError: if the archive as a whole will not be read.
    """
    most = MOST_ENTRIES_OF_CLASS if of_class else MOST_ENTRIES
    with path.open("rb") as file:
        contents = _contents(file)
    files = [(number, info) for number, info in enumerate(contents) if not info.filename.endswith("/")]
    if len(files) > most:
        raise ArchiveError(f"the archive holds more than {most:,} files")
    if not of_class and sum(info.file_size for _, info in files) > LARGEST:
        raise ArchiveError(f"the archive holds more than {LARGEST // 1_000_000} MB")
    found = []
    for number, info in files:
        parts = tuple(part for part in info.filename.replace("\\", "/").split("/") if part not in ("", "."))
        found.append(Entry(number, parts or ("?",), _problem(info, parts)))
    return found


def read_entry(path: Path, number: int) -> bytes:
    """Return the bytes of an entry, at most as many as a submission may have.

    Raises:
        ArchiveError: if it cannot be unpacked.
    """
    with path.open("rb") as file:
        contents = _contents(file)
        try:
            if problem := _problem(contents[number], ()):
                raise ArchiveError(problem)
            with zipfile.ZipFile(file) as archive, archive.open(contents[number]) as entry:
                return entry.read(LARGEST_FILE + 1)
        except ArchiveError:
            raise
        except (*DAMAGED, zlib.error, EOFError, IndexError, RuntimeError):
            raise ArchiveError("it is damaged inside its archive") from None


def _problem(info: zipfile.ZipInfo, parts: tuple[str, ...]) -> str:
    if ".." in parts or info.filename.startswith(("/", "\\")):
        return "its path leads out of the archive"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "it is a symbolic link, which is not followed"
    if info.flag_bits & 1:
        return "it is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "it is compressed in an unusual way: make an ordinary zip file"
    if info.file_size > LARGEST_FILE:
        return f"it is larger than {LARGEST_FILE // 1_000_000} MB: clear its outputs"
    if info.file_size > max(HARMLESS, HIGHEST_RATIO * info.compress_size):
        return "it would unpack to far more than an archive of notebooks does"
    return ""


def _contents(file: BinaryIO) -> list[zipfile.ZipInfo]:
    """The archive's list of contents, whose length is checked before it is read."""
    size = file.seek(0, 2)
    file.seek(max(0, size - END_SIZE - LONGEST_COMMENT - LOCATOR_SIZE))
    tail = file.read()
    plain = tail[-END_SIZE:]
    end = len(tail) - END_SIZE if plain[:4] == END and plain[-2:] == b"\0\0" else tail.rfind(END)
    if end < 0 or len(tail) < end + END_SIZE:
        raise ArchiveError("the archive is damaged, or not a zip file")
    (length,) = struct.unpack_from("<I", tail, end + 12)
    is_huge = tail[max(0, end - LOCATOR_SIZE) : end].startswith(LOCATOR)
    if length > LARGEST_LIST or is_huge:
        raise ArchiveError("the archive holds too many files")
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.infolist()
    except (*DAMAGED, NotImplementedError):
        raise ArchiveError("the archive is damaged, or not a zip file") from None
