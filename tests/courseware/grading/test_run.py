"""Scheduling: who is graded, what a lost worker costs, what an interruption leaves."""

import csv
import io
import os
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import courseware
from courseware.grading import local
from courseware.grading.key import KeyFileError, key_file, load_key
from courseware.grading.order import Order, Parcel, pack
from courseware.grading.progress import Lines, Live, duration
from courseware.grading.run import grade
from courseware.grading.stamp import stamp
from courseware.grading.submissions import Submission, collect
from courseware.notebooks import CourseError

HERE = Path(__file__).parent
LAB = HERE.parents[2] / "labs" / "bottleneck.ipynb"
SOURCES = Path(courseware.__file__).parents[1]
KEY = "a key for these tests"


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder to hand in to, and graders that do as they are told."""
    notes = tmp_path / "notes"
    notes.touch()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SOURCES), str(HERE)]))
    monkeypatch.setenv("STAND_IN_NOTES", str(notes))
    monkeypatch.setenv("CONVBOOK_GRADING_KEY", KEY)
    for slow in ("books.write_books", "alike.find_alike"):
        monkeypatch.setattr(f"courseware.grading.{slow}", lambda *_: None)
    folder = tmp_path / "submissions"
    folder.mkdir()

    def hand_in(**texts):
        for student, text in texts.items():
            (folder / f"{student}.ipynb").write_text(text)

    def run(opener="open_bench", **options):
        options = {"workers": 1, "display": Lines(io.StringIO())} | options
        return grade(LAB, folder, tmp_path / "grades", opener=f"stand_in:{opener}", **options)

    def noted(what):
        return [line.split()[1] for line in notes.read_text().splitlines() if line.split()[0] == what]

    return SimpleNamespace(
        folder=folder, grades=tmp_path / "grades", hand_in=hand_in, run=run, noted=noted, notes=notes
    )


def points(found):
    return {result.student: result.points if result.graded else None for result in found.results}


def test_every_submission_is_graded_once_and_again_only_if_it_changed_or_is_new(desk):
    desk.hand_in(ada="one", bob="one two", eve="one two three")
    first = desk.run(workers=2)
    assert points(first) == {"ada": 1, "bob": 2, "eve": 3}
    assert (first.new, first.complete) == (3, True)
    assert first.summary() == f"3 graded (3 now), 0 not run, mean 2.0 of 10; see {desk.grades / 'index.html'}"
    assert sorted(desk.noted("grade")) == ["ada", "bob", "eve"]

    assert desk.run().new == 0
    desk.hand_in(bob="one two three four", zoe="one")
    assert points(desk.run()) == {"ada": 1, "bob": 4, "eve": 3, "zoe": 1}
    assert sorted(desk.noted("grade")[3:]) == ["bob", "zoe"]
    (desk.folder / "eve.ipynb").unlink()
    assert points(desk.run(again=True)) == {"ada": 1, "bob": 4, "zoe": 1}
    assert len(desk.noted("grade")) == 8


def test_a_worker_that_dies_is_replaced_and_its_submission_tried_once_more(desk):
    desk.hand_in(ada="kill-once", bob="kill now", eve="raise", zoe="fine")
    found = desk.run()
    assert points(found) == {"ada": 1, "bob": None, "eve": None, "zoe": 1}
    attempts = {result.student: result.attempts for result in found.results}
    assert attempts == {"ada": 2, "bob": 2, "eve": 2, "zoe": 1}
    bob, eve = found.results[1:3]
    assert bob.reason == "its grader was lost 2 times; the last time, it was ended by SIGKILL"
    assert eve.reason.endswith("it ended with status 1: ValueError: the judge has a mistake")
    assert not found.complete
    assert found.not_run()[0] == f"bob.ipynb: not run, {bob.reason}"
    # Another day the machine may have more memory.
    desk.run()
    assert sorted(desk.noted("grade")[7:]) == ["bob", "bob", "eve", "eve"]


def test_a_worker_that_hangs_is_given_up_in_bounded_time(desk):
    desk.hand_in(ada="hang", bob="fine")
    began = time.monotonic()
    found = desk.run()
    assert time.monotonic() - began < 45
    assert points(found) == {"ada": None, "bob": 1}
    assert found.results[0].reason.endswith("it did not answer for 1.5 s")


def test_a_file_that_cannot_be_read_is_listed_and_needs_no_worker(desk, monkeypatch):
    desk.hand_in(ada="fine", bob="fine")
    ada, bob = collect(desk.folder)
    linked = replace(ada, problem="it is a link")
    absent = replace(ada, student="eve", file="", sha256="", problem="handed in nothing")
    monkeypatch.setattr("courseware.grading.run.collect", lambda *_: [linked, bob, absent])
    monkeypatch.setattr(Submission, "read", broken_disk)
    found = desk.run()
    reasons = {result.student: result.reason for result in found.results}
    bob_s = "it cannot be read: input/output error"
    assert reasons == {"ada": "it is a link", "bob": bob_s, "eve": "handed in nothing"}
    assert desk.noted("grade") == []
    lines = (desk.grades / "results.jsonl").read_text()
    desk.run()
    assert (desk.grades / "results.jsonl").read_text() == lines


def broken_disk(submission):
    raise OSError("input/output error")


def test_who_handed_in_nothing_does_not_make_grading_incomplete(desk, monkeypatch):
    desk.hand_in(ada="fine")
    [ada] = collect(desk.folder)
    absent = replace(ada, student="eve", file="", sha256="", problem="handed in nothing")
    monkeypatch.setattr("courseware.grading.run.collect", lambda *_: [ada, absent])
    found = desk.run()
    assert found.complete and found.not_run() == ["eve: not run, handed in nothing"]


@pytest.mark.parametrize(
    ("opener", "says"),
    [("refuse", "bubblewrap is missing: apt-get"), ("die", "graders do not start: .* no torch here")],
)
def test_graders_that_cannot_start_end_the_run_with_one_line(desk, opener, says):
    desk.hand_in(ada="fine", bob="fine")
    with pytest.raises(CourseError, match=says) as error:
        desk.run(opener)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_every_process_and_keeps_what_is_done(desk, alive, until, how):
    desk.hand_in(ada="fine", bob="long", eve="long")
    script = (
        "from courseware.grading.run import grade; from pathlib import Path;"
        f"grade(*map(Path, {[str(LAB), str(desk.folder), str(desk.grades)]}), workers=2,"
        " opener='stand_in:open_bench')"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE)
    kept = desk.grades / "results.jsonl"
    until(lambda: len(desk.noted("grade")) == 3 and kept.exists() and b"ada" in kept.read_bytes())
    time.sleep(0.5)  # what is being written when it is interrupted is taken back
    process.send_signal(how)
    _, said = process.communicate(timeout=120)
    assert said.rstrip().endswith(b"KeyboardInterrupt")
    left = [line.split() for line in desk.notes.read_text().splitlines() if line.startswith("sandbox")]
    assert len(left) == 2
    assert not [pid for _, sandbox, _, worker in left for pid in (sandbox, worker) if alive(pid)]
    with (desk.grades / "gradebook.csv").open() as file:
        assert [row["student"] for row in csv.DictReader(file)] == ["ada"]
    desk.hand_in(bob="fine", eve="fine")
    assert points(desk.run()) == {"ada": 1, "bob": 1, "eve": 1}
    assert desk.noted("grade").count("ada") == 1


def test_workers_end_when_the_grader_is_killed(desk, alive, until):
    desk.hand_in(ada="long")
    script = (
        "from courseware.grading.run import grade; from pathlib import Path;"
        f"grade(*map(Path, {[str(LAB), str(desk.folder), str(desk.grades)]}), opener='stand_in:open_bench')"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as process:
        until(lambda: desk.noted("grade"))
        process.kill()
    [(_, sandbox, _, worker)] = [
        line.split() for line in desk.notes.read_text().splitlines() if line.startswith("sandbox")
    ]
    until(lambda: not alive(sandbox) and not alive(worker))


def test_the_key_reaches_graders_but_neither_their_arguments_nor_their_environment(desk, monkeypatch):
    monkeypatch.delenv("CONVBOOK_GRADING_KEY")
    monkeypatch.setattr("courseware.grading.run.load_key", KEY.encode)
    desk.hand_in(ada="fine")
    seen = []
    real = local.Desk._ask

    def look(self, parcel):
        place = Path("/proc", str(self._process.pid))
        seen.extend([(place / "cmdline").read_bytes(), (place / "environ").read_bytes()])
        return real(self, parcel)

    monkeypatch.setattr(local.Desk, "_ask", look)
    assert desk.run().results[0].words == KEY
    assert seen and not any(KEY.encode() in text for text in seen)


def test_the_key_is_made_once_for_its_owner_alone(tmp_path, monkeypatch):
    monkeypatch.delenv("CONVBOOK_GRADING_KEY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    first = load_key()
    assert key_file() == tmp_path / "convbook" / "grading.key"
    assert len(bytes.fromhex(first.decode())) == 32 and load_key() == first
    assert stat.S_IMODE(key_file().stat().st_mode) == 0o600
    assert [path.name for path in key_file().parent.iterdir()] == ["grading.key"]
    monkeypatch.setenv("CONVBOOK_GRADING_KEY", KEY)
    assert load_key() == KEY.encode()
    monkeypatch.setenv("CONVBOOK_GRADING_KEY", "1234")
    with pytest.raises(KeyFileError, match=r"\$CONVBOOK_GRADING_KEY is no secret"):
        load_key()


def test_the_stamp_changes_with_the_lab_its_assignment_and_the_code_alone(tmp_path, monkeypatch):
    package = tmp_path / "courseware" / "grading"
    for path in ("attempt", "assignments/__init__", "assignments/budget", "assignments/teacher"):
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        (package / f"{path}.py").write_text(path)
    monkeypatch.setattr("courseware.grading.stamp.SOURCES", tmp_path)
    monkeypatch.setattr("courseware.grading.stamp.__file__", str(package / "stamp.py"))
    first = stamp("budget", "{}")
    assert stamp("budget", "{} ") != first
    (package / "assignments" / "teacher.py").write_text("changed")
    assert stamp("budget", "{}") == first
    (package / "assignments" / "budget.py").write_text("changed")
    second = stamp("budget", "{}")
    (package / "attempt.py").write_text("changed")
    assert len({first, second, stamp("budget", "{}")}) == 3


def test_an_order_and_a_submission_arrive_as_they_were_sent(desk):
    order = Order("budget", "{}", b"\0key", "NONE", ("/a", "/b"))
    assert Order.loads(order.dumps()) == order
    assert "key" not in repr(order).replace("key=", "")
    desk.hand_in(ada="bytes \n of hers")
    sent = pack(collect(desk.folder)[0], "budget")
    assert Parcel.join(sent.about(), sent.data) == sent
    assert sent.read() == b"bytes \n of hers" and sent.student == "ada"


def test_progress_tells_done_rate_remaining_time_and_what_was_not_run(monkeypatch, capsys):
    clock = [0.0]
    monkeypatch.setattr("courseware.grading.progress.time.monotonic", lambda: clock[0])
    display = Lines()
    display.start(total=100, kept=38, failed=2)
    for number in range(20):
        clock[0] += 3.0
        display.finished(SimpleNamespace(graded=number > 0))
        display.tick()
    # 20 in a minute, 40 left
    assert display.status() == "60/100, 20.0 a minute, 2 min left, 3 not run"
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "38 of 100 submissions are done already"
    assert [line.split("/")[0] for line in lines[1:]] == ["44", "48", "52", "56", "60"]  # every 12 s
    with Live() as live:
        live.start(total=2, kept=0, failed=0)
        live.finished(SimpleNamespace(graded=True))
        live.tick()
    assert [duration(seconds) for seconds in (0.4, 89, 100, 3900)] == ["0 s", "89 s", "2 min", "1 h 05 min"]
