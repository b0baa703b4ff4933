"""A run that was cut off goes on from its newest checkpoint as if nothing had happened, bit for bit."""

import copy
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from convbook.data import ImageSet
from convbook.training import CheckpointError, Checkpoints, History, Recipe, fit, shift

State = dict[str, Tensor]
ALONE = "CONVBOOK_TEST_ALONE"
# Autograd works in a forked process only if its threads never ran before: other tests may have started them.
posix = pytest.mark.skipif(
    ALONE not in os.environ, reason="runs in a process of its own, by the last test here"
)


class Mixup:
    """Blends each image with another one; prints the same in every process."""

    def __call__(self, images: Tensor, targets: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        share = torch.rand(len(images), generator=generator, device=images.device)
        other = torch.randperm(len(images), generator=generator, device=images.device)
        wide = share.view(-1, 1, 1, 1)
        images = wide * images + (1 - wide) * images[other]
        return images, share.view(-1, 1) * targets + (1 - share.view(-1, 1)) * targets[other]

    def __repr__(self) -> str:
        return "Mixup()"


# All that draws or remembers: the network has dropout and batch norm on top.
RECIPE = Recipe(
    epochs=3,
    batch_size=32,  # of 200 images: six steps an epoch
    lr=0.05,
    momentum=0.9,
    accumulate=2,
    augment=shift(1),
    mix=Mixup(),
    ema=0.9,
    clip=1.0,
    label_smoothing=0.1,
    seed=3,
)


class PowerCut(Exception):
    """What a test means by the end of a process."""


class CutLoss:
    """The cross-entropy until the power is cut at a call (two a step, as batches come in two pieces)."""

    __name__ = "cross_entropy"

    def __init__(self, at: int | None = None, first: Callable[[], object] = lambda: None) -> None:
        self.at, self.first, self.calls = at, first, 0

    def __call__(self, scores: Tensor, targets: Tensor) -> Tensor:
        self.calls += 1
        if self.calls == 1:
            self.first()
        if self.calls == self.at:
            raise PowerCut
        return F.cross_entropy(scores, targets)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums in another order are other sums, and a forked process must not wait for threads it has not."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


Outcome = tuple[State, list[dict[str, float]]]


def outcome(model: nn.Module, history: History) -> Outcome:
    """Weights and rows; the seconds are the clock's."""
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in history.rows]
    return {name: value.clone() for name, value in model.state_dict().items()}, rows


def same(a: Outcome, b: Outcome) -> bool:
    """Equal bit for bit."""
    (weights, rows), (others, other_rows) = a, b
    assert weights.keys() == others.keys()
    return rows == other_rows and all(torch.equal(weights[name], others[name]) for name in weights)


def run(
    net: nn.Module,
    sets: tuple[ImageSet, ImageSet],
    recipe: Recipe = RECIPE,
    checkpoints: Checkpoints | Path | None = None,
    loss: CutLoss | None = None,
    device: str = "cpu",
) -> Outcome:
    """Train a copy of ``net``."""
    model = copy.deepcopy(net)
    history = fit(model, *sets, recipe, loss=loss or CutLoss(), device=device, checkpoints=checkpoints)
    return outcome(model, history)


@pytest.fixture
def sets(train: ImageSet, val: ImageSet) -> tuple[ImageSet, ImageSet]:
    return train, val


Sets = tuple[ImageSet, ImageSet]


