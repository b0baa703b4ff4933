"""Downloads from a server that breaks off, stalls, lies or is not there: whole and checked, or absent."""

import hashlib
import io
import os
import signal
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from web import Site, serve

from convbook.data import DataError, download
from convbook.data.download import fetch, mirrors, obtain

FILES = {f"set/part_{i}": np.random.default_rng(i).bytes(20_000) for i in range(10)}


def tar(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


ARCHIVE = tar(FILES)
MD5 = hashlib.md5(ARCHIVE).hexdigest()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("CONVBOOK_PROGRESS", "CONVBOOK_MIRROR", "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as site:
        site.files["/set.tar.gz"] = ARCHIVE
        yield site


def whole(folder: Path) -> bool:
    found = {f"set/{path.name}": path.read_bytes() for path in (folder / "set").iterdir()}
    return found == FILES


def get(site: Site, folder: Path, *more: str) -> None:
    obtain(folder / "set", "set.tar.gz", MD5, [f"{site.url}/set.tar.gz", *more])


def one_line(error: pytest.ExceptionInfo[DataError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_an_archive_is_fetched_once_and_unpacked(site: Site, tmp_path: Path) -> None:
    get(site, tmp_path)
    get(site, tmp_path)
    assert whole(tmp_path) and len(site.requests) == 1
    assert {path.name for path in tmp_path.iterdir() if path.name[0] != "."} == {"set", "set.tar.gz"}


def test_a_gzip_becomes_the_file_that_it_holds(site: Site, tmp_path: Path) -> None:
    import gzip

    content = gzip.compress(b"images")
    site.files["/images.gz"] = content
    md5 = hashlib.md5(content).hexdigest()
    obtain(tmp_path / "raw" / "images", "images.gz", md5, [f"{site.url}/images.gz"])
    assert (tmp_path / "raw" / "images").read_bytes() == b"images"


def test_what_is_there_is_never_touched(site: Site, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine").write_text("my own")
    get(site, tmp_path)
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["mine"] and not site.requests


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_half_a_download_is_continued_or_begun_anew(site: Site, tmp_path: Path, ranges: bool) -> None:
    site.ranges = ranges
    (tmp_path / "set.tar.gz.part").write_bytes(ARCHIVE[:70_000])
    get(site, tmp_path)
    assert whole(tmp_path)
    assert site.requests == [("/set.tar.gz", 70_000)]


def test_the_half_archive_of_another_program_is_continued(site: Site, tmp_path: Path) -> None:
    """torchvision writes under the final name: what it left must not pass for the whole."""
    (tmp_path / "set.tar.gz").write_bytes(ARCHIVE[:50_000])
    get(site, tmp_path)
    assert whole(tmp_path) and site.requests == [("/set.tar.gz", 50_000)]


@pytest.mark.parametrize("left", [ARCHIVE, ARCHIVE + b"more"], ids=["complete", "too long"])
def test_a_part_that_needs_nothing_more_or_is_too_long(site: Site, tmp_path: Path, left: bytes) -> None:
    (tmp_path / "set.tar.gz.part").write_bytes(left)
    get(site, tmp_path)
    assert whole(tmp_path)
    assert len(site.requests) == (0 if left == ARCHIVE else 2)


def test_a_part_of_another_file_is_dropped_for_a_fresh_start(site: Site, tmp_path: Path) -> None:
    (tmp_path / "set.tar.gz.part").write_bytes(b"x" * 70_000)
    get(site, tmp_path)
    assert whole(tmp_path) and [first for _, first in site.requests] == [70_000, 0]


def test_a_server_that_sends_another_range_is_not_believed(site: Site, tmp_path: Path) -> None:
    site.wrong_range = True
    (tmp_path / "set.tar.gz.part").write_bytes(ARCHIVE[:70_000])
    with pytest.raises(DataError, match="another range"):
        get(site, tmp_path)
    get(site, tmp_path)
    assert whole(tmp_path)


def test_a_server_that_breaks_off_is_asked_for_the_rest(site: Site, tmp_path: Path) -> None:
    site.cut = 60_000
    get(site, tmp_path)
    assert whole(tmp_path)
    assert [first for _, first in site.requests] == [0, 60_000, 120_000, 180_000]


def test_a_server_that_stalls_is_left_for_the_next(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    with serve() as other:
        other.files["/set.tar.gz"] = ARCHIVE
        site.stall = 0
        get(site, tmp_path, f"{other.url}/set.tar.gz")
        assert whole(tmp_path) and len(site.requests) == 1 and len(other.requests) == 1


def test_mirrors_are_tried_in_order_and_continue_each_other(site: Site, tmp_path: Path) -> None:
    """The first breaks off for good; what it gave need not be fetched again."""
    with serve() as other:
        other.files["/set.tar.gz"] = ARCHIVE
        site.cut, site.ranges = 60_000, False
        get(site, tmp_path, f"{other.url}/set.tar.gz")
        assert whole(tmp_path) and other.requests == [("/set.tar.gz", 60_000)]


def test_ones_own_mirror_comes_first(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mirrors("toys", "set.tar.gz", ["https://a.org/"]) == ["https://a.org/set.tar.gz"]
    monkeypatch.setenv("CONVBOOK_MIRROR", f"{site.url}/copies/")
    site.files["/copies/toys/set.tar.gz"] = ARCHIVE
    urls = mirrors("toys", "set.tar.gz", [site.url])
    obtain(tmp_path / "set", "set.tar.gz", MD5, urls)
    assert whole(tmp_path) and site.requests == [("/copies/toys/set.tar.gz", 0)]


def test_the_wrong_file_is_refused_and_leaves_nothing(site: Site, tmp_path: Path) -> None:
    site.files["/set.tar.gz"] = b"<html>sign in</html>"
    with pytest.raises(DataError) as error:
        get(site, tmp_path)
    assert "127.0.0.1: what it sent has another checksum" in one_line(error)
    assert not [path for path in tmp_path.iterdir() if path.name[0] != "."]


def test_every_mirrors_failure_is_told(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        fetch(tmp_path / "a.gz", MD5, [f"{site.url}/a.gz", "http://127.0.0.1:9/a.gz", "nonsense"])
    text = one_line(error)
    assert "HTTP 404" in text and "refused" in text and "unknown url type" in text
    assert "check the network and try again" in text and "CONVBOOK_MIRROR" in text


def test_a_server_that_stalls_halfway_is_a_clear_line(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    site.stall, site.ranges = 30_000, False
    with pytest.raises(DataError, match="timed out") as error:
        get(site, tmp_path)
    one_line(error)
    assert (tmp_path / "set.tar.gz.part").stat().st_size == 30_000, "kept, to be continued"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's device that is always full")
def test_a_full_disk_is_told_as_such(site: Site, tmp_path: Path) -> None:
    (tmp_path / "set.tar.gz.part").symlink_to("/dev/full")
    with pytest.raises(DataError, match=r"No space left on device.*make room") as error:
        get(site, tmp_path)
    one_line(error)


def test_a_disk_that_fills_while_unpacking_leaves_no_folder(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tarfile.TarFile.makefile
    written = []

    def makefile(self, member, path) -> None:
        written.append(path)
        if len(written) > 5:
            raise OSError(28, "No space left on device")
        real(self, member, path)

    monkeypatch.setattr(tarfile.TarFile, "makefile", makefile)
    with pytest.raises(DataError, match="make room"):
        get(site, tmp_path)
    assert {path.name for path in tmp_path.iterdir() if path.name[0] != "."} == {"set.tar.gz"}
    assert len(written) == 6 and not list(tmp_path.glob(".set.unpacking"))


def test_progress_is_shown_in_bytes_where_somebody_watches(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    get(site, tmp_path / "silent")
    assert capfd.readouterr() == ("", "")
    monkeypatch.setenv("CONVBOOK_PROGRESS", "1")
    get(site, tmp_path / "shown")
    out, err = capfd.readouterr()
    assert "set.tar.gz" in out and "/201k" in out and err == ""


def fork(action: Callable[[], object]) -> int:
    """Run ``action`` in a copy of this process and return its id; the exit status is 0 if it went well."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        action()
        status = 0
    finally:
        os._exit(status)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
class TestProcesses:
    def test_two_at_once_fetch_it_once(self, site: Site, tmp_path: Path) -> None:
        site.pace = 0.001
        children = [fork(lambda: get(site, tmp_path)) for _ in range(2)]
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
        assert whole(tmp_path) and len(site.requests) == 1

    def test_killed_while_it_downloads_leaves_a_part_to_go_on_with(self, site: Site, tmp_path: Path) -> None:
        site.pace = 0.001
        part = tmp_path / "set.tar.gz.part"
        for size in (30_000, 90_000):
            child = fork(lambda: get(site, tmp_path))
            while not (part.exists() and part.stat().st_size > size):
                time.sleep(0.005)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            assert not (tmp_path / "set").exists() and not (tmp_path / "set.tar.gz").exists()
        site.pace = 0
        get(site, tmp_path)
        assert whole(tmp_path)
        _, second, third = (first for _, first in site.requests)
        assert second > 30_000 and third > 90_000

    @pytest.mark.parametrize("files", [0, 3, 6, 9])
    def test_killed_while_it_unpacks_leaves_no_half_folder(
        self, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int
    ) -> None:
        """The child kills itself, as the system would, after some of the ten files."""
        (tmp_path / "set.tar.gz").write_bytes(ARCHIVE)
        real = tarfile.TarFile.makefile

        def makefile(self, member, path) -> None:
            real(self, member, path)
            if member.name == f"set/part_{files}":
                os.kill(os.getpid(), signal.SIGKILL)

        with monkeypatch.context() as patch:
            patch.setattr(tarfile.TarFile, "makefile", makefile)
            _, status = os.waitpid(fork(lambda: get(site, tmp_path)), 0)
        assert os.WTERMSIG(status) == signal.SIGKILL and not (tmp_path / "set").exists()
        assert len(list((tmp_path / ".set.unpacking" / "set").iterdir())) == files + 1
        get(site, tmp_path)
        assert whole(tmp_path) and not (tmp_path / ".set.unpacking").exists() and not site.requests
