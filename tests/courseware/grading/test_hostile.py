"""A class of hostile students and honest ones among them, graded in one run: each gets what was earned.

The files are hostile's own; what is judged here is what comes out: marks, pages, what is left behind.
"""

import csv
import ctypes
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from filelock import FileLock

from courseware.grading.result import Result
from courseware.grading.run import Grading, grade

sys.path.insert(0, str(Path(__file__).parent))  # as the workers' path is, who import `hostile.hurry`

from hostile import roll
from hostile.sheets import LAB

SECONDS = 900  # the whole class, on a machine that does much else; without limits some would never end
OURS = "multiprocessing.resource_tracker"  # Python's own, beside any pool of processes, until this one ends
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
SLIPS = ("NameError", "SyntaxError", "ImportError", "ModuleNotFoundError", "UnboundLocalError")


@dataclass(frozen=True)
class Class:
    """The class, graded."""

    entries: list[roll.Entry]
    hand_ins: Path
    grades: Path
    grading: Grading
    seconds: float
    left: list[str]  # processes that were still there
    scratch: list[str]  # files
    changed: list[str]  # submissions


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    """Grade the class once, with two workers, however many processes share these tests."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    folder, kept = shared / "class", shared / "class.pickle"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder / "scratch"))
        patch.setattr(tempfile, "tempdir", str(folder / "scratch"))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        patch.setenv("CONVBOOK_GRADING_KEY", "a-key-for-the-hostile-class" * 3)
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        with FileLock(shared / "class.lock"):
            if not kept.is_file():
                kept.write_bytes(pickle.dumps(_grade_class(folder)))
        yield pickle.loads(kept.read_bytes())


def _grade_class(folder: Path) -> Class:
    folder.mkdir()
    entries = roll.write_class(folder / "hand-ins")
    before = _contents(folder)
    scratch = folder / "scratch"
    scratch.mkdir()
    adopt = ctypes.CDLL(None).prctl
    adopt(SUBREAPER, 1, 0, 0, 0)  # what is orphaned becomes a child of this process, and is seen
    others = _descendants()
    began = time.monotonic()
    try:
        found = _grade(folder)
        seconds = time.monotonic() - began
        left = _wait_until_gone(others)
    finally:
        adopt(SUBREAPER, 0, 0, 0, 0)
    after = _contents(folder)
    return Class(
        entries=entries,
        hand_ins=folder / "hand-ins",
        grades=folder / "grades",
        grading=found,
        seconds=seconds,
        left=left,
        scratch=[str(path) for path in scratch.iterdir()],
        changed=[name for name in before if after.get(name) != before[name]],
    )


def _grade(folder: Path) -> Grading:
    return grade(LAB, folder / "hand-ins", folder / "grades", workers=2, opener="hostile.hurry:open_bench")


def _contents(folder: Path) -> dict[str, str]:
    """What each file holds; a link, where it leads."""
    found = {}
    for path in [*(folder / "hand-ins").iterdir(), folder / "secret-solution.ipynb"]:
        if path.is_symlink():
            found[path.name] = str(path.readlink())
        elif path.is_file():
            found[path.name] = sha256(path.read_bytes()).hexdigest()
    return found


def _descendants() -> dict[int, str]:
    """Every living process below this one, with its command."""
    parents, commands = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text(errors="replace").rpartition(")")[2].split()[:2]
            command = stat.with_name("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended meanwhile
            continue
        if state not in "ZX" and OURS not in command:
            pid = int(stat.parent.name)
            parents[pid], commands[pid] = int(parent), command[:200]
    below = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return {pid: commands[pid] for pid in below - {os.getpid()}}


def _wait_until_gone(others: dict[int, str]) -> list[str]:
    """The processes that stay, with a moment's patience."""
    end = time.monotonic() + 3
    while (left := {pid: name for pid, name in _descendants().items() if pid not in others}) and (
        time.monotonic() < end
    ):
        time.sleep(0.1)
    return list(left.values())


def result_of(graded: Class, entry: roll.Entry) -> Result:
    """Its result: found by what the file holds, or by its name where that could not be read."""
    names = (entry.name, f"{entry.name}.ipynb")
    found = [
        each
        for each in graded.grading.results
        if each.sha256 == entry.sha256 != "" or each.file.split("/")[0] in names
    ]
    assert len(found) == 1, f"{entry.name} has {len(found)} results"
    return found[0]


