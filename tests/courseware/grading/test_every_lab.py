"""Every lab is graded as it says: solved in full, untouched with nothing, a mistake for itself."""

import importlib
import json
import pkgutil
from pathlib import Path

import pytest

from courseware.grading import assignments
from courseware.grading.assignment import TOTAL, find_assignment
from courseware.grading.attempt import grade_submission
from courseware.grading.sample import handed_in
from courseware.grading.sandbox import open_sandbox
from courseware.grading.submissions import Submission
from courseware.labs import student_version
from courseware.notebooks import dumps, find_root, read

ROOT = find_root(Path(__file__).parent)
LABS = sorted(each.name for each in pkgutil.iter_modules(assignments.__path__))
EXACT = 1e-9


def mistakes(lab):
    return importlib.import_module(f"courseware.grading.mistakes.{lab}").MISTAKES


def source(lab):
    return read(ROOT / "labs" / f"{lab}.ipynb")


class Remembering:
    """A sandbox that is not asked twice for the same: most of a lab with one mistake is the solved lab."""

    def __init__(self, sandbox):
        self.sandbox, self.outcomes = sandbox, {}

    def run(self, payload, limits):
        if payload not in self.outcomes:
            self.outcomes[payload] = self.sandbox.run(payload, limits)
        return self.outcomes[payload]


@pytest.fixture(scope="module")
def grade(tmp_path_factory):
    with open_sandbox() as sandbox:
        remembering = Remembering(sandbox)
        folder = tmp_path_factory.mktemp("submissions")

        def grade(lab, notebook):
            path = folder / f"{lab}.ipynb"
            path.write_bytes(dumps(notebook))
            submission = Submission("a", "A", path.name, path, "0" * 64, (), "")
            assignment = find_assignment(ROOT / "labs" / f"{lab}.ipynb")
            result = grade_submission(submission, assignment, remembering, b"key")
            assert result.status == "graded", result.reason
            return {each.name: each for each in result.exercises}

        yield grade


def test_every_lab_has_an_assignment_and_every_assignment_a_lab():
    assert {path.stem for path in (ROOT / "labs").glob("*.ipynb")} == set(LABS)


@pytest.mark.parametrize("lab", LABS)
def test_a_lab_asks_for_five_to_eight_exercises_worth_a_hundred_points(lab):
    assignment = find_assignment(ROOT / "labs" / f"{lab}.ipynb")
    checks = importlib.import_module(f"convbook.lab.{lab}").CHECKS
    assert list(checks) == [each.name for each in assignment.exercises]
    assert 5 <= len(assignment.exercises) <= 8
    assert sum(each.points for each in assignment.exercises) == TOTAL


@pytest.mark.parametrize("lab", LABS)
def test_the_solved_lab_earns_every_point(grade, lab):
    graded = grade(lab, handed_in(source(lab), []))
    assert {name: each.message for name, each in graded.items() if each.points != each.of} == {}


@pytest.mark.parametrize("lab", LABS)
def test_the_untouched_lab_earns_nothing(grade, lab):
    graded = grade(lab, student_version(source(lab), lab))
    assert {name: each.points for name, each in graded.items()} == dict.fromkeys(graded, 0)


@pytest.mark.parametrize("lab", LABS)
def test_at_least_six_mistakes_are_planted(lab):
    assert len(mistakes(lab)) >= 6
    text = [cell["source"] for cell in source(lab)["cells"] if cell["cell_type"] == "code"]
    for mistake in mistakes(lab):
        assert sum(cell.count(mistake.old) for cell in text) == 1, mistake.why
        assert mistake.new not in "\n".join(text) or mistake.new in mistake.old, mistake.why


@pytest.mark.parametrize(
    ("lab", "mistake"),
    [pytest.param(lab, each, id=f"{lab}: {each.why}") for lab in LABS for each in mistakes(lab)],
)
def test_a_planted_mistake_loses_its_own_points_and_no_others(grade, lab, mistake):
    graded = grade(lab, handed_in(source(lab), [mistake]))
    assert {name for name, each in graded.items() if each.points < each.of} == set(mistake.exercises)
    assert all(graded[name].points == 0 and graded[name].message for name in mistake.exercises)


@pytest.mark.parametrize("lab", LABS)
def test_what_colab_does_to_a_notebook_does_not_matter(grade, lab):
    """Ids and metadata gone, cells in reverse order and doubled, set-up deleted, outputs of a megabyte."""
    notebook = json.loads(dumps(handed_in(source(lab), [])))
    cells = [cell for cell in notebook["cells"][3:] if cell["cell_type"] == "code"]
    for cell in cells:
        cell.pop("id", None)
        cell["metadata"] = {"id": "x", "colab": {"base_uri": "y"}, "outputId": "z"}
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["x" * 1_000_000]}]
    damaged = {**notebook, "cells": [*reversed(cells), *cells[::3]], "metadata": {"widgets": {}}}
    graded = grade(
        lab, {**damaged, "cells": [{**c, "source": "".join(c["source"])} for c in damaged["cells"]]}
    )
    assert {name: each.message for name, each in graded.items() if each.points != each.of} == {}
