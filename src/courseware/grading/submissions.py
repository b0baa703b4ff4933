"""A folder of submissions, in the shapes that learning platforms export, as one file a student.

Names of files and entries are untrusted: they are matched and shown, never used to write. Links are not
followed, archives are unpacked in memory within bounds.
"""

import hashlib
import os
import re
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from courseware.grading.archive import LARGEST_FILE, ArchiveError, entries, read_entry
from courseware.grading.roster import Matcher, read_roster
from courseware.notebooks import CourseError

MOST_FILES = 20_000
DEEPEST = 4  # folders below the one named
# lastnamefirst_LATE_12345_67890_bottleneck-hand-in-2.ipynb
# First Last_12345_assignsubmission_file_/x.ipynb
CANVAS = re.compile(r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<user>\d{1,15})_(?P<number>\d{1,15})_.+", re.DOTALL)
MOODLE = re.compile(
    r"(?P<name>.+)_(?P<participant>\d{1,15})_assignsubmission_(file|onlinetext)_.*", re.DOTALL
)
# ada_bottleneck-hand-in (1).ipynb
TAIL = re.compile(r"((^|[ _-]+)[A-Za-z]+-hand-in)?([ -]?\(\d+\))?$")
SKIPPED = ("__MACOSX", "__pycache__")
TOLD = (".7z", ".doc", ".docx", ".gz", ".htm", ".html", ".json", ".pdf", ".py", ".rar", ".tar", ".txt")
MOST_NOTES = 5
NOTHING = "handed in nothing"
UNLIKE = "it is not a notebook: hand in the .ipynb file"


class SubmissionsError(CourseError):
    """A folder or roster that cannot be read; the message says what to do."""


@dataclass(frozen=True)
class Submission:
    """One student's file.

    Attributes:
        student: identifier, from the roster or the file's name; may hold any printable characters.
        name: to show.
        file: path relative to the folder, printable; an entry of an archive stands behind the archive's.
        path: the file or archive on disk.
        sha256: of the bytes; empty where they cannot be read.
        notes: remarks for the instructor.
        problem: why it cannot be read; empty if it can.
        entry: number of the entry in the archive; None for a file of its own.
    """

    student: str
    name: str
    file: str
    path: Path
    sha256: str = ""
    notes: tuple[str, ...] = ()
    problem: str = ""
    entry: int | None = None

    def read(self) -> bytes:
        """Return the file's bytes, at most as many as a submission may have.

        Raises:
            OSError: if the file is gone or cannot be opened.
            ArchiveError: if it is an entry that cannot be unpacked.
        """
        if self.entry is not None:
            return read_entry(self.path, self.entry)
        with os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            return file.read(LARGEST_FILE + 1)


@dataclass(frozen=True, order=True)
class _Found:
    """A file that may be a submission; the newest of several comes last in order."""

    number: int  # the platform's own, which grows
    time: float
    file: str
    parts: tuple[str, ...] = field(compare=False)
    path: Path = field(compare=False)
    problem: str = field(default="", compare=False)
    entry: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class _Owner:
    """Whose file it is, as far as its name tells."""

    id: str
    name: str
    keys: tuple[str, ...]
    number: int = 0
    is_late: bool = False


def collect(folder: Path, roster: Path | None = None) -> list[Submission]:
    """List one submission a student, sorted by student.

    Args:
        folder: files, folders a student, or archives of either.
        roster: a CSV of the class; its students without a file are listed, too.

    Raises:
        SubmissionsError: if the folder is missing or holds too much.
        RosterError: if the roster cannot be read.
    """
    if not folder.is_dir():
        raise SubmissionsError(f"{folder} is no folder of submissions")
    students = read_roster(roster) if roster else []
    matcher, taken = Matcher(students), {student.id for student in students}
    groups: dict[str, list[_Found]] = defaultdict(list)
    names: dict[str, tuple[str, tuple[str, ...]]] = {}
    for found in _walk(folder):
        owner = _owner(found.parts)
        student = matcher.find(owner.keys, owner.name)
        notes: tuple[str, ...] = ("handed in late",) if owner.is_late else ()
        if students and not student:
            notes += ("not in the roster",)
        key = student.id if student else owner.id
        if not student and key in taken:  # a platform's number that is somebody's identifier here
            key = f"{owner.name} {owner.id}"
        names[key] = (student.name if student else owner.name, notes)
        groups[key].append(replace(found, number=owner.number))
    listed = [_choose(key, names[key][0], group, names[key][1]) for key, group in groups.items()]
    absent = [student for student in students if student.id not in groups]
    listed += [Submission(each.id, each.name, "", folder, problem=NOTHING) for each in absent]
    return sorted(listed, key=lambda each: (each.student, each.file))


