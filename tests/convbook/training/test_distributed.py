"""Two processes train as one does. pytest starts this file, which forks into both: one import for two."""

import copy
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F

from convbook.data import ImageSet
from convbook.models import create_model
from convbook.training import DeviceError, Recipe, fit
from convbook.training.checkpoint import Checkpoints
from convbook.training.distributed import Group, may_skip_parts, own_device, process_group

NORMS = {
    "1d": (nn.BatchNorm1d(3), (8, 3)),
    "2d": (nn.BatchNorm2d(3, eps=1e-3, momentum=0.3), (8, 3, 5, 4)),
    "3d": (nn.BatchNorm3d(3, affine=False, momentum=None), (8, 3, 2, 3, 2)),
    "untracked": (nn.BatchNorm2d(3, track_running_stats=False), (8, 3, 5, 4)),
}
PLAIN = Recipe(epochs=2, batch_size=12, lr=0.05, precision="float32")  # bf16 would round more coarsely
RECIPES = {
    "plain": PLAIN,
    "all": replace(PLAIN, accumulate=3, clip=0.5, ema=0.9, optimizer="adamw"),
    "skips": PLAIN,
}


class Skips(nn.Module):
    """A block that every other step leaves out by chance, norm and all."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if not self.training or torch.rand(()) < 0.5 else x


class Counted(Checkpoints):
    """Checkpoints after every look, which count how often they are written."""

    writes = 0

    def save(self, *arguments: Any, **options: Any) -> Path:
        self.writes += 1
        return super().save(*arguments, **options)


def make_net(skips: bool = False, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = [
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4 * 36, 3),
    ]
    if skips:
        layers.insert(3, Skips())
    return nn.Sequential(*layers)


def make_set(n: int) -> ImageSet:
    draws = torch.Generator().manual_seed(n)
    labels = torch.randint(0, 3, (n,), generator=draws)
    noise = torch.randint(0, 150, (n, 1, 6, 6), generator=draws)
    return ImageSet((noise + 50 * labels.view(-1, 1, 1, 1)).byte(), labels, ("a", "b", "c"))


def train(
    case: str, net: nn.Sequential, checkpoints: Checkpoints | None = None, stop: int = 0
) -> dict[str, Any]:
    """``fit`` on 24 batches an epoch, interrupted in step ``stop``; what it leaves."""
    steps = 0

    def impatient(scores: Tensor, labels: Tensor) -> Tensor:
        nonlocal steps
        steps += 1
        if steps == stop:
            raise KeyboardInterrupt
        return F.cross_entropy(scores, labels)

    history = fit(
        *(net, make_set(290), make_set(31), RECIPES[case]),
        loss=impatient,
        device="cpu",
        checkpoints=checkpoints,
    )
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in history.rows]
    return {"rows": rows, "state": net.state_dict(), "print": repr(net)}


def normalise(group: Group, norm: nn.Module, shape: tuple[int, ...]) -> dict[str, Any]:
    """Forward and backward of one norm over this process's part, the parts being 3 and 5 images."""
    torch.manual_seed(1)
    whole, pull = torch.randn(2, *shape, dtype=torch.float64) + 3
    bounds = [0, 3, 8] if group.world == 2 else [0, 8]
    mine = slice(*bounds[group.rank : group.rank + 2])
    x = whole[mine].clone().requires_grad_()
    net = nn.Sequential(norm).double().train()
    if norm.affine:
        nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    if group.world > 1:
        group.wrap(nn.Sequential(net, nn.Linear(1, 1)))  # the norm alone would be no model to train
    for _ in range(2):
        y = net(x)
        (y * pull[mine]).sum().backward()
    return {
        "y": y.detach(),
        "x": x.grad,
        "weights": [group.sum(p.grad) for p in net.parameters()],
        "buffers": dict(net.named_buffers()),
    }


def main(out: Path) -> None:
    """Everything that two processes are asked, in one launch."""
    found: dict[str, Any] = {}
    with process_group("cpu") as group:
        found["who"] = (group.rank, group.world, group.writes, str(group.device))
        with process_group() as inner:
            found["inner"] = inner == group and distributed.is_initialized()
        found["sum"] = group.sum(torch.tensor([1.0, group.rank])).tolist()
        found["share"] = group.share({"epoch": group.rank + 5})
        found["norms"] = {
            name: normalise(group, copy.deepcopy(norm), shape) for name, (norm, shape) in NORMS.items()
        }
        group.wait()
    found["left"] = not distributed.is_initialized()
    try:
        with process_group("cpu"):
            raise KeyError("on purpose")
    except KeyError:
        found["left after an error"] = not distributed.is_initialized()
    for case in RECIPES:  # rank 0's initial weights count
        found[case] = train(case, make_net(skips=case == "skips", seed=group.rank))
    checkpoints = Counted(out / "checkpoints", every=0)
    found["stopped"] = train("plain", make_net(), checkpoints, stop=22)["rows"]
    found["writes"] = checkpoints.writes
    found["resumed"] = train("plain", make_net(seed=5), checkpoints)
    torch.save(found, out / f"{group.rank}.pt")


