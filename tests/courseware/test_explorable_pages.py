"""Explorables of plain pages: found by their directive, counted once, refused by name."""

import json

import pytest

from convbook.explore import ExplorableError, cardinality
from courseware import explorables


def test_pages_ask_by_directive_and_not_in_prose():
    page = "```{explorable} cost\n```\n:::{explorable} networks\n:::\nThe directive {explorable} shows one.\n"
    assert explorables.asked_for([page, page]) == ["cost", "networks"]


@pytest.mark.slow
def test_each_is_counted_once_and_staged_as_it_would_be_in_a_notebook(tmp_path, monkeypatch):
    said = []
    made = explorables.prepare(["cardinality"], tmp_path, said.append)
    assert said == ["counting what is shown by cardinality"]
    monkeypatch.setattr(explorables, "ProcessPoolExecutor", None)  # a second count would fail
    assert explorables.prepare(["cardinality"], tmp_path, said.append) == made and len(said) == 1
    staged = tmp_path / explorables.FOLDER / "cardinality.json"
    staged.parent.mkdir()
    staged.write_bytes(made["cardinality"])
    assert json.loads(made["cardinality"])["name"] == "cardinality"
    assert explorables.load("cardinality", tmp_path).html() == cardinality().html()


@pytest.mark.parametrize("name", ["cardinalty", "flipbook", "show", "Explorable"])
def test_what_no_builder_is_called_is_refused_in_one_line_that_names_the_others(tmp_path, name):
    with pytest.raises(ExplorableError, match=f"is called '{name}': choose from .*cardinality") as error:
        explorables.load(name, tmp_path)
    assert "\n" not in str(error.value)