def safe_name(student: str) -> str:
    """Return a file name for an identifier: ASCII letters, digits, `-`, `_`; unlike for unlike ones."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,60}", student) and not re.search(r"-[0-9a-f]{8}$", student):
        return student
    digest = hashlib.sha256(student.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", student)[:50].strip("-")
    return f"{plain or 'student'}-{digest}"


def printable(name: str) -> str:
    """Return a name on one line: what cannot be seen, or turns text around, is written out."""
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return "".join(
        f"\\u{ord(each):04x}" if each == "\\" or unicodedata.category(each) in hidden else each
        for each in unicodedata.normalize("NFC", name)
    )


def _owner(parts: tuple[str, ...]) -> _Owner:
    """Only the outermost name counts, which the platform gave; names inside are the student's choice."""
    first = parts[0]
    if canvas := CANVAS.fullmatch(first):
        id, name = canvas["user"], printable(canvas["name"])
        return _Owner(id, name, (id,), int(canvas["number"]), bool(canvas["late"]))
    if moodle := MOODLE.fullmatch(first):
        id, name = moodle["participant"], printable(moodle["name"])
        return _Owner(id, name, (f"participant {id}",))
    if len(parts) == 1:
        stem = first.rsplit(".", 1)[0] or first
        first = TAIL.sub("", stem) or stem
    words = [word for word in re.split(r"[\s_]+|-", first) if len(word) > 2]
    ends = [first[i + 1 :] for i, each in enumerate(first) if each == "-"]  # GitHub Classroom: lab-user-name
    return _Owner(printable(first), printable(first), (first, *ends, *words))


def _walk(folder: Path) -> Iterator[_Found]:
    """Every file that may be a submission."""
    found: list[_Found] = []
    count = 0
    waiting: list[tuple[Path, tuple[str, ...]]] = [(folder, ())]
    while waiting:
        inside, parts = waiting.pop()
        items, problem = _listed(inside, len(parts))
        if problem and not parts:
            raise SubmissionsError(f"{folder}: {problem}")
        if parts and (problem or (not items and len(parts) == 1)):
            shown = "/".join(map(printable, parts))
            found.append(_Found(0, 0.0, shown, (*parts, ""), inside, problem or "the folder is empty"))
        count += len(items)
        if count > MOST_FILES:
            raise SubmissionsError(f"{folder} holds more than {MOST_FILES:,} files: is it the right folder?")
        for item in items:
            below = (*parts, item.name)
            about = item.stat(follow_symlinks=False)
            if stat.S_ISDIR(about.st_mode):
                waiting.append((Path(item.path), below))
            elif stat.S_ISREG(about.st_mode) and item.name.lower().endswith(".zip"):
                is_all = not parts and len(items) == 1 and not _is_platforms(item.name)
                found += _unpacked(Path(item.path), below, about.st_mtime, is_all)
            else:
                file = "/".join(map(printable, below))
                found.append(
                    _Found(0, about.st_mtime, file, below, Path(item.path), _unfit(item.name, about))
                )
    return _unwrapped([each for each in found if _is_told(each)])


def _listed(folder: Path, depth: int) -> tuple[list[os.DirEntry[str]], str]:
    """What is in a folder, and why it cannot be listed."""
    if depth > DEEPEST:
        return [], "its folders are nested too deeply"
    try:
        with os.scandir(folder) as listing:
            return [each for each in listing if _is_meant(each.name)], ""
    except OSError as error:
        return [], f"the folder cannot be opened: {error.strerror}"


