"""Reading time: no model file is long, and none says again what another says."""

import io
import keyword
import tokenize
from collections import defaultdict
from pathlib import Path

import pytest

from convbook import models

FILES = sorted(Path(models.__file__).parent.glob("*.py"))
RUN = 6
LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}


def shape(source: str) -> list[tuple[int, str]]:
    """(line, its tokens with every name made one), without imports, comments and lone punctuation."""
    lines: dict[int, list[str]] = defaultdict(list)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in LAYOUT and token.string:
            name = token.type == tokenize.NAME and not keyword.iskeyword(token.string)
            lines[token.start[0]].append("name" if name else token.string)
    texts = ((number, " ".join(tokens)) for number, tokens in sorted(lines.items()))
    return [
        (n, t) for n, t in texts if any(c.isalnum() for c in t) and not t.startswith(("from ", "import "))
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_model_file_has_fewer_than_300_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 300


def test_no_run_of_six_lines_stands_twice_names_aside():
    seen: dict[tuple[str, ...], str] = {}
    twice = []
    for path in FILES:
        lines = shape(path.read_text(encoding="utf-8"))
        for i in range(len(lines) - RUN + 1):
            window = tuple(text for _, text in lines[i : i + RUN])
            place = f"{path.name}:{lines[i][0]}"
            if window in seen:
                twice.append(f"{place} repeats {seen[window]}")
            seen.setdefault(window, place)
    assert twice == []


def test_a_repeated_run_would_be_found():
    body = [f"    x = f{i}(a, {i})" for i in range(RUN)]
    renamed = [line.replace("x", "y").replace("a", "b") for line in body]
    first, second = shape("def f():\n" + "\n".join(body)), shape("def g():\n" + "\n".join(renamed))
    assert [text for _, text in first] == [text for _, text in second]
