"""The commands that start a sandbox's zygote: under bubblewrap, in a container, or without any wall.

What is visible inside is listed here, nothing else is: the interpreter and its libraries, the packages it
imports, convbook, and the folder `inside`. Not the course, its solutions and tests, nor anybody's submission.
"""

import importlib.util
import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..notebooks import CourseError

COURSE = "/course"  # where our own packages lie in the sandbox
SCRATCH = "/scratch"
SYSTEM = ("/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32", "/usr/local/lib", "/nix/store")
SYSTEM_LINKS = ("/lib", "/lib32", "/lib64", "/libx32")  # into /usr, or folders where they are not merged
SETTINGS = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime")
# For the zygote: to build namespaces in a jail, become another user, look at its memory, and end it.
CAPABILITIES = ("SYS_ADMIN", "SETUID", "SETGID", "SETPCAP", "KILL", "SYS_PTRACE")
CONTAINER_CAPABILITIES = ("SETUID", "SETGID", "SETPCAP", "KILL", "SYS_PTRACE", "CHOWN", "DAC_OVERRIDE")
FIRST_USER, USERS = 61_000, 4_000
IMAGE = "convbook-grading"
HERE = Path(__file__).resolve().parent


class SandboxError(CourseError):
    """A sandbox that cannot be opened; the message says what to do."""


@dataclass(frozen=True)
class Command:
    """A command line, and the environment it starts in."""

    arguments: list[str]
    environment: dict[str, str]


@dataclass(frozen=True)
class Zygote:
    """What the zygote imports, and whose `drive` answers."""

    driver: str = "inside.drive"
    warm: tuple[str, ...] = ("torch", "convbook", "papermill.execute")
    path: Path | None = None  # one more folder to import from

    def arguments(self, kind: str, user: int | None) -> list[str]:
        """Return what Python is started with."""
        order = {"kind": kind, "user": user, "driver": self.driver, "warm": self.warm}
        return ["-s", "-P", "-B", "-m", "inside.zygote", json.dumps(order)]


