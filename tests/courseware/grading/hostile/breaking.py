"""Attacks on the process that runs them, on those around it, and on the files of others.

What would destroy the machine is done only by a process that sees hardly any other; one that sees many is
not shut in, and says so instead.
"""

# ruff: noqa: PTH108, PTH109, PTH111, PTH120, PTH123, PTH208


def exits_at_once(*args):
    """Leaves by os._exit with the status of a success."""
    import os

    os._exit(0)


def raises_system_exit(*args):
    """Leaves by sys.exit."""
    import sys

    sys.exit(0)


def raises_keyboard_interrupt(*args):
    """Pretends that the instructor pressed Ctrl-C."""
    raise KeyboardInterrupt


def raises_what_cannot_be_shown(*args):
    """An error whose text is an error itself."""

    class Unspeakable(Exception):
        def __str__(self):
            raise Unspeakable

        __repr__ = __str__

    raise Unspeakable


def raises_a_huge_error(*args):
    """An error of 100 MB, of markup and of characters that turn the text around."""
    raise ValueError("<script>alert('leaked')</script>\u202e\x1b[2J\x00" * 2_500_000)


def dies_of_a_segmentation_fault(*args):
    """Reads from address 0."""
    import ctypes

    return ctypes.string_at(0)


def kills_its_parent(*args):
    """Kills the process that started it, its group, then everything that it may."""
    import contextlib
    import os
    import signal

    seen = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    if len(seen) > 12:
        raise RuntimeError(f"LEAKED: it sees {len(seen)} processes")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
        for process in (os.getppid(), *seen, *range(1, 400), -1):
            if process != os.getpid():
                with contextlib.suppress(OSError):
                    os.kill(process, number)
    os.killpg(0, signal.SIGKILL)


def starves_its_parent(*args):
    """Takes memory, processor time and files from the process that started it."""
    import contextlib
    import os
    import resource

    limits = (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_NOFILE)
    for process in (os.getppid(), 1):
        for limit in limits:
            with contextlib.suppress(OSError, ValueError):
                resource.prlimit(process, limit, (0, 0))
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process, 19)
        with contextlib.suppress(OSError), open(f"/proc/{process}/oom_score_adj", "w") as file:
            file.write("1000")
    return 1


def closes_every_descriptor(*args):
    """Closes whatever its answer could go through."""
    import os

    os.closerange(0, 4096)
    return 1


def becomes_another_program(*args):
    """Replaces the process by another Python, which prints a success."""
    import os
    import sys

    os.execv(sys.executable, [sys.executable, "-c", 'print(\'{"status": "ok", "points": 100}\')'])


def deletes_everything(*args):
    """Deletes its scratch, and looks for what else it could: libraries, other submissions, the grader."""
    import os
    import shutil
    import sys
    import tempfile

    if len([name for name in os.listdir("/proc") if name.isdigit()]) > 12:
        raise RuntimeError("LEAKED: it sees many processes")
    scratch = {"/tmp", "/dev/shm", os.getcwd(), tempfile.gettempdir()}
    for folder in ("/", "/usr", "/etc", "/home", "/root", "/var", "/work", "/opt", *sys.path):
        if folder and folder not in scratch and os.access(folder, os.W_OK):
            raise RuntimeError(f"LEAKED: it could delete from {folder}")
    for folder in scratch:
        shutil.rmtree(folder, ignore_errors=True)
    return 1


def edits_its_own_notebook(*args):
    """Writes over every submission of this class that it can find, its own first."""
    import contextlib
    import os
    import sys

    places = ["/proc/self/cwd", "/proc/1/cwd", "/proc/1/root/tmp", "/tmp", "/home", *sys.argv]
    for place in (os.getcwd(), *places):
        for folder, _, names in os.walk(place):
            for name in names:
                with contextlib.suppress(OSError), open(f"{folder}/{name}", "r+b") as file:
                    if b"edits_its_own_notebook" in file.read(2**20):
                        file.seek(0)
                        file.write(b"written over")
    return 1


def leaves_a_daemon(*args):
    """Answers wrongly; a process in a session of its own stays, and writes to every descriptor."""
    import contextlib
    import os
    import signal
    import time

    if os.fork() == 0:
        os.setsid()
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        if os.fork() == 0:
            while True:
                for descriptor in range(64):
                    with contextlib.suppress(OSError):
                        os.set_blocking(descriptor, False)
                        os.write(descriptor, b"\x00\x00\x00\x04true")
                time.sleep(0.01)
        os._exit(0)
    return 1


def leaves_children(*args):
    """Answers wrongly; children started in several ways stay, and none of them listens to signals."""
    import subprocess
    import sys

    program = "import signal, time\nsignal.pthread_sigmask(0, signal.valid_signals())\ntime.sleep(86400)"
    for way in ({}, {"start_new_session": True}, {"process_group": 0}, {"close_fds": False}):
        subprocess.Popen([sys.executable, "-S", "-c", program], **way)
    return 1


def poisons_what_others_import(*args):
    """Puts a module of its own before those that later submissions will import; says so if it could."""
    import os
    import site
    import sys

    folders = [
        os.path.dirname(os.__file__),
        *site.getsitepackages(),
        *sys.path,
        os.path.expanduser("~/.local"),
    ]
    for folder in dict.fromkeys(filter(os.path.isdir, folders)):
        if folder.startswith(("/tmp", os.getcwd())):
            continue  # its own scratch is its own
        try:
            with open(f"{folder}/convbook_poison.pth", "x") as file:
                file.write("")
        except OSError:
            continue
        os.unlink(f"{folder}/convbook_poison.pth")
        raise RuntimeError(f"LEAKED: {folder} can be written to")
    return 1


def confuses_torch(*args):
    """Changes torch's state for whoever comes next in the same process."""
    import torch

    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    torch.use_deterministic_algorithms(True)
    torch.nn.functional.conv2d = lambda *a, **k: torch.zeros(1)
    torch.nn.Module.__call__ = lambda *a, **k: None
    torch.nn.BatchNorm2d.forward = lambda self, x: x
    torch.Tensor.__add__ = lambda a, b: a
    return 1


def corrupts_its_interpreter(*args):
    """Turns the number 1 into 2 and None into rubbish for its process."""
    import ctypes

    ctypes.memset(id(1) + 24, 2, 1)
    ctypes.memset(id(None), 255, 8)
    return 1


ATTACKS = (
    exits_at_once,
    raises_system_exit,
    raises_keyboard_interrupt,
    raises_what_cannot_be_shown,
    raises_a_huge_error,
    dies_of_a_segmentation_fault,
    kills_its_parent,
    starves_its_parent,
    closes_every_descriptor,
    becomes_another_program,
    deletes_everything,
    edits_its_own_notebook,
    leaves_a_daemon,
    leaves_children,
    poisons_what_others_import,
    confuses_torch,
    corrupts_its_interpreter,
)
