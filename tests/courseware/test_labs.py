"""Student versions hold everything but the solutions."""

import ast
import json
import os
import re
import zipfile
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from courseware.cli import main
from courseware.labs import LabError, pack, release, student_version
from courseware.notebooks import NotebookError, read

SOLVED = '''\
def bottleneck(x):
    """Return the block's output."""
    # BEGIN SOLUTION
    secret_width = 64
    return x * secret_width
    # END SOLUTION


def shape(x):
    # BEGIN SOLUTION
    return x.secret_shape
    # END SOLUTION'''
STUDENT = '''\
def bottleneck(x):
    """Return the block's output."""
    # your code here
    raise NotImplementedError


def shape(x):
    # your code here
    raise NotImplementedError'''


@pytest.fixture
def lab(course, make_notebook, make_cell):
    ran = make_cell("bottleneck(2)", "check", papermill={"duration": 3})
    ran |= {
        "execution_count": 4,
        "outputs": [{"output_type": "stream", "name": "stdout", "text": "secret 128"}],
    }
    note = {"cell_type": "markdown", "metadata": {"tags": ["instructor"]}, "source": "secret hint"}
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": "# Lab"},
        make_cell("run = 'smoke'", "parameters"),
        SOLVED,
        ("secret = 'a whole cell'", "solution", "hide-input"),
        note,
        ran,
    ]
    content = make_notebook(*cells)
    content["metadata"]["papermill"] = {"path": "/home/secret"}
    return course.write("labs/lab", content)


def test_regions_become_places_to_write_in_at_their_own_indentation(lab):
    cells = student_version(read(lab))["cells"]
    assert cells[2]["source"] == STUDENT
    namespace = {}
    exec(cells[2]["source"], namespace)
    with pytest.raises(NotImplementedError):
        namespace["bottleneck"](1)


def test_student_version_has_no_trace_of_solutions_or_runs(lab, tmp_path):
    text = release(lab, tmp_path).read_text()
    for trace in ("secret", "SOLUTION", "solution", "instructor", "papermill", "128", "/home"):
        assert trace not in text


def test_other_cells_tags_and_ids_stay(lab):
    source, cells = read(lab)["cells"], student_version(read(lab))["cells"]
    assert [cell["id"] for cell in cells] == [source[number]["id"] for number in (0, 1, 2, 5)]
    assert [cell["metadata"].get("tags") for cell in cells] == [None, ["parameters"], None, ["check"]]


def test_student_version_is_a_valid_notebook_that_asks_colab_for_a_gpu(lab, tmp_path):
    notebook = nbformat.read(release(lab, tmp_path), as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.accelerator == "GPU"
    assert notebook.metadata.colab.gpuType == "T4"
    assert notebook.metadata.kernelspec.name == "python3"
    assert all(
        cell.outputs == [] and cell.execution_count is None for cell in notebook.cells if "outputs" in cell
    )


def test_the_same_source_gives_the_same_bytes_whatever_a_run_left_in_it(lab, tmp_path):
    first = release(lab, tmp_path / "a").read_bytes()
    content = json.loads(lab.read_text())
    content["cells"][5] |= {"execution_count": 9, "outputs": []}
    lab.write_text(json.dumps(content, indent=4))
    assert release(lab, tmp_path / "b").read_bytes() == first


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("# BEGIN SOLUTION\nx = 1", "the solution of line 1 has no `# END SOLUTION`"),
        ("x = 1\n# END SOLUTION", "`# END SOLUTION` on line 2 ends no solution"),
        ("# BEGIN SOLUTION\n# BEGIN SOLUTION\n# END SOLUTION", "line 2 inside the one of line 1"),
        ("x = 1  # BEGIN SOLUTION\ny = 2\n# end solution", "on a line of its own"),
        ("### begin solution\ny = 2", "on a line of its own"),
    ],
)
def test_a_region_that_would_leak_is_refused_with_its_cell(make_notebook, source, says):
    with pytest.raises(LabError) as caught:
        student_version(make_notebook("fine = 1", source), "lab.ipynb")
    assert says in str(caught.value)
    assert str(caught.value).startswith("lab.ipynb, cell 2:")


def test_markers_in_text_are_refused(make_notebook):
    text = {"cell_type": "markdown", "metadata": {}, "source": "# BEGIN SOLUTION\nBecause.\n# END SOLUTION"}
    with pytest.raises(LabError, match="cell 1"):
        student_version(make_notebook(text))


def test_the_solved_source_is_never_overwritten(lab):
    before = lab.read_bytes()
    with pytest.raises(LabError, match="the solved source itself"):
        release(lab, lab.parent)
    assert lab.read_bytes() == before


def test_an_unreadable_lab_is_told(tmp_path):
    (tmp_path / "lab.ipynb").write_text("{")
    with pytest.raises(NotebookError, match=r"lab\.ipynb is not a notebook"):
        release(tmp_path / "lab.ipynb", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_zip_for_a_platform_holds_the_released_notebook_and_is_the_same_each_day(lab, tmp_path):
    notebook = release(lab, tmp_path / "a")
    first = pack(notebook).read_bytes()
    again = release(lab, tmp_path / "b")
    os.utime(again, (0, 10**9))
    assert pack(again).read_bytes() == first
    with zipfile.ZipFile(tmp_path / "a" / "lab.zip") as archive:
        assert archive.namelist() == ["lab.ipynb"] and archive.testzip() is None
        assert archive.read("lab.ipynb") == notebook.read_bytes()


def test_the_command_writes_a_zip_only_when_asked(course, lab, monkeypatch, tmp_path):
    monkeypatch.chdir(course.root)
    for options, written in ([], ["lab.ipynb"]), (["--zip"], ["lab.ipynb", "lab.zip"]):
        result = CliRunner().invoke(main, ["release", "--output", str(tmp_path / "out"), *options])
        assert result.exit_code == 0, result.output
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == written
        assert result.output.count("wrote") == len(written)


LABS = sorted((Path(__file__).parents[2] / "labs").glob("*.ipynb"))
REGION = re.compile(r"# BEGIN SOLUTION\n(.*?)# END SOLUTION", re.DOTALL)


@pytest.mark.parametrize("source", LABS, ids=lambda path: path.stem)
def test_no_line_of_a_solution_is_in_what_students_get(source, tmp_path):
    written = release(source, tmp_path)
    with zipfile.ZipFile(pack(written)) as archive:
        text = archive.read(written.name).decode()
    given = {line.strip() for cell in json.loads(text)["cells"] for line in cell["source"]}
    solved = read(source)["cells"]
    regions = [region for cell in solved for region in REGION.findall(cell["source"])]
    assert len(regions) >= 2
    lines = {line.strip() for region in regions for line in region.splitlines()}
    public = {line.strip() for cell in solved for line in REGION.sub("", cell["source"]).splitlines()}
    assert len(lines - public) > 20 and not (lines - public) & given
    for trace in ("SOLUTION", "courseware", "instructor", "assignments"):
        assert trace not in text
    hidden = [cell["source"] for cell in solved if "instructor" in cell["metadata"].get("tags", [])]
    assert hidden and not any(line in given for cell in hidden for line in cell.splitlines() if len(line) > 9)
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] == "code" and "%" not in "".join(cell["source"]):
            ast.parse("".join(cell["source"]))
