"""Checkpoints: what a run needs to go on where it was cut off, in files that are whole or not there.

A checkpoint is written under a temporary name, forced to the disk and only then renamed, so that a crash
leaves the one before. Its name ends in a digest of its content, so that a file that a disk or a
synchronised folder has cut or changed is recognised before anything of it is used.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import pickle
import re
import time
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

DRIVE = Path("/content/drive/MyDrive")  # where Colab mounts Google Drive
_NAME = re.compile(r"(\d{6,})-epoch\d+-step\d+-([0-9a-f]{16})\.pt")
_PARTIAL = "unfinished.partial"
# What torch.load reads back without running code from the file; a subclass such as numpy.float64 is not.
_PLAIN = (type(None), bool, int, float, str, Tensor, nn.Parameter)


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written, or a folder holds those of another run."""


class Checkpoints:
    """The checkpoints of one run in one folder; the newest few are kept.

    Needs nothing but files that can be renamed, so that a folder of Google Drive will do. A folder belongs to
    one run, and one process writes into it.

    Args:
        folder: where they live; it is made if need be.
        keep: how many to keep. Two, as the newest may turn out to be damaged.
        every: seconds between two saves inside an epoch.

    Raises:
        CheckpointError: the folder cannot be made or written to.
    """

    def __init__(self, folder: str | Path, *, keep: int = 2, every: float = 60.0) -> None:
        if keep < 1 or not every >= 0:
            raise ValueError(f"keep must be 1 or more and every 0 or more; got {keep} and {every}")
        self.folder, self.keep, self.every = Path(folder).expanduser(), keep, every
        self._damaged: list[Path] = []
        self._last_save = time.monotonic()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        if not os.access(self.folder, os.W_OK):  # better known now than after the first epoch
            raise self._unwritable(PermissionError(errno.EACCES, os.strerror(errno.EACCES)))

    def due(self) -> bool:
        """Whether ``every`` seconds have passed since the last save (or since the start)."""
        return time.monotonic() - self._last_save >= self.every

    def save(self, state: dict[str, Any], *, epoch: int, step: int, run: dict[str, Any]) -> Path:
        """Write a checkpoint, then remove the oldest ones beyond ``keep`` and those found damaged.

        Args:
            state: what to go on from: tensors, numbers, strings and None in dicts, lists and tuples.
            epoch: epochs finished.
            step: steps taken.
            run: what names the run, as JSON can hold it.

        Raises:
            CheckpointError: the disk is full or the folder cannot be written to. Earlier checkpoints stay.
            TypeError: the state holds something else; nothing was written.
        """
        content = {"epoch": epoch, "step": step, "run": _as_json(run), "state": state}
        _check_plain(content)
        try:
            number = max(map(_number, self._files()), default=0) + 1
            path = _write_whole(content, self.folder, f"{number:06d}-epoch{epoch}-step{step}")
            # Only now that a newer one is safely there may others go.
            valid = [file for file in self._files() if file not in self._damaged]
            for file in valid[: -self.keep] + self._damaged:
                file.unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        self._damaged.clear()
        self._last_save = time.monotonic()
        return path

    def newest(self, run: dict[str, Any]) -> dict[str, Any] | None:
        """The newest checkpoint's state, tensors on the CPU; None if there is none to go on from.

        The state has two more keys, unless it had them already: ``epoch`` and ``step``, as given to ``save``.
        A damaged file is skipped with a warning, and what a killed writer left is removed.

        Raises:
            CheckpointError: the newest valid checkpoint is another run's.
        """
        (self.folder / _PARTIAL).unlink(missing_ok=True)
        for path in reversed(self._files()):
            try:
                content = _read(path)
            except (OSError, ValueError) as error:
                self._damaged.append(path)
                warnings.warn(f"checkpoint {path} is skipped: {error}", stacklevel=2)
                continue
            differences = _differences(content["run"], _as_json(run))
            if differences:
                raise CheckpointError(
                    f"{self.folder} holds checkpoints of another run ({_listed(differences)}): "
                    f"pass another folder, or empty this one to start afresh"
                )
            return {"epoch": content["epoch"], "step": content["step"]} | content["state"]
        return None

    def _files(self) -> list[Path]:
        """The checkpoints, oldest first."""
        return sorted((path for path in self.folder.iterdir() if _NAME.fullmatch(path.name)), key=_number)

    def _unwritable(self, error: OSError) -> CheckpointError:
        return CheckpointError(
            f"no checkpoint could be written to {self.folder} ({error.strerror}): make room, or pass another "
            f"folder; earlier checkpoints are intact"
        )


