"""Records: whole files, read back as written, refused when damaged; and the ones that ship."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from convbook.data import load
from convbook.models import create_model, list_models
from convbook.records import RecordError, load_records, save_record, store
from convbook.training import History, Recipe, fit, seed_everything


@pytest.fixture(scope="module")
def history() -> History:
    train, val = (part.subset(64) for part in load("digits"))
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(1024, 10))
    return fit(model, train, val, Recipe(epochs=2, batch_size=32, lr=0.01), device="cpu")


def test_a_record_is_read_back_as_it_was_run(history: History, tmp_path: Path) -> None:
    path = save_record(
        history, model="softmax", options={"num_classes": 10}, command="python x", folder=tmp_path
    )
    (record,) = load_records(folder=tmp_path)
    assert record.curve == history.rows and record.final == history.final
    assert (record.model, record.data, record.command) == ("softmax", "digits", "python x")
    assert record.parameters == 1024 * 10 + 10 and record.options == {"num_classes": 10}
    assert record.recipe == Recipe(epochs=2, batch_size=32, lr=0.01).to_dict()
    assert record.versions["torch"] == torch.__version__
    assert path.name.startswith("softmax-digits-") and "2 epochs" in record.label


def test_a_reduced_run_and_its_further_figures_are_read_back(history: History, tmp_path: Path) -> None:
    figures = {"accuracy on 3": 0.25}
    save_record(
        history, model="a", command="", reduced="64 of 1,437 images", figures=figures, folder=tmp_path
    )
    (record,) = load_records(folder=tmp_path)
    assert record.figures == figures and record.reduced == "64 of 1,437 images"
    assert record.label.endswith("reduced (64 of 1,437 images)")
    assert record.column("val_loss") == history.column("val_loss")


def test_records_from_before_runs_could_be_reduced_are_whole(history: History, tmp_path: Path) -> None:
    path = save_record(history, model="a", command="", folder=tmp_path)
    content = json.loads(path.read_text())
    del content["reduced"], content["figures"]
    path.write_text(json.dumps(content))
    (record,) = load_records(folder=tmp_path)
    assert record.reduced is None and record.figures is None and "reduced" not in record.label


def test_runs_never_overwrite_each_other(history: History, tmp_path: Path) -> None:
    paths = {save_record(history, model=m, command="", folder=tmp_path) for m in ("a", "b", "b2")}
    paths.add(save_record(history, model="a", command="other", folder=tmp_path))
    assert len(paths) == 4 == len(load_records(folder=tmp_path))


def test_records_are_found_by_pattern(history: History, tmp_path: Path) -> None:
    for model in ("resnet18", "se_resnet18"):
        save_record(history, model=model, command="", folder=tmp_path)
    save_record(history, model="resnet18", data="CIFAR-10 (JPEG)", command="", folder=tmp_path)
    assert len(load_records("resnet18", folder=tmp_path)) == 2
    assert len(load_records("*resnet18", "digits", folder=tmp_path)) == 2
    assert [r.data for r in load_records(data="CIFAR*", folder=tmp_path)] == ["CIFAR-10 (JPEG)"]
    assert load_records("vgg*", folder=tmp_path) == []


def test_a_write_that_fails_leaves_nothing_behind(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.os, "fsync", full)
    with pytest.raises(RecordError, match="No space left on device"):
        save_record(history, model="a", command="", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(history: History, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"could not be written .* pass another folder"):
        save_record(history, model="a", command="", folder=tmp_path / "nowhere")


def test_unfinished_runs_are_not_recorded(history: History, tmp_path: Path) -> None:
    short = History(Recipe(epochs=3), "digits", 64, rows=history.rows)
    with pytest.raises(RecordError, match="2 of 3 epochs"):
        save_record(short, model="a", command="", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "damage", ["truncate", "drop a field", "add a field", "touch up the figure", "a list"]
)
def test_damaged_or_touched_up_records_are_refused(history: History, tmp_path: Path, damage: str) -> None:
    path = save_record(history, model="a", command="", folder=tmp_path)
    content = json.loads(path.read_text())
    if damage == "drop a field":
        del content["hardware"]
    elif damage == "add a field":
        content["note"] = "very good"
    elif damage == "touch up the figure":
        content["final"]["val_accuracy"] = 0.999
    text = "[]" if damage == "a list" else json.dumps(content)
    path.write_text(text[: len(text) // 2] if damage == "truncate" else text)
    with pytest.raises(RecordError, match=path.name):
        load_records(folder=tmp_path)


def test_the_records_that_ship_are_sound() -> None:
    """Each names a model of the registry, a command to repeat it, and nothing of the machine it ran on."""
    records = load_records()
    assert records, "the package ships measured runs"
    for record in records:
        assert record.model in list_models()
        assert record.command and record.hardware and record.parameters > 0
        assert [row["epoch"] for row in record.curve] == list(range(1, record.recipe["epochs"] + 1))
        assert record.commit is None or not record.commit.endswith("+changes"), "made from sources nobody has"
        net = create_model(record.model, **record.options)
        assert sum(p.numel() for p in net.parameters() if p.requires_grad) == record.parameters
    for path in store.FOLDER.glob("*.json"):
        assert not any(word in path.read_text() for word in ("/home", "/work", "/tmp", "/root"))


def mnist_folder() -> Path | None:
    """$CONVBOOK_DATA, or the folder beside the repository where measuring machines keep it."""
    import os

    named = os.environ.get("CONVBOOK_DATA")
    folder = Path(named) if named else Path(__file__).parents[3] / "shared" / "data"
    return folder if (folder / "mnist.npz").is_file() else None


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif(mnist_folder() is None, reason="needs mnist.npz in $CONVBOOK_DATA or ../shared/data")
def test_lenet5_reaches_98_8_percent_on_mnist_in_three_epochs_on_the_cpu() -> None:
    train, val = load("mnist", root=mnist_folder())
    assert (len(train), len(val)) == (60_000, 10_000)
    seed_everything(0)
    history = fit(create_model("lenet5_modern"), train, val, Recipe(epochs=3), device="cpu")
    assert history.final["val_accuracy"] >= 0.988, history.to_markdown()
    assert history.final["epoch"] == 3
