"""The class that does not exist: the same each time, and never over other files."""

from pathlib import Path

import pytest

from courseware.grading.mistakes import Mistake
from courseware.grading.sample import STUDENTS, SampleError, choose, handed_in, write_class
from courseware.labs import student_version
from courseware.notebooks import find_root, read

LAB = find_root(Path(__file__).parent) / "labs" / "bottleneck.ipynb"


def test_the_same_class_is_written_each_time_and_nobody_has_a_name_twice(tmp_path):
    one, two = (write_class(LAB, tmp_path / name, 8) for name in "ab")
    assert [path.name for path in one] == [path.name for path in two]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    assert len(one) == 7 and len({name.lower() for name in STUDENTS}) == len(STUDENTS)
    assert (tmp_path / "a" / "roster.csv").read_text().count("\n") == 9  # a heading and eight students


def test_the_last_three_hand_in_the_untouched_lab_no_notebook_and_nothing(tmp_path):
    *_, untouched, page = write_class(LAB, tmp_path / "class", 5)
    assert read(untouched)["cells"] == student_version(read(LAB))["cells"]
    assert page.read_bytes().startswith(b"<!DOCTYPE html>")


def test_what_students_hand_in_holds_no_marker_and_no_note_for_instructors():
    text = str(handed_in(read(LAB), [])["cells"])
    assert "SOLUTION" not in text and "instructor" not in text and "def conv_weights" in text


def test_mistakes_grow_in_number_and_never_meet_in_one_exercise():
    mistakes = [Mistake((name,), "", "", name) for name in "aabbccdd"]
    chosen = [choose(mistakes, number) for number in range(8)]
    assert [len(each) for each in chosen] == [0, 1, 1, 1, 2, 2, 2, 3]
    for each in chosen:
        names = [name for mistake in each for name in mistake.exercises]
        assert len(set(names)) == len(names)


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(SampleError, match="is not empty: choose a new folder"):
        write_class(LAB, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


@pytest.mark.parametrize("students", [3, 27])
def test_a_class_too_small_or_too_large_is_refused(tmp_path, students):
    with pytest.raises(SampleError, match="choose from 4 to 26"):
        write_class(LAB, tmp_path / "class", students)
