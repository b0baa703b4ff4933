"""The runs worth teaching, as ``experiments.toml`` lists them: commands, their cost, which are measured."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from convbook.claims import find_recipe
from convbook.profile import count_macs
from convbook.records.store import FOLDER, Record, RecordError
from convbook.training.options import option

SETS = {"digits": (1, 1_437), "mnist": (1, 60_000), "cifar10": (3, 50_000)}  # channels, training images
SIDE = 32  # pixels of all of them
ELSEWHERE = ("--device", "--checkpoints", "--folder")  # where a run was made, not what it was
Words = tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """One training run of an experiment.

    Attributes:
        label: what a chart calls it.
        words: the program, the network and the options, the seed last.
        reduced: whether it is shorter than the course's recipe for the network.
        gpu: whether it takes too long on a CPU.
    """

    label: str
    words: Words
    reduced: bool = False
    gpu: bool = False

    @property
    def command(self) -> str:
        """What a reader types."""
        return shlex.join(["python", "-m", *self.words])

    @property
    def seed(self) -> int:
        """Of weights, order and augmentation."""
        return int(self._option("--seed"))

    @property
    def length(self) -> tuple[int, int]:
        """Training images, and how often each is seen."""
        _, images = SETS[self._option("--data")]
        epochs = self._option("--epochs") or find_recipe(self.words[1]).course["epochs"]
        return int(self._option("--subset") or images), int(epochs)

    @property
    def cost(self) -> int:
        """Multiply-accumulates of the run: a forward and two backward passes for each image and epoch.

        A teacher learns first and then answers for every image; what is widened learns twice.
        """
        channels, _ = SETS[self._option("--data")]
        overrides = tuple(self.words[i + 1] for i, word in enumerate(self.words) if word == "--option")
        model, teacher, narrow = self.words[1], self._option("--teacher"), self._option("--narrow")
        each = 3 * _macs(model, channels, overrides)
        if teacher:
            each += 4 * _macs(teacher, channels, ())
        if narrow:
            each += 3 * _macs(model, channels, (*overrides, narrow))
        if self.words[0].endswith("how_fast"):
            each *= 2  # every image and its mirror image
        images, epochs = self.length
        return each * images * epochs

    def is_measured_by(self, record: Record) -> bool:
        """Whether ``record`` came from this very command, on whatever device."""
        words = shlex.split(record.command)
        for name in ELSEWHERE:
            if name in words:
                place = words.index(name)
                del words[place : place + 2]
        return words == ["python", "-m", *self.words]

    def _option(self, name: str) -> str:
        """The word that follows an option, or "" where it is not given."""
        return self.words[self.words.index(name) + 1] if name in self.words else ""


@dataclass(frozen=True)
class Experiment:
    """A question and the runs that answer it.

    Attributes:
        name: what ``course records --only`` calls it.
        title: heading of its section in the book.
        question: one sentence.
        quantity: the curve that answers it.
        target: what the curve should reach, if the question is when it does.
        whole: the runs as they should be.
        reduced: shorter ones, for a CPU; none of those that only a GPU can do.
    """

    name: str
    title: str
    question: str
    quantity: str
    target: float | None
    whole: tuple[Run, ...]
    reduced: tuple[Run, ...]


def load_experiments(path: Path = FOLDER / "experiments.toml") -> list[Experiment]:
    """All experiments, in the book's order.

    Raises:
        RecordError: the file is damaged.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return [_experiment(**entry) for entry in content["experiment"]]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RecordError(f"{path} is damaged ({error!r}): restore it from the repository") from error


def records_of(run: Run, records: Iterable[Record]) -> list[Record]:
    """The records that measure ``run``."""
    return [record for record in records if run.is_measured_by(record)]


def _experiment(
    name: str,
    title: str,
    question: str,
    options: str,
    seeds: list[int],
    runs: list[dict[str, str]],
    quantity: str = "val_accuracy",
    target: float | None = None,
    reduced: str = "",
) -> Experiment:
    """One table of the file, with a run for each seed."""
    whole, short = [], []
    for seed in seeds:
        for each in runs:
            words = shlex.split(f"{each['command']} {options}")
            last = ("--seed", str(seed))
            gpu = bool(each.get("gpu", not reduced))
            whole.append(Run(each["label"], (*words, *last), gpu=gpu))
            if not gpu:
                short.append(Run(each["label"], (*words, *shlex.split(reduced), *last), reduced=True))
    return Experiment(name, title, question, quantity, target, tuple(whole), tuple(short))


@cache
def _macs(model: str, channels: int, overrides: Words) -> int:
    """Multiply-accumulates of one forward pass."""
    arguments = {"num_classes": 10, "in_channels": channels, **dict(map(option, overrides))}
    return count_macs(model, (channels, SIDE, SIDE), **arguments)
