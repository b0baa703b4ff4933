"""Every notebook of the course: clean as a source, and healthy when papermill runs it."""

import re
from pathlib import Path

import nbformat
import pytest

from courseware.execute import Outcome, execute
from courseware.labs import student_version
from courseware.notebooks import list_notebooks, read, tags
from courseware.parameters import known_parameters
from courseware.progress import Lines, describe
from courseware.repository import load

ROOT = Path(__file__).resolve().parents[2]
PATHS = list_notebooks(ROOT)
every_notebook = pytest.mark.parametrize(
    "path", PATHS, ids=[f"{path.parent.name}/{path.stem}" for path in PATHS]
)


@pytest.fixture(scope="session")
def outcomes(request) -> dict[Path, Outcome]:
    """Execute the notebooks that the selected tests ask for, all at once, with the course's own cache."""
    selected = {
        item.callspec.params["path"]
        for item in request.session.items
        if "outcomes" in getattr(item, "fixturenames", ()) and hasattr(item, "callspec")
    }
    paths = [path for path in PATHS if path in selected]
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled(), Lines(ROOT) as display:
        found = execute(paths, root=ROOT, reporter=display)
    return {outcome.path: outcome for outcome in found}


def code_cells(path):
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]


def test_the_course_has_notebooks():
    assert PATHS, "the tests below would all pass on nothing"


@pytest.mark.notebooks
@every_notebook
def test_every_cell_runs_and_the_check_holds(outcomes, path):
    outcome = outcomes[path]
    assert outcome.ok, describe(outcome, ROOT)


@pytest.mark.notebooks
@every_notebook
def test_outputs_have_no_warnings_and_name_no_folder_of_this_machine(outcomes, path):
    outcome = outcomes[path]
    if outcome.output is None or not outcome.ok:
        pytest.skip("it did not run")
    for number, cell in enumerate(read(outcome.output)["cells"], start=1):
        for output in cell.get("outputs", []):
            text = str(output.get("text", output.get("data", "")))
            assert output.get("name") != "stderr", f"cell {number} wrote to stderr: {text}"
            for folder in {str(ROOT), str(Path.home())} - {"/"}:
                assert not re.search(re.escape(folder) + r"[/'\"\s]", text), f"cell {number} printed {folder}"


@pytest.mark.notebooks
@pytest.mark.parametrize("path", [p for p in PATHS if p.parent.name != "labs"], ids=lambda path: path.stem)
def test_outputs_that_readers_see_hold_no_control_that_needs_a_kernel(outcomes, path):
    outcome = outcomes[path]
    if outcome.output is None or not outcome.ok:
        pytest.skip("it did not run")
    notebook = read(outcome.output)
    kinds = {kind for c in notebook["cells"] for o in c.get("outputs", []) for kind in o.get("data", {})}
    assert not [kind for kind in kinds if kind.startswith("application/vnd.jupyter.widget-")]


@every_notebook
def test_sources_hold_no_outputs_and_nothing_that_a_run_left(path):
    notebook = read(path)
    assert not {"papermill", "widgets"} & set(notebook["metadata"]), "strip it with nbstripout"
    for number, cell in enumerate(notebook["cells"], start=1):
        assert not {"papermill", "execution", "ExecuteTime"} & set(cell["metadata"]), f"cell {number}"
        assert "injected-parameters" not in tags(cell), f"cell {number}"
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], f"cell {number} has outputs"
            assert cell["execution_count"] is None, f"cell {number} has an execution count"
            assert cell["source"].strip(), f"cell {number} is empty"


@every_notebook
def test_sources_are_valid_and_every_cell_has_an_id_of_its_own(path):
    nbformat.validate(nbformat.read(path, as_version=nbformat.NO_CONVERT))
    ids = [cell.get("id") for cell in read(path)["cells"]]
    assert all(ids) and len(set(ids)) == len(ids)


@every_notebook
def test_first_code_cell_is_the_set_up_cell_of_this_repository(path):
    first = code_cells(path)[0]
    assert tags(first) == ["setup"]
    assert first["source"] == load(ROOT).setup_source, "`course set-url` writes it"


@every_notebook
def test_one_cell_holds_the_parameters_and_the_last_one_checks(path):
    cells = code_cells(path)
    tagged = [cell for cell in cells if "parameters" in tags(cell)]
    assert len(tagged) == 1
    assert {"run", "device", "seed"} <= set(known_parameters(read(path)))
    assert re.search(r'^run = "smoke"', tagged[0]["source"], flags=re.MULTILINE), "smoke is what CI runs"
    assert "check" in tags(cells[-1])
    assert re.search(r"\bassert\b|\bcheck\w*\(", cells[-1]["source"]), "a check that cannot fail is none"


@every_notebook
def test_kernel_and_colab_are_what_a_student_gets(path):
    metadata = read(path)["metadata"]
    assert metadata["kernelspec"]["name"] == "python3"
    assert metadata["accelerator"] == "GPU"
    assert metadata["colab"]["gpuType"] == "T4"


@pytest.mark.parametrize("path", [p for p in PATHS if p.parent.name == "labs"], ids=lambda path: path.stem)
def test_labs_have_solutions_and_student_versions_have_none(path):
    source, student = read(path), student_version(read(path), path.name)
    assert any("# BEGIN SOLUTION" in cell["source"] for cell in source["cells"])
    assert any("raise NotImplementedError" in cell["source"] for cell in student["cells"])
    assert "SOLUTION" not in str(student)
    nbformat.validate(nbformat.from_dict(student))
