"""What stands beneath a title is what the data say."""

import json
from pathlib import Path

import pytest

from courseware import contents
from courseware.notebooks import MEASURED, read, strip
from courseware.sphinx_ext import heads

ROOT = Path(__file__).parents[2]


def chapter(*tagged, **metadata):
    cells = [{"cell_type": "code", "source": "1", "metadata": {"tags": list(each)}} for each in tagged]
    return {"cells": cells, "metadata": metadata}


def test_a_chapter_says_how_long_it_took_to_execute_and_counts_its_solutions():
    notebook = chapter(
        ["hide-cell"], ["hide-input"], ["hide-cell"], course_run={"seconds": 41.3, "threads": 1}
    )
    assert heads.chapter_facts(notebook) == ["2 folded solutions", "executed in 41 s on one core"]


def test_without_a_measurement_no_time_is_claimed():
    assert heads.chapter_facts(chapter([])) == []


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s")])
def test_durations_in_words(seconds, words):
    assert heads.duration(seconds) == words


def test_a_lab_says_the_students_time_its_exercises_and_its_points():
    source = ROOT / "labs" / "bottleneck.ipynb"
    notebook = read(source)
    assert heads.lab_facts(source, notebook) == ["45 to 75 minutes", "7 exercises", "100 points"]


def test_a_lab_without_an_assignment_promises_no_points(tmp_path):
    assert heads.lab_facts(tmp_path / "nothing.ipynb", chapter([])) == []


def test_colab_and_download_are_the_themes_own_links():
    buttons = [
        {"type": "group", "buttons": [{"text": "Colab", "url": "https://c/x"}]},
        {
            "type": "group",
            "buttons": [{"text": ".ipynb", "url": "../x.ipynb"}, {"text": ".pdf", "url": None}],
        },
    ]
    assert heads.links(buttons) == [("Open in Colab", "https://c/x"), ("Download notebook", "../x.ipynb")]


def test_words_and_addresses_are_escaped():
    html = heads.head_html("A & B", ["1 < 2"], [("Open", 'x?a=1&b="2"')])
    assert "A &amp; B" in html and "1 &lt; 2" in html
    assert 'href="x?a=1&amp;b=&quot;2&quot;"' in html


def test_each_page_knows_its_part(tmp_path):
    parts = [{"caption": "One", "chapters": [{"file": "a"}]}, {"chapters": [{"file": "b"}]}]
    (tmp_path / "_toc.yml").write_text(json.dumps({"parts": parts}))  # JSON is YAML
    assert contents.parts(tmp_path) == {"a": "One"}


def test_an_authors_copy_of_an_executed_notebook_loses_the_measurement():
    notebook = chapter([], **{MEASURED: {"seconds": 1.0, "threads": 1}})
    assert MEASURED not in strip(notebook)["metadata"]
