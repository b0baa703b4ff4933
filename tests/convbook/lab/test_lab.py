"""The lab's checks: the solved source passes, mistakes are told apart, the file to hand in works."""

import base64
import json
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from convbook import plots
from convbook.lab import Lab, LabError
from courseware.labs import student_version
from courseware.notebooks import read

SOURCE = Path(__file__).parents[3] / "labs" / "bottleneck.ipynb"
IMPORTS = "import torch\nfrom torch import Tensor, nn\nfrom torch.nn import functional as F\n"

# exercise: (what stands in the solution, what a student might write instead, a word of the hint)
MISTAKES = {
    "dense count for a grouped layer": ("conv_weights", "channels_in // groups", "channels_in", "group"),
    "kernel side not squared": ("conv_weights", "kernel_size**2", "kernel_size", "nn.Conv2d"),
    "filters cut along the wrong axis": (
        "grouped_conv",
        "weight.chunk(groups, dim=0)",
        "weight.chunk(1)",
        "raised",
    ),
    "groups in the wrong order": (
        "grouped_conv",
        "x.chunk(groups, dim=1)",
        "x.chunk(groups, dim=1)[::-1]",
        "channels",
    ),
    "no padding": ("grouped_conv", "padding=1", "padding=0", "shape"),
    "shortcut forgotten": (
        "ResidualBlock",
        "self.branch(x) + x",
        "self.branch(x)",
        "input should come through",
    ),
    "no last ReLU": (
        "ResidualBlock",
        "F.relu(self.branch(x) + x)",
        "self.branch(x) + x",
        "last step is a ReLU",
    ),
    "ReLU before the sum": (
        "ResidualBlock",
        "F.relu(self.branch(x) + x)",
        "F.relu(self.branch(x)) + F.relu(x)",
        "sum",
    ),
    "biases beside batch norm": ("ResidualBlock", "padding=1, bias=False", "padding=1", "bias"),
    "projection that never strides": ("make_shortcut", "stride=stride, ", "", "shape"),
    "projection where none is needed": (
        "make_shortcut",
        "and stride == 1",
        "and stride == 3",
        "no parameters",
    ),
    "ReLU on the shortcut": (
        "make_shortcut",
        "nn.BatchNorm2d(channels_out),",
        "nn.BatchNorm2d(channels_out), nn.ReLU(),",
        "no ReLU",
    ),
    "stride in the first 1x1": (
        "Bottleneck",
        "nn.Conv2d(channels_in, width, 1, bias=False)",
        "nn.Conv2d(channels_in, width, 1, stride=stride, bias=False)",
        "size of tensor",
    ),
    "3x3 at full width": (
        "Bottleneck",
        "nn.Conv2d(width, width, 3",
        "nn.Conv2d(width, width, 3, groups=1), nn.Conv2d(width, width, 3",
        "one 3x3",
    ),
    "groups forgotten": ("AggregatedBottleneck", "groups=cardinality, ", "", "groups"),
    "shortcut forgotten in the aggregated block": (
        "AggregatedBottleneck",
        "self.branch(x) + self.shortcut(x)",
        "self.branch(x)",
        "input should come through",
    ),
    "only the 3x3 counted": (
        "matched_width",
        "256 * total + 9 * width * total + total * 256",
        "9 * width * total",
        "three",
    ),
    "largest width below the target": (
        "matched_width",
        "abs(weights(cardinality, width) - target)",
        "width",
        "narrow",
    ),
}


def solutions() -> dict[str, str]:
    """The code of each exercise's cell in the solved source."""
    cells = [cell["source"] for cell in read(SOURCE)["cells"] if cell["cell_type"] == "code"]
    found = {}
    for name in Lab("bottleneck").checks:
        found[name] = next(c for c in cells if c.startswith((f"def {name}(", f"class {name}(")))
    return found


def define(source: str, name: str):
    space: dict = {"__name__": "student"}
    exec(IMPORTS + source, space)
    return space[name]


@pytest.mark.parametrize("name", list(Lab("bottleneck").checks))
def test_the_solved_source_passes_each_check(name, capsys):
    lab = Lab("bottleneck")
    lab.check(define(solutions()[name], name))
    assert lab.passed == [name], lab.results
    assert capsys.readouterr().out == f"{name}: passed\n"


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_planted_mistake_fails_its_check_with_a_hint(mistake):
    name, right, wrong, hint = MISTAKES[mistake]
    source = solutions()[name]
    assert right in source
    lab = Lab("bottleneck")
    lab.check(define(source.replace(right, wrong), name))
    assert lab.passed == []
    assert hint in lab.results[name], lab.results[name]


def test_the_untouched_student_version_passes_nothing():
    cells = [cell["source"] for cell in student_version(read(SOURCE))["cells"] if cell["cell_type"] == "code"]
    lab = Lab("bottleneck")
    for name in lab.checks:
        source = next(c for c in cells if c.startswith((f"def {name}(", f"class {name}(")))
        lab.check(define(source, name))
        assert lab.results[name] == "not written yet"
    assert lab.passed == []


def test_a_check_never_prints_an_expected_number():
    lab = Lab("bottleneck")
    lab.check(define("def matched_width(cardinality):\n    return 3", "matched_width"))
    lab.check(define("def conv_weights(a, b, k, groups=1):\n    return 1", "conv_weights"))
    assert not any(number in str(lab.results) for number in ("64,", " 40", " 24", " 14", "600", "16384"))


