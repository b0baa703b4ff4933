"""The programs for special runs, on a handful of digits: what they train, measure and record."""

from pathlib import Path

import pytest
import torch

from convbook.data import load
from convbook.models import create_model
from convbook.records import distil, how_fast, load_records, net2net

SHORT = ["--data", "digits", "--subset", "256", "--epochs", "1", "--batch-size", "32", "--device", "cpu"]


def record_of(program, arguments: list[str], tmp_path: Path):
    folders = ["--folder", str(tmp_path), "--checkpoints", str(tmp_path / "runs" / "this")]
    assert program.main([*arguments, *SHORT, *folders]) == 0
    (record,) = load_records(folder=tmp_path)
    assert record.command.startswith(f"python -m {program.__name__} {arguments[0]}")
    assert record.reduced.startswith("256 of 1,437 images")
    return record


def test_a_student_never_sees_what_is_left_out_and_is_measured_on_it(tmp_path, monkeypatch):
    seen = []
    asked = distil.Distillation.__call__
    monkeypatch.setattr(
        distil.Distillation,
        "__call__",
        lambda self, model, images, labels: seen.append(labels) or asked(self, model, images, labels),
    )
    record = record_of(distil, ["mlp800", "--teacher", "mlp1200", "--without", "3,5"], tmp_path)
    labels = set(torch.cat(seen).tolist())
    assert labels and not labels & {3, 5}
    assert record.data == "digits without 3, 5"
    assert record.loss == "Distillation(MLP, temperature=20, soft=1)"
    assert set(record.figures) == {
        "accuracy of the teacher",
        "accuracy on classes left out",
        "accuracy with their biases shifted",
        "accuracy on them with biases shifted",
    }
    shifted = record.figures["accuracy on them with biases shifted"]
    assert shifted >= record.figures["accuracy on classes left out"]


def test_a_second_student_finds_its_teacher_trained(tmp_path):
    arguments = ["mlp800", "--teacher", "mlp1200"]
    folders = ["--folder", str(tmp_path), "--checkpoints"]
    kept = []
    for student in ("first", "second"):
        assert distil.main([*arguments, *SHORT, *folders, str(tmp_path / "runs" / student)]) == 0
        kept.append(sorted((tmp_path / "runs").glob("teacher-mlp1200-*/*.pt")))
    assert kept[0] and kept[0] == kept[1]  # no further checkpoint: it was not trained again
    first, second = load_records(folder=tmp_path)
    assert first.figures == second.figures and first.final["val_accuracy"] == second.final["val_accuracy"]


def test_shifted_classes_win_as_often_as_they_occur():
    train, _ = load("digits")
    torch.manual_seed(0)
    student = create_model("mlp800", hidden=(20,))
    distil.share_back(student, train, [3])
    wins = (student(train.float_images()).argmax(dim=1) == 3).sum().item()
    assert wins == (train.labels == 3).sum().item()


def test_a_class_that_is_not_there_is_refused_in_one_line(tmp_path, capsys):
    arguments = ["mlp800", "--teacher", "mlp1200", "--without", "x", *SHORT, "--folder", str(tmp_path)]
    assert distil.main(arguments) == 1
    error = capsys.readouterr().err
    assert "classes must be some of 0, 1, 2" in error and error.count("\n") == 1


def test_a_grown_network_is_the_narrow_one_in_the_wide_one_s_shape():
    torch.manual_seed(0)
    narrow = create_model("controlled_cifar", budget=3_000).eval()
    wide = create_model("controlled_cifar", budget=12_000)
    images = torch.randn(4, 3, 16, 16)
    grown = net2net.grown(narrow, wide, seed=0, noise=0.0).eval()
    torch.testing.assert_close(grown(images), narrow(images), rtol=1e-4, atol=1e-5)
    wide.load_state_dict(grown.state_dict())


def test_another_design_is_no_wider_relative():
    narrow = create_model("controlled_cifar", budget=3_000)
    with pytest.raises(ValueError, match="change its widths only"):
        net2net.grown(narrow, create_model("controlled_kernel5_cifar", budget=30_000), seed=0)


def test_a_widened_network_starts_where_the_narrow_one_ended(tmp_path):
    arguments = ["controlled_cifar", "--option", "budget=8000", "--narrow", "budget=4000"]
    record = record_of(net2net, arguments, tmp_path)
    assert record.options["budget"] == 8000
    wide = create_model("controlled_cifar", **record.options)
    assert record.parameters == sum(p.numel() for p in wide.parameters())
    assert 0 <= record.figures["accuracy of the narrow network"] <= 1
    assert record.figures["seconds for the narrow network"] > 0


def test_the_fast_network_is_whitened_and_sees_each_image_from_either_side(tmp_path, monkeypatch):
    made = []
    build = how_fast.mirrored_too
    monkeypatch.setattr(how_fast, "mirrored_too", lambda data: made.append(build(data)) or made[0])
    record = record_of(how_fast, ["how_fast_cifar", "--lr", "0.2", "--option", "widths=(8,16)"], tmp_path)
    (doubled,) = made
    assert len(doubled) == 512 and torch.equal(doubled.images[256:].flip(-1), doubled.images[:256])
    assert torch.equal(doubled.labels[:256], doubled.labels[256:])
    assert torch.equal(doubled.mean, load("digits")[0].mean)
    assert record.model == "how_fast_cifar" and set(record.figures) == {"accuracy with mirror images"}


def test_the_fast_network_learns_far_better_than_chance(tmp_path):
    """Four epochs of 1,437 digits and their mirror images: well above the tenth that guessing gets."""
    arguments = ["how_fast_cifar", "--data", "digits", "--epochs", "4", "--batch-size", "64", "--lr", "0.2"]
    small = ["--option", "widths=(16,32,32)", "--device", "cpu", "--folder", str(tmp_path)]
    assert how_fast.main([*arguments, *small]) == 0
    (record,) = load_records(folder=tmp_path)
    assert record.final["val_accuracy"] > 0.5 and record.figures["accuracy with mirror images"] > 0.5
