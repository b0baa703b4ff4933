"""Writing and reading records."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tempfile
from dataclasses import MISSING, asdict, dataclass, fields
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol

FOLDER = Path(__file__).parent


class RecordError(RuntimeError):
    """A record cannot be written, or a file is not one."""


class Recordable(Protocol):
    """What a record is made from: :class:`convbook.training.History`."""

    def to_record(
        self, *, model: str, options: dict[str, Any], data: str | None, command: str
    ) -> dict[str, Any]:
        """The run's figures and circumstances, as JSON can hold them."""


@dataclass(frozen=True)
class Record:
    """One measured run.

    Attributes:
        model: its name in the registry.
        options: the arguments it was made with, besides the name.
        parameters: how many were trained.
        data: the data's name: "CIFAR-10 (JPEG)" where that copy was used.
        recipe: every hyperparameter.
        loss: the name of the loss.
        seed: of weights, order and augmentation.
        curve: a row an epoch, as in a history.
        final: the curve's last row.
        seconds: wall time of the whole run.
        images_per_second: training images a second, evaluation apart.
        precision: "float32", "bf16" or "fp16".
        hardware: the device in words.
        versions: of Python and PyTorch.
        commit: of the source, with "+changes" if files differed from it; None outside a repository.
        command: what runs the same again.
        reduced: what a shortened run left out, such as "5,000 of 50,000 images"; None for a whole one.
        figures: what was measured besides the curve, by name, such as the accuracy on a class left out.
    """

    model: str
    options: dict[str, Any]
    parameters: int
    data: str
    recipe: dict[str, Any]
    loss: str
    seed: int
    curve: list[dict[str, float]]
    final: dict[str, float]
    seconds: float
    images_per_second: float
    precision: str
    hardware: str
    versions: dict[str, str]
    commit: str | None
    command: str
    reduced: str | None = None
    figures: dict[str, float] | None = None

    @property
    def label(self) -> str:
        """One line for a chart: model, data, epochs, hardware, and whether the run was reduced."""
        text = f"{self.model} on {self.data}, {len(self.curve)} epochs, {self.hardware}"
        return f"{text}, reduced ({self.reduced})" if self.reduced else text

    def column(self, name: str) -> list[float]:
        """One quantity over the epochs, as a history gives it: ``plots.curves`` draws records too."""
        return [row[name] for row in self.curve]


def save_record(
    history: Recordable,
    *,
    model: str,
    command: str,
    data: str | None = None,
    options: dict[str, Any] | None = None,
    reduced: str | None = None,
    figures: dict[str, float] | None = None,
    folder: str | Path = FOLDER,
) -> Path:
    """Write a finished run and return the new file's path.

    The file appears whole or not at all, and is named after its content, so that no run overwrites another.

    Args:
        history: what ``fit`` returned.
        model: the model's name in the registry.
        command: what a reader types to run the same again.
        data: the data's name, if another than the history's.
        options: the arguments that the model was made with, besides its name.
        reduced: what a shortened run left out; None for a whole one.
        figures: what was measured besides the curve, by name.
        folder: where records live.

    Raises:
        RecordError: the run is unfinished, or the folder cannot be written to.
    """
    try:
        content = history.to_record(model=model, options=options or {}, data=data, command=command)
    except ValueError as error:
        raise RecordError(str(error)) from error
    record = _parse(
        content | {"commit": commit(), "reduced": reduced, "figures": figures}, f"the run of {model}"
    )
    text = json.dumps(asdict(record), indent=1, allow_nan=False) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    path = Path(folder) / f"{_slug(record.model)}-{_slug(record.data)}-{digest}.json"
    try:
        _write_whole(path, text)
    except OSError as error:
        raise RecordError(f"{path} could not be written ({error.strerror}): pass another folder") from error
    return path


def load_records(
    model: str | None = None, data: str | None = None, *, folder: str | Path = FOLDER
) -> list[Record]:
    """The records whose model and data match the patterns ("se_*"), by model, data and best accuracy first.

    Raises:
        RecordError: a file in the folder is damaged.
    """
    records = [_read(path) for path in sorted(Path(folder).glob("*.json"))]
    chosen = [
        record
        for record in records
        if (model is None or fnmatch(record.model, model)) and (data is None or fnmatch(record.data, data))
    ]
    return sorted(chosen, key=lambda r: (r.model, r.data, -r.final["val_accuracy"]))


def commit() -> str | None:
    """The source's commit, if the package runs from its repository."""

    def git(*arguments: str) -> str:
        run = subprocess.run(
            ["git", "-C", str(FOLDER), *arguments], capture_output=True, text=True, timeout=20, check=True
        )
        return run.stdout.strip()

    try:
        tracked = git("ls-files", "--", __file__)
        if not tracked:  # a repository around the package that is not the package's own
            return None
        changed = git("status", "--porcelain", "--untracked-files=no", "--", str(FOLDER.parent))
        return git("rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _read(path: Path) -> Record:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} is damaged ({error}): restore it from the repository") from error
    return _parse(content, str(path))


def _parse(content: Any, source: str) -> Record:
    """Check a record's fields and that its final row is its curve's last."""
    names = {field.name for field in fields(Record)}
    needed = {field.name for field in fields(Record) if field.default is MISSING}
    if not isinstance(content, dict) or not needed <= set(content) <= names:
        wrong = (needed - set(content)) | (set(content) - names) if isinstance(content, dict) else {"all"}
        raise RecordError(f"{source} is no record: missing or unknown is {', '.join(sorted(wrong))}")
    record = Record(**content)
    if not record.curve or record.final != record.curve[-1]:
        raise RecordError(f"{source} is no record: its final figures are not its curve's last row")
    return record


def _write_whole(path: Path, text: str) -> None:
    """Write beside the target, then rename: nobody ever sees half a file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-")
