"""Finding, reading, cleaning and writing notebooks (courseware.notebooks)."""

import errno
import json
import os

import nbformat
import pytest

from courseware import notebooks
from courseware.notebooks import (
    CourseError,
    NotebookError,
    clean_executed,
    dumps,
    find_root,
    first_line,
    read,
    select,
    strip,
    write_atomic,
)


def test_root_is_found_from_any_folder_inside(course):
    inside = course.root / "chapters"
    assert find_root(inside) == course.root.resolve()


def test_outside_a_course_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks.Path, "is_dir", lambda _: False)
    monkeypatch.setattr(notebooks.Path, "is_file", lambda _: False)
    with pytest.raises(CourseError, match="no course in"):
        find_root(tmp_path)


def test_select_takes_names_paths_and_everything(course, monkeypatch):
    lenet, resnext = course.add("lenet"), course.add("resnext")
    lab = course.write("labs/bottleneck", {})
    monkeypatch.chdir(course.root)
    assert select(course.root) == [lenet, resnext, lab]
    assert select(course.root, ["bottleneck", "lenet"]) == [lab, lenet]
    assert select(course.root, ["chapters/lenet", "lenet.ipynb"]) == [lenet]
    assert select(course.root, ["labs/bottleneck.ipynb"]) == [lab.resolve()]


def test_select_names_what_is_near(course):
    course.add("lenet")
    with pytest.raises(CourseError, match="no notebook is called 'lenot'; did you mean lenet"):
        select(course.root, ["lenot"])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "line 1, column 2"),
        (b"", "line 1, column 1"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"<<<<<<< HEAD\n{}", "merge markers"),
        (b"[1]", "no list of cells"),
        (b'{"cells": 3}', "no list of cells"),
        (b'{"cells": [], "nbformat": 3}', "has format 3, not 4"),
        (b'{"cells": [{"cell_type": "code"}], "nbformat": 4}', "cell 1 has no source"),
        (b'{"cells": [{"cell_type": "heading", "source": ""}], "nbformat": 4}', "cell 1 has no known type"),
        (b'{"cells": [7], "nbformat": 4}', "cell 1 has no known type"),
        (b'{"cells": [{"cell_type": "raw", "source": [3]}], "nbformat": 4}', "cell 1 has no source"),
        (b'{"cells": [{"cell_type": "raw", "source": "", "metadata": []}], "nbformat": 4}', "is no mapping"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_notebook_is_told_in_one_line(tmp_path, content, says):
    path = tmp_path / "x.ipynb"
    path.write_bytes(content)
    with pytest.raises(NotebookError) as caught:
        read(path)
    assert says in str(caught.value) and str(caught.value).startswith("x.ipynb ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(NotebookError, match=r"x\.ipynb: no such file"):
        read(tmp_path / "x.ipynb")


def test_bytes_are_those_that_jupyter_writes(tmp_path, make_notebook):
    content = make_notebook("x = 1\n\ny = 'ä'\n", ("assert x", "check"))
    nbformat.write(nbformat.from_dict(content), tmp_path / "theirs.ipynb")
    write_atomic(tmp_path / "ours.ipynb", dumps(content))
    assert (tmp_path / "ours.ipynb").read_bytes() == (tmp_path / "theirs.ipynb").read_bytes()
    assert dumps(read(tmp_path / "ours.ipynb")) == dumps(content)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "x"
    write_atomic(path, b"old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


def test_strip_leaves_a_source(make_notebook):
    ran = make_notebook(("x = 1", "check"))
    ran["cells"][0] |= {"execution_count": 1, "outputs": [{"output_type": "stream"}]}
    ran["cells"][0]["metadata"]["papermill"] = {}
    ran["metadata"] |= {"papermill": {}, "widgets": {}}
    assert strip(ran) == make_notebook(("x = 1", "check"))


def stderr(text):
    return {"output_type": "stream", "name": "stderr", "text": text}


def test_cleaning_drops_progress_bars_and_keeps_warnings(make_notebook):
    ran = make_notebook("fit()", "warn()")
    bar = "\r  0%|          | 0/10 [00:00<?, ?it/s]\r100%|██████████| 10/10 [00:01<00:00,  9.1it/s]\n"
    ran["cells"][0]["outputs"] = [stderr(bar), {"output_type": "stream", "name": "stdout", "text": "50%|"}]
    ran["cells"][1]["outputs"] = [stderr([bar, "UserWarning: 50% of the weights are zero\n"])]
    first, second = clean_executed(ran)["cells"]
    assert [output["name"] for output in first["outputs"]] == ["stdout"]
    assert second["outputs"][0]["text"] == "UserWarning: 50% of the weights are zero\n"


def test_cleaning_joins_lines_sent_apart_and_leaves_a_figure_between_two_prints(make_notebook):
    ran = make_notebook("print(1); print(2); figure; print(3)")
    said = [{"output_type": "stream", "name": "stdout", "text": text} for text in ("1\n", ["2", "\n"], "3\n")]
    figure = {"output_type": "display_data", "data": {}, "metadata": {}}
    ran["cells"][0]["outputs"] = [said[0], said[1], figure, said[2]]
    outputs = clean_executed(ran)["cells"][0]["outputs"]
    assert [output.get("text") for output in outputs] == ["1\n2\n", None, "3\n"]


def test_cleaning_hides_injected_parameters_and_drops_empty_widgets(make_notebook):
    ran = make_notebook(("n = 2", "injected-parameters"), ("assert n", "check"))
    ran["cells"][0]["id"] = "3b1f-random"
    ran["cells"][1]["metadata"]["papermill"] = {"start_time": "now"}
    ran["metadata"] |= {
        "papermill": {"output_path": "/home"},
        "widgets": {"application/x": {"version_major": 2}},
    }
    cleaned = clean_executed(ran)
    assert cleaned["cells"][0]["metadata"]["tags"] == ["injected-parameters", "remove-cell"]
    assert cleaned["cells"][0]["id"] == "injected-parameters"
    text = json.dumps(cleaned)
    assert not any(word in text for word in ("papermill", "widgets", "/home", "random"))


def test_cleaning_keeps_widgets_that_have_a_state(make_notebook):
    ran = make_notebook("x = 1")
    ran["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {"a": {}}}}
    assert "widgets" in clean_executed(ran)["metadata"]


def test_first_line_names_a_cell_by_its_code():
    assert first_line("\n# a comment\nx = 1\ny = 2") == "x = 1"
    assert first_line("# only a comment") == "# only a comment"
    assert first_line("") == ""
    assert len(first_line("x" * 100)) == 60
