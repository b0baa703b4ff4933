"""The whole book as one PDF, printed by Chromium: it sets the pages as readers see them, without scripts.

Twice: the first printing tells on which page each chapter begins, the second has that in its contents.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from courseware.contents import parts, sources
from courseware.notebooks import CourseError, write_atomic
from courseware.one_page import Cover, merge

NAME = "convbook.pdf"
TIMEOUT = 600  # seconds for one printing
_OBJECT = re.compile(rb"(?:^|[\r\n])(\d+) 0 obj\s(.*?)\sendobj", re.DOTALL)
_DESTINATION = re.compile(rb"/([^\s/\[\]<>()]+)\s*\[(\d+) 0 R\s*/XYZ")
_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")


class PrintError(CourseError):
    """The book cannot be printed; the message says what to do."""


@dataclass(frozen=True)
class Printed:
    """A printed book: where it is, how many pages it has, and how long printing took."""

    path: Path
    pages: int
    seconds: float


def find_chromium() -> str:
    """Return the browser's path: $CHROMIUM, or what is on the PATH.

    Raises:
        PrintError: if there is none.
    """
    named = os.environ.get("CHROMIUM")
    found = shutil.which(named) if named else shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        raise PrintError("Chromium not found: run `apt-get install chromium`, or set CHROMIUM to its path")
    return found


def write(
    root: Path, html: Path, target: Path | None = None, *, say: Callable[[str], None] = print
) -> Printed:
    """Print the book under `root`, whose pages are built in `html`, to `target`.

    By default the file lies beside the pages, where the front page links to it.

    Raises:
        PrintError: if there is no Chromium, or it does not print.
    """
    browser = find_chromium()
    started = time.monotonic()
    target = target or html / NAME
    config = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
    cover, names = read_cover(root, config), list(sources(root))
    with tempfile.TemporaryDirectory(dir=html.parent, prefix=".printing-") as scratch:
        say(f"printing {len(names)} pages of the book, twice: the contents need the page numbers")
        book = merge(html, names, parts(root), cover)
        numbers = page_numbers(print_page(book.html({}), Path(scratch), browser))
        content = print_page(book.html(numbers), Path(scratch), browser)
    if page_numbers(content) != numbers:
        raise PrintError("the contents' page numbers did not settle: is another program changing the pages?")
    write_atomic(target, content)
    return Printed(target, count_pages(content), time.monotonic() - started)


def read_cover(root: Path, config: Mapping[str, object]) -> Cover:
    """Collect what stands on the title page from the book's own files."""
    citation = yaml.safe_load((root / "CITATION.cff").read_text("utf-8"))
    html = config["html"]
    assert isinstance(html, dict)
    _, _, subtitle = str(citation["title"]).partition(": ")
    return Cover(
        title=str(config["title"]),
        subtitle=subtitle[:1].upper() + subtitle[1:],
        author=str(config["author"]),
        version=str(citation["version"]),
        address=str(html["baseurl"]),
        licence=str(html.get("extra_footer", "")).strip(),
    )


def print_page(page: str, folder: Path, browser: str) -> bytes:
    """Let Chromium print an HTML page that is written into `folder`; return the PDF.

    Raises:
        PrintError: if it takes too long, or prints nothing.
    """
    source, made = folder / "book.html", folder / "book.pdf"
    source.write_text(page, "utf-8")
    made.unlink(missing_ok=True)
    command = [
        browser,
        "--headless",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--allow-file-access-from-files",
    ]
    command += ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses root otherwise
    command += [f"--user-data-dir={folder / 'profile'}", "--no-pdf-header-footer"]
    command += ["--generate-pdf-document-outline", f"--print-to-pdf={made}", source.as_uri()]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise PrintError(f"Chromium did not finish printing within {TIMEOUT} s") from None
    if not made.is_file():
        said = next(reversed(ran.stderr.strip().splitlines()), f"status {ran.returncode}")
        raise PrintError(f"Chromium printed nothing: {said}")
    return made.read_bytes()


def count_pages(pdf: bytes) -> int:
    """Return the number of pages."""
    return len(_page_objects(pdf))


def page_numbers(pdf: bytes) -> dict[str, int]:
    """Return the page, from 1, on which each anchor that a link names stands."""
    order = {number: page for page, number in enumerate(_page_objects(pdf), start=1)}
    found = {}
    for name, page in _DESTINATION.findall(pdf):
        if int(page) in order:
            plain = _ESCAPE.sub(lambda code: bytes([int(code[1], 16)]), name)
            found[plain.decode("utf-8", "replace")] = order[int(page)]
    return found


def _page_objects(pdf: bytes) -> list[int]:
    """Return the pages' object numbers in reading order, from the tree that holds them."""
    objects = {int(number): body for number, body in _OBJECT.findall(pdf)}

    def walk(number: int) -> Iterable[int]:
        body = objects[number]
        kids = re.search(rb"/Kids\s*\[(.*?)\]", body, re.DOTALL)
        if kids is None:
            return [number]
        return [leaf for kid in re.findall(rb"(\d+) 0 R", kids[1]) for leaf in walk(int(kid))]

    root = next(
        (re.search(rb"/Pages (\d+) 0 R", body) for body in objects.values() if b"/Catalog" in body), None
    )
    return list(walk(int(root[1]))) if root else []
