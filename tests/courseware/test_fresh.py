"""Which pages are read again; `test_render.py` looks at what is written."""

from types import SimpleNamespace

import pytest

from courseware.sphinx_ext import fresh

CHAPTER = '{{"cells": [{{"cell_type": "code", "source": "claims.check(\\"{paper}\\")"}}]}}'


@pytest.fixture
def app(tmp_path, monkeypatch):
    """A book of a chapter and two pages, one of which looks beyond itself and has written a file."""
    package = tmp_path / "src" / "convbook"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("count = 1\n")
    out = tmp_path / "html"
    out.mkdir()
    (out / "part.json").touch()
    notebooks = {"chapters/one": CHAPTER.format(paper="lecun1998gradient")}
    return SimpleNamespace(srcdir=tmp_path, outdir=out, convbook_notebooks=notebooks)


@pytest.fixture
def env(app):
    made = SimpleNamespace(metadata={"plain": {}, "map": {}}, docname="map")
    fresh.looks_beyond(made, "part.json")
    fresh.outdated(app, made, set(), set(), set())
    return made


def again(app, env, added=(), removed=()):
    return fresh.outdated(app, env, set(added), set(), set(removed))


def test_nothing_is_read_again_while_nothing_changes(app, env):
    assert again(app, env) == []


def test_a_page_that_shows_what_the_package_computes_is_read_again_after_the_package_changed(app, env):
    (app.srcdir / "src" / "convbook" / "__init__.py").write_text("count = 2\n")
    assert again(app, env) == ["map"]
    assert again(app, env) == []


def test_it_is_read_again_when_a_chapter_turns_to_another_paper_or_a_page_is_added(app, env):
    app.convbook_notebooks = {"chapters/one": CHAPTER.format(paper="he2016deep")}
    assert again(app, env) == ["map"]
    assert again(app, env, added=["chapters/two"]) == ["map"]


def test_it_is_read_again_when_the_file_that_it_wrote_is_lost(app, env):
    (app.outdir / "part.json").unlink()
    assert again(app, env) == ["map"]


def test_a_page_that_was_removed_is_not_read_again(app, env):
    assert again(app, env, added=["chapters/two"], removed=["map"]) == []
