"""Files from the network: whole and checked, or not there at all.

An archive is downloaded into ``NAME.part``, which a later attempt continues, and gets its name once its
checksum is right. It is unpacked into a scratch folder, and what comes out moves to its place in one step.
The archive stays: what is deleted by mistake can be unpacked again.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib import request
from urllib.error import HTTPError
from urllib.parse import urlsplit

from convbook.data.errors import DataError, brief
from convbook.progress import progress_bar, somebody_watches

TIMEOUT = 30.0  # seconds without a byte after which a server counts as gone
ATTEMPTS = 5  # a mirror is asked again after it broke off, as long as each attempt brings something
CHUNK = 1 << 18  # bytes


class Interrupted(Exception):
    """The connection failed or ended early."""


def obtain(target: Path, archive: str, md5: str, urls: Sequence[str]) -> None:
    """Bring ``target``, a file or a folder, out of an archive from the network, unless it is there.

    Processes that want the same one wait for the first. A folder or file that exists is never touched.

    Args:
        target: where it shall be; the archive is kept beside it.
        archive: the archive's file name: a tar of a folder called as the target, or a gzip of the file.
        md5: its checksum.
        urls: where to get it; one after the other is tried.

    Raises:
        DataError: no mirror gave the right file, or there is no room for it.
    """
    if target.exists():
        return
    path = target.with_name(archive)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with one_process(path):
            if not target.exists():
                fetch(path, md5, urls)
                unpack(path, target)
    except OSError as error:  # no space, no permission
        raise DataError(
            f"{archive} cannot be kept in {target.parent} ({brief(error)}): make room, or name another "
            f"folder as root"
        ) from error


def mirrors(key: str, archive: str, servers: Sequence[str]) -> list[str]:
    """An archive's addresses: ``$CONVBOOK_MIRROR/key/archive``, if that is set, then those on ``servers``."""
    own = os.environ.get("CONVBOOK_MIRROR")
    places = [f"{own.rstrip('/')}/{key}", *servers] if own else servers
    return [f"{place.rstrip('/')}/{archive}" for place in places]


@contextmanager
def one_process(path: Path) -> Iterator[None]:
    """Hold the lock of ``path``; the system frees it when its holder dies."""
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if somebody_watches():
            print(f"waiting for another process, which downloads {path.name}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def fetch(path: Path, md5: str, urls: Sequence[str]) -> None:
    """Download ``path`` from the first of ``urls`` that gives a file with the checksum ``md5``."""
    if path.exists():
        if checksum(path) == md5:
            return
        path.replace(_part(path))  # half a download of another program: go on with it
    failures = []
    for url in urls:
        failure = _fetch_from(url, path, md5)
        if failure is None:
            return
        failures.append(f"{urlsplit(url).hostname or url}: {failure}")
    raise DataError(
        f"{path.name} could not be downloaded ({'; '.join(failures)}): check the network and try again, "
        f"set CONVBOOK_MIRROR to another server, or CONVBOOK_DATA to a folder that holds the data"
    )


def _fetch_from(url: str, path: Path, md5: str) -> str | None:
    """One mirror: None if ``path`` is there and right, else what was wrong."""
    part = _part(path)
    failure = "no answer"
    for _ in range(ATTEMPTS):
        before = _size(part)
        if not (before and checksum(part) == md5):
            try:
                _transfer(url, part, path.name)
            except Interrupted as error:
                failure = brief(error)
                if _size(part) > before:
                    continue
                return failure
        if checksum(part) == md5:
            part.replace(path)
            return None
        part.unlink()
        failure = "what it sent has another checksum"
        if not before:
            return failure  # else the beginning may have been from elsewhere: once more from the start
    return failure


def _transfer(url: str, part: Path, title: str) -> None:
    """Append to ``part`` what it lacks; a server that cannot start in the middle starts anew."""
    have = _size(part)
    with _open(url, have) as response:
        resumed = getattr(response, "status", None) == 206
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            part.unlink()
            raise Interrupted("it sent another range than asked for")
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        mode = "ab" if resumed else "wb"
        with part.open(mode, buffering=0) as file, progress_bar(total, unit="B", title=title) as bar:
            bar.update(have)
            for chunk in _chunks(response):
                file.write(chunk)
                bar.update(len(chunk))
    if total is not None and _size(part) < total:
        raise Interrupted(f"it broke off after {_size(part):,} of {total:,} bytes")


def _open(url: str, have: int) -> Any:
    headers = {"User-Agent": "convbook", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        return request.urlopen(request.Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        error.close()
        if error.code == 416 and have:  # the file is shorter than what we have: that was another one
            return _open(url, 0)
        raise Interrupted(f"HTTP {error.code} {error.reason}") from error
    except (OSError, HTTPException, ValueError) as error:  # URLError is an OSError
        raise Interrupted(brief(error)) from error


def _chunks(response: Any) -> Iterator[bytes]:
    """The bytes that arrive; what fails in here is the network, what fails in writing them is the disk."""
    try:
        while chunk := response.read1(CHUNK):  # what has arrived, without waiting for more
            yield chunk
    except (OSError, HTTPException) as error:
        raise Interrupted(brief(error)) from error


def unpack(archive: Path, target: Path) -> None:
    """Unpack ``target`` out of ``archive``: it appears whole, or not at all if this process is killed."""
    from torchvision.datasets.utils import extract_archive

    scratch = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(scratch, ignore_errors=True)  # left by a process that was killed
    try:
        scratch.mkdir()
        extract_archive(archive, scratch)
        (scratch / target.name).replace(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def checksum(path: Path) -> str:
    """The file's MD5, which is what the data sets' authors publish."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
