"""The training loop: it learns, repeats itself, and says clearly what went wrong."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from convbook.data import ImageSet
from convbook.models import create_model
from convbook.training import (
    DeviceError,
    DivergenceError,
    Recipe,
    evaluate,
    fit,
    pick_device,
    predict,
    seed_everything,
    shift,
)
from convbook.training.devices import pick_precision
from convbook.training.evaluation import autocast

QUICK = Recipe(epochs=3, batch_size=32, lr=0.05)


def test_fit_learns_the_task(net: nn.Module, train: ImageSet, val: ImageSet) -> None:
    before = evaluate(net, val)["accuracy"]
    history = fit(net, train, val, QUICK, device="cpu")
    assert before < 0.8 < 0.95 < history.final["val_accuracy"]
    assert history.final["train_loss"] < history.rows[0]["train_loss"]
    assert evaluate(net, val)["accuracy"] == history.final["val_accuracy"]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_one_seed_gives_one_result_bit_for_bit(
    net: nn.Module, train: ImageSet, val: ImageSet, optimizer: str
) -> None:
    recipe = Recipe(epochs=2, batch_size=32, lr=0.01, optimizer=optimizer, augment=shift(1), seed=5)
    twin = copy.deepcopy(net)
    first = fit(net, train, val, recipe, device="cpu")
    torch.rand(7)  # whatever happened to the global generator in between must not matter
    second = fit(twin, train, val, recipe, device="cpu")
    for a, b in zip(net.state_dict().values(), twin.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    for name in ("lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy"):
        assert first.column(name) == second.column(name)


def test_another_seed_gives_another_result(net: nn.Module, train: ImageSet, val: ImageSet) -> None:
    twin = copy.deepcopy(net)
    fit(net, train, val, Recipe(epochs=1, batch_size=32, seed=0), device="cpu")
    fit(twin, train, val, Recipe(epochs=1, batch_size=32, seed=1), device="cpu")
    assert not torch.equal(net[0].weight, twin[0].weight)


def test_fit_equals_a_plain_loop_written_out(train: ImageSet, val: ImageSet) -> None:
    """Against PyTorch's own pieces: its SGD, its cosine schedule, whole-batch steps."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2, bias=False))
    twin = copy.deepcopy(model)
    settings = {"schedule": "cosine", "momentum": 0.9, "weight_decay": 0.01, "precision": "float32"}
    recipe = Recipe(epochs=4, batch_size=200, lr=0.1, **settings)
    history = fit(model, train, val, recipe, device="cpu")

    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
    losses = []
    for _ in range(4):
        loss = F.cross_entropy(twin(train.float_images()), train.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    torch.testing.assert_close(model[1].weight, twin[1].weight)
    assert history.column("train_loss") == pytest.approx(losses, rel=1e-5)


def test_history_has_a_row_an_epoch_with_every_column(net: nn.Module, train: ImageSet, val: ImageSet) -> None:
    history = fit(net, train, val, QUICK, device="cpu")
    assert history.column("epoch") == [1, 2, 3]
    assert all(set(row) == set(history.rows[0]) for row in history.rows) and len(history.rows[0]) == 7
    assert history.images == 6 * 32, "an incomplete last batch is left out"
    assert 0 < sum(history.column("seconds")) <= history.seconds
    assert history.images_per_second == pytest.approx(3 * 192 / sum(history.column("seconds")))
    assert history.data == "sides" and history.device == "cpu" and history.precision == "float32"
    assert history.parameters == sum(p.numel() for p in net.parameters())


def test_a_batch_larger_than_the_set_is_the_whole_set(net: nn.Module, train: ImageSet, val: ImageSet) -> None:
    assert fit(net, train, val, Recipe(epochs=1, batch_size=512), device="cpu").images == 200


def test_a_loss_of_ones_own_is_minimised_and_named(net: nn.Module, train: ImageSet, val: ImageSet) -> None:
    seen = []

    def squared_error(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        seen.append(len(labels))
        return F.mse_loss(scores, F.one_hot(labels, 2).float())

    history = fit(net, train, val, QUICK, loss=squared_error, device="cpu")
    assert history.loss == "squared_error" and sum(seen) == 3 * 192
    assert history.final["train_loss"] < 0.3


def test_augmentation_is_used_in_training_alone(net: nn.Module, train: ImageSet, val: ImageSet) -> None:
    batches = []

    def blank(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        batches.append(len(images))
        return torch.zeros_like(images)

    history = fit(net, train, val, Recipe(epochs=2, batch_size=50, augment=blank), device="cpu")
    assert batches == [50] * 8
    assert history.final["train_accuracy"] < 0.7, "there is nothing to see on blank images"


def test_a_diverging_run_says_what_to_try_and_keeps_its_history(train: ImageSet, val: ImageSet) -> None:
    class Explodes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.steps = nn.Linear(64, 2), 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.steps += self.training
            return self.linear(x.flatten(1)) * (math.nan if self.steps > 8 else 1)

    with pytest.raises(DivergenceError, match=r"in epoch 2: try a lower lr \(now 0.05\)") as error:
        fit(Explodes(), train, val, QUICK, device="cpu")
    assert len(error.value.history) == 1


def test_a_rate_far_too_high_is_caught(train: ImageSet, val: ImageSet) -> None:
    torch.manual_seed(0)
    deep = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)
    )
    with pytest.raises(DivergenceError, match="lower lr"):
        fit(deep, train, val, Recipe(epochs=20, batch_size=16, lr=1e6, schedule="constant"), device="cpu")


def test_ctrl_c_returns_the_epochs_so_far(
    net: nn.Module, train: ImageSet, val: ImageSet, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = 0

    def impatient(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 15:  # six batches an epoch: in the third
            raise KeyboardInterrupt
        return images

    history = fit(net, train, val, Recipe(epochs=9, batch_size=32, augment=impatient), device="cpu")
    assert history.interrupted and len(history) == 2
    assert "2 of 9 epochs" in capsys.readouterr().out
    with pytest.raises(ValueError, match="only finished runs"):
        history.to_record(model="net")


def test_too_few_scores_are_found_before_training(train: ImageSet, val: ImageSet) -> None:
    with pytest.raises(ValueError, match="sides has 2 classes: make it with num_classes=2"):
        fit(nn.Sequential(nn.Flatten(), nn.Linear(64, 1)), train, val, QUICK, device="cpu")


def test_frozen_parameters_stay(net: nn.Module, train: ImageSet, val: ImageSet) -> None:
    net[0].weight.requires_grad_(False)
    before = net[0].weight.clone()
    fit(net, train, val, Recipe(epochs=1, batch_size=32), device="cpu")
    assert torch.equal(net[0].weight, before)


def test_bf16_on_the_cpu_trains_with_float32_weights(net: nn.Module, train: ImageSet, val: ImageSet) -> None:
    history = fit(net, train, val, Recipe(epochs=2, batch_size=32, precision="bf16"), device="cpu")
    assert history.precision == "bf16" and net[0].weight.dtype == torch.float32
    with autocast(torch.device("cpu"), "bf16"):
        assert net.eval()(val.float_images()).dtype == torch.bfloat16


def test_evaluate_agrees_with_a_count_by_hand_and_leaves_the_mode(net: nn.Module, val: ImageSet) -> None:
    net.train()
    measured = evaluate(net, val, batch_size=7)
    assert net.training
    net.eval()
    with torch.no_grad():
        scores = net(val.float_images())
    right = sum(int(s.argmax() == y) for s, y in zip(scores, val.labels, strict=True))
    assert measured["accuracy"] == pytest.approx(right / 60, abs=1e-6)
    assert measured["loss"] == pytest.approx(
        -scores.log_softmax(1)[torch.arange(60), val.labels].mean().item()
    )
    torch.testing.assert_close(predict(net, val, batch_size=11), scores)


def test_seed_everything_fixes_all_three_generators() -> None:
    import random

    import numpy as np

    draws = []
    for _ in range(2):
        seed_everything(3)
        draws.append((random.random(), float(np.random.rand()), float(torch.rand(()))))  # noqa: NPY002
    assert draws[0] == draws[1]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_asking_for_an_absent_gpu_says_what_to_use(net: nn.Module, train: ImageSet, val: ImageSet) -> None:
    assert pick_device("auto") == torch.device("cpu")
    with pytest.raises(DeviceError, match="sees no CUDA GPU: use device='auto' or 'cpu'"):
        fit(net, train, val, QUICK, device="cuda")
    with pytest.raises(DeviceError, match="no device is called 'gpu'"):
        pick_device("gpu")


def test_precision_auto_follows_the_gpus_generation(net: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    for capability, expected in (((7, 5), "fp16"), ((8, 0), "bf16"), ((9, 0), "bf16")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, c=capability: c)
        assert pick_precision("auto", cuda, net) == expected
    with pytest.raises(DeviceError, match="fp16 needs a CUDA GPU"):
        pick_precision("fp16", cpu, net)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("resnet20_cifar", "bf16"), ("resnext50_32x4d", "bf16"), ("mobilenet_v1", "float32")],
)
def test_precision_auto_on_a_cpu_is_bf16_where_that_is_faster(
    monkeypatch: pytest.MonkeyPatch, name: str, expected: str
) -> None:
    with torch.device("meta"):
        model = create_model(name)
    for able, chosen in ((True, expected), (False, "float32")):
        monkeypatch.setattr("convbook.training.devices.cpu_has_bf16", lambda able=able: able)
        assert pick_precision("auto", torch.device("cpu"), model) == chosen


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16"])
def test_fit_learns_on_a_gpu(net: nn.Module, train: ImageSet, val: ImageSet, precision: str) -> None:
    recipe = Recipe(epochs=3, batch_size=32, lr=0.05, precision=precision, augment=shift(1))
    history = fit(net, train, val, recipe, device="cuda")
    assert history.device == "cuda" and history.final["val_accuracy"] > 0.9
