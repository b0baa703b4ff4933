"""The sandbox against code that means harm: what it sees, what it may use, that it never outlives its run.

The payloads are Python, run by a driver that stands in for the grader's: it answers with what they name
`answer`. Torch is not imported; the walls are the same.
"""

import importlib.util
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from courseware.grading import sandbox as module
from courseware.grading import walls
from courseware.grading.inside import processes, seccomp
from courseware.grading.sandbox import Limits, SandboxError, open_sandbox
from courseware.grading.walls import Zygote

DRIVER = """
def drive(payload):
    scope = {}
    exec(payload.decode(), scope)
    return repr(scope.get("answer")).encode()
"""
ROOT = Path(__file__).resolve().parents[3]
SHORT = Limits(seconds=10, memory=400 << 20, processes=16, scratch=8_000_000)


def bubblewrap_works():
    """Skip without bubblewrap, or fail where it is promised to be there."""
    if sys.platform != "linux":
        pytest.skip("bubblewrap is for Linux")
    if shutil.which("bwrap") is None:
        if os.environ.get("CI_REQUIRE_BWRAP"):
            pytest.fail("bwrap is missing though $CI_REQUIRE_BWRAP is set: apt-get install bubblewrap")
        pytest.skip("bwrap is missing: apt-get install bubblewrap")


@pytest.fixture(scope="module")
def zygote(tmp_path_factory):
    folder = tmp_path_factory.mktemp("driver")
    (folder / "stand_in.py").write_text(DRIVER)
    folder.chmod(0o755)
    (folder / "stand_in.py").chmod(0o644)
    return Zygote("stand_in", (), folder)


@pytest.fixture(scope="module")
def shared(zygote):
    bubblewrap_works()
    with open_sandbox(zygote=zygote) as box:
        yield box


@pytest.fixture
def box(shared, until):
    """A warm sandbox whose zygote must be the same, and alone, after the test."""
    before = family(shared)
    yield shared
    assert ask(shared, "answer = 6 * 7") == 42
    until(lambda: family(shared) == before)  # else the zygote was lost, or something of a jail lives on


def family(box):
    """The process ids of a sandbox that is idle: bubblewrap's two and the zygote's."""
    return [box._process.pid, *processes.descendants(box._process.pid)]


def run(box, source, limits=SHORT):
    return box.run(source.encode(), limits)


def ask(box, source, limits=SHORT):
    outcome = run(box, source, limits)
    assert outcome.status == "ok", outcome
    return eval(outcome.answer.decode())


def refused(box, statements, limits=SHORT):
    """Return for each statement the name of the exception it raises in the jail, None for those that work."""
    source = f"""
answer = {{}}
for statement in {list(statements)!r}:
    try:
        exec(statement, {{}})
    except BaseException as error:
        answer[statement] = type(error).__name__
    else:
        answer[statement] = None
"""
    return ask(box, source, limits)


# What it answers


def test_answer_and_print_come_back(box):
    outcome = run(box, "import sys\nprint('to read')\nprint('mistake', file=sys.stderr)\nanswer = [1, 2.5]")
    assert outcome.status == "ok" and outcome.detail == ""
    assert eval(outcome.answer) == [1, 2.5]
    assert outcome.printed.splitlines() == ["to read", "mistake"]


def test_a_large_answer_arrives_whole(box):
    assert ask(box, "answer = bytes(range(256)) * 4_000") == bytes(range(256)) * 4_000


def test_an_answer_in_parts_is_joined(zygote, tmp_path):
    bubblewrap_works()
    (tmp_path / "parts.py").write_text("def drive(payload):\n    yield payload[:2]\n    yield payload[2:]\n")
    tmp_path.chmod(0o755)
    with open_sandbox(zygote=Zygote("parts", (), tmp_path)) as box:
        assert box.run(b"abcdef").answer == b"abcdef"


