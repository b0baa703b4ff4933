"""The runs worth teaching, as ``experiments.toml`` lists them: commands, what they cost, which are measured."""

from __future__ import annotations

import ast
import shlex
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from convbook.profile import count_macs
from convbook.records.store import FOLDER, Record, RecordError

SETS = {"digits": (1, 1_437), "mnist": (1, 60_000), "cifar10": (3, 50_000)}  # channels, training images
ELSEWHERE = ("--device", "--checkpoints", "--folder", "--reduced")  # where a run was made, and its label


@dataclass(frozen=True)
class Run:
    """One training run of an experiment.

    Attributes:
        label: what a chart calls it.
        words: the program, its arguments and the seed.
        whole: the words of the whole run, if this one is reduced.
        gpu: whether it takes too long on a CPU.
    """

    label: str
    words: tuple[str, ...]
    whole: tuple[str, ...] | None = None
    gpu: bool = False

    @property
    def command(self) -> str:
        """What a reader types."""
        return shlex.join(["python", "-m", *self.words])

    @property
    def reduced(self) -> str | None:
        """What a reduced run has of the whole one, in words; None for a whole run."""
        if self.whole is None:
            return None
        parts = []
        for noun, share, total in zip(("images", "epochs"), _length(self.words), _length(self.whole), strict=True):
            if share != total:
                parts.append(f"{share:,} of {total:,} {noun}")
        return ", ".join(parts)

    @property
    def cost(self) -> int:
        """Multiply-accumulates of the whole run: three passes' worth an image, and those of a teacher."""
        channels, _ = SETS[option(self.words, "--data")]
        images, epochs = _length(self.words)
        overrides = tuple(self.words[i + 1] for i, word in enumerate(self.words) if word == "--option")
        each = 3 * _macs(self.words[1], channels, overrides)
        teacher = option(self.words, "--teacher")
        if teacher:
            each += 4 * _macs(teacher, channels, ())  # it learns first, and then answers for every image
        return each * images * epochs

    def is_measured_by(self, record: Record) -> bool:
        """Whether ``record`` came from this very command, on whatever device."""
        words = shlex.split(record.command)
        for name in ELSEWHERE:
            if name in words:
                place = words.index(name)
                del words[place : place + 2]
        return words == ["python", "-m", *self.words]


@dataclass(frozen=True)
class Experiment:
    """A question and the runs that answer it.

    Attributes:
        name: what ``course records --only`` calls it.
        title: heading of its section in the book.
        question: one sentence.
        quantity: the curve that answers it.
        whole: the runs as they should be.
        reduced: shorter ones, for a CPU.
    """

    name: str
    title: str
    question: str
    quantity: str
    whole: tuple[Run, ...]
    reduced: tuple[Run, ...]


def load_experiments(path: Path = FOLDER / "experiments.toml") -> list[Experiment]:
    """All experiments, in the book's order.

    Raises:
        RecordError: the file is damaged.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return [_experiment(entry) for entry in content["experiment"]]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise RecordError(f"{path} is damaged ({error!r}): restore it from the repository") from error


def records_of(run: Run, records: Iterable[Record]) -> list[Record]:
    """The records that measure ``run``."""
    return [record for record in records if run.is_measured_by(record)]


def option(words: tuple[str, ...], name: str, default: Any = None) -> Any:
    """The word that follows an option, or ``default``."""
    return words[words.index(name) + 1] if name in words else default


def parse_overrides(given: Iterable[str]) -> dict[str, Any]:
    """``["depths=(1, 1)", "attention=se"]`` as arguments for ``create_model``.

    Raises:
        ValueError: one is not of the form NAME=VALUE.
    """
    overrides = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"{text!r} sets nothing: write NAME=VALUE, such as reduction=8")
        try:
            overrides[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            overrides[name] = value
    return overrides


def _experiment(entry: dict[str, Any]) -> Experiment:
    whole, reduced = [], []
    for seed in entry["seeds"]:
        for each in entry["runs"]:
            words = shlex.split(f"{each['command']} {entry['options']} --seed {seed}")
            full = Run(each["label"], tuple(words), gpu=each.get("gpu", "reduced" not in entry))
            whole.append(full)
            if not full.gpu:
                short = _replace(full.words, shlex.split(entry["reduced"]))
                reduced.append(Run(each["label"], short, whole=full.words))
    quantity = entry.get("quantity", "val_accuracy")
    return Experiment(
        entry["name"], entry["title"], entry["question"], quantity, tuple(whole), tuple(reduced)
    )


def _replace(words: tuple[str, ...], others: list[str]) -> tuple[str, ...]:
    """``words`` with other values for some options; those not there yet come before the seed."""
    result = list(words)
    for name, value in zip(others[::2], others[1::2], strict=True):
        if name in result:
            result[result.index(name) + 1] = value
        else:
            place = result.index("--seed")
            result[place:place] = [name, value]
    return tuple(result)


def _length(words: tuple[str, ...]) -> tuple[int, int]:
    """Images and epochs of a run."""
    _, images = SETS[option(words, "--data")]
    return min(images, int(option(words, "--images", images))), int(option(words, "--epochs"))


@cache
def _macs(model: str, channels: int, overrides: tuple[str, ...]) -> int:
    """Multiply-accumulates of one forward pass of an image of 32x32 pixels."""
    arguments = parse_overrides(overrides) | {"num_classes": 10, "in_channels": channels}
    return count_macs(model, (channels, 32, 32), **arguments)