def _unpacked(path: Path, below: tuple[str, ...], time: float, is_all: bool) -> list[_Found]:
    """The files in an archive, as if in a folder; of the whole class if ``is_all`` and they look like it."""
    shown = "/".join(map(printable, below))
    own = (*below[:-1], below[-1][:-4] or below[-1])
    try:
        inside = entries(path, is_all)
    except ArchiveError as error:
        return [_Found(0, time, shown, own, path, str(error))]
    inside = [each for each in inside if all(map(_is_meant, each.parts)) or each.problem]
    notebooks = [each for each in inside if each.parts[-1].lower().endswith((".ipynb", ".zip"))]
    is_all = is_all and (
        len({each.parts[0] for each in notebooks}) > 1
        or len({each.parts[:2] for each in notebooks if len(each.parts) > 2}) > 1
        or any(_is_platforms(each.parts[0]) for each in notebooks)
    )
    found = []
    for each in inside:
        problem = each.problem or _unlike(each.parts[-1])
        if each.parts[-1].lower().endswith(".zip"):
            problem = "it is an archive inside an archive: unpack the outer one first"
        parts = each.parts if is_all else (*own, *each.parts)
        file = "/".join([shown, *map(printable, each.parts)])
        found.append(_Found(0, time, file, parts, path, problem, each.number))
    return found or [_Found(0, time, shown, own, path, "the archive holds no notebook")]


def _unwrapped(found: list[_Found]) -> Iterator[_Found]:
    """Without a folder around the folders of all students."""
    tops = {each.parts[0] for each in found}
    seconds = {each.parts[1] for each in found if len(each.parts) > 2}
    if len(tops) == 1 and len(seconds) > 1 and all(len(each.parts) > 2 for each in found):
        return (replace(each, parts=each.parts[1:]) for each in found)
    return iter(found)


def _is_meant(name: str) -> bool:
    """Whether a student put it there, not an operating system or an editor."""
    hides = name.startswith("._") or (name.startswith(".") and not name.lower().endswith((".ipynb", ".zip")))
    return not hides and name not in SKIPPED


def _is_platforms(name: str) -> bool:
    return bool(CANVAS.fullmatch(name) or MOODLE.fullmatch(name))


def _is_told(found: _Found) -> bool:
    """Whether a file must be listed: all that belongs to a student, and lone files that may."""
    name = found.parts[-1].lower()
    if found.problem not in ("", UNLIKE):
        return True
    return len(found.parts) > 1 or name.endswith((".ipynb", *TOLD)) or _is_platforms(found.parts[0])


def _unfit(name: str, about: os.stat_result) -> str:
    if stat.S_ISLNK(about.st_mode):
        return "it is a symbolic link, which is not followed"
    if not stat.S_ISREG(about.st_mode):
        return "it is no regular file"
    if about.st_size > LARGEST_FILE:
        return f"it is larger than {LARGEST_FILE // 1_000_000} MB: clear its outputs"
    return _unlike(name)


def _unlike(name: str) -> str:
    return "" if name.lower().endswith(".ipynb") else UNLIKE


def _choose(student: str, name: str, group: list[_Found], notes: tuple[str, ...]) -> Submission:
    """The newest file that can be read counts; the others are named."""
    group = sorted(group)
    chosen = next((each for each in reversed(group) if not each.problem), group[-1])
    others = [each for each in reversed(group) if each is not chosen and each.problem != UNLIKE]
    for each in others[:MOST_NOTES]:
        why = f" ({each.problem})" if each.problem else ""
        notes += (f"also handed in, not counted: {each.file}{why}",)
    if len(others) > MOST_NOTES:
        notes += (f"and {len(others) - MOST_NOTES} more files",)
    plain = Submission(student, name, chosen.file, chosen.path, "", notes, chosen.problem, chosen.entry)
    if chosen.problem:
        return plain
    try:
        return replace(plain, sha256=hashlib.sha256(plain.read()).hexdigest())
    except (OSError, ArchiveError) as error:
        return replace(plain, problem=getattr(error, "strerror", None) or str(error))