def bubblewrap(zygote: Zygote, hide: Sequence[Path], number: int) -> Command:
    """Return the command for bubblewrap. `number` tells the sandboxes of this machine apart."""
    program = shutil.which("bwrap")
    if program is None:
        raise SandboxError(
            "bubblewrap is missing: apt-get install bubblewrap (or your system's package of that name), "
            "or use --sandbox container"
        )
    root = os.getuid() == 0
    mounts, path = _visible(zygote)
    arguments = [program, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    arguments += ["--unshare-cgroup-try", "--die-with-parent", "--new-session", "--clearenv"]
    if not root:
        arguments += ["--unshare-user"]
    arguments += ["--cap-drop", "ALL"]
    for name in CAPABILITIES:
        arguments += ["--cap-add", f"CAP_{name}"]
    targets = [*(target for _, target in mounts), *SETTINGS]
    for folder in sorted({str(parent) for target in targets for parent in Path(target).parents} - {"/"}):
        arguments += ["--perms", "0755", "--dir", folder]  # else made for root alone
    for link in SYSTEM_LINKS:
        if Path(link).is_symlink():
            arguments += ["--symlink", str(Path(link).readlink()), link]
        else:
            arguments += ["--ro-bind-try", link, link]
    for setting in SETTINGS:
        arguments += ["--ro-bind-try", setting, setting]
    for source, target in mounts:
        arguments += ["--ro-bind", source, target]
    # What imports leave in the scratch folder is covered by a jail's own.
    arguments += ["--dev", "/dev", "--proc", "/proc", "--tmpfs", SCRATCH]
    if not any(target.startswith("/tmp/") for _, target in mounts):
        arguments += ["--symlink", SCRATCH.lstrip("/"), "/tmp"]
    for covered in [HERE.parent, *hide]:
        arguments += _cover(covered.resolve(), mounts)
    arguments += ["--remount-ro", "/dev", "--remount-ro", "/"]  # an ordinary user could leave something there
    for name, value in _environment(path, SCRATCH).items():
        arguments += ["--setenv", name, value]
    user = FIRST_USER + number % USERS if root else None
    arguments += ["--chdir", "/", _interpreter(), *zygote.arguments("bubblewrap", user)]
    return Command(arguments, {})


def container(zygote: Zygote, hide: Sequence[Path], number: int) -> Command:
    """Return the command for Podman or Docker.

    The image, `$CONVBOOK_GRADING_IMAGE` or else `convbook-grading`, holds `python3` and what the course is
    built on (torch, papermill, ...: `pip install -r requirements.lock`), but not the course itself: convbook
    and `inside` are lent to it. `hide` is covered as far as it lies in those two.
    """
    program = shutil.which("podman") or shutil.which("docker")
    if program is None:
        raise SandboxError(
            "neither podman nor docker is here: install one of them, or use --sandbox bubblewrap (on Linux)"
        )
    mounts, path = _packages(zygote)
    arguments = [
        program,
        "run",
        "--rm",
        "--interactive",
        "--network",
        "none",
        "--read-only",
        "--cap-drop",
        "ALL",
    ]
    for name in CONTAINER_CAPABILITIES:
        arguments += ["--cap-add", name]
    arguments += ["--security-opt", "no-new-privileges", "--security-opt", "label=disable", "--user", "0:0"]
    arguments += ["--pids-limit", "256", "--workdir", "/", "--entrypoint", "python3"]
    for folder, size in ((SCRATCH, "256m"), ("/tmp", "1m"), ("/dev/shm", "1m")):
        # No jail may leave anything there for the next: each gets a folder of its own in it.
        arguments += ["--tmpfs", f"{folder}:rw,nosuid,nodev,noexec,size={size},mode=0711"]
    for source, target in mounts:
        arguments += ["--volume", f"{source}:{target}:ro"]
    for covered in hide:
        for _, target in _inside(covered.resolve(), mounts):
            arguments += ["--tmpfs" if covered.is_dir() else "--volume"]
            arguments += [f"{target}:ro,size=4k" if covered.is_dir() else f"/dev/null:{target}:ro"]
    for name, value in _environment(path, SCRATCH).items():
        arguments += ["--env", f"{name}={value}"]
    image = os.environ.get("CONVBOOK_GRADING_IMAGE", IMAGE)
    arguments += [image, *zygote.arguments("container", FIRST_USER + number % USERS)]
    return Command(arguments, dict(os.environ))


def nothing(zygote: Zygote, hide: Sequence[Path], number: int) -> Command:
    """Return the command for a zygote without walls: limits and process groups only. Nothing is hidden."""
    path = [str(HERE), str(_convbook().parent)] + ([str(zygote.path)] if zygote.path else [])
    temporary = os.environ.get("TMPDIR", "/tmp")
    return Command([sys.executable, *zygote.arguments("NONE", None)], _environment(path, temporary))


def _environment(path: list[str], temporary: str) -> dict[str, str]:
    return {
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONHASHSEED": "0",  # the same program twice prints the same
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "USER": "student",
        "HOME": temporary,
        "TMPDIR": temporary,
        "MPLBACKEND": "agg",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def _visible(zygote: Zygote) -> tuple[list[tuple[str, str]], list[str]]:
    """Return (folder here, folder inside), outer ones first, and where Python looks for packages."""
    base = Path(sys.base_prefix).resolve()
    places = [Path(place) for place in SYSTEM]
    places += [base / "lib", base / "lib64", *_standard_library(), Path(_interpreter())]
    mounts: list[tuple[str, str]] = []
    for place in places:
        if place.exists() and not _inside(place, mounts):
            mounts.append((str(place), str(place)))
    packages, path = _packages(zygote)
    for site in dict.fromkeys(Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")):
        if not _inside(site, mounts) and site.is_dir():
            target = f"{COURSE}/site-packages-{len(packages)}"
            packages.append((str(site), target))
            path.append(target)
    return mounts + packages, path


def _packages(zygote: Zygote) -> tuple[list[tuple[str, str]], list[str]]:
    """Return convbook and `inside`, wherever they are here, and where Python finds them inside."""
    mounts = [(str(_convbook()), f"{COURSE}/convbook"), (str(HERE / "inside"), f"{COURSE}/inside")]
    if zygote.path is None:
        return mounts, [COURSE]
    return [*mounts, (str(zygote.path), f"{COURSE}/more")], [COURSE, f"{COURSE}/more"]


def _standard_library() -> list[Path]:
    base = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    return [Path(sysconfig.get_path(kind, vars=base)).resolve() for kind in ("stdlib", "platstdlib")]


def _interpreter() -> str:
    """Return the interpreter itself: the links to it lead through folders that are left out."""
    return str(Path(sys.executable).resolve())


def _convbook() -> Path:
    spec = importlib.util.find_spec("convbook")
    if spec is None or spec.origin is None:
        raise SandboxError("convbook is not installed here: pip install -e .")
    return Path(spec.origin).resolve().parent


def _inside(place: Path, mounts: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return under which names a file or folder of this machine is visible through the mounts."""
    found = []
    for source, target in mounts:
        if place.is_relative_to(source):
            found.append((source, str(Path(target, place.relative_to(source)))))
    return found


def _cover(place: Path, mounts: Sequence[tuple[str, str]]) -> list[str]:
    """Return arguments that put nothing in the place of a file or folder, wherever it is visible."""
    arguments = []
    for _, target in _inside(place, mounts):
        if place.is_dir():
            arguments += ["--tmpfs", target, "--remount-ro", target]
        else:
            arguments += ["--ro-bind", "/dev/null", target]
    return arguments
