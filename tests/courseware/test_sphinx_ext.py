"""The book's Sphinx extension, part by part; `test_render.py` looks at pages it made."""

import struct
import zlib
from types import SimpleNamespace

import pytest
from docutils import nodes

from courseware import contents
from courseware.sphinx_ext import executed, html, pages


def png(width, height):
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


def finish(page, size=None):
    return html.finish(page, lambda src: size)


def test_a_comma_stays_with_the_formula_before_it_and_takes_no_other_along():
    one, other = ('<span class="math"><math display="inline"><mi>a</mi></math></span>',) * 2
    together = f'<span class="cb-together">{other},</span>'
    assert finish(f"<p>{one} and {other}, so</p>") == f"<p>{one} and {together} so</p>"


def test_alt_text_in_an_outputs_metadata_reaches_the_image():
    shown = executed.keep_alt(lambda self, data: [nodes.image(uri="x.png")])
    under_mime = SimpleNamespace(mime_type="image/png", output_metadata={"image/png": {"alt": "a cat"}})
    at_top = SimpleNamespace(mime_type="image/png", output_metadata={"alt": "a dog"})
    nothing = SimpleNamespace(mime_type="image/png", output_metadata={"image/svg+xml": {"alt": "other"}})
    assert shown(None, under_mime)[0]["alt"] == "a cat"
    assert shown(None, at_top)[0]["alt"] == "a dog"
    assert "alt" not in shown(None, nothing)[0]


def test_alt_text_given_in_the_cell_wins_over_the_outputs():
    shown = executed.keep_alt(lambda self, data: [nodes.image(uri="x.png", alt="by the author")])
    data = SimpleNamespace(mime_type="image/png", output_metadata={"image/png": {"alt": "by the code"}})
    assert shown(None, data)[0]["alt"] == "by the author"


def test_images_get_their_natural_size_and_load_late():
    page = finish('<p><img alt="a" src="_images/a.png" /></p>', (400, 300))
    assert 'width="400" height="300"' in page
    assert 'loading="lazy"' in page


def test_a_width_alone_is_completed_in_proportion():
    assert 'width="200" height="150"' in finish('<img alt="a" src="a.png" width="200">', (400, 300))


def test_sizes_in_a_style_become_attributes_so_that_phones_keep_the_proportion():
    page = finish('<img alt="a" src="a.png" style="width: 640px; height: 400px;" />')
    assert 'width="640" height="400"' in page
    assert "style" not in page


def test_a_relative_width_is_left_alone():
    page = finish('<img alt="a" src="a.png" style="width: 80%" />', (400, 300))
    assert 'style="width: 80%"' in page


def test_tables_scroll_inside_themselves_once():
    ours = finish("<table><tr><td>1</td></tr></table>")
    assert ours == '<div class="cb-scroll"><table><tr><td>1</td></tr></table></div>'
    theme = '<div class="pst-scrollable-table-container"><table></table></div>'
    assert finish(theme) == theme


@pytest.mark.parametrize("tag", ["script", "pre", "style", "textarea"])
def test_code_that_mentions_markup_is_not_edited(tag):
    page = f'<{tag}>s = "<img src=x><table></table>"</{tag}>'
    assert finish(page, (1, 1)) == page


def test_folded_cells_are_called_by_the_words_one_sees():
    assert finish('<summary aria-label="Toggle hidden content"><p>Show</p>') == "<summary><p>Show</p>"


def test_image_sizes_are_read_from_png_and_svg(tmp_path):
    (tmp_path / "a.png").write_bytes(png(640, 480))
    (tmp_path / "b.svg").write_text('<svg xmlns="x" width="72pt" height="36pt" viewBox="0 0 72 36">')
    (tmp_path / "c.svg").write_text('<svg viewBox="0 0 20 10">')
    (tmp_path / "d.svg").write_text("not a picture")
    sizes = [html.image_size(tmp_path / name) for name in ("a.png", "b.svg", "c.svg", "d.svg", "none.png")]
    assert sizes == [(640, 480), (96, 48), (20, 10), None, None]


def test_regions_of_one_name_are_told_apart():
    region = '<div role="region" tabindex="0" aria-label="Table 3">x</div>'
    page = html.finish(region + region, lambda src: None)
    assert page == region + region.replace("Table 3", "Table 3, 2")


def script(filename=None, body=""):
    return SimpleNamespace(filename=filename, attributes={"body": body})


def test_scripts_of_thebe_and_doubled_inline_scripts_are_dropped():
    files = [
        script("book.js"),
        script(body="const THEBE_JS_URL = 1"),
        script(body="let a = 1"),
        script(body="let a = 1"),
        script("sphinx-thebe.js"),
        script("other.js"),
    ]
    kept = pages._useful(files)
    assert [(one.filename, one.attributes["body"]) for one in kept] == [
        ("book.js", ""),
        (None, "let a = 1"),
        ("other.js", ""),
    ]


def test_colab_opens_a_labs_student_version_and_never_its_source():
    url = "https://colab.research.google.com/github/o/r/blob/main/labs/one.ipynb"
    context = {"header_buttons": [{"buttons": [{"text": "Colab", "url": url}, {"text": "x", "url": "y"}]}]}
    pages._point_to_student_version(context)
    buttons = context["header_buttons"][0]["buttons"]
    assert buttons[0]["url"] == url.replace("/blob/main/", "/blob/gh-pages/")
    assert buttons[1]["url"] == "y"


def test_folded_cells_say_what_they_hold():
    def code(*tags):
        return {"cell_type": "code", "source": "1", "metadata": {"tags": list(tags)}}

    dressed = contents.dress({"cells": [code("setup"), code("hide-input"), code("hide-cell"), code("check")]})
    setup, hidden, solution, check = (cell["metadata"] for cell in dressed["cells"])
    assert setup["mystnb"]["code_prompt_show"] == "Show the set-up"
    assert setup["tags"] == ["setup", "hide-input"]
    assert hidden["mystnb"]["code_prompt_show"] == "Show the code"
    assert solution["mystnb"]["code_prompt_show"] == "Show the solution's code"
    assert "mystnb" not in check
