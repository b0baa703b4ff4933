"""Attacks on the machine: they never end, or take all there is of something.

What they take is bounded, so that a sandbox that does not hold fails a test instead of the machine.
"""

# ruff: noqa: PTH123


def loops_for_ever(*args):
    """An infinite loop."""
    while True:
        pass


def loops_whatever_is_raised(*args):
    """An infinite loop that catches every exception, also SystemExit and KeyboardInterrupt."""
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue


def sleeps_with_signals_blocked(*args):
    """Never answers, and blocks or ignores every signal that can be."""
    import contextlib
    import signal
    import time

    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        time.sleep(1000)


def stops_itself(*args):
    """Stops its own process: no answer, no end, no time of the processor."""
    import os
    import signal

    while True:
        os.kill(os.getpid(), signal.SIGSTOP)
        signal.pause()


def never_returns_from_c(*args):
    """Backtracks for ever inside the regular expression engine, where Python handles no signal."""
    import re

    return bool(re.match(r"(a+)+$", "a" * 60 + "b"))


def waits_in_a_thread(*args):
    """Answers wrongly at once, and leaves a thread that keeps the process from ending."""
    import threading
    import time

    threading.Thread(target=time.sleep, args=(10_000,)).start()
    return 1


def waits_at_exit(*args):
    """Answers wrongly at once, and never ends ending."""
    import atexit
    import time

    atexit.register(time.sleep, 10_000)
    return 1


def forks_without_end(*args):
    """A fork bomb: up to 4096 processes."""
    import contextlib
    import os
    import time

    for _ in range(12):
        with contextlib.suppress(OSError):
            os.fork()
    time.sleep(60)


def starts_programs_without_end(*args):
    """A bomb of programs: each starts two more, of a shell or of Python, up to 4096."""
    import contextlib
    import subprocess
    import sys

    shell = 'f() { if [ "$1" -gt 0 ]; then f $(($1 - 1)) & f $(($1 - 1)) & fi; sleep 60; }; f 11'
    python = "import os, time\nfor _ in range(12):\n    os.fork()\ntime.sleep(60)"
    with contextlib.suppress(OSError):
        subprocess.Popen(["sh", "-c", shell])
    subprocess.run([sys.executable, "-S", "-c", python], check=False)
    return 1


def starts_threads_without_end(*args):
    """A bomb of threads: up to 10,000."""
    import threading
    import time

    for _ in range(10_000):
        threading.Thread(target=time.sleep, args=(60,)).start()


def eats_memory(*args):
    """Takes 8 GB of memory, and writes to all of it."""
    taken = [bytearray(b"x" * 2**26) for _ in range(128)]
    return len(taken)


def eats_memory_by_tensors(*args):
    """Asks torch for a tensor of 4 TB, then for 8 GB in pieces, and catches what is refused."""
    import torch

    taken = []
    for size in (2**40, *[2**24] * 128):
        try:
            taken.append(torch.ones(size))
        except RuntimeError:
            continue
    return len(taken)


def fills_the_scratch(*args):
    """Writes 4 GB into whatever file systems it can write to."""
    import contextlib
    import tempfile

    for number in range(64):
        for folder in ("/dev/shm", "/tmp", tempfile.gettempdir(), "/run", "."):
            with contextlib.suppress(OSError), open(f"{folder}/filled-{number}", "wb") as file:
                file.write(b"x" * 2**26 if folder == "/dev/shm" or number < 2 else b"x" * 2**20)
    return 1


def prints_a_gigabyte(*args):
    """1 GB of output, by print and past it."""
    import os

    line = "x" * 2**20
    for _ in range(512):
        print(line)
        os.write(1, line.encode())
    return 1


def makes_a_gigabyte_of_warnings(*args):
    """1 GB to standard error."""
    import sys

    for _ in range(1024):
        sys.stderr.write("x" * 2**20)
    return 1


def opens_files_without_end(*args):
    """Takes every descriptor there is, up to 100,000."""
    import os

    for _ in range(100_000):
        try:
            os.open("/", os.O_RDONLY)
        except OSError:
            return 1
    return 1


def recurses_without_end(*args):
    """Overflows the stack of C."""
    import sys

    sys.setrecursionlimit(2**30)

    def again(n):
        return [again(n + 1)].count(again)

    return again(0)


ATTACKS = (
    loops_for_ever,
    loops_whatever_is_raised,
    sleeps_with_signals_blocked,
    stops_itself,
    never_returns_from_c,
    waits_in_a_thread,
    waits_at_exit,
    forks_without_end,
    starts_programs_without_end,
    starts_threads_without_end,
    eats_memory,
    eats_memory_by_tensors,
    fills_the_scratch,
    prints_a_gigabyte,
    makes_a_gigabyte_of_warnings,
    opens_files_without_end,
    recurses_without_end,
)
