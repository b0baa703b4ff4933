"""The benchmark of grading: what is timed, what is refused as no measurement, what memory is counted."""

import math
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from courseware.bench import grading, grading_sides, page, result
from courseware.bench.figure import Figure, at_least
from courseware.bench.grading_memory import Look, course_of, resident, watch
from courseware.bench.grading_sheets import ASSERTIONS, sheet, solved, write_sheets
from courseware.bench.grading_sides import Grader, Unavailable, nbgrader_environment
from courseware.bench.turns import Bench
from courseware.bench.words import amount, cost
from courseware.cli import main
from courseware.notebooks import CourseError, find_root

MB = 2**20


@pytest.fixture(scope="module")
def root() -> Path:
    return find_root(Path(__file__))


def run(notebook) -> None:
    space = {}
    for cell in notebook["cells"]:
        exec(cell["source"], space)


def test_every_exercise_of_a_sheet_passes_its_assertion(root):
    run(sheet(solved(root)))


@pytest.mark.parametrize("name", ASSERTIONS)
def test_every_assertion_fails_for_an_answer_that_is_none(root, name):
    wrong = solved(root) | {name: f"def {name}(*args):\n    return torch.zeros(2, 1, 1, 1)"}
    with pytest.raises((AssertionError, AttributeError, RuntimeError, TypeError)):
        run(sheet(wrong))


def test_sheets_are_all_different_and_hold_marks_for_nbgrader(root, tmp_path):
    write_sheets(root, tmp_path / "sheets", 3)
    contents = [path.read_bytes() for path in sorted((tmp_path / "sheets").iterdir())]
    assert len(set(contents)) == 3
    cells = sheet(solved(root))["cells"]
    marks = [cell["metadata"].get("nbgrader") for cell in cells[1:]]
    assert [each["grade"] for each in marks] == [False, True] * len(ASSERTIONS)
    assert sum(each.get("points", 0) for each in marks) == len(ASSERTIONS)


class Pretended(Grader):
    """Takes a moment, and passes as many exercises as a test wants."""

    right = len(ASSERTIONS)

    def command(self, place):
        return [sys.executable, "-S", "-c", "import time; time.sleep(0.2)"]

    def passed(self, place):
        return self.right * self.number


@pytest.fixture
def two(tmp_path):
    folder = tmp_path / "two"
    folder.mkdir()
    for name in "ab":
        (folder / f"{name}.ipynb").touch()
    return folder


def test_a_side_is_the_whole_command_shared_among_the_submissions(two, tmp_path):
    assert 0.1 <= Pretended(two, tmp_path / "place")() < 5
    assert not (tmp_path / "place").exists()


def test_a_side_that_did_not_pass_everybody_has_measured_nothing(two, tmp_path):
    side = Pretended(two, tmp_path / "place")
    side.right -= 1
    with pytest.raises(CourseError, match="passed 8 of 10 exercises"):
        side()


def test_a_command_that_fails_is_told_with_its_last_line(tmp_path):
    with pytest.raises(CourseError, match="failed with status 3: no such thing"):
        grading_sides.run(["sh", "-c", "echo no such thing >&2; exit 3"], tmp_path)


def test_without_uv_or_an_index_nbgrader_is_missing_and_what_it_needs_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(grading_sides.shutil, "which", lambda *a, **k: None)
    with pytest.raises(Unavailable, match="pip install uv"):
        nbgrader_environment(tmp_path / "env")
    monkeypatch.setattr(grading_sides.shutil, "which", lambda *a, **k: "false")
    with pytest.raises(Unavailable, match=r"once from the package index, into .*env"):
        nbgrader_environment(tmp_path / "env")
    assert not (tmp_path / "env").exists()


