"""The `course` command: what it prints and how it exits."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner

from courseware import execute as execution
from courseware import ledger, render
from courseware.cli import main
from courseware.execute import Outcome
from courseware.notebooks import CourseError
from courseware.progress import Lines, Live
from courseware.serve import make_server


@pytest.fixture
def course_command(course, monkeypatch):
    monkeypatch.chdir(course.root)

    def invoke(*arguments):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return invoke


@pytest.fixture
def pretend(monkeypatch):
    """Replace execution by given outcomes."""

    def set_outcomes(**statuses):
        def run(waiting, jobs, package, reporter, libraries):
            for job in waiting:
                reporter.started(job.path)
                if statuses[job.path.stem] is KeyboardInterrupt:
                    raise KeyboardInterrupt
                status, error = statuses[job.path.stem]
                yield Outcome(
                    job.path, status, 1.5, error=error, output=job.partial, traceback="line 1\nline 2"
                )

        monkeypatch.setattr(execution, "_run", run)

    return set_outcomes


def test_run_prints_a_line_a_notebook_and_a_summary(course, course_command, pretend):
    course.add("lenet")
    pretend(lenet=("ok", ""))
    result = course_command("run")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "chapters/lenet.ipynb: running",
        "chapters/lenet.ipynb: ok, 1.5 s",
        "1 notebook: 1 ran",
    ]


def test_run_exits_1_with_error_traceback_and_partial_copy_while_others_go_on(
    course, course_command, pretend
):
    course.add("a-bad"), course.add("b-good")
    pretend(**{"a-bad": ("failed", "cell 3 (`1 / 0`): ZeroDivisionError"), "b-good": ("ok", "")})
    result = course_command("run")
    assert result.exit_code == 1
    assert "chapters/a-bad.ipynb: FAILED, cell 3 (`1 / 0`): ZeroDivisionError\n    line 1\n" in result.output
    assert "    what it had done so far: " in result.output
    assert "chapters/b-good.ipynb: ok" in result.output
    assert "2 notebooks: 1 ran, 1 failed" in result.output


def test_run_interrupted_exits_130_in_one_line(course, course_command, pretend):
    course.add("lenet")
    pretend(lenet=KeyboardInterrupt)
    result = course_command("run")
    assert result.exit_code == 130
    assert result.stderr == "interrupted; what had finished is kept\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "lenot"], "no notebook is called 'lenot'; did you mean lenet?"),
        (["run", "-p", "epochs", "3"], "lenet.ipynb has no parameter 'epochs' (its parameters: n)"),
        (["run", "-p", "n", "[1"], "cannot read the parameter's value '[1' as YAML"),
        (["new-chapter", "Wide"], "'Wide' cannot name a chapter"),
        (["set-url", "nowhere"], "'nowhere' is no repository's URL"),
        (["serve"], "the book is not built yet: run `make book`"),
        (["release"], "the course has no labs yet"),
        (["claims", "--paper", "hee2016deep"], "he2016deep"),
        (["claims", "--model", "resnet51"], "no claim is about 'resnet51'; there are claims about resnet50"),
        (
            ["claims", "--paper", "lecun1998gradient", "--model", "vgg"],
            "there are claims about lenet1, lenet4, lenet5\n",
        ),
    ],
)
def test_a_request_that_cannot_be_met_exits_2_with_one_line(course, course_command, arguments, says):
    course.add("lenet")
    result = course_command(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stderr.count("\n") == 1 and result.stdout == ""


def test_outside_a_course_every_command_says_so(monkeypatch, tmp_path):
    def nowhere():
        raise CourseError("no course in /nowhere or above it")

    monkeypatch.setattr("courseware.cli.find_root", nowhere)
    for command in (["run"], ["build"], ["serve"], ["new-chapter", "x"], ["release"]):
        result = CliRunner().invoke(main, command)
        assert (result.exit_code, result.stderr) == (2, "no course in /nowhere or above it\n")


def test_build_hands_its_options_on_and_reports_a_render_error(course, course_command, monkeypatch):
    asked = {}

    def build(root, **options):
        asked.update(options, root=root)
        raise render.RenderError("missing page: ledger")

    monkeypatch.setattr(render, "build", build)
    result = course_command("build", "--jobs", 3, "--timeout", 5, "--force", "-p", "seed", "1")
    assert (result.exit_code, result.stderr) == (1, "missing page: ledger\n")
    del asked["reporter"]
    assert asked == {"root": course.root, "jobs": 3, "timeout": 5.0, "force": True, "parameters": {"seed": 1}}


def test_new_chapter_says_what_to_do_next(course, course_command):
    result = course_command("new-chapter", "wide")
    assert result.exit_code == 0 and (course.root / "chapters" / "wide.ipynb").is_file()
    assert "add `- file: chapters/wide` to its part in _toc.yml" in result.output


def test_release_writes_all_labs_or_the_one_named(course, course_command, make_notebook, tmp_path):
    course.add("lenet")
    for name in ("bottleneck", "gates"):
        course.write(f"labs/{name}", make_notebook("# BEGIN SOLUTION\nx = 1\n# END SOLUTION"))
    assert course_command("release").exit_code == 0
    assert sorted(p.name for p in (course.root / "_build/labs").iterdir()) == [
        "bottleneck.ipynb",
        "gates.ipynb",
    ]
    assert course_command("release", "labs/gates.ipynb", "-o", tmp_path / "out").exit_code == 0
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["gates.ipynb"]


def test_set_url_names_the_files_it_changed(course, course_command):
    result = course_command("set-url", "https://github.com/bob/nets")
    assert (result.exit_code, result.output) == (0, "changed _config.yml\n")
    assert course_command("set-url", "https://github.com/bob/nets").output.startswith("everything says ")


def test_claims_are_printed_in_three_forms(course_command):
    table = course_command("claims", "--paper", "lecun1998gradient")
    assert table.exit_code == 0
    assert "48,120" in table.output and "no surprise" in table.output
    rows = json.loads(course_command("claims", "--paper", "lecun1998gradient", "--format", "json").output)
    c5 = next(row for row in rows if row["layer"] == "c5" and row["quantity"] == "params")
    assert (c5["value"], c5["computed"], c5["status"], c5["ok"]) == (48120, 48120, "exact", True)
    markdown = course_command("claims", "--paper", "lecun1998gradient", "--format", "markdown").output
    assert "| Printed |" in markdown and "48,120" in markdown


@pytest.mark.parametrize("form", ["table", "json", "markdown"])
def test_claims_exits_1_and_names_each_surprise(course_command, monkeypatch, form):
    real = ledger.verdicts

    def with_surprise(paper, model):
        first, *others = real(paper, model)
        return [replace(first, status="differs", ok=False, reason="printed 156, computed 157"), *others]

    monkeypatch.setattr(ledger, "verdicts", with_surprise)
    result = course_command("claims", "--paper", "lecun1998gradient", "--format", form)
    assert result.exit_code == 1
    assert result.stderr.startswith("lecun1998gradient.toml, claim 1 (lenet5, ")
    assert result.stderr.endswith("printed 156, computed 157\n")


def test_serve_takes_a_free_port_when_its_own_is_taken(tmp_path):
    (tmp_path / "index.html").write_text("<h1>Book</h1>")
    with make_server(tmp_path, 0) as first, make_server(tmp_path, first.server_address[1]) as second:
        assert second.server_address[1] != first.server_address[1]
        Thread(target=second.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{second.server_address[1]}"
        assert urllib.request.urlopen(f"{address}/").read() == b"<h1>Book</h1>"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{address}/../secret")
        second.shutdown()


def test_live_display_prints_the_same_lines_as_the_plain_one(tmp_path, capsys):
    path = tmp_path / "chapters" / "lenet.ipynb"
    outcome = Outcome(path, "failed", 2.0, error="cell 1 (`x[0]`): IndexError")
    printed = []
    for display in (Lines(tmp_path), Live(tmp_path)):
        with display:
            display.started(path)
            display.at_cell(path, 1, 3)
            display.finished(outcome)
        printed.append(capsys.readouterr().out)
        assert display.summary() == "1 notebook: 1 failed"
    line = "chapters/lenet.ipynb: FAILED, cell 1 (`x[0]`): IndexError"
    assert all(line in text for text in printed)


def test_help_lists_every_command():
    output = CliRunner().invoke(main, ["--help"]).output
    for name in (
        "run",
        "build",
        "serve",
        "claims",
        "new-chapter",
        "release",
        "grade",
        "sample-class",
        "set-url",
    ):
        assert f"  {name} " in output


def test_importing_the_command_line_imports_nothing_slow():
    slow = {"torch", "yaml", "rich", "papermill", "convbook"}
    script = f"import sys, courseware.cli; print({slow} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parent
    )
    assert done.stdout.strip() == "set()", done.stderr


def test_compare_prints_totals_and_layers_side_by_side(course_command):
    result = course_command("compare", "resnet20_cifar", "plain20_cifar", "--no-time")
    assert result.exit_code == 0
    total = next(line for line in result.output.splitlines() if line.startswith("resnet20_cifar"))
    assert [cell.strip() for cell in total.split("│")][1:3] == ["270k", "40.6M"]
    row = next(line for line in result.output.splitlines() if "layer2.0.conv1" in line)
    assert row.count("layer2.0.conv1") == 2 and "…" not in result.output
    assert (
        json.loads(
            course_command(
                "compare", "resnet20_cifar", "plain20_cifar", "--no-time", "--format", "json"
            ).output
        )[1]["total"]["params"]
        == 269_722
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet18",), "two networks or more"),
        (("resnet18", "resnet19"), "did you mean"),
        (("resnet18", "resnet34", "--image-size", 8), "too small"),
        (("resnet18", "resnet34", "--device", "tpu"), "take cpu or cuda"),
    ],
)
def test_compare_refuses_in_one_line(course_command, arguments, message):
    result = course_command("compare", *arguments)
    assert result.exit_code == 2
    assert message in result.output and result.output.count("\n") == 1
