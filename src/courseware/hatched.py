"""A notebook's kernel that is forked from a warm process instead of being started afresh."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

LAUNCHER = "ipykernel_launcher"


class Polled:
    """A process that is asked again and again whether it has ended."""

    def poll(self) -> int | None:
        """Return how it ended, or None."""
        raise NotImplementedError

    def wait(self, timeout: float = float("inf")) -> int:
        """Wait until it has ended and return how.

        Raises:
            subprocess.TimeoutExpired: if it has not after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(type(self).__name__, timeout)
            time.sleep(0.01)
        return status


class Hatched(Polled):
    """A process that waits to hear which kernel it shall be; what is used of `subprocess.Popen` besides.

    It must be made before its parent has threads: those would not survive the fork, but their locks would.
    """

    stdin = stdout = stderr = None

    def __init__(self) -> None:
        order, self._order = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._order)
            _become_kernel(order)
        os.close(order)
        self.returncode: int | None = None

    def launch(self, cmd: list[str], **options: Any) -> Any:
        """In the place of `jupyter_client.launcher.launch_kernel`, which starts all kernels but ours."""
        from jupyter_client.launcher import launch_kernel

        if LAUNCHER not in cmd:
            return launch_kernel(cmd, **options)
        order = {
            "arguments": cmd[cmd.index(LAUNCHER) + 1 :],
            "environ": options.get("env") or dict(os.environ),
            "folder": options.get("cwd") or str(Path.cwd()),
        }
        with os.fdopen(self._order, "wb") as pipe:
            pipe.write(json.dumps(order).encode())
        return self

    def poll(self) -> int | None:
        """Return how it ended, or None."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(15)

    def kill(self) -> None:
        """End it."""
        self.send_signal(9)


def _become_kernel(order: int) -> NoReturn:
    """Wait for the order, then be an IPython kernel in a session of its own until it is told to stop."""
    status = 0
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.closerange(3, order)
        os.closerange(order + 1, os.sysconf("SC_OPEN_MAX"))  # above all the worker's pipe to its parent
        with os.fdopen(order, "rb") as pipe:
            text = pipe.read()
        if text:
            told = json.loads(text)
            os.environ.clear()
            os.environ.update(told["environ"])
            os.chdir(told["folder"])
            sys.argv = [LAUNCHER, *told["arguments"]]
            from ipykernel.kernelapp import launch_new_instance

            launch_new_instance()
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else 1
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        atexit._run_exitfuncs()
        os._exit(status)
