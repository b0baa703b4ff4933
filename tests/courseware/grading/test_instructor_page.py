"""The instructor's page says what happens: its commands are run, and what they print is compared with it."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from courseware.notebooks import find_root

ROOT = find_root(Path(__file__).parent)
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
ELSEWHERE = ("sudo", "--scheduler", "slurm")  # wants another machine
PROGRESS = re.compile(r"^\d+/\d+, .*\n", re.MULTILINE)


def blocks():
    """Each command of the page with the output shown beneath it."""
    for block in BLOCK.findall((ROOT / "instructor.md").read_text("utf-8")):
        command, _, output = block.removeprefix("$ ").partition("\n")
        if not any(word in command for word in ELSEWHERE):
            yield command, output


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A folder that stands for the clone, so that nothing is written into it."""
    folder = tmp_path_factory.mktemp("course")
    for name in ("_toc.yml", "_config.yml", "chapters", "labs"):
        (folder / name).symlink_to(ROOT / name)
    environ = {"XDG_CONFIG_HOME": str(folder / "config"), "PYTHONPATH": str(ROOT / "src")}
    return folder, os.environ | environ


def test_every_command_of_the_page_prints_what_the_page_shows(course):
    folder, environ = course
    commands = list(blocks())
    assert [command.split()[1] for command, _ in commands] == ["release", "sample-class", "grade", "grade"]
    for command, shown in commands:
        words = [sys.executable, "-m", "courseware.cli", *shlex.split(command)[1:]]
        done = subprocess.run(
            words, cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False
        )
        printed = (done.stdout + done.stderr).replace(str(folder) + "/", "")
        assert PROGRESS.sub("", printed) == shown, command
    listed = re.findall(r"^\| `([^`]+)` \|", (ROOT / "instructor.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(name.rstrip("/") for name in listed) == sorted(
        path.name for path in (folder / "grades").iterdir() if not path.name.startswith(".")
    )
