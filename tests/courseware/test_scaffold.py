"""A new chapter has every part and runs as soon as its check is filled in."""

import nbformat
import pytest

from convbook.profile import count_params
from courseware.execute import execute
from courseware.notebooks import CourseError, dumps, read, tags, write_atomic
from courseware.parameters import known_parameters
from courseware.repository import load
from courseware.scaffold import new_chapter


def test_a_new_chapter_is_a_valid_source_with_all_parts(course):
    path = new_chapter(course.root, "wide-resnet")
    notebook = read(path)
    nbformat.validate(nbformat.from_dict(notebook))
    text = path.read_text()
    headings = [c["source"].splitlines()[0] for c in notebook["cells"] if c["cell_type"] == "markdown"]
    assert headings == [
        "# Wide resnet",
        "## The problem",
        "## The idea",
        "## The network",
        "## The numbers",
        "## The experiment",
        "## Inside",
        "## Something to play with",
        "## Exercises",
        "## What it changed",
    ]
    assert "TODO" not in text and "{{" not in text and "A template" not in text
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cells[0]["source"], tags(cells[0])] == [load(course.root).setup_source, ["setup"]]
    assert known_parameters(notebook) == ["run", "device", "seed"]
    assert tags(cells[-1]) == ["check"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])


def test_no_cell_of_the_template_is_longer_than_a_chapter_may_have(course):
    notebook = read(new_chapter(course.root, "wide"))
    assert max(len(c["source"].splitlines()) for c in notebook["cells"] if c["cell_type"] == "code") <= 15


@pytest.mark.parametrize(
    "name", ["Wide", "wide_resnet", "wide resnet", "../wide", "-wide", "wide--net", "", "2wide"]
)
def test_other_names_are_refused(course, name):
    with pytest.raises(CourseError, match="cannot name a chapter"):
        new_chapter(course.root, name)


def test_a_chapter_that_is_there_is_never_overwritten(course):
    path = course.add("wide")
    before = path.read_bytes()
    with pytest.raises(CourseError, match="is there already"):
        new_chapter(course.root, "wide")
    assert path.read_bytes() == before


@pytest.mark.slow
def test_its_check_fails_until_it_states_a_count_and_then_the_chapter_is_healthy(course):
    path = new_chapter(course.root, "wide")
    notebook = read(path)
    check = notebook["cells"][-1]
    with pytest.raises(AssertionError, match="state the paper's parameter count in this cell"):
        exec(check["source"], {})

    count = count_params("lenet5_modern", in_channels=1)
    check["source"] = check["source"].replace(
        "published_parameters = None", f"published_parameters = {count}"
    )
    write_atomic(path, dumps(notebook))
    (filled,) = execute([path], root=course.root)
    assert filled.ok, f"{filled.error}\n{filled.traceback}"