def test_a_block_that_makes_its_shortcut_first_passes():
    source = solutions()["Bottleneck"]
    start = source.index("        self.shortcut: nn.Module")
    end = source.index("        # END SOLUTION", start)
    shortcut = source[start:end]
    moved = source.replace(shortcut, "").replace(
        "        self.branch = ", shortcut + "        self.branch = ", 1
    )
    lab = Lab("bottleneck")
    lab.check(define(moved, "Bottleneck"))
    assert lab.passed == ["Bottleneck"], lab.results


def test_unknown_labs_and_exercises_are_named():
    with pytest.raises(LabError, match=r"choose from .*bottleneck"):
        Lab("bottlenek")
    with pytest.raises(LabError, match="no exercise of this lab"):
        Lab("bottleneck").check(print)


def cells_of(folder) -> list[dict]:
    return json.loads((folder / "bottleneck-hand-in.ipynb").read_text())["cells"]


def test_the_hand_in_holds_the_newest_definitions_and_runs_by_itself(tmp_path, capsys):
    lab = Lab("bottleneck")
    old = "def conv_weights(*args):\n    return 0"
    cells = [IMPORTS, "%matplotlib inline", old, *solutions().values(), "lab.check(conv_weights)"]
    lab.hand_in("Three seeds are few.", cells=cells, folder=tmp_path)
    assert "7 of its 7 exercises pass" in capsys.readouterr().out
    sources = [cell["source"] for cell in cells_of(tmp_path)]
    assert old not in sources and any("channels_out * kernel_size**2" in source for source in sources)
    assert not any("lab.check" in source for source in sources)
    assert sources[-1].endswith("\n\nThree seeds are few.")


def test_a_hand_in_takes_helpers_from_other_cells_in_whatever_order_they_ran(tmp_path, capsys):
    lab = Lab("bottleneck")
    main = "%%time\ndef conv_weights(a, b, k, groups=1):\n    return share(a, groups) * b * k**2"
    helper = "def share(n, groups):\n    return n // groups"
    cells = [IMPORTS, main, *list(solutions().values())[1:], helper]
    for _ in range(2):  # the second time over the first file
        lab.hand_in("words", cells=cells, folder=tmp_path)
        assert "7 of its 7 exercises pass" in capsys.readouterr().out
    assert [cell["source"] for cell in cells_of(tmp_path)].count(helper) == 1


def test_a_hand_in_without_some_exercises_says_which(tmp_path, capsys):
    stub = "def conv_weights(a, b, k, groups=1):\n    # your code here\n    raise NotImplementedError"
    cells = [IMPORTS, stub, *list(solutions().values())[1:]]
    Lab("bottleneck").hand_in("words", cells=cells, folder=tmp_path)
    printed = capsys.readouterr().out
    assert (
        "6 of its 7 exercises pass" in printed
        and "Not written yet, and not in the file: conv_weights" in printed
    )


def test_the_hand_in_carries_the_last_figures_and_says_what_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: None)
    for number in range(4):
        plots.show(plots.curves({"a": [1.0, number]}, "train_loss"), f"Curve {number}")
    lab = Lab("bottleneck")
    lab.hand_in("words", cells=[IMPORTS, *solutions().values()], folder=tmp_path)
    nbformat.validate(nbformat.read(tmp_path / "bottleneck-hand-in.ipynb", as_version=4))
    cells = cells_of(tmp_path)
    assert "`bottleneck`" in cells[0]["source"] and all(name in cells[0]["source"] for name in lab.checks)
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert [output["data"]["text/plain"] for output in outputs] == ["Curve 1", "Curve 2", "Curve 3"]
    for output in outputs:
        picture = base64.b64decode(output["data"]["image/png"])
        assert picture.startswith(b"\x89PNG") and len(picture) <= 300_000


def test_a_hand_in_that_would_not_work_says_what_to_mend(tmp_path):
    lab = Lab("bottleneck")
    cells = [IMPORTS, *solutions().values()]
    for answer in ("  ", None):
        with pytest.raises(LabError, match="no answer yet"):
            lab.hand_in(answer, cells=cells, folder=tmp_path)
    with pytest.raises(LabError, match="defines matched_width"):
        lab.hand_in("words", cells=cells[:-1], folder=tmp_path)
    with pytest.raises(LabError, match="run all cells from the top first"):
        lab.hand_in("words", cells=[], folder=tmp_path)
    leaning = [*cells, "class ResidualBlock(HelperFromElsewhere):\n    x = 1"]
    with pytest.raises(LabError, match=r"class ResidualBlock.*does not run by itself"):
        lab.hand_in("words", cells=leaning, folder=tmp_path)
    with pytest.raises(LabError, match="from the notebook itself"):
        lab.hand_in("words", folder=tmp_path)


def test_the_running_notebooks_own_cells_are_handed_in(tmp_path, monkeypatch, capsys):
    typed = [IMPORTS, *solutions().values(), "%%time\ndef matched_width(c):\n    return 0"]
    history = SimpleNamespace(input_hist_raw=["", *typed])
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(history_manager=history))
    Lab("bottleneck").hand_in("words", folder=tmp_path)
    assert "6 of its 7 exercises pass" in capsys.readouterr().out  # the newest one, within %%time
