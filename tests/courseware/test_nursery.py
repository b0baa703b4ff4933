"""Notebooks that are forked from a warm process: spared the imports, and strangers to each other."""

import os
import signal
import subprocess
import sys

import pytest

from courseware import nursery
from courseware.execute import execute
from courseware.notebooks import read

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not nursery.AVAILABLE, reason="libraries survive a fork on Linux only"),
]


def printed(outcome):
    assert outcome.ok, outcome.error
    outputs = [output for cell in read(outcome.output)["cells"] for output in cell.get("outputs", [])]
    return "".join("".join(output.get("text", "")) for output in outputs).split()


def test_two_notebooks_find_torch_imported_one_alone_does_not_and_neither_sees_the_other(course):
    code = (
        "# import torch\nimport sys\ntorch = sys.modules.get('torch')\nprint(torch is not None)",
        "print(hasattr(torch, 'mark'))\nif torch:\n    torch.mark = 1",
    )
    one, two = course.add("one", *code), course.add("two", *code)
    for outcome in execute([one, two], root=course.root, jobs=1):
        assert printed(outcome) == ["True", "False"]
    (alone,) = execute([one], root=course.root, force=True)
    assert printed(alone) == ["False", "False"]


def test_pyplot_still_draws_into_the_page(course):
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nprint(plt.get_backend())"
    for outcome in execute([course.add("one", code), course.add("two", code)], root=course.root):
        assert "inline" in printed(outcome)[0]
        assert "image/png" in str(read(outcome.output)["cells"])


def test_a_nursery_that_is_killed_is_told_and_its_workers_end(tmp_path):
    ours = nursery.Nursery(dict(os.environ))
    pipes = [os.pipe() for _ in range(3)]
    worker = ours.fork(pipes[0][0], pipes[1][1], pipes[2][1])
    assert worker.poll() is None
    os.kill(ours._process.pid, signal.SIGKILL)
    assert worker.wait(20) == -signal.SIGKILL
    with pytest.raises(OSError, match="ended with status -9"):
        ours.fork(pipes[0][0], pipes[1][1], pipes[2][1])
    ours.close()
    for pipe in pipes:
        os.close(pipe[0]), os.close(pipe[1])


def test_a_worker_that_crashes_is_reported_as_subprocess_would():
    ours = nursery.Nursery(dict(os.environ))
    pipes = [os.pipe() for _ in range(3)]
    worker = ours.fork(pipes[0][0], pipes[1][1], pipes[2][1])
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(0.1)
    worker.terminate()
    assert worker.wait(20) == -signal.SIGTERM == worker.poll()
    ours.close()
    for pipe in pipes:
        os.close(pipe[0]), os.close(pipe[1])


def test_a_nursery_ends_when_its_owner_is_gone(alive, until):
    code = (
        "import os, signal; from courseware.nursery import Nursery\n"
        "print(Nursery(dict(os.environ))._process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    until(lambda: not alive(int(done.stdout)))
