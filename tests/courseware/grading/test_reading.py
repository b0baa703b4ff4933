"""Bytes that claim to be a notebook: read if they are, and told why not if they are not."""

import base64
import json
import struct
import zlib

import pytest

from convbook.lab import handin
from courseware.grading.reading import read_submission


def code(source, **more):
    return {
        "cell_type": "code",
        "source": source,
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    } | more


def text(source, **more):
    return {"cell_type": "markdown", "source": source, "metadata": {}} | more


def notebook(*cells, **more):
    made = [code(cell) if isinstance(cell, str) else cell for cell in cells]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5} | more).encode()


def png(width=1, height=1, padding=0):
    """A picture made by hand, after the format's specification."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rest = chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"tEXt", b"x" * padding) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + header + rest).decode()


def shown(*pictures):
    outputs = [
        {"output_type": "display_data", "data": {"image/png": each}, "metadata": {}} for each in pictures
    ]
    return code("plot()", outputs=outputs)


def test_code_words_figures_and_lab_of_a_whole_notebook():
    cells = [
        text("# Lab"),
        "%matplotlib inline\nfrom convbook.lab import Lab\nlab = Lab('bottleneck')",
        "answer = 'old'",
        shown(png(2)),
        "answer = '''\nI expected\nless.\n'''",
    ]
    reading = read_submission(notebook(*cells))
    assert reading.cells[0] == "pass\nfrom convbook.lab import Lab\nlab = Lab('bottleneck')"
    assert reading.words == "I expected\nless."
    assert reading.figures == (png(2),)
    assert (reading.lab, reading.problem) == ("bottleneck", "")


def test_a_hand_in_file_is_read_from_its_text_alone(monkeypatch):
    output = {"output_type": "display_data", "data": {"image/png": png()}, "metadata": {}}
    monkeypatch.setattr(handin, "figures", lambda: [output])
    made = handin.notebook(
        "receptive", ["f"], ["import math", "def f():\n    return 1"], "## So\n\nMy words."
    )
    whole = read_submission(json.dumps(made).encode())
    cells = [{key: cell[key] for key in cell if key not in ("id", "metadata")} for cell in made["cells"]]
    bare = read_submission(json.dumps({"cells": cells}).encode())
    assert whole == bare
    assert (bare.words, bare.lab, bare.figures) == ("## So\n\nMy words.", "receptive", (png(),))
    assert bare.cells[:2] == ("import math", "def f():\n    return 1")


def test_a_lab_is_known_by_its_exercises_if_nothing_names_it():
    data = notebook("def one(x):\n    return x", "class Two:\n    pass")
    labs = {"a": ("one", "three", "four"), "b": ("one", "Two", "five")}
    assert read_submission(data, labs).lab == "b"
    assert read_submission(data, {"a": labs["a"]}).lab is None
    assert read_submission(data).lab is None


@pytest.mark.parametrize(
    "data",
    [
        notebook("x = 1"),
        notebook(code(["x = ", "1"])),
        b"\xef\xbb\xbf" + notebook("x = 1"),
        notebook("x = 1").decode().encode("utf-16"),
        json.dumps(
            {"worksheets": [{"cells": [{"cell_type": "code", "input": "x = 1"}]}], "nbformat": 3}
        ).encode(),
        notebook("x = 1", 7, None, ["x"], {}, {"cell_type": "strange", "source": "y"}, code(5), code(None)),
        notebook("x = 1", metadata=[1], nbformat="four"),
        notebook(code("x = 1", outputs={"a": 1}, attachments=[3]), code("", outputs=[4, {"data": "x"}])),
    ],
    ids=["plain", "lines", "bom", "utf-16", "format 3", "odd cells", "odd metadata", "odd outputs"],
)
def test_every_kind_of_notebook_is_read(data):
    reading = read_submission(data)
    assert (reading.cells, reading.problem) == (("x = 1",), "")


NOT_NOTEBOOKS = {
    "empty": (b"", "empty"),
    "space": (b" \n", "empty"),
    "web page": (b"\n<!DOCTYPE html><html>Sign in", "web page"),
    "script": (b"import torch\n\ndef f(): pass", "Python script"),
    "zip": (b"PK\x03\x04" + b"0" * 50, "archive"),
    "cut short": (notebook("x = 1")[:-20], "cut short"),
    "no cells": (b'{"metadata": {}}', "no list of cells"),
    "a list": (b"[1, 2]", "no list of cells"),
    "not UTF-8": (b'{"cells": [{"cell_type": "code", "source": "\xe9"}]}', "UTF-8"),
    "a picture": (base64.b64decode(png()), "not a notebook"),
    "deep": (b'{"cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    "many lists": (b'{"cells": [' + b"[]," * 600_000 + b"[]]}", "too many values"),
    "many numbers": (b'{"cells": [' + b"0," * 8_000_001 + b"0]}", "too many values"),
    "endless number": (b'{"cells": [' + b"9" * 10_000 + b"]}", "number"),
    "too large": (b" " * 50_000_001, "larger than 50 MB"),
    "much code": (notebook(*["#" * 150_000] * 7), "characters of code"),
    "no code": (notebook(text("words only"), " \n"), "no code"),
    "many cells": (notebook(*["1"] * 5001), "5,000 cells"),
}


@pytest.mark.parametrize("kind", list(NOT_NOTEBOOKS))
def test_what_is_no_notebook_is_told(kind):
    data, says = NOT_NOTEBOOKS[kind]
    reading = read_submission(data)
    assert says in reading.problem and "\n" not in reading.problem
    assert (reading.cells, reading.words, reading.figures, reading.lab) == ((), "", (), None)


def test_a_cell_that_is_not_python_stays_as_it_is():
    assert read_submission(notebook("x = 1", "def f(:")).cells == ("x = 1", "def f(:")


def test_words_are_bounded_and_can_be_written_to_a_file():
    reading = read_submission(notebook(f"answer = {'w' * 30_000!r}"))
    assert len(reading.words) == 20_000
    lone = read_submission(b'{"cells": [{"cell_type": "code", "source": "answer = \'a\\ud800\'"}]}')
    assert lone.words == "a?" and lone.cells[0].encode()
    assert read_submission(notebook("answer = compute()", "def g(answer='x'):\n    pass")).words == ""


def test_only_small_pictures_that_are_png_are_kept_and_the_last_three_of_them():
    attached = text("![](attachment:a.png)", attachments={"a.png": {"image/png": png(7)}})
    old = code("", outputs=[{"output_type": "pyout", "png": png(8)}])
    lines = [each + "\n" for each in (png(9)[:40], png(9)[40:])]
    bad = ["", "%%%", "<svg onload=1>", base64.b64encode(b"GIF89a" * 20).decode(), png()[:20]]
    bad += [png(5000), png(1, 0), png(padding=300_000), "A" * 10_000_000, 5, {"a": 1}]
    reading = read_submission(notebook("x = 1", shown(png(6)), attached, old, shown(lines, *bad)))
    assert reading.figures == (png(7), png(8), png(9))