def test_nothing_of_one_run_is_left_for_the_next(box):
    ask(box, "import builtins, sys, os\nbuiltins.left = sys.left = 1\nos.environ['LEFT'] = '1'\n"
        "for place in ('/scratch/left', '/tmp/left2', '/dev/shm/left'): open(place, 'w').write('here')\n"
        "answer = None")  # fmt: skip
    assert ask(
        box,
        "import builtins, sys, os\n"
        "answer = (hasattr(builtins, 'left'), hasattr(sys, 'left'), 'LEFT' in os.environ,\n"
        "          os.listdir('/scratch'), os.listdir('/tmp'), os.listdir('/dev/shm'))",
    ) == (False, False, False, [], [], [])


def test_a_payload_is_not_in_the_memory_of_the_next_run(box):
    token = os.urandom(16).hex()
    # The second half is written backwards, so that the search does not find itself.
    search = f"""
import ctypes
head, tail, answer = {token[:16].encode()!r}, {token[:15:-1].encode()!r}, 0
for line in open('/proc/self/maps').read().splitlines():
    span, rights, *_, name = line.split()
    start, end = (int(bound, 16) for bound in span.split('-'))
    if rights.startswith('rw') and not name.startswith('[v'):
        memory = ctypes.string_at(start, end - start)
        at = memory.find(head)
        while at >= 0:
            answer += memory[at + 16 : at + 32][::-1] == tail
            at = memory.find(head, at + 1)
"""
    assert ask(box, f"mark = {token!r}\n{search}") > 0
    assert ask(box, search) == 0


# What it sees


def test_only_python_and_what_it_imports_are_visible(box, tmp_path):
    (tmp_path / "ada.ipynb").write_text("{}")
    key = tmp_path / "grading.key"
    key.write_text("secret")
    hidden = [
        *(ROOT, ROOT / "tests", ROOT / "labs", Path(module.__file__), tmp_path, tmp_path / "ada.ipynb", key),
        *(Path.home() / ".ssh", *map(Path, ("/home", "/etc/passwd", "/etc/shadow", "/var", "/sys", "/run"))),
        *map(Path, ("/usr/bin", "/bin/sh")),
    ]
    places = [str(place) for place in hidden]
    assert ask(box, f"import os\nanswer = [p for p in {places!r} if os.path.exists(p)]") == []
    assert ask(
        box, "import importlib.util as u\nanswer = (u.find_spec('courseware'), u.find_spec('tests'))"
    ) == (
        None,
        None,
    )
    assert ask(box, "import os\nanswer = sorted(os.listdir('/course/inside'))") == sorted(
        path.name for path in Path(module.__file__).with_name("inside").iterdir()
    )
    found = (
        "import importlib.util as u\nanswer = [u.find_spec(name).origin for name in ('convbook', 'torch')]"
    )
    convbook, torch = ask(box, found)
    assert convbook == "/course/convbook/__init__.py" and torch.endswith("/torch/__init__.py")


def test_files_and_folders_can_be_hidden(zygote):
    bubblewrap_works()
    sklearn = Path(importlib.util.find_spec("sklearn").origin).parent
    digits = sklearn / "datasets" / "data" / "digits.csv.gz"
    claims = ROOT / "src" / "convbook" / "claims"
    assert digits.is_file() and claims.is_dir()
    with open_sandbox(hide=[digits, claims], zygote=zygote) as box:
        name = "/course/convbook/claims"
        answer = ask(box, "import importlib.util as u, os\n"
                     "data = os.path.dirname(u.find_spec('sklearn').origin) + '/datasets/data/'\n"
                     "def size(name):\n"
                     "    try: return len(open(data + name, 'rb').read())\n"
                     "    except OSError: return -1\n"
                     f"answer = (os.listdir({name!r}), size('digits.csv.gz'), size('iris.csv'))")  # fmt: skip
        assert answer[:2] == ([], -1) and answer[2] > 1000
        assert set(refused(box, [f"open({name!r} + '/x', 'w')"]).values()) == {"OSError"}


def test_only_its_own_processes_are_visible(box):
    source = "import os\nanswer = os.getpid(), os.getppid(), [p for p in os.listdir('/proc') if p.isdigit()]"
    assert ask(box, source) in ((1, 0, ["1"]), (1, 0, []))


