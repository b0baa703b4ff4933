"""Execution for real: small notebooks, real kernels, every way to go wrong."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import convbook
from courseware import execute as module
from courseware.execute import Outcome, Reporter, execute, health
from courseware.notebooks import read, tags
from courseware.parameters import ParameterError


class Diary(Reporter):
    def __init__(self):
        self.events = []

    def started(self, path):
        self.events.append(("started", path.stem))

    def at_cell(self, path, number, total):
        self.events.append(("cell", path.stem, number, total))

    def finished(self, outcome):
        self.events.append(("finished", outcome.path.stem))


@pytest.fixture(scope="module")
def ward(tmp_path_factory, make_course, make_notebook):
    """One run of many notebooks, two at a time, most of them ill."""
    course = make_course(tmp_path_factory.mktemp("ward") / "course")
    package = course.root / "src" / "convbook"  # of its own: an edit of the real one would change the keys
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    course.add("good", "import os\nprint('threads', os.environ['OMP_NUM_THREADS'])\nprint(n)")
    course.add("raises", "fine = 1", "# comment\nfine = 2\nraise ValueError('the bad thing')")
    course.add("dies", "import os", "os._exit(1)")
    course.add("floods", "print('x' * 100_000_000)")
    course.add("drips", "while True:\n    print('x' * 1000)")
    course.add("exits", "raise SystemExit")
    course.add("no-kernel", kernel="julia-1.9")
    course.write(
        "no-check", {**read(course.add("no-check")), "cells": read(course.add("no-check"))["cells"][:1]}
    )
    (course.root / "chapters" / "cut.ipynb").write_text('{"cells": [')
    diary = Diary()
    paths = sorted((course.root / "chapters").glob("*.ipynb"))
    outcomes = execute(paths, root=course.root, jobs=2, timeout=120, reporter=diary)
    return course, {outcome.path.stem: outcome for outcome in outcomes}, diary


@pytest.mark.slow
def test_a_healthy_notebook_is_kept_although_all_others_fail(ward):
    _, outcomes, _ = ward
    assert [name for name, outcome in outcomes.items() if outcome.ok] == ["good"]
    kept = read(outcomes["good"].output)
    assert health(kept) is None
    threads = max(1, module.cores() // 2)
    assert f"threads {threads}" in "".join(kept["cells"][1]["outputs"][0]["text"])


@pytest.mark.slow
def test_kept_copies_have_nothing_of_papermill_nor_of_this_machine(ward):
    course, outcomes, _ = ward
    text = outcomes["good"].output.read_text()
    assert "papermill" not in text
    assert str(course.root) not in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "status", "cell", "says"),
    [
        ("raises", "failed", 3, "cell 3 (`fine = 2`): ValueError: the bad thing"),
        ("dies", "died", 3, "cell 3 (`os._exit(1)`): the kernel died"),
        ("floods", "flood", 2, "more than 10 MB of output"),
        ("drips", "flood", 2, "cell 2 (`while True:`) wrote more than 10 MB"),
        ("exits", "unhealthy", 2, "cell 2 raised SystemExit"),
        ("no-kernel", "kernel", None, "'julia-1.9' is not installed (installed: "),
        ("no-check", "unhealthy", None, "must be tagged `check`"),
        ("cut", "unreadable", None, "cut.ipynb is not a notebook"),
    ],
)
def test_each_illness_is_told_in_one_line_with_its_cell(ward, name, status, cell, says):
    outcome = ward[1][name]
    assert (outcome.status, outcome.cell) == (status, cell)
    assert says in outcome.error
    assert "\n" not in outcome.error
    assert not outcome.cached


@pytest.mark.slow
def test_a_failing_cell_comes_with_its_traceback_and_the_partial_copy(ward):
    outcome = ward[1]["raises"]
    assert "raise ValueError('the bad thing')" in outcome.traceback
    assert "\x1b" not in outcome.traceback
    partial = read(outcome.output)
    assert "the bad thing" in json.dumps(partial)
    assert outcome.output.stat().st_size < 100_000


@pytest.mark.slow
def test_partial_copies_of_floods_stay_below_the_limit(ward):
    for name in ("floods", "drips"):
        assert ward[1][name].output.stat().st_size < 11_000_000


@pytest.mark.slow
def test_reporter_hears_of_every_start_cell_and_end(ward):
    events = ward[2].events
    assert {event[1] for event in events if event[0] == "finished"} == set(ward[1])
    assert ("started", "cut") not in events
    assert [event for event in events if event[:2] == ("cell", "good")] == [
        ("cell", "good", number, 3) for number in (1, 2, 3)
    ]


@pytest.mark.slow
def test_a_second_run_executes_only_what_failed(ward, monkeypatch):
    course, _, _ = ward
    asked = []

    def record(waiting, jobs, package, reporter, libraries):
        for job in waiting:
            asked.append(job.path.stem)
            yield Outcome(job.path, "broken")

    monkeypatch.setattr(module, "_run", record)
    paths = [course.root / "chapters" / f"{name}.ipynb" for name in ("good", "raises")]
    good, _ = execute(paths, root=course.root)
    assert asked == ["raises"]
    assert good.ok and good.cached
    execute(paths, root=course.root, force=True)
    assert asked == ["raises", "good", "raises"]
    execute(paths[:1], {"n": 2}, root=course.root)
    assert asked[3:] == ["good"]
    good.output.write_bytes(good.output.read_bytes()[:-20])  # as a broken disk might leave it
    execute(paths[:1], root=course.root)
    assert asked[4:] == ["good"]


@pytest.mark.slow
def test_a_hanging_notebook_is_stopped_with_its_kernel_and_leaves_what_it_had_written(course, alive, until):
    pid_file = course.root / "pid"
    path = course.add(
        "hangs",
        f"import os\nprint('so far')\nopen({str(pid_file)!r}, 'w').write(str(os.getpid()))",
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True:\n    pass",
    )
    for timeout in (8, 60):  # the longer one only where the kernel took more than 8 s to start
        started = time.monotonic()
        (outcome,) = execute([path], root=course.root, timeout=timeout)
        assert time.monotonic() - started < timeout + 10
        if pid_file.exists():
            break
    assert (outcome.status, outcome.cell) == ("timeout", 3)
    assert f"stopped after {timeout} s" in outcome.error
    assert "so far" in outcome.output.read_text()
    until(lambda: not alive(int(pid_file.read_text())))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_interrupted_runs_keep_what_had_finished_and_leave_no_kernel(course, alive, until, number, status):
    pid_file, executed = course.root / "pid", course.root / ".cache" / "executed"
    course.add("a-good", "print('done')")
    course.add(
        "b-slow",
        f"import os, time\nopen({str(pid_file)!r}, 'w').write(str(os.getpid()))",
        "while True:\n    time.sleep(0.1)",
    )
    command = [sys.executable, "-m", "courseware.cli", "run", "--jobs", "2", "--timeout", "300"]
    process = subprocess.Popen(
        command,
        cwd=course.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores Ctrl-C, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        deadline = time.monotonic() + 120
        while not (pid_file.exists() and pid_file.read_text() and list(executed.glob("*.ipynb"))):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == status
    assert number == signal.SIGKILL or "a-good.ipynb: ok" in out
    assert "Traceback" not in err
    if number == signal.SIGINT:
        assert err.strip() == "interrupted; what had finished is kept"
    until(lambda: not alive(int(pid_file.read_text())))
    kept = list(executed.glob("*.ipynb"))
    assert len(kept) == 1 and health(read(kept[0])) is None


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting a small disk needs root"
)
def test_a_full_disk_is_told_and_other_notebooks_are_kept(course, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True
    ).returncode:
        pytest.skip("mount is not allowed here")
    try:
        paths = [course.add("large", "print('x' * 1_000_000)"), course.add("small", "print('x')")]
        large, small = execute(paths, root=course.root, cache_dir=disk / "cache", jobs=1)
        assert large.status == "disk"
        assert "no space left on the disk of " in large.error and "\n" not in large.error
        assert small.ok and small.output.is_file()
        assert not list((disk / "cache").glob(".*"))  # nothing half written
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
def test_a_disk_that_fills_up_while_the_copy_is_kept_is_told(course, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(module, "write_atomic", full)
    (outcome,) = execute([course.add("good")], root=course.root)
    assert outcome.status == "disk"
    assert "no space left" in outcome.error
    assert outcome.output.parent.name == "partial"  # the finished work is still there


@pytest.mark.slow
def test_parameters_are_typed_and_their_cell_is_hidden_from_the_page(course):
    path = course.add("typed", "print(repr(n))\nassert isinstance(n, float)")
    (outcome,) = execute([path], {"n": 0.5}, root=course.root)
    assert outcome.ok, outcome.error
    injected = [cell for cell in read(outcome.output)["cells"] if "injected-parameters" in tags(cell)]
    assert len(injected) == 1 and "remove-cell" in tags(injected[0])


@pytest.mark.slow
def test_cells_are_numbered_as_in_the_source_when_parameters_are_injected(course):
    path = course.add("numbered", "1 / 0")
    (outcome,) = execute([path], {"n": 2}, root=course.root)
    assert (outcome.cell, outcome.status) == (2, "failed")
    assert "cell 2 (`1 / 0`): ZeroDivisionError" in outcome.error


@pytest.mark.slow
def test_a_changed_width_in_a_network_turns_the_run_red_and_names_the_claim(course, tmp_path, make_notebook):
    check = "from convbook import claims\nclaims.check('lecun1998gradient')"
    path = course.write("lenet", make_notebook((check, "check")))
    original = Path(convbook.__file__).parent
    changed = tmp_path / "changed" / "convbook"
    shutil.copytree(original, changed, ignore=shutil.ignore_patterns("__pycache__"))
    network = changed / "models" / "lenet.py"
    text = network.read_text()
    assert text.count("nn.Conv2d(16, 120, ") == text.count("self.f6 = nn.Linear(120, 84)") == 1
    text = text.replace("nn.Conv2d(16, 120, ", "nn.Conv2d(16, 119, ")
    network.write_text(text.replace("self.f6 = nn.Linear(120, 84)", "self.f6 = nn.Linear(119, 84)"))

    (green,) = execute([path], root=course.root, package=original)
    assert green.ok, green.error
    (red,) = execute([path], root=course.root, package=changed)  # same notebook: the package is in the key
    assert (red.status, red.cell) == ("failed", 1)
    assert "claims surprise" in red.error
    for told in ("lenet5, parameters of c5", "48,120", "47,719"):  # 119 * (16 * 25 + 1)
        assert told in red.error + red.traceback


@pytest.mark.slow
def test_paths_with_braces_and_spaces_work(tmp_path, make_course):
    course = make_course(tmp_path / "a {course} of 100%")
    (outcome,) = execute([course.add("good")], root=course.root)
    assert outcome.ok, outcome.error


def test_an_unknown_parameter_names_the_known_ones_before_anything_runs(course, monkeypatch):
    monkeypatch.setattr(module, "_run", lambda *_: pytest.fail("something ran"))
    with pytest.raises(ParameterError, match=r"good.ipynb has no parameter 'm' \(its parameters: n\)"):
        execute([course.add("good")], {"m": 1}, root=course.root)


def executed(*cells):
    """Give each code cell an execution count, as a run would."""
    return {"cells": [dict(cell, execution_count=n) for n, cell in enumerate(cells, start=1)], "metadata": {}}


def test_health_needs_every_cell_run_none_failed_and_a_check_last(make_cell):
    good = [make_cell("x = 1"), make_cell("assert x", "check")]
    assert health(executed(*good)) is None

    skipped = executed(*good)
    skipped["cells"][1]["execution_count"] = None
    assert health(skipped)[0] == 2 and "did not run" in health(skipped)[1]

    failed = executed(*good)
    failed["cells"][0]["outputs"] = [{"output_type": "error", "ename": "KeyError", "evalue": "'a'"}]
    assert health(failed) == (1, "raised KeyError: 'a'")

    assert "must be tagged `check`" in health(executed(*good, make_cell("x = 2")))[1]
    assert "no code cell" in health(executed())[1]
    assert health(executed(make_cell("  \n"), *good)) == (1, "is an empty code cell: remove it")


def test_text_after_the_check_does_not_matter(make_cell):
    cells = executed(make_cell("assert True", "check"))
    cells["cells"].append({"cell_type": "markdown", "metadata": {}, "source": "References"})
    assert health(cells) is None


def test_a_run_that_finds_everything_in_the_cache_imports_nothing_slow(course):
    path = course.add("good")
    script = (
        "import sys\nfrom pathlib import Path\nfrom courseware import cli, execute, progress\n"
        "execute._is_healthy = lambda _: True\n"
        f"(o,) = execute.execute([Path({str(path)!r})], root=Path({str(course.root)!r}))\n"
        "assert o.cached\n"
        "slow = {'papermill', 'nbformat', 'nbclient', 'jupyter_client', 'torch', 'yaml', 'rich'}\n"
        "print(slow & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
