"""Grading on a Dask cluster: a worker killed in the middle, other code on a worker, no cluster at all."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import courseware
from courseware.grading import cluster, run
from courseware.grading.local import GradingError
from courseware.grading.order import Order
from courseware.grading.submissions import collect

distributed = pytest.importorskip("distributed", reason="needs the extra `cluster`")

HERE = Path(__file__).parent
LAB = HERE.parents[2] / "labs" / "bottleneck.ipynb"
SOURCES = Path(courseware.__file__).parents[1]
ORDER = Order("bottleneck", "{}", b"a key for these tests", opener="stand_in:open_bench")


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    """Where stand-ins write down what they do; Dask's workers inherit what they need for it."""
    path = tmp_path_factory.mktemp("cluster") / "notes"
    path.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(SOURCES), str(HERE)]))
        patch.setenv("STAND_IN_NOTES", str(path))
        yield path


@pytest.fixture(scope="module")
def address(notes):
    """Two workers, processes of their own, under a scheduler."""
    options = {"threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(n_workers=2, **options) as running:
        yield running.scheduler_address


@pytest.fixture
def hand_in(tmp_path):
    def hand_in(**texts):
        for student, text in texts.items():
            (tmp_path / f"{student}.ipynb").write_text(text)
        return collect(tmp_path)

    return hand_in


def graders(notes):
    """Return sandboxes and workers that began, of all tests so far."""
    lines = [line.split() for line in notes.read_text().splitlines() if line.startswith("sandbox")]
    return [(int(sandbox), int(worker)) for _, sandbox, _, worker in lines]


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_each_submission_has_one_result_though_a_worker_is_killed_in_the_middle(
    address, hand_in, notes, alive, until
):
    texts = {f"student{number}": "slow " * (1 + number % 5) for number in range(12)}
    submissions = hand_in(**texts, hostile="kill", once="kill-once")
    found = []
    killed = False
    for result in cluster.grade_there(ORDER, submissions, address):
        if result is not None:
            found.append(result)
        if len(found) >= 4 and not killed:
            killed = True
            worker = next(parent(worker) for _, worker in graders(notes) if alive(worker))
            os.kill(worker, signal.SIGKILL)
    assert killed
    assert sorted(result.student for result in found) == sorted([*texts, "hostile", "once"])
    earned = {result.student: result.points for result in found if result.graded}
    assert earned == {name: float(len(text.split())) for name, text in texts.items()} | {"once": 1.0}
    [hostile] = [result for result in found if not result.graded]
    assert hostile.student == "hostile" and "ended by SIGKILL" in hostile.reason
    until(lambda: not [pid for pids in graders(notes) for pid in pids if alive(pid)])


def test_closing_takes_back_the_work_and_ends_its_graders(address, hand_in, notes, alive, until):
    before = len(graders(notes))
    results = cluster.grade_there(ORDER, hand_in(ada="fine", bob="long", eve="long", zoe="long"), address)
    assert next(result for result in results if result is not None).student == "ada"
    results.close()
    new = graders(notes)[before:]
    assert new
    until(lambda: not [pid for pids in new for pid in pids if alive(pid)])


def test_other_code_on_a_worker_is_refused_in_one_line(address, hand_in, monkeypatch):
    monkeypatch.setattr(cluster, "signature", lambda order: "0.1.0 with grading code 123")
    with pytest.raises(GradingError, match=r"has ConvBook .* and you have 0.1.0 with grading code 123: "):
        list(cluster.grade_there(ORDER, hand_in(ada="fine"), address))


def test_graders_that_find_no_sandbox_there_end_the_run(address, hand_in):
    with pytest.raises(GradingError, match="bubblewrap is missing"):
        list(cluster.grade_there(replace(ORDER, opener="stand_in:refuse"), hand_in(ada="fine"), address))


def test_no_scheduler_is_said_in_one_line(hand_in, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT", 0.3)
    for address in ("tcp://127.0.0.1:9", "nonsense://x"):
        with pytest.raises(GradingError, match="no Dask scheduler answers at") as error:
            list(cluster.grade_there(ORDER, hand_in(ada="fine"), address))
        assert "\n" not in str(error.value)


SBATCH = """#!/bin/sh
# A cluster of one node, on which a job begins at once. The script is gone when this returns.
cp "$1" {jobs}.sh
setsid bash {jobs}.sh > /dev/null 2>&1 &
echo "submitted $!" >> {jobs}
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
echo cancelled "$@" >> {jobs}
kill -s KILL -- "-$1"
"""


def test_slurm_jobs_grade_over_tls_and_are_cancelled_at_the_end(notes, tmp_path, monkeypatch):
    pytest.importorskip("dask_jobqueue")
    from courseware.grading.slurm import main

    folder = tmp_path / "submissions"
    folder.mkdir()
    (folder / "ada.ipynb").write_text("one two")
    (tmp_path / "_toc.yml").touch()
    jobs = tmp_path / "jobs"
    for name, script in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tmp_path / name).write_text(script.format(jobs=jobs))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("CONVBOOK_GRADING_KEY", "a key for these tests")
    monkeypatch.setattr(run.grade, "__kwdefaults__", run.grade.__kwdefaults__ | {"opener": ORDER.opener})
    for slow in ("books.write_books", "alike.find_alike"):
        monkeypatch.setattr(f"courseware.grading.{slow}", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    options = ["--jobs", "1", "--cores", "1", "--memory", "1GB", "--partition", "teaching"]
    done = CliRunner().invoke(main, [*options, str(LAB), str(folder), "-o", str(tmp_path / "grades")])
    assert done.exit_code == 0, done.output
    assert "1 graded (1 now), 0 not run, mean 2.0 of 10" in done.output
    job = (tmp_path / "jobs.sh").read_text()
    assert "#SBATCH -p teaching" in job and "dask_worker tls://" in job
    submitted, cancelled = (line.split() for line in jobs.read_text().splitlines())
    assert (submitted[0], cancelled) == ("submitted", ["cancelled", submitted[1]])
