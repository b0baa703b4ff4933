"""Where students' code runs: a warm process behind walls, which forks a jail for each run.

The zygote (`inside/zygote.py`) is started once; for each run it forks a supervisor, which forks the jail,
bounds what it uses and ends whatever it started. Nothing that runs in a jail reaches the zygote, the course,
another run or the network. What a jail answers is still the student's word: judge it.
"""

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from . import walls
from .inside import frames
from .inside.frames import Limits
from .walls import SandboxError, Zygote

__all__ = ["Limits", "Outcome", "Sandbox", "SandboxError", "open_sandbox"]

STARTING = 300.0  # seconds: torch from a cold disk, on a busy machine; an end is noticed at once
GRACE = 150.0  # what a supervisor may need beyond the time of a run, before the sandbox itself is given up
KINDS = {"bubblewrap": walls.bubblewrap, "container": walls.container, "NONE": walls.nothing}
FORBIDDEN = (
    "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, on Ubuntu "
    "kernel.apparmor_restrict_unprivileged_userns=0) or use --sandbox container"
)

_opened = itertools.count()


@dataclass(frozen=True)
class Outcome:
    """How one run went."""

    status: str  # ok | time | cpu | memory | output | died
    answer: bytes  # what came of it, complete only if ok
    printed: str  # standard output and errors, as far as they are kept
    seconds: float
    detail: str  # one line for the student; empty if ok


class Sandbox:
    """A zygote behind walls; a context manager. One run at a time.

    If the zygote is lost, another is started. It ends with the thread that started it, so open and
    use a sandbox in one thread.
    """

    def __init__(self, command: Callable[[], walls.Command]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self.weaknesses: tuple[str, ...] = ()  # what a container does not allow
        self._start()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, payload: bytes, limits: Limits | None = None) -> Outcome:
        """Let the driver answer `payload` in a jail of its own.

        Raises:
            SandboxError: if the jail cannot be built; whatever the student's code does is an outcome.
        """
        limits = limits or Limits()
        for last in (False, True):  # a sandbox may be lost to something else than what ran in it
            if self._process is None or self._process.poll() is not None:
                self.close()
                self._start()
            started = time.monotonic()
            try:
                header, printed, answer = self._ask(payload, limits, started + limits.seconds + GRACE)
            except TimeoutError:
                self.close()
                return Outcome("time", b"", "", time.monotonic() - started, "did not end when it was told to")
            except (OSError, EOFError, ValueError, KeyError, TypeError):
                self.close()
                if last:
                    return Outcome("died", b"", "", time.monotonic() - started, "the sandbox ended with it")
                continue
            except BaseException:
                self.close()  # else the next run would read this one's answer
                raise
            if "error" not in header:
                break
            self.close()
            if last:
                raise SandboxError(f"a jail cannot be built: {header['error']}")
        return Outcome(
            header["status"], answer, printed.decode(errors="replace"), header["seconds"], header["detail"]
        )

    def close(self) -> None:
        """End the zygote and all that came of it."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.close()  # it ends by itself, at once if nothing runs
            try:
                process.wait(0.5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
        if self._errors is not None:
            self._errors.close()

    def _ask(self, payload: bytes, limits: Limits, deadline: float) -> tuple[dict[str, Any], bytes, bytes]:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        frames.write_all(process.stdin.fileno(), frames.request(payload, limits), deadline)
        return frames.read_reply(process.stdout.fileno(), limits, deadline)

    def _start(self) -> None:
        command = self._command()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the process)
        self._process = subprocess.Popen(
            command.arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
            env=command.environment,
            start_new_session=True,  # Ctrl-C is for us to handle
        )
        assert self._process.stdout is not None
        try:
            header, *_ = frames.read_reply(
                self._process.stdout.fileno(), Limits(), time.monotonic() + STARTING
            )
        except (OSError, EOFError, ValueError, KeyError) as error:
            said = self._last_words() or str(error)
            self.close()
            advice = f": {FORBIDDEN}" if said.startswith("bwrap: ") or "unshare" in said else ""
            raise SandboxError(f"the sandbox does not start ({said}){advice}") from error
        except BaseException:
            self.close()
            raise
        self.weaknesses = tuple(header["weak"])

    def _last_words(self) -> str:
        assert self._errors is not None
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - 4000))
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip()[:300] if lines else ""


def open_sandbox(
    kind: str = "bubblewrap", hide: Sequence[Path] = (), zygote: Zygote | None = None
) -> Sandbox:
    """Start a sandbox and return it, its walls tried out.

    Args:
        kind: `bubblewrap`; `container` (Podman or Docker); or `NONE`, which protects nobody.
        hide: files and folders that must not be seen inside, though they lie in a folder that is.
        zygote: what it imports; the grader's driver by default.

    Raises:
        SandboxError: if it cannot be had here.
    """
    if kind not in KINDS:
        raise SandboxError(f"no sandbox is called {kind!r}: choose one of {', '.join(KINDS)}")
    if kind != "container" and sys.platform != "linux":
        raise SandboxError(f"--sandbox {kind} needs Linux: use --sandbox container")
    if kind == "NONE":
        print(
            "WARNING: --sandbox NONE: students' code runs with all your rights; it can read, change and send "
            "whatever you can. Only for code that you trust.",
            file=sys.stderr,
        )
    number = os.getpid() + 997 * next(_opened)
    return Sandbox(lambda: KINDS[kind](zygote or Zygote(), hide, number))