def test_the_three_sides_become_two_figures(monkeypatch):
    class Slower(Pretended):
        def __call__(self):
            return 8.0

    class Ours(Pretended):
        def __call__(self):
            return 1.0

    for name, side in {"Ours": Ours, "Papermill": Slower, "Nbgrader": Slower}.items():
        monkeypatch.setattr(grading, name, lambda *a, side=side: side(*a[:2]))
    figures = list(grading.Speed().run(Bench(repeats=3, quick=True)))
    assert {each.part: (each.value, each.verdict) for each in figures} == dict.fromkeys(
        grading.Speed.targets, (8.0, "met")
    )

    def unavailable(*args):
        raise Unavailable("offline")

    monkeypatch.setattr(grading, "Nbgrader", unavailable)
    missing, loop = grading.Speed().run(Bench(repeats=3, quick=True))
    assert missing.missing == "offline" and loop.part == grading.Speed.loop and loop.value == 8.0


def test_memory_counts_what_lasts_and_neither_the_warming_up_nor_jails():
    def look(step, worker):
        jail = {1000 + step: 500 * MB}
        return Look(step / 100, {1: worker, 2: 100 * MB} | jail)

    steady = [look(step, 50 * MB if step < 10 else 100 * MB) for step in range(101)]
    assert course_of(steady) == [200 * MB] * 3
    grown = [look(step, (100 + step) * MB) for step in range(101)]
    assert course_of(grown) == [pytest.approx((200 + step) * MB) for step in (15, 50, 95)]


def test_memory_of_a_process_is_seen_with_that_of_its_children():
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc")
    inner = "x = bytearray(b'1' * 200_000_000); import time; print('ready', flush=True); time.sleep(60)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {inner!r}])"
    process = subprocess.Popen([sys.executable, "-S", "-c", outer], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    sizes = resident(process.pid)
    for pid in sizes:
        subprocess.run(["kill", str(pid)], check=False)
    process.wait()
    assert len(sizes) == 2 and max(sizes.values()) > 200_000_000 > sizes[process.pid] > 0


def test_a_process_is_watched_until_it_ends():
    start = time.monotonic()
    process = subprocess.Popen(["sleep", "0.7"])
    looks = watch(process, lambda: time.monotonic() - start)
    assert process.returncode == 0 and len(looks) >= 2 and process.pid in looks[0].resident


def test_the_page_has_a_section_on_grading_with_submissions_a_minute(tmp_path):
    assert cost([2.0, 1.5, 3.0], "s/submission") == "30.0 a minute"
    part = grading.Speed.loop
    figure = Figure(
        "speed", part, "others", "speed-up", at_least(4), [0.5] * 3, [3.0] * 3, unit="s/submission", needed=3
    )
    began = datetime(2026, 1, 31, 12, tzinfo=UTC)
    made = result.make_result("grading", "cpu", "course bench grading", began, 100.0, [figure])
    result.save_result(made, tmp_path / "grading-cpu-a.json")
    text = page.benchmark_markdown(tmp_path).split("## Grading, on")[1]
    assert f"| {part} | 120.0 a minute | 20.0 a minute | 6.00× (6.00× to 6.00×) |" in text
    assert "growth until the end, at most 5.0 %" in text and "run `course bench grading`" in text


def test_a_goal_that_was_missed_has_no_time_in_the_table():
    assert cost([math.inf, math.inf, 3.0], "s") == "not reached" == amount(math.inf, "seconds")
    assert amount(math.inf, "times") == "no bound" and cost([2.0], "s") == "2.0 s"


def test_the_command_runs_the_cases_and_its_status_tells(tmp_path, monkeypatch):
    class Case(grading.Memory):
        def run(self, bench):
            yield self.figure("growth until the end", [1.2], [1.0], unit="", needed=1)

    monkeypatch.setattr(grading, "CASES", (Case(),))
    output = tmp_path / "out.json"
    done = CliRunner().invoke(main, ["bench", "grading", "--output", str(output)])
    assert done.exit_code == 1 and "a target was missed" in done.stderr
    written = result.load_result(output)
    assert written.suite == "grading" and written.command == "course bench grading"
    assert written.figures[0].value == pytest.approx(1 / 6)
    done = CliRunner().invoke(main, ["bench", "grading", "--only", "sped"])
    assert done.exit_code == 2 and "there are memory" in done.stderr