def test_only_its_own_descriptors_are_open(box):
    source = """
import os
answer = []
for fd in range(1000):
    try:
        kind = os.fstat(fd).st_mode >> 12
    except OSError:
        continue
    answer.append((fd, kind))
"""
    device, pipe = 0o2, 0o1
    assert ask(box, source) == [(0, device), (1, pipe), (2, pipe), (3, pipe)]
    assert ask(box, "import sys\nanswer = sys.stdin.read()") == ""


def test_it_has_no_rights(box):
    status = dict(
        line.split(":\t", 1)
        for line in ask(box, "answer = open('/proc/self/status').read()").splitlines()
        if ":\t" in line
    )
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"], status["Threads"]) == ("1", "2", "1")
    assert "0" not in status["Uid"].split()
    assert None not in refused(box, ["import os; os.setuid(0)", "import os; os.chroot('/scratch')"]).values()


# What it may not do


def test_read_only_places_stay_as_they_are(box):
    places = ["/", "/dev", "/course", "/course/inside", "/course/convbook", "/usr/lib", "/etc", "/proc",
              "/proc/sys/kernel", str(Path(os.__file__).parent)]  # fmt: skip
    answers = refused(box, [f"open({place + '/mine'!r}, 'w')" for place in places])
    assert None not in answers.values()


def test_system_calls_are_refused(box):
    numbers = {name: number for name, (number, _) in seccomp.REFUSED.items()}
    if os.uname().machine == "aarch64":
        numbers = {name: number for name, (_, number) in seccomp.REFUSED.items() if number is not None}
    source = f"""
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
answer = {{}}
for name, number in {numbers!r}.items():
    result = libc.syscall(number, *[ctypes.c_long(-1)] * 6)
    answer[name] = errno.errorcode.get(ctypes.get_errno()) if result == -1 else result
"""
    assert set(ask(box, source).values()) == {"EPERM"}


def test_no_network_no_namespaces_no_hidden_memory(box):
    mmap = "import mmap; mmap.mmap(-1, 4096, flags=mmap.MAP_ANONYMOUS | {})"
    clone = "import ctypes; assert ctypes.CDLL(None).syscall({}, {}, 0, 0, 0, 0) >= 0"
    number = seccomp.CLONE[os.uname().machine == "aarch64"]
    source = {
        "import socket; socket.socket()": "PermissionError",
        "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)": "PermissionError",
        "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)": "PermissionError",
        "import socket; s, t = socket.socketpair(); s.send(b'local')": None,
        "import os; os.memfd_create('hidden')": "PermissionError",
        mmap.format("mmap.MAP_SHARED"): "PermissionError",
        mmap.format("mmap.MAP_PRIVATE"): None,
        "import mmap; mmap.mmap(open('/dev/zero', 'r+b').fileno(), 4096)": "OSError",
        "open('/proc/2/mem')": "FileNotFoundError",
        clone.format(number, 0x10000000 | 17): "AssertionError",  # a new user namespace
        "import threading; t = threading.Thread(target=print); t.start(); t.join()": None,
    }
    answers = refused(box, source)
    assert answers == source


def test_two_sandboxes_cannot_meet(box, zygote):
    name = "\0meeting"
    listen = (
        f"import socket\ns = socket.socket(socket.AF_UNIX)\ns.bind({name!r})\ns.listen()\ns.settimeout(1.5)\n"
    )
    listen += "try: answer = s.accept() and 'met'\nexcept TimeoutError: answer = 'alone'"
    call = f"import socket\ns = socket.socket(socket.AF_UNIX)\ntry: s.connect({name!r})\n"
    call += "except OSError as e: answer = type(e).__name__"
    heard = []
    with open_sandbox(zygote=zygote) as other:
        listener = threading.Thread(target=lambda: heard.append(ask(box, listen)))
        listener.start()
        time.sleep(0.5)
        assert ask(other, call) == "ConnectionRefusedError"
        listener.join()
    assert heard == ["alone"]


# What it may use

