"""`course grade`: what it asks, prints and writes, and how it exits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import courseware
from courseware.cli import main
from courseware.grading import run
from courseware.grading.alike import find_alike
from courseware.grading.order import Order
from courseware.grading.store import Store
from courseware.grading.submissions import collect

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SOURCES = Path(courseware.__file__).parents[1]


@pytest.fixture
def command(tmp_path, monkeypatch):
    """`course grade bottleneck submissions -o grades` with graders that do as they are told."""
    (tmp_path / "notes").touch()
    (tmp_path / "submissions").mkdir()
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SOURCES), str(HERE)]))
    monkeypatch.setenv("STAND_IN_NOTES", str(tmp_path / "notes"))
    monkeypatch.setenv("CONVBOOK_GRADING_KEY", "a key for these tests")
    monkeypatch.setattr(
        run.grade, "__kwdefaults__", run.grade.__kwdefaults__ | {"opener": "stand_in:open_bench"}
    )
    for slow in ("books.write_books", "alike.find_alike"):
        monkeypatch.setattr(f"courseware.grading.{slow}", lambda *_: None)

    def invoke(*options, lab="bottleneck", submissions=None, output=None):
        folders = [submissions or tmp_path / "submissions", "-o", output or tmp_path / "grades"]
        result = CliRunner().invoke(main, ["grade", lab, *map(str, folders), *map(str, options)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return invoke


def hand_in(folder, **texts):
    for student, text in texts.items():
        (folder / "submissions" / f"{student}.ipynb").write_text(text)


def test_a_graded_class_exits_0_with_one_line_and_a_gradebook(command, tmp_path):
    hand_in(tmp_path, ada="one", bob="one two")
    result = command("--workers", 2, lab=str(ROOT / "labs" / "bottleneck.ipynb"))
    assert result.exit_code == 0, result.output
    pages = tmp_path / "grades" / "index.html"
    assert result.stdout == f"2 graded (2 now), 0 not run, mean 1.5 of 10; see {pages}\n"
    lines = (tmp_path / "grades" / "results.jsonl").read_text().splitlines()
    assert [json.loads(line)["student"] for line in lines] == ["ada", "bob"]


def test_what_could_not_be_run_is_listed_with_its_reason_and_exits_1(command, tmp_path):
    hand_in(tmp_path, ada="one", bob="kill")
    result = command("--workers", 1)
    assert result.exit_code == 1
    assert result.stderr.startswith("bob.ipynb: not run, its grader was lost 2 times; ")
    assert result.stderr.count("\n") == 1
    assert result.stdout.startswith("1 graded (1 now), 1 not run, mean 1.0 of 10; ")


def test_no_terminal_is_steered_by_what_students_wrote():
    answer = run.Grading((_result(file="a.ipynb", reason="no lab \x1b[2J\r\n is called so"),), 1, Path("x"))
    assert answer.not_run() == ["a.ipynb: not run, no lab  [2J   is called so"]


def _result(**changes):
    from courseware.grading.result import Result

    empty = dict.fromkeys(("lab", "student", "name", "sha256"), "")
    lists = dict.fromkeys(("exercises", "figures", "notes"), ())
    return Result(
        **{**empty, **lists, "status": "not run", "words": "", "seconds": 0.0, "attempts": 1, **changes}
    )


@pytest.mark.parametrize(
    ("options", "folders", "says"),
    [
        ((), dict(lab="bottelneck"), "no notebook is called 'bottelneck'; did you mean bottleneck"),
        ((), dict(lab="lenet"), "there is no assignment for lenet.ipynb: labs are "),
        ((), dict(submissions="nowhere"), "no such folder: nowhere"),
        ((), {}, "holds no submission"),
        ((), dict(output="{tmp}/submissions/grades"), "lies inside"),
        ((), dict(output="{tmp}/notes"), "is no folder: choose another"),
        (("--roster", "{tmp}/nobody.csv"), {}, "nobody.csv: No such file"),
        (("--scheduler", "tcp://x:1", "--workers", 2), {}, "with --scheduler the cluster has its own"),
    ],
)
def test_a_request_that_cannot_be_met_exits_2_with_one_line(command, tmp_path, options, folders, says):
    if says != "holds no submission":
        hand_in(tmp_path, ada="one")
    fill = {name: value.replace("{tmp}", str(tmp_path)) for name, value in folders.items()}
    result = command(*(str(option).replace("{tmp}", str(tmp_path)) for option in options), **fill)
    assert result.exit_code == 2
    assert says in result.stderr and result.stderr.count("\n") == 1 and result.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes", "submissions"]


@pytest.mark.parametrize("options", [("--workers", 0), ("--sandbox", "none"), ("--sandbox", "chroot")])
def test_wrong_options_exit_2(command, tmp_path, options):
    hand_in(tmp_path, ada="one")
    assert command(*options).exit_code == 2
    assert not (tmp_path / "grades").exists()


def test_a_missing_sandbox_and_another_grader_at_work_exit_2_with_one_line(command, tmp_path, monkeypatch):
    hand_in(tmp_path, ada="one")
    with Store(tmp_path / "grades", "bottleneck", "stamp"):
        busy = command()
    assert busy.exit_code == 2 and "in use by another grader" in busy.stderr
    kept = run.grade.__kwdefaults__ | {"opener": "stand_in:refuse"}
    monkeypatch.setattr(run.grade, "__kwdefaults__", kept)
    missing = command()
    assert missing.exit_code == 2
    assert missing.stderr == "bubblewrap is missing: apt-get install bubblewrap\n"


@pytest.mark.parametrize(
    ("options", "says"), [((), "the same command goes on"), (("--again",), "without --again, this command")]
)
def test_an_interruption_exits_130_and_says_how_to_go_on(command, tmp_path, monkeypatch, options, says):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "grade", interrupted)
    result = command(*options)
    assert result.exit_code == 130
    assert says in result.stderr and result.stderr.count("\n") == 1


def test_scheduling_imports_no_torch():
    script = (
        "import sys, courseware.grading.run, courseware.grading.local, courseware.grading.books,"
        " courseware.grading.alike; print({'torch', 'convbook'} & set(sys.modules))"
    )
    environ = os.environ | {"PYTHONPATH": str(SOURCES)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environ)
    assert done.stdout.strip() == "set()", done.stderr


def test_equal_work_is_found_and_what_all_were_given_is_not_held_against_them(tmp_path):
    def notebook(*sources):
        cells = [{"cell_type": "code", "source": source, "outputs": []} for source in sources]
        return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})

    given = "def width(channels, groups):\n    raise NotImplementedError"
    steps = [f"    {{1}} = {{0}} * {i} - {{1}} ** {i % 5} // {i + 3}" for i in range(60)]
    odd = "\n".join(["def width({0}, {1}):", *steps, "    return {1}"])
    work = {f"student{number}": given for number in range(30)}
    work |= {"ada": odd.format("channels", "groups"), "bob": odd.format("a", "b")}
    for student, source in work.items():
        (tmp_path / f"{student}.ipynb").write_text(notebook(source))
    [group] = find_alike(collect(tmp_path), notebook(given), ["width"])
    assert group.students == ("ada", "bob")


def test_the_default_opener_exists():
    module, _, name = Order.opener.partition(":")
    assert callable(getattr(__import__(module, fromlist=[name]), name))
