"""Files that are hostile in themselves: what a reader of notebooks, archives and names must survive."""

import io
import os
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .sheets import EXERCISES, IMPORTS, as_bytes, code, notebook, sheet, solved, words

FEW = ("conv_weights", "matched_width")  # what most of these students have solved
MB = 2**20


class File(NamedTuple):
    """A file, what it does, and what it earns; `earns` None: it cannot be run."""

    name: str
    why: str
    earns: tuple[str, ...] | None
    content: bytes


def few() -> dict[str, str]:
    """Solutions of a few exercises."""
    right = solved()
    return {name: right[name] for name in FEW}


def unreadable() -> Iterator[File]:
    """What is no notebook of this lab."""
    fine = as_bytes(sheet(few()))
    deep = 100_000
    other = [
        IMPORTS,
        "from convbook.lab import Lab\nlab = Lab('convolution')",
        "def conv2d(x, w):\n    return x",
    ]
    yield File("too-large", "a file of 60 MB", None, fine + b" " * 60_000_000)
    yield File("too-much", "a cell of 10 MB", None, as_bytes(sheet(few(), "x = '" + "a" * 10_000_000 + "'")))
    yield File("empty", "an empty file", None, b"")
    yield File("html", "a page that a browser saved", None, b"<!DOCTYPE html><title>Colab</title>" + fine)
    yield File(
        "latin",
        "a notebook that is not UTF-8",
        None,
        as_bytes(notebook(["# \u00e9"])).replace(b"\\u00e9", b"\xe9\xff"),
    )
    yield File("cut", "a notebook cut short", None, fine[:-400])
    yield File("other-lab", "a notebook of another lab", None, as_bytes(notebook(other)))
    yield File("deep-lists", "JSON nested a hundred thousand deep", None, b"[" * deep + b"]" * deep)
    yield File("deep-cells", "cells within cells", None, b'{"cells":' * deep + b"[]" + b"}" * deep)
    yield File("null", "JSON that is nothing", None, b"null")
    yield File("no-cells", "cells that are no list", None, b'{"cells": {"a": 1}, "nbformat": 4}')
    yield File(
        "digits",
        "a number of a million digits",
        None,
        fine.replace(b'"nbformat": 4', b'"nbformat": ' + b"4" * 1_000_000),
    )


def damaged() -> Iterator[File]:
    """What a careless or a hostile hand made of a notebook that still holds work."""
    right, some = solved(), few()
    cells = [code(cell) for cell in right.values()]
    twice = [*cells[::-1], IMPORTS, *cells[::-1]]
    bare = {"cells": [{"cell_type": "code", "source": cell["source"]} for cell in [code(IMPORTS), *cells]]}
    stub = "def matched_width(cardinality: int) -> int:\n    # your code here\n    raise NotImplementedError"
    yield File("reordered", "cells in reverse, each of them twice", EXERCISES, as_bytes(notebook(twice)))
    yield File("bare", "cells without ids, metadata and outputs", EXERCISES, as_bytes(bare | {"nbformat": 4}))
    yield File("stub-last", "an untouched stub after the solution", FEW, as_bytes(sheet(some, stub)))

    utf16 = as_bytes(sheet(some, "# in two bytes a letter")).decode().encode("utf-16")
    yield File("utf16", "a notebook in UTF-16, which says so", FEW, utf16)

    def with_cell(name: str, why: str, cell: str, earns: tuple[str, ...] = FEW) -> File:
        return File(name, why, earns, as_bytes(sheet({each: some[each] for each in earns}, cell)))

    hidden = FEW[:1]
    yield with_cell("deep-sum", "an expression of a hundred thousand terms", "x = " + "1 + " * 100_000 + "1")
    yield with_cell(
        "deep-minus", "a sign before a sign, a hundred thousand times", "x = " + "-" * 100_000 + "1"
    )
    yield with_cell("deep-parentheses", "parentheses a thousand deep", "x = " + "(" * 1000 + ")" * 1000)
    yield with_cell("deep-dots", "attributes of attributes", "x = a" + ".a" * 50_000)
    deep = "def matched_width(cardinality):\n    return " + "-" * 50_000 + "1"
    yield with_cell("deep-answer", "an exercise that is one deep expression", deep, hidden)
    deep = "def matched_width(cardinality):\n    return " + "(lambda: " * 90 + "1" + ")" * 90
    yield with_cell("deep-lambda", "an exercise of functions within functions", deep, hidden)
    yield with_cell("surrogates", "text that is no Unicode", "x = '\ud800'")
    yield with_cell("nul", "a character that Python does not read", "x = '\0'")
    yield with_cell("magics", "commands of the shell", "%%bash\ntouch /tmp/convbook-magic\n")
    yield with_cell(
        "shell", "commands of the shell among Python", "!touch /tmp/convbook-magic\n%run /etc/passwd\nx = 1"
    )
    yield with_cell(
        "future", "a statement for the whole notebook", "from __future__ import annotations\nx: y = 1"
    )
    yield with_cell(
        "generator", "an exercise that is a generator", "def matched_width(c):\n    yield 64", hidden
    )
    yield with_cell(
        "coroutine", "an exercise that is awaited", "async def matched_width(c):\n    return 64", hidden
    )
    yield with_cell("no-function", "an exercise that is a number", "matched_width = 64", hidden)
    yield with_cell(
        "imported", "an exercise that is imported", "from os import system as matched_width", hidden
    )

    output = {"output_type": "stream", "name": "stdout", "text": "x" * 45_000_000}
    yield File(
        "huge-outputs", "45 MB of outputs", FEW, as_bytes(sheet(some, code("x = 1", outputs=[output])))
    )
    pictures = [_picture(b"\x89PNG\r\n\x1a\n" + b"\xff" * MB), _picture(b"<svg onload=\"alert('leaked')\"/>")]
    page = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"text/html": "<script>alert('leaked')</script>"},
    }
    yield File(
        "pictures",
        "pictures that are none, and pages for pictures",
        FEW,
        as_bytes(sheet(some, code("plots.show()", outputs=[*pictures, page]))),
    )
    answer = 'answer = """</pre><script>alert(\'leaked\')</script>\u202e\x1b[2J"""'
    yield File(
        "markup",
        "an answer in words that is a program",
        FEW,
        as_bytes(sheet(some, code(answer, metadata={"tags": ["answer"]}), words(answer))),
    )