FOREVER = "while True: pass"
FORKS = "import os, time\n"
TOO_MUCH = {
    "sleeps": ("import time\ntime.sleep(60)", dict(seconds=0.5), "time"),
    "computes": (FOREVER, dict(seconds=30, cpu=0.5), "cpu"),
    "computes in many processes": (FORKS + "for _ in range(3): os.fork()\n" + FOREVER, dict(cpu=0.5), "cpu"),
    "fork bomb": (FORKS + "while True:\n  try: os.fork()\n  except OSError: pass", dict(seconds=1), "time"),
    "memory of many processes": (
        FORKS + "for _ in range(3): os.fork()\nx = b'x' * 40_000_000\ntime.sleep(60)",
        dict(memory=200 << 20), "memory",
    ),
    "prints without end": ("while True: print('x' * 10_000)", dict(flood=5_000_000), "output"),
    "writes to the terminal without end": ("import os\nwhile True: os.write(2, b'x' * 60_000)",
                                           dict(flood=5_000_000), "output"),
    "answers without end": ("import os\nwhile True: os.write(3, b'x' * 60_000)",
                            dict(answer=5_000_000), "output"),
    "a too large answer": ("answer = b'x' * 2_000_000", dict(answer=1_000_000), "output"),
    "leaves without an answer": ("import os\nos._exit(0)", {}, "died"),
    "crashes": ("import ctypes\nctypes.string_at(0)", {}, "died"),
    "aborts": ("import os\nos.abort()", {}, "died"),
    "raises": ("1 / 0", {}, "died"),
    "closes every descriptor": ("import os\nos.closerange(0, 1000)\nanswer = 1", {}, "died"),
    "closes every descriptor and stays": ("import os, time\nos.closerange(0, 1000)\ntime.sleep(60)",
                                          dict(seconds=0.5), "time"),
    "sleeping grandchildren": (FORKS + "if os.fork() == 0:\n  os.setsid()\n  os.fork()\n  time.sleep(60)\n",
                               {}, "ok"),
    "a daemon that holds the pipes": (FORKS + "if os.fork() == 0:\n  os.setsid()\n"
        "  if os.fork() == 0:\n    time.sleep(60)\n  os._exit(0)\nos.wait()", {}, "ok"),
    "kills everybody": ("import os\nos.kill(-1, 9)\nos.kill(os.getpid(), 9)", {}, "ok|died"),
    "kills its parent": ("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)", {}, "ok|died"),
    "kills its group": ("import os, signal\nos.killpg(0, signal.SIGKILL)", {}, "ok|died"),
    "stops itself": ("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\nos.kill(0, signal.SIGSTOP)",
                     dict(seconds=0.5), "ok|time"),
    "ignores every signal": ("import signal\nfor s in set(signal.Signals) - {9, 19}:\n"
                             "  signal.signal(s, lambda *a: None)\n" + FOREVER, dict(seconds=0.5), "time"),
}  # fmt: skip


@pytest.mark.parametrize("name", TOO_MUCH)
def test_a_run_ends_and_leaves_nothing(box, name):
    source, limits, expected = TOO_MUCH[name]
    started = time.monotonic()
    outcome = run(box, source, Limits(**{"seconds": 10, "processes": 16, "memory": 400 << 20, **limits}))
    assert outcome.status in expected.split("|"), outcome
    assert (outcome.detail == "") == (outcome.status == "ok") and "\n" not in outcome.detail
    assert len(outcome.printed) <= 1_000_000 and time.monotonic() - started < 20


def test_a_memory_error_is_the_programs_own(box):
    source = "try: x = b'x' * 500_000_000\nexcept MemoryError: answer = 'refused'"
    assert ask(box, source, Limits(memory=100 << 20)) == "refused"


