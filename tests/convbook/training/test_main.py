"""``python -m convbook.training``: what it trains, what it records, and how it says what is wrong."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from convbook.claims import find_recipe
from convbook.data import load
from convbook.models import create_model, list_models
from convbook.records import load_records
from convbook.training import OutOfMemoryError, Recipe, __main__, fit, seed_everything
from convbook.training.__main__ import Resized, main
from convbook.training.named import make_recipe
from convbook.training.options import option, parser, recipe_settings

QUICK = ["--data", "digits", "--epochs", "1", "--device", "cpu"]


def test_a_record_holds_the_run_the_command_and_what_was_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["lenet5_modern", *QUICK, "--subset", "256", "--seed", "3", "--folder", str(tmp_path)]
    assert main(arguments) == 0
    (record,) = load_records(folder=tmp_path)
    course = find_recipe("lenet5_modern").course
    assert record.recipe == make_recipe(course | {"epochs": 1, "seed": 3}).to_dict()
    assert record.command == "python -m convbook.training " + " ".join(arguments)
    assert record.reduced == f"256 of 1,437 images, 1 of {course['epochs']} epochs"
    assert record.parameters == sum(
        p.numel() for p in create_model(record.model, **record.options).parameters()
    )
    out = capsys.readouterr().out
    assert f"{100 * record.final['val_accuracy']:.2f} %" in out and "lenet5_modern-digits" in out


def test_the_command_trains_as_a_few_lines_of_python_do(tmp_path: Path) -> None:
    changed = ["--lr", "0.02", "--augment", "shift(1)", "--optimizer", "adamw", "--recipe", "plain"]
    assert main(["lenet5_modern", *QUICK, *changed, "--subset", "200", "--folder", str(tmp_path)]) == 0
    (record,) = load_records(folder=tmp_path)
    train, val = load("digits")
    recipe = make_recipe({"epochs": 1, "lr": 0.02, "augment": "shift(1)", "optimizer": "adamw"})
    seed_everything(0)
    model = create_model("lenet5_modern", num_classes=10, in_channels=1)
    history = fit(model, train.subset(200), val, recipe, device="cpu", progress=False)
    for name in ("train_loss", "val_loss", "val_accuracy"):
        assert record.final[name] == history.final[name]


def test_every_setting_of_a_recipe_is_an_option_and_reads_its_own_print() -> None:
    recipe = Recipe(
        epochs=3,
        nesterov=False,
        milestones=(0.25, 0.5),
        clip=2.0,
        warmup=0.1,
        compile=False,
        channels_last=True,
    )
    given = []
    for name, value in recipe.to_dict().items():
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        given += [f"--{name.replace('_', '-')}", text]
    settings = recipe_settings(parser().parse_args(["lenet5", *given]))
    assert make_recipe(settings).to_dict() == recipe.to_dict()
    assert recipe_settings(parser().parse_args(["lenet5"])) == {}


def test_arguments_of_the_network_are_read_as_python_reads_them(tmp_path: Path) -> None:
    texts = ("width_mult=0.5", "depths=(1, 1)", "pool=max", "aux=true", "attention=none")
    assert [option(text)[1] for text in texts] == [0.5, (1, 1), "max", True, None]
    given = ["lenet1", *QUICK, "--option", "image_size=32", "--subset", "128", "--folder", str(tmp_path)]
    assert main(given) == 0
    (record,) = load_records(folder=tmp_path)
    assert record.options == {"num_classes": 10, "in_channels": 1, "image_size": 32}


def test_size_resizes_images_for_a_network_that_needs_others(tmp_path: Path) -> None:
    given = ["lenet1", *QUICK, "--size", "28", "--subset", "128", "--folder", str(tmp_path)]
    assert main(given) == 0
    (record,) = load_records(folder=tmp_path)
    assert record.data == "digits at 28 pixels" and record.parameters == 2578
    images = torch.rand(2, 3, 8, 8)
    enlarged = Resized(torch.nn.Identity(), 16)(images)
    expected = torch.nn.functional.interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.allclose(enlarged, expected, atol=1e-6)


def test_the_loss_of_1998_is_named_in_the_record(tmp_path: Path) -> None:
    assert main(["lenet5", *QUICK, "--loss", "map", "--subset", "256", "--folder", str(tmp_path)]) == 0
    (record,) = load_records(folder=tmp_path)
    assert record.loss == "map_loss" and "--loss map" in record.command


def test_no_record_writes_none_and_torchrun_lets_the_first_process_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["lenet5_modern", *QUICK, "--subset", "128", "--folder", str(tmp_path)]
    assert main([*given, "--no-record"]) == 0
    assert "lenet5_modern on digits" in capsys.readouterr().out
    monkeypatch.setenv("RANK", "1")
    assert main(given) == 0
    assert capsys.readouterr().out == "" and list(tmp_path.iterdir()) == []


def test_list_names_every_network_and_where_its_recipe_is_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list_models()
    (line,) = [line for line in lines if line.startswith("resnet20_cifar ")]
    assert line.split()[1:] == ["he2016deep", "CIFAR-10"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say which network to train; --list shows"),
        (["lenet6", *QUICK], "did you mean lenet5"),
        (["enet", *QUICK], "enet cannot be trained here. It labels pixels"),
        (["lenet1", *QUICK], "say --size 28 to have them resized"),
        (["nin_imagenet", *QUICK], "at least 39x39; resize them: say --size 224"),
        (["lenet5_modern", *QUICK, "--size", "0"], "--size must be 1 or more"),
        (["lenet5_modern", *QUICK, "--epochs", "0"], "epochs must be 1 or more"),
        (["lenet5_modern", *QUICK, "--epochs", "x"], "argument --epochs: 'x' is no whole number"),
        (["lenet5_modern", *QUICK, "--lr", "x"], "argument --lr: 'x' is no number"),
        (["lenet5_modern", *QUICK, "--compile", "x"], "argument --compile: 'x' is neither yes nor no"),
        (["lenet5_modern", *QUICK, "--augment", "crop_flap(4)"], "did you mean 'crop_flip'?"),
        (["lenet5_modern", *QUICK, "--optimizer", "adam"], "invalid choice: 'adam'"),
        (["lenet5_modern", *QUICK, "--oops"], "unrecognized arguments: --oops"),
        (["lenet5_modern", *QUICK, "--option", "width"], "'width' is not NAME=VALUE"),
        (["lenet5_modern", *QUICK, "--option", "width=1"], "takes no argument 'width'"),
        (["lenet5_modern", *QUICK, "--subset", "5000"], "has 1 to 1437"),
        (["lenet5_modern", *QUICK, "--data", "mnits"], "did you mean 'mnist'"),
        (["lenet5_modern", *QUICK, "--device", "tpu"], "no device is called 'tpu'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main([*arguments, "--folder", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and message in captured.err
    assert captured.err.count("\n") == 1 and captured.out == ""
    assert list(tmp_path.iterdir()) == []


def test_missing_data_and_a_missing_gpu_are_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CONVBOOK_DATA", str(tmp_path / "nowhere"))
    assert main(["resnet20_cifar", "--data", "cifar10"]) == 1
    assert "CONVBOOK_DATA names" in capsys.readouterr().err
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["lenet5_modern", "--device", "cuda"]) == 1
    assert "sees no CUDA GPU" in capsys.readouterr().err


def test_a_run_goes_on_from_its_checkpoints_and_another_models_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*QUICK, "--subset", "128", "--checkpoints", str(tmp_path / "c"), "--no-record"]
    assert main(["lenet5_modern", *given]) == 0
    first = capsys.readouterr().out
    assert main(["lenet5_modern", *given]) == 0  # nothing is left to train
    assert capsys.readouterr().out.split(" % ")[0] == first.split(" % ")[0]
    assert main(["lenet4", *given]) == 1
    assert "holds checkpoints of another run" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [OutOfMemoryError("64 images at once do not fit"), torch.OutOfMemoryError("a\nb")]
)
def test_memory_that_runs_out_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(__main__, "fit", full)
    assert main(["lenet5_modern", *QUICK]) == 1
    assert capsys.readouterr().err == f"error: {' '.join(str(error).split())}\n"


def _start(folder: Path, *more: str, launcher: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CONVBOOK_PROGRESS": "0"}
    command = [sys.executable, *launcher, "-m", "convbook.training", "lenet5_modern", "--device", "cpu"]
    return subprocess.Popen(
        [*command, "--folder", str(folder), *more],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job ignores it
    )


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_says_so_keeps_its_checkpoint_and_writes_no_record(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    checkpoints = tmp_path / "checkpoints"
    process = _start(tmp_path, "--epochs", "100000", "--subset", "128", "--checkpoints", str(checkpoints))
    while not any(checkpoints.glob("*.pt")) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(number)
    try:
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == status, err
    assert "terminated" in out or "interrupted" in out
    assert any(checkpoints.glob("*.pt")) and list(tmp_path.glob("*.json")) == []


@pytest.mark.slow
def test_two_processes_under_torchrun_write_one_record(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(port))
    process = _start(tmp_path, "--epochs", "1", "--subset", "128", "--batch-size", "64", launcher=launcher)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert len(load_records(folder=tmp_path)) == 1
    assert out.count("lenet5_modern on digits:") == 1