def _picture(content: bytes) -> dict:
    return {"output_type": "display_data", "metadata": {}, "data": {"image/png": b64encode(content).decode()}}


def named() -> Iterator[File]:
    """Names that are hostile, on work that is not; each differs by a comment, so that no two are equal."""
    names = {
        "two\nlines": "a line's end in the name",
        "turned\u202egnp.\u2066around": "a name that shows other letters than it has",
        "=HYPERLINK(leaked)": "a name that is a formula for a spreadsheet",
        "-o": "a name that is an option",
        "$(touch convbook-named)`id`;": "a name that is a command for a shell",
        "<img src=x onerror=alert(1)>": "a name that is markup",
        "..\\..\\up": "a name that is a path for Windows",
        "CON": "a name that is a device's for Windows",
        "name\udcff": "a name that is not UTF-8",
        "x" * 240: "a name as long as there can be",
    }
    for number, (name, why) in enumerate(names.items()):
        yield File(name, why, FEW, as_bytes(sheet(few(), f"# the name of student {number} is strange")))


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def archives() -> Iterator[File]:
    """Archives in place of notebooks."""
    fine = as_bytes(sheet(few(), "# from an archive"))
    bomb = _zip({"bottleneck-hand-in.ipynb": b" " * 150 * MB})
    yield File("bomb.zip", "an archive of 150 KB that holds 150 MB", None, bomb)
    liar = bomb.replace((150 * MB).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    yield File("liar.zip", "the same, and it says that it holds 100 bytes", None, liar)
    yield File("broken.zip", "an archive that ends early", None, _zip({"a.ipynb": fine})[:-60])
    yield File("nothing.zip", "an archive of nothing", None, _zip({}))
    outside = {"../../outside.ipynb": fine + b" ", "/tmp/convbook-outside.ipynb": fine + b"  "}
    yield File("outside.zip", "an archive whose entries lie outside of it", None, _zip(outside))


def doubles() -> Iterator[tuple[File, File]]:
    """Students who handed in twice: an older file, all of it right, and the newer, which counts."""
    older = as_bytes(sheet(solved(), "# the first try"))
    names = {
        "doejane_123_7001_bottleneck-hand-in": "doejane_LATE_123_7002_bottleneck-hand-in-1",
        "twice (1)": "twice_bottleneck-hand-in (2)",
    }
    for number, (first, last) in enumerate(names.items()):
        newer = as_bytes(sheet(few(), f"# the second try of student {number}"))
        yield (
            File(first, "the older of two files", EXERCISES, older + b" " * number),
            File(last, "the newer of two files", FEW, newer),
        )


def special(folder: Path) -> dict[str, str]:
    """Put what is no file into `folder`; its names, and what each does."""
    secret = folder.parent / "secret-solution.ipynb"
    secret.write_bytes(as_bytes(sheet(solved(), "# secret")))
    (folder / "link-secret.ipynb").symlink_to(secret)
    (folder / "link-system.ipynb").symlink_to("/etc/passwd")
    (folder / "link-endless.ipynb").symlink_to("/dev/zero")
    (folder / "link-loop.ipynb").symlink_to("link-loop.ipynb")
    os.mkfifo(folder / "pipe.ipynb")
    return {
        "link-secret": "a link to a solution outside the folder",
        "link-system": "a link to a file of the system",
        "link-endless": "a link to a device that never ends",
        "link-loop": "a link to itself",
        "pipe": "a pipe that nobody writes to",
    }
