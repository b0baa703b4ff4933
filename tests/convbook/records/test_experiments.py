"""Experiments as data: each command is understood by its program, costs are counted, records are found."""

import shlex
from dataclasses import replace
from importlib import import_module

import pytest

from convbook import list_models
from convbook.claims import find_recipe
from convbook.profile import count_macs
from convbook.records import Record, RecordError, load_records
from convbook.records.experiments import Run, load_experiments, records_of
from convbook.training.named import make_recipe
from convbook.training.options import parser, recipe_settings

EXPERIMENTS = load_experiments()
RUNS = [run for each in EXPERIMENTS for run in (*each.whole, *each.reduced)]
COMMANDS = sorted({run.words[:-2] for run in RUNS})


def test_the_issue_s_questions_are_all_asked():
    assert [each.name for each in EXPERIMENTS] == [
        "plain-against-residual",
        "relu-against-tanh",
        "pooling-against-strides",
        "early-against-late-pooling",
        "kernel-sizes",
        "balanced-against-wide-end",
        "deep-families",
        "stochastic-depth",
        "attention-on-resnet20",
        "attention-on-mobilenet",
        "distillation",
        "unseen-digits",
        "net2net",
        "how-fast",
    ]
    assert all(each.question.endswith("?") and len(each.whole) >= 2 for each in EXPERIMENTS)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_every_command_is_understood_by_its_program(words):
    program = import_module(words[0]) if words[0] != "convbook.training" else None
    command = parser()
    if program is not None:
        program.add_options(command)
    options = command.parse_args(list(words[1:]))
    assert options.model in list_models()
    course = find_recipe(options.model).course
    make_recipe(course | recipe_settings(options))


@pytest.mark.parametrize("each", EXPERIMENTS, ids=lambda each: each.name)
def test_reduced_runs_are_whole_ones_cut_short(each):
    whole = {(run.label, run.words[-1]): run for run in each.whole}
    assert all(run.gpu for run in each.whole) or each.reduced
    for run in each.reduced:
        longer = whole[run.label, run.words[-1]]
        assert run.words[: len(longer.words) - 2] == longer.words[:-2]
        assert run.length < longer.length and run.cost < longer.cost / 4
        assert make_recipe(find_recipe(run.words[1]).course).epochs > run.length[1]


def run_of(text: str) -> Run:
    return Run("x", tuple(shlex.split(text)))


def test_cost_is_three_passes_an_image_and_epoch():
    run = run_of("convbook.training resnet20_cifar --data cifar10 --epochs 2 --subset 100")
    assert run.length == (100, 2)
    assert run.cost == 3 * count_macs("resnet20_cifar", (3, 32, 32)) * 200


def test_a_teacher_and_what_was_narrow_are_paid_for():
    taught = run_of("convbook.records.distil mlp800 --teacher mlp1200 --data mnist --epochs 1")
    teacher = 784 * 1200 + 1200**2 + 12_000
    student = 784 * 800 + 800**2 + 8_000
    assert taught.cost == 60_000 * (3 * student + 4 * teacher)
    alone = run_of("convbook.training controlled_cifar --data cifar10 --epochs 1")
    widened = replace(alone, words=(*alone.words, "--narrow", "budget=50000"))
    narrow = count_macs("controlled_cifar", (3, 32, 32), budget=50_000)
    assert widened.cost - alone.cost == 50_000 * 3 * narrow


def record_of(run: Run, where: str = "") -> Record:
    return replace(load_records()[0], command=f"{run.command}{where}")


def test_a_record_is_found_by_its_command_wherever_it_ran():
    first, second = EXPERIMENTS[0].whole[:2]
    here = record_of(first, " --device cpu --checkpoints .cache/records/1 --folder out")
    other_seed = replace(here, command=here.command.replace("--seed 0", "--seed 7"))
    assert records_of(first, [here, other_seed, record_of(second)]) == [here]
    assert records_of(EXPERIMENTS[0].reduced[0], [here]) == []
    assert shlex.split(first.command)[:3] == ["python", "-m", "convbook.training"]


def test_a_damaged_file_of_experiments_is_named(tmp_path):
    path = tmp_path / "experiments.toml"
    for text in ("[[experiment]", "[[experiment]]\nname = 'x'", "title = 'x'"):
        path.write_text(text)
        with pytest.raises(RecordError, match=r"experiments\.toml is damaged"):
            load_experiments(path)
