"""A finished benchmark as a file, and what the files say together."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

from convbook.records.store import commit
from convbook.training.history import hardware
from courseware.bench.figure import Figure
from courseware.notebooks import CourseError, write_atomic

FOLDER = Path(__file__).parent / "results"
PACKAGES = ("torch", "torchvision", "timm", "numpy", "pillow", "papermill")


@dataclass(frozen=True)
class Result:
    """What one call of `course bench` measured.

    Attributes:
        suite: "training" or "grading".
        device: "cpu" or "cuda".
        date: when it began, in UTC: "2026-01-31 12:00".
        command: what was typed.
        hardware: the device in words.
        versions: of Python and of the packages that matter.
        commit: the source's; None outside a repository.
        seconds: of the whole call.
        figures: in the order of the suite's cases.
    """

    suite: str
    device: str
    date: str
    command: str
    hardware: str
    versions: dict[str, str]
    commit: str | None
    seconds: float
    figures: list[Figure]

    def to_json(self) -> str:
        """The file's text."""
        content = asdict(self) | {"figures": [figure.to_dict() for figure in self.figures]}
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def make_result(
    suite: str, device: str, command: str, began: datetime, seconds: float, figures: Sequence[Figure]
) -> Result:
    """Put figures together with the circumstances."""
    return Result(
        suite=suite,
        device=device,
        date=began.astimezone(UTC).strftime("%Y-%m-%d %H:%M"),
        command=command,
        hardware=hardware(device),
        versions={"python": platform.python_version()} | _versions(),
        commit=commit(),
        seconds=round(seconds, 1),
        figures=list(figures),
    )


def save_result(result: Result, path: Path | None = None) -> Path:
    """Write the result whole or not at all; without a path to the folder that the book reads."""
    content = result.to_json().encode()
    day = result.date.replace(" ", "T").replace(":", "").replace("-", "")
    path = path or FOLDER / f"{result.suite}-{result.device}-{day}-{sha256(content).hexdigest()[:8]}.json"
    write_atomic(path, content)
    return path


def load_result(path: Path) -> Result:
    """Read one file.

    Raises:
        CourseError: if it is no result.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Result(**content | {"figures": [Figure.from_dict(each) for each in content["figures"]]})
    except (ValueError, KeyError, TypeError) as error:
        raise CourseError(f"{path} is no benchmark's result ({error!r}): restore or delete it") from error


def newest(suite: str, device: str, folder: Path = FOLDER) -> list[Result]:
    """For each figure its newest measurement: results with nothing but these, the newest first.

    A figure that no result has measured stays in the newest one that tried, with the reason.
    """
    results = [load_result(path) for path in sorted(folder.glob(f"{suite}-{device}-*.json"))]
    results.sort(key=lambda result: result.date, reverse=True)
    chosen: dict[tuple[str, str], tuple[int, Figure]] = {}
    for place, result in enumerate(results):
        for figure in result.figures:
            known = chosen.get((figure.case, figure.part))
            if known is None or (known[1].missing and not figure.missing):
                chosen[figure.case, figure.part] = place, figure
    kept = [
        [figure for figure in result.figures if chosen[figure.case, figure.part] == (place, figure)]
        for place, result in enumerate(results)
    ]
    return [
        Result(**vars(result) | {"figures": figures})
        for result, figures in zip(results, kept, strict=True)
        if figures
    ]


def _versions() -> dict[str, str]:
    """The installed packages' versions."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