def in_two(work: Callable[[], None]) -> None:
    """Do ``work`` in two processes, told by their environment what torchrun would tell them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    child = os.fork()
    os.environ["RANK"] = os.environ["LOCAL_RANK"] = "0" if child else "1"
    work()
    if not child:
        os._exit(0)  # an error has ended it otherwise
    if os.waitpid(child, 0)[1]:
        sys.exit("the second process failed")


def launch(*arguments: str, torchrun: bool = False) -> subprocess.CompletedProcess[str]:
    two = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    return subprocess.run(
        [sys.executable, *(two if torchrun else ()), __file__, *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=480,
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes saw."""
    out = tmp_path_factory.mktemp("ranks")
    done = launch("train", str(out))
    assert done.returncode == 0, done.stderr
    return [torch.load(out / f"{rank}.pt") for rank in range(2)]


@pytest.mark.slow
def test_each_process_knows_who_it_is_and_one_writes(found: list[dict[str, Any]]) -> None:
    assert [seen["who"] for seen in found] == [(0, 2, True, "cpu"), (1, 2, False, "cpu")]
    for seen in found:
        assert seen["sum"] == [2.0, 1.0] and seen["share"] == {"epoch": 5}


@pytest.mark.slow
def test_a_group_is_entered_again_and_always_left(found: list[dict[str, Any]]) -> None:
    for seen in found:
        assert seen["inner"] and seen["left"] and seen["left after an error"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NORMS)
def test_a_norm_over_two_unequal_parts_is_the_norm_over_the_whole(
    found: list[dict[str, Any]], name: str
) -> None:
    norm, shape = NORMS[name]
    whole = normalise(Group(), copy.deepcopy(norm), shape)
    parts = [seen["norms"][name] for seen in found]
    for key in ("y", "x"):
        torch.testing.assert_close(torch.cat([part[key] for part in parts]), whole[key])
    for part in parts:
        torch.testing.assert_close(part["weights"], whole["weights"])
        torch.testing.assert_close(part["buffers"], whole["buffers"])


@pytest.mark.slow
@pytest.mark.parametrize("case", [*RECIPES, "resumed"])
def test_two_processes_train_as_one(found: list[dict[str, Any]], case: str) -> None:
    net = make_net(skips=case == "skips")
    alone = train("plain" if case == "resumed" else case, net)
    for seen in found:
        together = seen[case]
        for row, expected in zip(together["rows"], alone["rows"], strict=True):
            assert row == pytest.approx(expected, rel=1e-4)
        torch.testing.assert_close(together["state"], alone["state"], rtol=1e-4, atol=1e-5)
        assert together["print"] == repr(make_net(skips=case == "skips")), "the norms are plain ones again"
    for a, b in zip(*(seen[case]["state"].values() for seen in found), strict=True):
        assert torch.equal(a, b)


@pytest.mark.slow
def test_one_process_writes_checkpoints_and_all_go_on_from_them(found: list[dict[str, Any]]) -> None:
    """Stopped in step 22 of 24: both went on from step 20, in the middle of the first epoch."""
    assert [seen["writes"] for seen in found] == [1, 0]
    assert all(seen["stopped"] == [] for seen in found)


@pytest.mark.slow
def test_a_process_that_dies_ends_the_command() -> None:
    done = launch("die", torchrun=True)  # within its own limit of time, far below the group's
    assert done.returncode != 0 and "ValueError: on purpose" in done.stderr
    assert "the wait is over" not in done.stdout


def test_a_process_alone_is_its_own_group_and_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    net = make_net()
    with process_group("cpu") as group:
        assert group == Group(0, 1, torch.device("cpu")) and group.writes
        assert group.wrap(net) is net and group.unwrap(net) is net
        assert group.sum(net[0].weight) is net[0].weight and group.share(net) is net
        group.wait()
        assert not distributed.is_initialized() and type(net[1]) is nn.BatchNorm2d
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    with process_group("cpu") as group:
        assert group.world == 1 and not distributed.is_initialized()


def test_a_batch_that_cannot_be_dealt_out_evenly_is_refused() -> None:
    assert Group(world=4).part(128, pieces=2) == 16
    with pytest.raises(ValueError, match="a batch of 100 cannot be dealt out evenly to 3 processes: choose"):
        Group(world=3).part(100)
    with pytest.raises(ValueError, match="in 3 pieces each: choose a batch_size that 6 divides"):
        Group(world=2).part(100, pieces=3)


def test_every_process_needs_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert own_device("auto", 1) == torch.device("cuda:1") and own_device("cpu", 3) == torch.device("cpu")
    with pytest.raises(DeviceError, match=r"process 3 .* no GPU of its own.* --nproc-per-node 2"):
        own_device("cuda", 2)
    with pytest.raises(DeviceError, match="ask for 'cuda', not cuda:0"):
        own_device("cuda:0", 1)


def test_only_nets_that_may_leave_parts_out_are_searched_for_them() -> None:
    assert not may_skip_parts(create_model("resnet20_cifar")) and not may_skip_parts(make_net())
    assert may_skip_parts(make_net(skips=True)) and may_skip_parts(create_model("msdnet_cifar"))


if __name__ == "__main__":
    if sys.argv[1] == "train":
        in_two(lambda: main(Path(sys.argv[2])))
    else:
        with process_group("cpu") as group:
            if group.rank == 1:
                raise ValueError("on purpose")
            group.wait()
            print("the wait is over")
