"""Results as grading would give them, made up, honest and hostile."""

import base64
import struct
import zlib
from dataclasses import dataclass, replace
from typing import Any

from courseware.grading.result import ExerciseResult, Result

POINTS = {"conv_weights": 20.0, "grouped_conv": 30.0, "Bottleneck": 50.0}
MARKUP = "<script>document.title='owned'</script><img src=x onerror=alert(1)>\"'</p></main>{{ 7 * 7 }}"
TURNED = "photo\u202egnp.exe \u2066 שלום \u200f\x00\x1b[31m\ud800"
FORMULA = "=cmd|' /C calc'!A0;=1+1"


def png(width: int = 1, height: int = 1) -> str:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()


def made(student: str = "ada", *shares: float, message: str = "look again", **fields: Any) -> Result:
    """A graded result that earned `shares` of the points of each exercise: all where there are none."""
    shares = shares or (1.0,) * len(POINTS)
    exercises = tuple(
        ExerciseResult(name, share * of, of, "" if share == 1 else message, 0.25)
        for (name, of), share in zip(POINTS.items(), shares, strict=True)
    )
    result = Result(
        lab="bottleneck",
        student=student,
        name=student.title(),
        file=f"{student}.ipynb",
        sha256="ab" * 32,
        status="graded",
        reason="",
        exercises=exercises,
        words="I expected more.",
        figures=(png(),),
        notes=(),
        seconds=1.5,
        attempts=1,
    )
    return replace(result, **fields)


def not_run(student: str, reason: str = "the file is cut short", **fields: Any) -> Result:
    nothing: dict[str, Any] = dict(status="not run", reason=reason, exercises=(), words="", figures=())
    return made(student, **(nothing | fields))


def hostile() -> list[Result]:
    return [
        made(MARKUP, 0, 0, 0, message=MARKUP, name=MARKUP, words=MARKUP, notes=(MARKUP,), file=MARKUP),
        made(TURNED, 0, 0, 0, message=TURNED, name=TURNED, words=TURNED, notes=(TURNED,)),
        made(FORMULA, name="\t@SUM(A1)", notes=("+1",), figures=(png(50_000, 50_000),)),
        made("long", 0, 0.5, 1, message="x" * 10_000, name="-" * 300, words="line\n" * 4_000),
        made("points", 0, 0, 0, name="Points Possible"),
        not_run("../../etc/passwd", reason=MARKUP, name=";;;=1+1"),
    ]


def other_times(result: Result) -> Result:
    """The same result of another run, which took longer and lost a worker."""
    exercises = tuple(replace(each, seconds=each.seconds + 11) for each in result.exercises)
    return replace(result, exercises=exercises, seconds=result.seconds * 90 + 3, attempts=result.attempts + 1)


@dataclass(frozen=True)
class Group:
    """As the search for equal submissions gives them."""

    students: tuple[str, ...]
    exercises: tuple[str, ...]
    degree: float
