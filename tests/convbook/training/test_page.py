"""The examples on the book's page on training are code that runs."""

import re
from pathlib import Path

import matplotlib as mpl
import pytest

PAGE = Path(__file__).parents[3] / "training.md"


@pytest.mark.skipif(not PAGE.is_file(), reason="the package is tested without its book")
def test_the_pages_examples_run_one_after_the_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mpl.use("agg")
    monkeypatch.setenv("CONVBOOK_PROGRESS", "0")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    here = [block for block in blocks if not block.startswith("# train.py")]  # that one wants CIFAR-10
    assert len(here) == 4 and len(blocks) == 5
    names: dict[str, object] = {}
    for block in here:
        exec(compile(block, str(PAGE), "exec"), names)
    right = float(re.search(r"([\d.]+) % right", capsys.readouterr().out)[1])
    assert right > 80, "ten epochs are enough to learn the digits"
    compile(next(block for block in blocks if block.startswith("# train.py")), str(PAGE), "exec")