def earned(result: Result) -> tuple[str, ...] | None:
    """The exercises that gained anything, each of which must have gained all of its points."""
    if result.status != "graded":
        return None
    assert all(each.points in (0, each.of) for each in result.exercises)
    return tuple(each.name for each in result.exercises if each.points)


def test_there_are_enough_of_both_kinds(graded):
    hostile = sum(entry.hostile for entry in graded.entries)
    assert hostile >= 30 and len(graded.entries) - hostile >= 30
    assert len(graded.grading.results) == len(graded.entries)


def test_each_hostile_submission_gets_what_it_earned_and_no_point_more(graded):
    wrong = {
        entry.name: (entry.why, entry.earns, earned(result_of(graded, entry)), problems(graded, entry))
        for entry in graded.entries
        if entry.hostile and earned(result_of(graded, entry)) != entry.earns
    }
    assert wrong == {}


def test_each_honest_student_among_them_gets_the_exact_mark(graded):
    wrong = {
        entry.name: (entry.earns, earned(result_of(graded, entry)), problems(graded, entry))
        for entry in graded.entries
        if not entry.hostile and earned(result_of(graded, entry)) != entry.earns
    }
    assert wrong == {}


def problems(graded: Class, entry: roll.Entry) -> str:
    """What the grader said."""
    result = result_of(graded, entry)
    return result.reason or "; ".join(f"{each.name}: {each.message}" for each in result.exercises)


def test_what_cannot_be_run_is_listed_with_the_reason(graded):
    for entry in graded.entries:
        result = result_of(graded, entry)
        assert bool(result.reason) == (result.status == "not run"), entry.name
        assert result.status in ("graded", "not run")


def test_nothing_secret_was_seen_and_every_attack_did_what_it_is_there_for(graded):
    said = {entry.name: problems(graded, entry) for entry in graded.entries if entry.hostile}
    assert [f"{name}: {text}" for name, text in said.items() if "LEAKED" in text] == []
    slips = {name: text for name, text in said.items() if any(slip in text for slip in SLIPS)}
    assert slips == {}, "an attack fell over its own feet"


def test_nobody_costs_another_attempt(graded):
    assert {each.file: each.reason for each in graded.grading.results if each.attempts > 1} == {}


def test_nothing_is_left_behind(graded):
    assert graded.left == [], "processes"
    assert graded.scratch == [], "files in the folder for temporary ones"
    traces = [*Path("/tmp").glob("convbook-*"), *Path("/tmp").glob("answers-of-*"), Path("/tmp/earlier")]
    traces += [*Path("/dev/shm").glob("filled-*"), graded.hand_ins.parent / "outside.ipynb"]
    assert [str(path) for path in traces if path.exists()] == []
    assert not Path("convbook-named").exists()


def test_no_submission_is_changed(graded):
    assert graded.changed == []


def test_the_class_takes_a_bounded_time(graded):
    assert graded.seconds < SECONDS


def test_the_gradebook_holds_everybody_and_nothing_that_a_spreadsheet_would_run(graded):
    with (graded.grades / "gradebook.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    held = {cell for row in rows for cell in row}
    assert all(any(entry.name in cell for cell in held) for entry in graded.entries if not entry.hostile)
    assert len(rows) >= len(graded.entries)
    assert not [cell for cell in held if cell[:1] in tuple("=@\t\r") or cell[:2] in ("+=", "-=")]


def test_no_page_shows_markup_that_a_student_wrote(graded):
    pages = list(graded.grades.rglob("*.html"))
    assert len(pages) >= len(graded.entries)
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "<script>alert" not in text and "<img src=x" not in text and "onload=" not in text, page.name
        assert "\x00" not in text and "\x1b" not in text and "\u202e" not in text, page.name


def test_graded_again_nobody_is_run_again(graded):
    before = (graded.grades / "results.jsonl").read_bytes()
    assert _grade(graded.grades.parent).new == 0
    assert (graded.grades / "results.jsonl").read_bytes() == before
