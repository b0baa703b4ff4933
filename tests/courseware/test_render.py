"""From notebooks to pages, on a course of two tiny chapters and a lab."""

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from filelock import FileLock
from jupyter_book.config import validate_yaml

from courseware import contents, render
from courseware.notebooks import list_notebooks

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"><path d="M0 0h9"/></svg>'
FIGURE = (
    "from IPython.display import display\n"
    "display({{'image/svg+xml': '{svg}'}}, raw=True, metadata={{'image/svg+xml': {metadata}}})"
)
SETUP = 'import sys\n\nif "google.colab" in sys.modules:\n    %pip install --quiet convbook'


def cell(number, kind, source, *tags):
    made = {"cell_type": kind, "id": f"c{number}", "metadata": {"tags": list(tags)} if tags else {}}
    made["source"] = source
    return made | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def write_notebook(path, *cells):
    notebook = {"cells": [cell(i, *c) for i, c in enumerate(cells)], "nbformat": 4, "nbformat_minor": 5}
    notebook["metadata"] = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook))


def write_chapter(
    path, title, *, figure="{'alt': 'a line'}", svg=SVG, code="print(6 * 7)", check="assert True"
):
    write_notebook(
        path,
        ("markdown", f"# {title}\n\nBy {{cite:t}}`he2016deep`."),
        ("code", SETUP, "setup"),
        ("code", 'run = "smoke"', "parameters"),
        ("code", code),
        ("code", FIGURE.format(svg=svg, metadata=figure)),
        ("code", check, "check"),
    )


