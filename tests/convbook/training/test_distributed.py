"""Two processes train as one does. pytest starts this file under torchrun; ``main`` is what then runs."""

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F

from convbook.models import create_model
from convbook.training import DeviceError
from convbook.training.distributed import Group, may_skip_parts, own_device, process_group

NORMS = {
    "1d": (nn.BatchNorm1d(3), (8, 3)),
    "2d": (nn.BatchNorm2d(3, eps=1e-3, momentum=0.3), (8, 3, 5, 4)),
    "3d": (nn.BatchNorm3d(3, affine=False, momentum=None), (8, 3, 2, 3, 2)),
    "untracked": (nn.BatchNorm2d(3, track_running_stats=False), (8, 3, 5, 4)),
}
STEPS, BATCH = 6, 12


class Skips(nn.Module):
    """A block that every other step leaves out by chance, norm and all."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if not self.training or torch.rand(()) < 0.5 else x


def make_net(skips: bool = False) -> nn.Sequential:
    layers = [nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)]
    if skips:
        layers.insert(3, Skips())
    return nn.Sequential(*layers).double()


def train(group: Group, net: nn.Sequential, pieces: int = 1) -> dict[str, Any]:
    """A few plain steps, each over ``BATCH`` images of which this process sees its part."""
    torch.manual_seed(7)
    inputs = torch.randn(STEPS, BATCH, 2, 6, 6, dtype=torch.float64)
    labels = torch.randint(0, 3, (STEPS, BATCH))
    wrapped = group.wrap(net).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    losses = []
    for x, y in zip(inputs, labels, strict=True):
        optimizer.zero_grad()
        mine = slice(group.rank, None, group.world)
        chunks = list(zip(x[mine].chunk(pieces), y[mine].chunk(pieces), strict=True))
        loss = torch.zeros((), dtype=torch.float64)
        for part, target in chunks[:-1]:
            with group.apart(wrapped):
                loss += backward(wrapped, part, target, pieces)
        loss += backward(wrapped, *chunks[-1], pieces)
        nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimizer.step()
        losses.append(group.sum(loss).item() / group.world)
    plain = group.unwrap(wrapped)
    return {"losses": losses, "state": plain.state_dict(), "print": repr(plain), "same": plain is net}


def backward(model: nn.Module, x: Tensor, y: Tensor, pieces: int) -> Tensor:
    loss = F.cross_entropy(model(x), y) / pieces
    loss.backward()
    return loss.detach()


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
    with process_group("cpu") as group:
        torch.manual_seed(group.rank)  # rank 0's weights count
        found["plain"] = train(group, make_net())
        found["pieces"] = train(group, make_net(), pieces=3)
        torch.manual_seed(0)
        found["skips"] = train(group, make_net(skips=True))
    torch.save(found, out / f"{group.rank}.pt")


def launch(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [*command, __file__, *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
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
@pytest.mark.parametrize(("case", "pieces"), [("plain", 1), ("pieces", 3), ("skips", 1)])
def test_two_processes_train_as_one(found: list[dict[str, Any]], case: str, pieces: int) -> None:
    torch.manual_seed(0)
    if case == "pieces":
        make_net()  # the second net that the processes made
    alone = train(Group(), make_net(skips=case == "skips"), pieces)
    for seen in found:
        together = seen[case]
        assert together["same"] and together["print"] == alone["print"], "the norms are plain ones again"
        torch.testing.assert_close(together["losses"], alone["losses"])
        torch.testing.assert_close(together["state"], alone["state"])


@pytest.mark.slow
def test_a_process_that_dies_ends_the_command() -> None:
    done = launch("die")  # within its own limit of time, far below the group's
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
        main(Path(sys.argv[2]))
    else:
        with process_group("cpu") as group:
            if group.rank == 1:
                raise ValueError("on purpose")
            group.wait()
            print("the wait is over")
