"""What a training run leaves."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from convbook.training.recipe import Recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("epoch", "lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds")
Row = dict[str, float]


@dataclass
class History:
    """One row an epoch, and the circumstances.

    A row holds ``epoch`` (from 1), ``lr`` (of its last step), ``train_loss`` and ``train_accuracy`` (means
    over the epoch while the weights moved, on augmented images), ``val_loss`` and ``val_accuracy`` (after the
    epoch), and ``seconds`` (training alone). Losses are in nats, accuracies between 0 and 1.

    Attributes:
        rows: the epochs, in order.
        recipe: what the run was asked to do.
        data: the data's name.
        images: training images seen an epoch.
        device: "cpu" or "cuda".
        precision: "float32", "bf16" or "fp16": what "auto" came to.
        loss: the name of what was made small.
        parameters: how many scalars were trained.
        seconds: of the whole run, evaluation included.
        interrupted: whether Ctrl-C ended the run early.
    """

    recipe: Recipe = field(default_factory=Recipe)
    data: str = ""
    images: int = 0
    device: str = "cpu"
    precision: str = "float32"
    loss: str = "cross_entropy"
    parameters: int = 0
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def final(self) -> Row:
        """The last epoch's row: the one to report."""
        return self._some_rows()[-1]

    @property
    def best(self) -> Row:
        """The row with the highest validation accuracy: an optimistic figure, as it was chosen by it."""
        return max(self._some_rows(), key=lambda row: row["val_accuracy"])

    @property
    def images_per_second(self) -> float:
        """Training images a second over all epochs, evaluation apart."""
        rows = self._some_rows()
        return self.images * len(rows) / sum(row["seconds"] for row in rows)

    def column(self, name: str) -> list[float]:
        """One quantity over the epochs."""
        if name not in COLUMNS:
            raise KeyError(f"a history has no column {name!r}; choose from {', '.join(COLUMNS)}")
        return [row[name] for row in self.rows]

    def plot(self) -> Figure:
        """Loss above accuracy, each over the epochs: training dashed, validation solid.

        Colours and sizes are matplotlib's current ones, so those of the book once ``use_style`` was called.
        """
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator, PercentFormatter

        epochs = [row["epoch"] for row in self._some_rows()]
        figure = Figure(figsize=(5.4, 4.2), layout="constrained")
        panels = figure.subplots(2, 1, sharex=True)
        for axes, quantity in zip(panels, ("loss", "accuracy"), strict=True):
            # Dashes and marks too, as colours vanish in print; few marks, as they would hide a long line.
            few = {"markevery": max(1, len(epochs) // 12)}
            axes.plot(epochs, self.column(f"train_{quantity}"), "o--", label="training", **few)
            axes.plot(epochs, self.column(f"val_{quantity}"), "s-", label="validation", **few)
            axes.grid(axis="y")
        panels[0].set_ylabel("loss (nats)")
        panels[0].legend()
        panels[1].set_ylabel("accuracy (%)")
        panels[1].yaxis.set_major_formatter(PercentFormatter(xmax=1, symbol=""))
        panels[1].set_xlabel("epoch")
        panels[1].xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
        return figure

    def to_markdown(self) -> str:
        """The rows as a Markdown table."""
        lines = [
            " | ".join(cells) for cells in (_HEADINGS, ["---:"] * len(_HEADINGS), *map(_cells, self.rows))
        ]
        return "\n".join(f"| {line} |" for line in lines)

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{text}</th>' for text in _HEADINGS)
        body = ""
        for first, *others in map(_cells, self.rows):
            cells = "".join(f"<td>{text}</td>" for text in others)
            body += f'<tr><th scope="row">{first}</th>{cells}</tr>'
        caption = f"Training on {self.data}" + (", interrupted" if self.interrupted else "")
        return (
            f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )

    def to_record(
        self,
        *,
        model: str,
        options: dict[str, Any] | None = None,
        data: str | None = None,
        command: str = "",
    ) -> dict[str, Any]:
        """The run as a record: see :mod:`convbook.records`.

        Args:
            model: its name in the registry.
            options: the arguments that it was made with, besides its name.
            data: the data's name, if another than the set's own.
            command: what a reader types to run the same.
        """
        if self.interrupted or len(self) < self.recipe.epochs:
            raise ValueError(
                f"only finished runs are recorded; this one has {len(self)} of {self.recipe.epochs} epochs"
            )
        return {
            "model": model,
            "options": options or {},
            "parameters": self.parameters,
            "data": data or self.data,
            "recipe": self.recipe.to_dict(),
            "loss": self.loss,
            "seed": self.recipe.seed,
            "curve": self.rows,
            "final": self.final,
            "seconds": round(self.seconds, 2),
            "images_per_second": round(self.images_per_second, 1),
            "precision": self.precision,
            "hardware": hardware(self.device),
            "versions": {"python": platform.python_version(), "torch": torch.__version__},
            "command": command,
        }

    def _some_rows(self) -> list[Row]:
        if not self.rows:
            raise ValueError("this history is empty: no epoch was finished")
        return self.rows


_HEADINGS = ["epoch", "learning rate", "train loss", "train %", "val loss", "val %", "seconds"]


def _cells(row: Row) -> list[str]:
    return [
        f"{row['epoch']:.0f}",
        f"{row['lr']:.3g}",
        f"{row['train_loss']:.4f}",
        f"{100 * row['train_accuracy']:.2f}",
        f"{row['val_loss']:.4f}",
        f"{100 * row['val_accuracy']:.2f}",
        f"{row['seconds']:.1f}",
    ]


def hardware(device: str) -> str:
    """The device in words, with nothing that names the machine: "CPU AMD EPYC (AVX2), 2 threads"."""
    if torch.device(device).type == "cuda":
        return f"GPU {torch.cuda.get_device_name(device)}"
    instructions = torch.backends.cpu.get_cpu_capability()
    threads = torch.get_num_threads()
    return f"CPU {_cpu()} ({instructions}), {threads} thread{'' if threads == 1 else 's'}"


def _cpu() -> str:
    """The processor's name where Linux tells it, else its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