@pytest.mark.parametrize(
    ("every", "cuts"),
    [(0.0, (at,)) for at in (1, 2, 12, 13, 36)]
    + [(3600.0, (at,)) for at in (2, 13, 19)]
    + [(every, (8, 3, 1, 14)) for every in (0.0, 3600.0)],
)
def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(
    net: nn.Module, sets: Sets, tmp_path: Path, every: float, cuts: tuple[int, ...]
) -> None:
    """Cut before and amid the first step, at an epoch's end and start, amid one, at the last step, often."""
    for at in cuts:
        torch.rand(at)  # whatever the global generators did in between
        with pytest.raises(PowerCut):
            run(net, sets, checkpoints=Checkpoints(tmp_path, every=every), loss=CutLoss(at))
    loss = CutLoss()
    resumed = run(net, sets, checkpoints=Checkpoints(tmp_path, every=every), loss=loss)
    assert same(resumed, run(net, sets))
    if every == 0:
        done = sum((at - 1) // 2 for at in cuts)
        assert loss.calls == 2 * (18 - done), "no step was taken twice"


@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop"])
def test_other_optimisers_resume_too(net: nn.Module, sets: Sets, tmp_path: Path, optimizer: str) -> None:
    recipe = Recipe(epochs=2, batch_size=32, optimizer=optimizer, lr=0.01, augment=shift(1))
    with pytest.raises(PowerCut):
        run(net, sets, recipe, Checkpoints(tmp_path, every=0), CutLoss(9))
    assert same(run(net, sets, recipe, tmp_path), run(net, sets, recipe))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16"])
def test_a_run_on_a_gpu_resumes_too(net: nn.Module, sets: Sets, tmp_path: Path, precision: str) -> None:
    """Near, not bit for bit; without a recorded graph, which would not call the loss that cuts."""
    recipe = Recipe(**{**vars(RECIPE), "precision": precision, "cuda_graphs": False})
    with pytest.raises(PowerCut):
        run(net, sets, recipe, Checkpoints(tmp_path, every=0), CutLoss(21), "cuda")
    loss = CutLoss()
    resumed = run(net, sets, recipe, tmp_path, loss, "cuda")
    assert loss.calls == 2 * (18 - 10)
    whole = run(net, sets, recipe, device="cuda")
    for row, other in zip(resumed[1], whole[1], strict=True):
        assert row["train_loss"] == pytest.approx(other["train_loss"], rel=0.02)


def test_a_finished_run_is_only_read(net: nn.Module, sets: Sets, tmp_path: Path) -> None:
    first = run(net, sets, checkpoints=tmp_path)
    loss = CutLoss()
    assert same(run(net, sets, checkpoints=tmp_path, loss=loss), first) and loss.calls == 0


def test_a_truncated_checkpoint_is_skipped_for_the_one_before(
    net: nn.Module, sets: Sets, tmp_path: Path
) -> None:
    with pytest.raises(PowerCut):
        run(net, sets, checkpoints=Checkpoints(tmp_path, every=0), loss=CutLoss(21))
    newest = max(tmp_path.iterdir())
    os.truncate(newest, newest.stat().st_size // 2)
    loss = CutLoss()
    with pytest.warns(UserWarning, match=f"{newest.name} is skipped: it is truncated"):
        resumed = run(net, sets, checkpoints=tmp_path, loss=loss)
    assert same(resumed, run(net, sets))
    assert loss.calls == 2 * (18 - 9), "of ten finished steps the last one was lost"


@pytest.mark.parametrize("what", ["model", "size", "data", "recipe"])
def test_another_runs_checkpoint_is_refused_and_changes_nothing(
    net: nn.Module, sets: Sets, tmp_path: Path, what: str
) -> None:
    run(net, sets, checkpoints=tmp_path)
    train, val = sets
    recipe, said = RECIPE, ""
    model: nn.Module = copy.deepcopy(net)
    if what == "model":

        class Other(nn.Sequential):
            pass

        model, said = Other(*model), "model is 'Sequential' there and 'Other' here"
    elif what == "size":
        model, said = nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), "is .* there and .* here"
    elif what == "data":
        train, said = train.subset(100), "images is 200 there and 100 here"
    else:
        recipe, said = Recipe(**{**vars(RECIPE), "lr": 0.1}), "recipe.lr is 0.05 there and 0.1 here"
    before, files = copy.deepcopy(model.state_dict()), sorted(tmp_path.iterdir())
    with pytest.raises(CheckpointError, match=f"another run.*{said}.*pass another folder"):
        fit(model, train, val, recipe, device="cpu", checkpoints=tmp_path)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert sorted(tmp_path.iterdir()) == files


def start(work: Callable[[], object], output: Path) -> int:
    """Fork a process that works, with its standard output in a file; its number."""
    process = os.fork()
    if process:
        return process
    status: Any = 99
    sys.stdout = output.open("w")
    try:
        work()
        status = 0
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc(file=sys.stdout)
    finally:
        sys.stdout.flush()
        os._exit(status)


def end_of(process: int) -> int:
    """Its exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


@posix
@pytest.mark.parametrize("kept", [True, False])
def test_sigterm_amid_an_epoch_ends_in_one_line_with_status_143(
    net: nn.Module, sets: Sets, tmp_path: Path, kept: bool
) -> None:
    folder = tmp_path / "checkpoints" if kept else None
    amid = CutLoss(first=lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert end_of(start(lambda: run(net, sets, checkpoints=folder, loss=amid), tmp_path / "said")) == 143
    said = (tmp_path / "said").read_text()
    assert said.startswith("terminated after step 1 of 18: ") and said.count("\n") == 1
    if folder:
        loss = CutLoss()
        assert same(run(net, sets, checkpoints=folder, loss=loss), run(net, sets))
        assert loss.calls == 2 * 17, "the step that the signal met was kept"


@posix
@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing(net: nn.Module, sets: Sets, tmp_path: Path) -> None:
    """Twenty-four processes are killed, half of them without warning; the end is that of a whole run."""
    recipe = Recipe(**{**vars(RECIPE), "epochs": 15})
    expected = run(net, sets, recipe)
    rng = random.Random(0)
    result, number, reached, landed = tmp_path / "result", 0, 0, 0

    def begin(folder: Path) -> tuple[int, int]:
        reader, writer = os.pipe()

        def work() -> None:
            checkpoints = Checkpoints(folder, every=0.01)
            torch.save(
                run(net, sets, recipe, checkpoints, CutLoss(first=lambda: os.write(writer, b"."))), result
            )

        process = start(work, tmp_path / "said")
        os.close(writer)
        return process, reader

    class Known(Checkpoints):
        """Learns by what a run is named."""

        def newest(self, run: dict[str, Any]) -> dict[str, Any] | None:
            name.update(run)
            raise PowerCut

    name: dict[str, Any] = {}
    with pytest.raises(PowerCut):
        run(net, sets, recipe, Known(tmp_path / "unused"))

    for kill in range(24):
        sign = (signal.SIGKILL, signal.SIGTERM)[kill % 2]
        ended: int | None = 0
        while ended == 0:  # a process that came to its end before the signal does not count
            folder = tmp_path / f"run{number}"
            process, reader = begin(folder)
            if kill % 8 < 6:  # the others are struck while they start or read
                os.read(reader, 1)
            time.sleep(rng.uniform(0, 0.15))
            os.kill(process, sign)
            ended = end_of(process)
            os.close(reader)
            if ended == 0:
                assert same(torch.load(result), expected)
                number, reached = number + 1, 0
        assert ended in (-sign, 128 + sign), (tmp_path / "said").read_text()
        if folder.exists():
            found = Checkpoints(folder).newest(name)
            step = found["step"] if found else 0
            assert step >= reached, "ground was lost"
            landed += step > reached
            reached = step
    assert landed >= 9, "what SIGTERM met in training was to be kept"
    process, reader = begin(folder)
    assert end_of(process) == 0, (tmp_path / "said").read_text()
    os.close(reader)
    assert same(torch.load(result), expected)
    assert len(list(folder.iterdir())) == 2, "nothing but the two newest checkpoints"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.skipif(ALONE in os.environ, reason="this is that process")
def test_runs_that_are_killed_in_a_process_of_their_own() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", __file__]
    run_alone = subprocess.run(
        [*command, "-k", "sigterm or kills"], env=os.environ | {ALONE: "1"}, capture_output=True, text=True
    )
    assert run_alone.returncode == 0 and "3 passed" in run_alone.stdout, run_alone.stdout
