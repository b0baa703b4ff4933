"""`course records`: what is missing, in which order, and what happens when a run fails or time is over."""

import time
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner

from convbook.records import load_records
from convbook.records.experiments import Experiment, Run
from courseware import measured, measuring
from courseware.cli import main
from courseware.measuring import MEASURED, MISSING, NEEDS_GPU, Task
from courseware.notebooks import CourseError


def run_of(model: str, *more: str, **kwargs: object) -> Run:
    words = ("convbook.training", model, "--data", "cifar10", "--epochs", "4", *more, "--seed", "0")
    return Run(model, words, **kwargs)


WHOLE = run_of("lenet5_modern")
SHORT = replace(run_of("lenet5_modern", "--subset", "100"), reduced=True)
DEEP = run_of("resnet20_cifar", gpu=True)
EXPERIMENT = Experiment("depth", "Depth", "Does depth help?", "val_accuracy", 0.9, (DEEP, WHOLE), (SHORT,))


@pytest.fixture
def experiments(monkeypatch):
    """One experiment, and a list for the records of its runs."""
    kept = []
    template = next(each for each in load_records() if each.model == "lenet5_modern" and not each.reduced)
    monkeypatch.setattr(measuring, "load_experiments", lambda: [EXPERIMENT])
    monkeypatch.setattr(measuring, "load_records", lambda: kept)

    def record(run, **changes):
        kept.append(replace(template, command=f"{run.command} --device cpu", **changes))
        return kept[-1]

    return record


def test_without_a_gpu_reduced_runs_are_missing_and_deep_ones_need_one(experiments):
    found = measuring.tasks(gpu=False)
    assert [(task.run, task.status) for task in found] == [(SHORT, MISSING), (DEEP, NEEDS_GPU)]


def test_with_a_gpu_the_whole_runs_are_missing_cheapest_first(experiments):
    experiments(SHORT)
    assert [(t.run, t.status) for t in measuring.tasks(gpu=True)] == [(WHOLE, MISSING), (DEEP, MISSING)]


def test_a_whole_record_makes_the_reduced_run_needless(experiments):
    experiments(WHOLE)
    assert {task.run: task.status for task in measuring.tasks(gpu=False)}[WHOLE] == MEASURED


def test_an_unknown_experiment_tells_what_is_near(experiments):
    with pytest.raises(CourseError, match="'dept'; there are depth"):
        measuring.tasks(["dept"], gpu=False)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Programs that stand in for training: each notes that it ran, then does as its name says."""
    bodies = {
        "good": "",
        "bad": "sys.exit(1)",
        "slow": "time.sleep(60)",
        "stopped": "sys.exit(130)",
    }
    for name, body in bodies.items():
        note = f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r} + ' ')"
        (tmp_path / f"{name}.py").write_text(f"import sys, time\n{note}\n{body}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(measuring, "GRACE", 10.0)

    def tasks(*names):
        return [Task(name, Run(name, (name, "--seed", "0")), MISSING) for name in names]

    return tmp_path, tasks


def test_a_run_that_fails_does_not_end_the_others(programs):
    root, tasks = programs
    said = []
    assert not measuring.measure(tasks("bad", "good"), root, budget=1, say=said.append)
    assert (root / "ran").read_text() == "bad good "
    assert "bad: bad, seed 0: failed" in said and said[-1] == "1 failed, 1 measured"
    bad, good = (root / measuring.checkpoints_of(task.run) for task in tasks("bad", "good"))
    assert bad.is_dir() and not good.exists()  # what failed keeps its checkpoints


def test_the_budget_ends_a_run_gently_and_starts_no_other(programs):
    root, tasks = programs
    said, start = [], time.monotonic()
    assert measuring.measure(tasks("slow", "good"), root, budget=1 / 60, say=said.append)
    assert time.monotonic() - start < 30
    assert (root / "ran").read_text() in ("slow ", "")
    assert "stopped at the end of the budget" in said[-2] and said[-1].endswith("1 left for next time")


def test_ctrl_c_in_a_run_ends_the_whole(programs):
    root, tasks = programs
    with pytest.raises(KeyboardInterrupt):
        measuring.measure(tasks("stopped", "good"), root, budget=1, say=lambda text: None)
    assert (root / "ran").read_text() == "stopped "


def test_what_needs_a_gpu_is_skipped_with_a_line(programs):
    root, _ = programs
    said = []
    assert measuring.measure([Task("depth", DEEP, NEEDS_GPU)], root, budget=1, say=said.append)
    assert said[0] == "depth: resnet20_cifar, seed 0: skipped, it needs a GPU"
    assert said[1] == "nothing is missing that this machine could measure"


def test_the_command_lists_and_runs_nothing(experiments, course, monkeypatch):
    monkeypatch.chdir(course.root)
    monkeypatch.setattr(measuring, "measure", None)
    result = CliRunner().invoke(main, ["records", "--list", "--device", "cpu"])
    assert result.exit_code == 0
    assert "reduced: 100 images, 4 epochs" in result.output and "1 missing, 1 needs a GPU" in result.output


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused_in_one_line(course, monkeypatch):
    monkeypatch.chdir(course.root)
    refused = CliRunner().invoke(main, ["records", "--device", "cuda"])
    assert refused.exit_code == 2 and "no CUDA GPU" in refused.output


def page(records):
    drawn = {}

    def draw(name, figure, alt):
        drawn[name] = alt
        return f"/{name}.svg"

    return measured.section(EXPERIMENT, records, draw), drawn


def test_the_page_says_what_has_not_been_run_and_how_to():
    text, drawn = page([])
    assert "Does depth help?" in text and "Not run yet. `course records --only depth`" in text
    assert drawn == {} and "%" not in text


def test_the_page_shows_a_reduced_run_as_such(experiments):
    record = experiments(SHORT, reduced="100 of 50,000 images", figures={"accuracy on 3": 0.5})
    text, drawn = page([record])
    assert "reduced: 100 of 50,000 images" in text and record.hardware in text
    assert (
        f"{100 * record.final['val_accuracy']:.2f}\N{NO-BREAK SPACE}%" in text
        and "accuracy on 3: 50.00 %" in text
    )
    assert "reduced runs: lenet5_modern ends at" in drawn["depth"]
    assert SHORT.command in text and "Not run yet: resnet20_cifar, seed 0. " in text
    first = next(row["epoch"] for row in record.curve if row["val_accuracy"] >= 0.9)
    assert f"90 % validation accuracy: in epoch {first}" in text


def test_whole_runs_take_the_place_of_reduced_ones(experiments):
    text, _ = page([experiments(SHORT, reduced="100 of 50,000 images"), experiments(WHOLE)])
    assert "100 of 50,000" not in text and "whole:" in text


def test_a_column_that_would_be_empty_is_left_out_and_seeds_are_named_as_one_says_them(experiments):
    assert "| also |" in page([experiments(SHORT, figures={"accuracy on 3": 0.5})])[0]
    plain = replace(EXPERIMENT, target=None)
    text = measured.section(plain, [experiments(SHORT)], lambda *_: "")
    header, line, row = [each for each in text.splitlines() if each.startswith("|")][:3]
    assert "also" not in header and header.count("|") == line.count("|") == row.count("|") == 7
    said = [measured._seeds(list(seeds)) for seeds in ("0", "01", "012")]
    assert said == ["seed 0", "seeds 0 and 1", "seeds 0, 1 and 2"]
