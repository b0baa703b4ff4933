"""What a process does to itself before it runs a student's code, and how it runs it."""

import contextlib
import fcntl
import math
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from . import kernel, seccomp
from .frames import Limits, write_all

Driver = Callable[[bytes], bytes | Iterable[bytes]]

FINISHED = 77  # the status a jail exits with when the driver came to its end
READY = b"ready"
DESCRIPTORS = 256
ANSWER, STATE = 3, 4  # descriptors: of the answer, and of the word that all walls stand
SCRATCH = "/scratch"


@dataclass(frozen=True)
class Plan:
    """Which walls a jail has. Those that should stand and cannot end the run before it begins."""

    namespaces: bool  # its own processes, mounts, network
    filtered: bool  # the filter of system calls; no capabilities, no new privileges
    user: int | None = None  # to become; None: the user it is already
    mates: int = 0  # processes outside the jail that the kernel counts for the same user


def run(driver: Driver, payload: bytes, limits: Limits, plan: Plan, scratch: str, fds: list[int]) -> NoReturn:
    """Build the walls around this process, then let the driver answer. `fds`: printed, answer, state."""
    try:
        _keep_only(fds)
        _enter(limits, plan, scratch)
    except BaseException as error:
        os.write(STATE, f"{type(error).__name__}: {error}".encode()[:500])
        os._exit(1)
    os.write(STATE, READY)
    os.close(STATE)
    try:
        answer = driver(payload)
        for part in [answer] if isinstance(answer, bytes) else answer:
            write_all(ANSWER, part)
        sys.stdout.flush()
    except BaseException:
        with contextlib.suppress(BaseException):
            traceback.print_exc()
        os._exit(1)
    os._exit(FINISHED)


def _keep_only(fds: list[int]) -> None:
    """Leave open: nothing to read from, output, errors, the answer, the state."""
    nothing = os.open("/dev/null", os.O_RDONLY)
    # Out of the way first, so that none is overwritten before it is copied.
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for fd in (nothing, fds[0], *fds)]
    for target, fd in enumerate(high):
        os.dup2(fd, target, inheritable=target < ANSWER)
    os.closerange(STATE + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def _enter(limits: Limits, plan: Plan, scratch: str) -> None:
    inherited = _data_size()
    os.setsid()
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # should memory run out, this has to go first
    if plan.namespaces:
        kernel.call(
            "unshare",
            kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
            | kernel.CLONE_NEWCGROUP,
        )  # fmt: skip
        _mount(limits, os.getuid() if plan.user is None else plan.user)
    if plan.filtered:
        kernel.drop_bounding_set()
    if plan.user is not None:
        os.setgroups([])
        os.setresgid(plan.user, plan.user, plan.user)
        os.setresuid(plan.user, plan.user, plan.user)
    os.chdir(scratch)
    os.environ.update(HOME=scratch, TMPDIR=scratch)
    os.umask(0o077)
    if plan.filtered:
        kernel.drop_capabilities()
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)  # after the change of user, which clears it
    _limit(limits, plan, inherited)
    if plan.filtered:
        seccomp.install()


def _mount(limits: Limits, user: int) -> None:
    """Mount a scratch folder, and cover what the sandbox's own processes can be seen in."""
    safe = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    own = f"mode=0700,uid={user},gid={os.getgid() if user == os.getuid() else user}"
    kernel.mount("tmpfs", SCRATCH, "tmpfs", safe, f"size={limits.scratch},nr_inodes=4096,{own}")
    kernel.mount("tmpfs", "/dev/shm", "tmpfs", safe, f"size=1m,nr_inodes=64,{own}")
    kernel.mount("/dev/null", "/dev/zero", None, kernel.MS_BIND)  # mapped shared, it is memory without a file
    try:
        kernel.mount("proc", "/proc", "proc", safe)
    except PermissionError:
        # An ordinary user may mount it only where nothing of it is covered: leave what torch asks for.
        kept = {name: Path("/proc", name).read_bytes() for name in ("cpuinfo", "meminfo")}
        kernel.mount("tmpfs", "/proc", "tmpfs", safe, "size=1m,nr_inodes=8,mode=0755")
        for name, content in kept.items():
            Path("/proc", name).write_bytes(content)
        kernel.mount("none", "/proc", None, kernel.MS_REMOUNT | kernel.MS_RDONLY | safe)


def _limit(limits: Limits, plan: Plan, inherited: int) -> None:
    seconds = math.ceil(limits.cpu)
    bounds = {
        "CPU": (seconds + 1, seconds + 2),
        "DATA": (inherited + limits.memory,) * 2,  # not the address space: torch maps a lot and uses little
        "FSIZE": (limits.scratch,) * 2,
        "NOFILE": (DESCRIPTORS,) * 2,
        "CORE": (0, 0),
        "STACK": (8 << 20, 8 << 20),
        "MEMLOCK": (1 << 16, 1 << 16),
        "SIGPENDING": (256, 256),
        "MSGQUEUE": (0, 0),
    }
    if plan.filtered:  # without a user of its own, it would count what else this user runs
        bounds["NPROC"] = (limits.processes + plan.mates,) * 2
    for name, (soft, hard) in bounds.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        top = resource.getrlimit(kind)[1]
        if top != resource.RLIM_INFINITY:
            soft, hard = min(soft, top), min(hard, top)
        resource.setrlimit(kind, (soft, hard))


def _data_size() -> int:
    """Return what this process has of the memory that RLIMIT_DATA counts, before it does anything."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) << 10
    return 0