def test_processes_threads_files_and_scratch_are_counted(box):
    source = """
import os, threading
answer = {}
held = []
try:
    while True:
        event = threading.Event()
        threading.Thread(target=event.wait, daemon=True).start()
        held.append(event)
except RuntimeError:
    answer['threads'] = len(held)
for event in held:
    event.set()
try:
    fds = []
    while True:
        fds.append(os.open('/dev/null', 0))
except OSError:
    answer['files'] = len(fds)
    for fd in fds:
        os.close(fd)
for name, folder, size in (('scratch', '/scratch', 1_000_000), ('shm', '/dev/shm', 100_000)):
    written = 0
    try:
        for number in range(1000):
            with open(f'{folder}/{number}', 'wb', 0) as file:
                written += file.write(bytes(size))
    except OSError:
        answer[name] = written
try:
    for number in range(10_000):
        open(f'/scratch/empty-{number}', 'w').close()
except OSError:
    answer['empty'] = number
"""
    used = ask(box, source)
    assert 8 <= used["threads"] < 16 + 3
    assert 200 < used["files"] < 256
    assert 6_000_000 <= used["scratch"] <= 8_000_000 and used["shm"] <= 1 << 20
    assert used["empty"] < 5_000


def test_thirty_runs_leave_the_zygote_as_it_was(box):
    zygote = family(box)[-1]

    def resident():
        return processes._sum(zygote, "status", ("RssAnon:",)), len(
            list(Path(f"/proc/{zygote}/fd").iterdir())
        )

    run(box, "answer = 0")
    before = resident()
    started = time.monotonic()
    for number in range(30):
        assert ask(box, f"answer = {number}") == number
    each = (time.monotonic() - started) / 30
    after = resident()
    assert after[0] - before[0] < 1 << 20 and after[1] == before[1]
    assert each < 1, "a run without torch takes hundredths of a second on a quiet machine"


# How it begins and ends


def test_a_lost_zygote_is_replaced(zygote):
    bubblewrap_works()
    with open_sandbox(zygote=zygote) as box:
        first = family(box)
        os.kill(first[-1], signal.SIGKILL)
        assert ask(box, "answer = 1") == 1
        assert not set(first) & set(family(box))
        lost = threading.Timer(0.3, lambda: os.kill(box._process.pid, signal.SIGKILL))
        lost.start()
        assert ask(box, "import time\ntime.sleep(0.6)\nanswer = 2") == 2


def test_a_zygote_lost_again_and_again_is_an_outcome(zygote, monkeypatch):
    bubblewrap_works()
    with open_sandbox(zygote=zygote) as box:
        start = box._start

        def start_and_lose():
            start()
            threading.Timer(0.3, box._process.kill).start()

        with monkeypatch.context() as patch:
            patch.setattr(box, "_start", start_and_lose)
            box.close()
            outcome = run(box, "import time\ntime.sleep(8)")
        assert (outcome.status, outcome.detail) == ("died", "the sandbox ended with it")
        assert ask(box, "answer = 3") == 3