def write_course(root):
    for name in ("_config.yml", "references.bib", "references.md"):
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "_static", root / "_static")
    (root / "src" / "convbook").mkdir(
        parents=True
    )  # stands in for the package, which these notebooks don't use
    (root / "src" / "convbook" / "__init__.py").touch()
    (root / "index.md").write_text("# A course\n\nStart with [one](chapters/one).\n")
    files = ["chapters/one", "chapters/two", "labs/try", "references"]
    toc = {"format": "jb-book", "root": "index", "chapters": [{"file": name} for name in files]}
    (root / "_toc.yml").write_text(yaml.safe_dump(toc))
    write_chapter(root / "chapters" / "one.ipynb", "One")
    write_chapter(root / "chapters" / "two.ipynb", "Two\n\nWith $x^2$.", code="print('two')")
    solved = "def double(x):\n    # BEGIN SOLUTION\n    return x + x  # the secret\n    # END SOLUTION"
    write_notebook(
        root / "labs" / "try.ipynb",
        ("markdown", "# A lab"),
        ("code", 'run = "smoke"', "parameters"),
        ("code", solved),
        ("code", "assert double(4) == 8", "check"),
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A course that has been built once, and what that build reported."""
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    root, told = folder / "built-course", folder / "built-course.pickle"
    with FileLock(folder / "built-course.lock"):  # one build for all of pytest's workers
        if not told.is_file():
            root.mkdir()
            write_course(root)
            said = []
            told.write_bytes(pickle.dumps((root, render.build(root, say=said.append), said)))
    return pickle.loads(told.read_bytes())


@pytest.fixture
def course(built, tmp_path):
    """A copy of the built course, cache and pages included, to spoil."""
    return Path(shutil.copytree(built[0], tmp_path / "course", symlinks=True))


def page(root, name):
    return (root / "_build" / "html" / f"{name}.html").read_text("utf-8")


def quiet(line):
    pass


def test_the_first_build_executes_every_notebook_and_says_where_the_pages_are(built):
    root, book, said = built
    assert (book.executed, book.rendered) == (3, True)
    assert book.index == root / "_build" / "html" / "index.html"
    assert str(book.index) in said[-1]


def test_a_second_build_executes_and_renders_nothing(course):
    before = (course / "_build" / "html" / "index.html").stat().st_mtime_ns
    book = render.build(course, say=quiet)
    assert (book.executed, book.rendered) == (0, False)
    assert (course / "_build" / "html" / "index.html").stat().st_mtime_ns == before
    assert book.seconds < 5


@pytest.fixture
def rendered(monkeypatch):
    """Count renderings instead of doing them."""
    calls = []
    monkeypatch.setattr(render, "_render", lambda *arguments: calls.append(arguments))
    return calls


def test_a_changed_text_is_rendered_without_executing_anything(course, rendered):
    (course / "index.md").write_text("# Another front page\n\n[one](chapters/one)\n")
    book = render.build(course, say=quiet)
    assert (book.executed, len(rendered)) == (0, 1)


def test_a_page_that_went_missing_is_rendered_again(course, rendered):
    (course / "_build" / "html" / "chapters" / "one.html").unlink()
    assert render.build(course, say=quiet).rendered
    assert len(rendered) == 1


def test_a_changed_cell_executes_that_notebook_alone(course):
    write_chapter(course / "chapters" / "one.ipynb", "One", code="print(111 * 111)")
    book = render.build(course, say=quiet)
    assert (book.executed, book.rendered) == (1, True)
    assert "12321" in page(course, "chapters/one")


def test_after_a_change_that_page_alone_is_written_and_all_pages_once_a_title_changes(course):
    html = course / "_build" / "html"
    written, pictures = [], []
    for title, svg in (("One", SVG), ("One", SVG.replace("30", "31")), ("Other", SVG)):
        write_chapter(course / "chapters" / "one.ipynb", f"{title}\n\nDrawn {svg[50:]!r}.", svg=svg)
        render.build(course, say=quiet)
        written.append(
            {name: (html / f"{name}.html").stat().st_mtime_ns for name in ("chapters/one", "chapters/two")}
        )
        pictures.append(len(list((html / "_images").glob("*.svg"))))
        assert (html / "sitemap.xml").read_text("utf-8").count("<loc>") == 5
    assert pictures == [1, 2, 1], "both chapters share a picture but the second time, and old ones go"
    first, second, third = written
    assert first["chapters/one"] < second["chapters/one"] < third["chapters/one"]
    assert first["chapters/two"] == second["chapters/two"] < third["chapters/two"]
    assert "Other" in page(course, "index")
    assert "Other" in page(course, "chapters/two")


def test_pages_show_what_cells_printed(built):
    assert re.search(r"<pre><span></span>42\s*</pre>", page(built[0], "chapters/one"))


def test_a_listed_page_without_a_file_fails_the_build_by_name(course):
    (course / "chapters" / "two.ipynb").unlink()
    with pytest.raises(render.RenderError, match="pages that do not exist: chapters/two"):
        render.build(course, say=quiet)


def test_a_chapter_outside_the_table_of_contents_fails_the_build_by_name(course):
    write_chapter(course / "chapters" / "lost.ipynb", "Lost")
    with pytest.raises(render.RenderError, match=r"not in _toc\.yml.*chapters/lost"):
        render.build(course, say=quiet)


def test_a_book_without_a_front_page_is_refused(course):
    (course / "_toc.yml").write_text("format: jb-book\nroot: references\n")
    with pytest.raises(render.RenderError, match="root: index"):
        render.build(course, say=quiet)


def test_a_wrong_count_turns_the_build_red_and_keeps_the_old_pages(course):
    write_chapter(course / "chapters" / "one.ipynb", "One", check="assert 156 == 157, 'C1 has 156 weights'")
    with pytest.raises(render.RenderError) as caught:
        render.build(course, say=quiet)
    assert "one.ipynb: failed" in str(caught.value)
    assert "C1 has 156 weights" in str(caught.value)
    assert "42" in page(course, "chapters/one")


def test_a_broken_reference_and_a_figure_without_words_fail_the_build_and_keep_the_old_pages(course):
    (course / "index.md").write_text("# New front page\n\nSee {term}`nowhere` and [one](chapters/one).\n")
    write_chapter(course / "chapters" / "one.ipynb", "One", figure="{}")
    with pytest.raises(render.RenderError) as caught:
        render.build(course, say=quiet)
    message = str(caught.value)
    assert f"{course}/index.md" in message and "nowhere" in message and "render.log" in message
    assert "chapters/one: a figure has no alternative text" in message
    assert "A course" in page(course, "index")


def test_figures_keep_alternative_text_and_get_their_size(built):
    image = re.search(r'<img [^>]*alt="a line"[^>]*>', page(built[0], "chapters/one"))
    assert image
    assert 'width="30" height="20"' in image[0]
    assert 'loading="lazy"' in image[0]


def test_formulas_are_in_the_page_and_their_font_beside_it(built):
    static = built[0] / "_build" / "html" / "_static"
    assert "<math " in page(built[0], "chapters/two")
    assert 'href="../_static/stix-two-math.woff2"' in page(built[0], "chapters/two")
    assert "stix-two-math" not in page(built[0], "chapters/one")
    assert 0 < (static / "stix-two-math.woff2").stat().st_size < 200_000
    assert not list(static.rglob("fontawesome.js"))


def test_no_page_loads_anything_from_another_host(built):
    for path in (built[0] / "_build" / "html").rglob("*.html"):
        text = path.read_text("utf-8")
        loaded = re.findall(r'<(?:script|img|iframe|source)[^>]*\bsrc="(?:https?:)?//[^"]*"', text)
        loaded += re.findall(
            r'<link[^>]*rel="(?:stylesheet|preload|preconnect)"[^>]*href="(?:https?:)?//[^"]*"', text
        )
        assert not loaded, path
        assert "thebe" not in text.lower(), path


def test_a_labs_page_and_download_hold_no_solution(built):
    html = built[0] / "_build" / "html"
    for path in (
        html / "labs" / "try.html",
        html / "labs" / "try.ipynb",
        html / "_sources" / "labs" / "try.ipynb",
    ):
        text = path.read_text("utf-8")
        assert "the secret" not in text, path
        assert "NotImplementedError" in text, path
    assert "secret" not in (html / "searchindex.js").read_text("utf-8")


def test_colab_opens_the_chapters_source_and_the_labs_student_version(built):
    assert "/blob/main/chapters/one.ipynb" in page(built[0], "chapters/one")
    assert "/blob/gh-pages/labs/try.ipynb" in page(built[0], "labs/try")
    assert "/blob/main/labs/" not in page(built[0], "labs/try")


def test_built_files_hold_no_path_of_the_machine(built):
    html = built[0] / "_build" / "html"
    for path in html.rglob("*"):
        if path.suffix in (".html", ".ipynb", ".js", ".xml", ".md"):
            assert str(built[0]).encode() not in path.read_bytes(), path


def test_the_missing_page_finds_its_style_under_the_books_address(built):
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    prefix = re.sub(r"^https://[^/]+", "", config["html"]["baseurl"])
    assert f'<link rel="stylesheet" href="{prefix}_static/' in page(built[0], "404")


def test_jupyter_book_alone_gives_the_same_outputs_from_the_same_cache(course):
    shutil.rmtree(course / "_build")
    kept = sorted((course / ".cache" / "executed").glob("*.ipynb"))
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", "."]
    ran = subprocess.run(
        [*command, "-W", "--keep-going", "-n"],
        cwd=course,
        env=dict(os.environ, NO_COLOR="1"),
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"<pre><span></span>42\s*</pre>", page(course, "chapters/one"))
    assert 'alt="a line"' in page(course, "chapters/one")
    assert "the secret" not in page(course, "labs/try")
    assert "the secret" not in (course / "_build/html/_sources/labs/try.ipynb").read_text("utf-8")
    assert sorted((course / ".cache" / "executed").glob("*.ipynb")) == kept


def test_the_books_own_configuration_is_one_that_jupyter_book_accepts():
    validate_yaml(yaml.safe_load((ROOT / "_config.yml").read_text("utf-8")), raise_on_errors=True)


def test_the_books_table_of_contents_lists_every_notebook_and_only_pages_that_exist():
    pages = contents.sources(ROOT)
    assert next(iter(pages)) == "index"
    assert set(list_notebooks(ROOT)) == set(contents.sources(ROOT, "*.ipynb").values())