def colab_folder(name: str) -> Path:
    """A folder for checkpoints in the reader's Google Drive, which outlives Colab's machine.

    Nothing is mounted here, as Google asks the reader for leave.

    Raises:
        CheckpointError: no Drive is mounted; the message says how to mount it.
    """
    if not DRIVE.is_dir():
        raise CheckpointError(
            "Google Drive is not mounted: on Colab, run `from google.colab import drive; "
            "drive.mount('/content/drive')` first; elsewhere, name a folder of your own"
        )
    return DRIVE / "convbook" / name


def _number(path: Path) -> int:
    """A checkpoint's place in the order of writing."""
    return int(path.name.split("-")[0])


class _Hashed(io.BufferedWriter):
    """A file that takes the digest of what goes by: no second copy of the state is held in memory."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "wb"))
        self.digest = hashlib.sha256()
        self.error: BaseException | None = None

    def write(self, data: Any) -> int:
        """Write on; a full disk or Ctrl-C is remembered, as ``torch.save`` would hide it behind its own."""
        try:
            self.digest.update(data)
            return super().write(data)
        except BaseException as error:
            self.error = self.error or error
            return memoryview(data).nbytes


def _write_whole(content: dict[str, Any], folder: Path, stem: str) -> Path:
    """Write under another name, force it to the disk, then rename: nobody ever sees half a file."""
    temporary = folder / _PARTIAL  # always the same name: killed writers never leave more than one
    try:
        with _Hashed(temporary) as stream:
            torch.save(content, stream)
            if stream.error:
                raise stream.error
            stream.flush()
            _sync(stream.fileno())
        path = temporary.rename(folder / f"{stem}-{stream.digest.hexdigest()[:16]}.pt")
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the new name must reach the disk too; Windows cannot open a folder for it
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            _sync(descriptor)
        finally:
            os.close(descriptor)
    return path


def _sync(descriptor: int) -> None:
    """Wait until the disk has it, where the file system knows how (a mounted Google Drive need not)."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            raise


def _read(path: Path) -> dict[str, Any]:
    """A checkpoint's content; ValueError if it is not what was written."""
    match = _NAME.fullmatch(path.name)
    assert match, f"{path} is not named as a checkpoint"
    with path.open("rb") as stream:
        if not hashlib.file_digest(stream, "sha256").hexdigest().startswith(match[2]):
            raise ValueError("it is truncated or changed (its checksum does not match)")
        stream.seek(0)
        try:
            content: dict[str, Any] = torch.load(stream, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise ValueError("it holds other things than tensors, numbers and text") from error
    return content


def _check_plain(value: Any, place: str = "") -> None:
    """Find now what could not be read back later."""
    if type(value) in (dict, OrderedDict):
        for key, item in value.items():
            _check_plain(key, f"{place}[{key!r}], a key,")
            _check_plain(item, f"{place}[{key!r}]")
    elif type(value) in (list, tuple):
        for i, item in enumerate(value):
            _check_plain(item, f"{place}[{i}]")
    elif type(value) not in _PLAIN:
        raise TypeError(
            f"a checkpoint holds tensors, numbers, strings, lists and dicts; content{place} is a "
            f"{type(value).__name__}"
        )


def _as_json(run: dict[str, Any]) -> dict[str, Any]:
    """What stays the same from process to process: lists for tuples, functions without their addresses."""
    plain: dict[str, Any] = json.loads(re.sub(r" at 0x[0-9a-fA-F]+", "", json.dumps(run)))
    return plain


def _differences(there: Any, here: Any, place: str = "") -> list[str]:
    """Where two descriptions of a run differ: "recipe.lr is 0.1 there and 0.05 here"."""
    if isinstance(there, dict) and isinstance(here, dict):
        keys = list(dict.fromkeys([*here, *there]))
        found = (_differences(there.get(k), here.get(k), f"{place}.{k}".lstrip(".")) for k in keys)
        return [line for lines in found for line in lines]
    return [] if there == here else [f"{place} is {there!r} there and {here!r} here"]


def _listed(differences: list[str]) -> str:
    shown = "; ".join(differences[:3])
    return shown + (f"; {len(differences) - 3} more" if len(differences) > 3 else "")