@pytest.mark.parametrize("kind", ["bubblewrap", "NONE"])
def test_all_die_with_the_process_that_opened_it(kind, zygote, alive, until):
    if kind == "bubblewrap":
        bubblewrap_works()
    source = (
        "import sys\nfrom pathlib import Path\nfrom courseware.grading.sandbox import open_sandbox\n"
        "from courseware.grading.walls import Zygote\n"
        f"box = open_sandbox({kind!r}, zygote=Zygote('stand_in', (), Path({str(zygote.path)!r})))\n"
        "print('open', flush=True)\nbox.run(b'import os, time; os.fork(); time.sleep(60)')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as opener:  # fmt: skip
        assert select.select([opener.stdout], [], [], 60)[0]
        expected = {"bubblewrap": 6, "NONE": 4}[
            kind
        ]  # (bubblewrap's two,) zygote, supervisor, jail, its child
        until(lambda: len(processes.descendants(opener.pid)) >= expected)
        family = processes.descendants(opener.pid)
        opener.kill()
    until(lambda: not any(map(alive, family)))


def test_closing_ends_everything(zygote, alive, until):
    bubblewrap_works()
    with open_sandbox(zygote=zygote) as box:
        processes_of_it = family(box)
    until(lambda: not any(map(alive, processes_of_it)))


def test_an_interrupted_run_does_not_answer_the_next(zygote, monkeypatch):
    bubblewrap_works()
    with open_sandbox(zygote=zygote) as box:
        with monkeypatch.context() as patch:
            patch.setattr(module.frames, "read_reply", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                run(box, "answer = 'old'")
        assert ask(box, "answer = 'new'") == "new"


def test_a_missing_bubblewrap_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        SandboxError, match=r"^bubblewrap is missing: apt-get install bubblewrap .*container$"
    ):
        open_sandbox()
    with pytest.raises(SandboxError, match=r"^neither podman nor docker is here: .*bubblewrap"):
        open_sandbox("container")
    with pytest.raises(SandboxError, match="no sandbox is called 'firejail': choose one of bubblewrap, "):
        open_sandbox("firejail")


@pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap is for Linux")
def test_these_tests_are_not_skipped_where_bubblewrap_is_promised(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI_REQUIRE_BWRAP", "1")
    with pytest.raises(pytest.fail.Exception, match="bwrap is missing"):
        bubblewrap_works()
    monkeypatch.delenv("CI_REQUIRE_BWRAP")
    with pytest.raises(pytest.skip.Exception, match="apt-get install bubblewrap"):
        bubblewrap_works()


@pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap is for Linux")
def test_a_kernel_without_namespaces_is_one_line(monkeypatch, tmp_path):
    said = "bwrap: No permissions to create new namespace"
    program(tmp_path / "bwrap", f"import sys\nsys.exit({said!r})")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(SandboxError) as caught:
        open_sandbox()
    assert str(caught.value).startswith(f"the sandbox does not start ({said}): allow user namespaces")
    assert "--sandbox container" in str(caught.value) and "\n" not in str(caught.value)


def test_a_driver_that_cannot_be_imported_is_one_line(zygote):
    bubblewrap_works()
    with pytest.raises(
        SandboxError, match=r"does not start \(ModuleNotFoundError: No module named 'absent'\)$"
    ):
        open_sandbox(zygote=Zygote("absent", (), zygote.path))


def program(path, source):
    path.write_text(f"#!{sys.executable}\n{source}\n")
    path.chmod(0o755)


# The other kinds


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_without_walls_it_warns_and_still_bounds(zygote, until, capfd):
    with open_sandbox("NONE", zygote=zygote) as box:
        assert "students' code runs with all your rights" in capfd.readouterr().err
        before = family(box)
        daemon = "import os, time\nif os.fork() == 0:\n  os.fork() and os._exit(0)\n  time.sleep(60)\n"
        assert ask(box, daemon + "os.wait()\nanswer = os.getcwd()").startswith("/")
        assert run(box, daemon + "time.sleep(60)", Limits(seconds=0.5)).status == "time"
        assert (
            run(box, "x = b'x' * 200_000_000\nimport time\ntime.sleep(9)", Limits(memory=100 << 20)).status
            == "died"
        )
        until(lambda: family(box) == before)


def test_the_command_of_a_container(zygote, monkeypatch, tmp_path):
    (tmp_path / "docker").write_text("#!/bin/sh\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    command = walls.container(zygote, [ROOT / "src" / "convbook" / "claims"], 1).arguments
    pairs = set(pairwise(command))
    assert command[:3] == [str(tmp_path / "docker"), "run", "--rm"]
    assert {"--interactive", "--read-only"} <= set(command)
    assert {("--network", "none"), ("--cap-drop", "ALL"), ("--security-opt", "no-new-privileges")} <= pairs
    assert ("--cap-add", "SYS_ADMIN") not in pairs and "--privileged" not in command
    volumes = [value.split(":")[1:] for name, value in pairs if name == "--volume"]
    assert sorted(volumes) == [["/course/convbook", "ro"], ["/course/inside", "ro"], ["/course/more", "ro"]]
    assert ("--tmpfs", "/course/convbook/claims:ro,size=4k") in pairs
    assert command[-7:-1] == [walls.IMAGE, "-s", "-P", "-B", "-m", "inside.zygote"]
    monkeypatch.setenv("CONVBOOK_GRADING_IMAGE", "registry.example/grading:2")
    assert walls.container(zygote, [], 1).arguments[-7] == "registry.example/grading:2"


def test_without_namespaces_a_container_falls_back_to_users_and_says_so(zygote, until, monkeypatch):
    bubblewrap_works()
    if os.getuid() != 0:
        pytest.skip("the zygote of a container is its root")
    monkeypatch.setattr(walls, "CAPABILITIES", walls.CONTAINER_CAPABILITIES)
    # What a container allows, made with bubblewrap: no SYS_ADMIN, and a scratch folder that all jails share.
    command = walls.bubblewrap(zygote, [], 7)
    at = command.arguments.index("--remount-ro")
    command.arguments[at:at] = ["--perms", "0711", "--tmpfs", "/scratch"]
    command.arguments[-1] = command.arguments[-1].replace('"bubblewrap"', '"container"')
    with module.Sandbox(lambda: command) as box:
        (weakness,) = box.weaknesses
        assert weakness.startswith("a jail has no namespaces of its own in this container")
        before = family(box)
        assert ask(box, "import os\nopen('mine', 'w').close()\nanswer = os.getuid()") >= 61_000
        kill, connect = "import os; os.kill(os.getppid(), 9)", "import socket; socket.socket()"
        look = "import os; os.listdir('/scratch')"
        assert refused(box, [kill, connect, look]) == dict.fromkeys([kill, connect, look], "PermissionError")
        bomb = "import os\nwhile True:\n  try: os.fork() or os.setsid()\n  except OSError: pass"
        assert run(box, bomb, Limits(seconds=1, processes=16)).status == "time"
        until(lambda: family(box) == before)
        assert ask(box, "answer = 3") == 3
        left = f"/proc/{before[-1]}/root/scratch"
        assert list(Path(left).iterdir()) == []


# The filter, for both machines


def verdict(lines, audit, number, *arguments):
    """Run a filter as the kernel does, on a call of a machine."""
    data = {0: number, 4: audit, **{16 + 8 * i: value for i, value in enumerate(arguments)}}
    at, value = 0, 0
    while True:
        code, yes, no, constant = lines[at]
        at += 1
        if code == 0x06:
            return constant
        if code == 0x20:
            value = data[constant]
        else:
            holds = {0x15: value == constant, 0x35: value >= constant, 0x45: bool(value & constant)}[code]
            at += yes if holds else no


# From the kernel's own tables: read, ptrace, socket, clone, clone3, mmap.
@pytest.mark.parametrize(
    ("machine", "audit", "read", "ptrace", "socket", "clone", "clone3", "mmap"),
    [
        ("x86_64", 0xC000003E, 0, 101, 41, 56, 435, 9),
        ("aarch64", 0xC00000B7, 63, 117, 198, 220, 435, 222),
    ],
)
def test_filter(machine, audit, read, ptrace, socket, clone, clone3, mmap):
    lines = seccomp.build(machine)
    allow, kill, eperm, enosys = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
    assert verdict(lines, audit, read) == allow
    assert verdict(lines, 0x40000003, read) == kill  # a call of 32-bit x86
    assert verdict(lines, audit, ptrace) == eperm
    assert [verdict(lines, audit, socket, family) for family in (1, 2, 10, 16)] == [
        allow,
        eperm,
        eperm,
        eperm,
    ]
    assert verdict(lines, audit, clone, 17) == allow and verdict(lines, audit, clone3) == enosys
    assert verdict(lines, audit, clone, 0x3D0F00) == allow  # a thread
    assert verdict(lines, audit, clone, 0x10000000 | 17) == eperm
    shared, private, anonymous = 0x01, 0x02, 0x20
    assert verdict(lines, audit, mmap, 0, 0, 0, shared | anonymous) == eperm
    assert verdict(lines, audit, mmap, 0, 0, 0, private | anonymous) == allow
    assert verdict(lines, audit, mmap, 0, 0, 0, shared) == allow
    if machine == "x86_64":
        assert verdict(lines, audit, 0x40000000 + read) == kill


def test_an_unknown_machine_has_no_filter():
    with pytest.raises(OSError, match="no filter of system calls for riscv64, only for x86_64, aarch64"):
        seccomp.build("riscv64")
