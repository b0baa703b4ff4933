"""What pages load: rules, scripts, icons, fonts and pictures that they use, and nothing else."""

import gzip
import re
import urllib.error
import urllib.request
from io import BytesIO
from threading import Thread
from types import SimpleNamespace

import pytest
from fontTools.ttLib import TTFont
from PIL import Image
from sphinx.errors import ExtensionError

from courseware.serve import make_server
from courseware.sphinx_ext import fonts, icons, pictures, stylesheets, weight


def test_rules_stay_if_every_class_in_one_of_their_selectors_is_somewhere():
    css = (
        '@charset "utf-8";/* .used */a{b:c}.used,.gone{d:e}.gone .used{f:g}'
        ".used:not(.gone){h:i}@media print{.gone{j:k}}@media screen{.used{l:'}'}}"
        "@font-face{m:n}.sm\\:used{o:p}"
    )
    words = stylesheets.words_of(['<p class="used">'])
    assert stylesheets.purge(css, words) == (
        "@charset \"utf-8\";a{b:c}.used{d:e}.used:not(.gone){h:i}@media screen{.used{l:'}'}}@font-face{m:n}"
    )


def test_the_sheets_of_all_pages_become_one_in_their_order_that_finds_its_files(tmp_path):
    static = tmp_path / "_static"
    (static / "styles").mkdir(parents=True)
    (static / "basic.css").write_text('a{b:url(file.png)}@charset "UTF-8";')
    (static / "styles" / "theme.css").write_text("""@import "../basic.css";c{d:url("../font.woff2")}""")
    (static / "book.css").write_text("e{f:url(data:image/png;base64,xx) url('#g')}")
    sheet = '<link rel="stylesheet" href="{}_static/{}" />\n'
    pages = {
        tmp_path / f"{name}.html": "<head>"
        + sheet.format(up, "styles/theme.css?digest=1")
        + "<title>T</title>"
        + sheet.format(up, "book.css?v=2").replace("link rel", 'link type="text/css" rel')
        + "</head>"
        for name, up in {"index": "", "chapters/one": "../", "404": "/book/"}.items()
    }
    made = stylesheets.as_one(pages, static)
    [joined] = [path for path in static.rglob("*.css") if path.name != "basic.css"]
    assert joined.read_text() == (
        "a{b:url(file.png)}c{d:url(\"font.woff2\")}e{f:url(data:image/png;base64,xx) url('#g')}"
    )
    for path, up in zip(made, ("", "../", "/book/"), strict=True):
        link = rf'<link rel="stylesheet" href="{up}_static/{joined.name}\?v=\w{{8}}">'
        assert re.fullmatch(rf"<head>{link}\n<title>T</title></head>", made[path])
    assert stylesheets.as_one(made, static) == {}, "a second build changed nothing"


PYGMENTS = """
html[data-theme="light"] .highlight { background: #fff; color: #111 }
html[data-theme="light"] .highlight .k { color: #00f } /* Keyword */
html[data-theme="light"] .highlight .n { color: #111 }
html[data-theme="light"] .highlight .o { color: #111 }
html[data-theme="light"] .highlight .gs { color: #111; font-weight: bold }
html[data-theme="dark"] .highlight { background: #000; color: #EEE }
html[data-theme="dark"] .highlight .k { color: #ff0 }
html[data-theme="dark"] .highlight .n { color: #eee }
html[data-theme="dark"] .highlight .o { color: #f00 }
html[data-theme="dark"] .highlight .gs { color: #eee; font-weight: bold }
"""


def test_words_of_code_that_look_like_the_text_in_both_themes_are_not_marked():
    plain = stylesheets.plain_tokens(PYGMENTS)
    assert plain == {"n"}
    page = '<span class="n">b</span><div class="highlight"><pre><span></span>{}\n</pre></div>'
    code = '<span class="n">a</span> <span class="k">if</span><span class="k">not</span>'
    shorter = page.format('a <span class="k">ifnot</span>')
    assert weight.without_tokens(page.format(code), plain) == shorter


def test_pages_that_are_trimmed_already_stay_as_they_are(tmp_path):
    (tmp_path / "_static").mkdir()
    page = tmp_path / "index.html"
    page.write_text("<p>text</p>")
    app = SimpleNamespace(outdir=tmp_path, builder=SimpleNamespace(format="html"))
    weight.trim(app, None)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [page]


PAGE = """<html><head><title>T</title><meta name="viewport" content="a"><meta name="viewport" content="a">
<link href="../_static/a.css"><script src="../_static/documentation_options.js?v=1"></script>
<script src="../_static/doctools.js"></script><script defer src="../_static/scripts/fontawesome.js"></script>
<script src="../searchindex.js"></script><script>let a = 1</script></head>
<body><button aria-label="Light"><i class="fa-solid fa-sun" title="Light"></i></button>%s</body></html>"""


def test_scripts_wait_for_the_text_and_search_is_loaded_where_one_searches():
    page = weight.lighten(PAGE % "", "chapters/one", "const O = {\n a: 1,\n};")
    assert '<script src="../_static/doctools.js" defer>' in page
    assert "<script>const O = { a: 1, };</script>" in page
    assert "fontawesome.js" not in page and "searchindex.js" not in page
    assert page.count("viewport") == 1 and "stix" not in page
    assert "searchindex.js" in weight.lighten(PAGE % "", "search", "")


def test_the_font_of_formulas_is_fetched_early_where_there_are_formulas():
    page = weight.lighten(PAGE % "<math></math>", "chapters/one", "")
    assert f'href="../_static/{fonts.MATH}"' in page


def test_icons_are_drawn_in_the_page_and_an_unknown_one_is_named():
    drawn = icons.draw_icons('<i class="fas fa-download" title="x"></i>')
    assert drawn.startswith('<svg class="fas fa-download cb-icon" aria-hidden="true" viewBox="0 0 512 512"')
    assert "title" not in drawn and ' d="M' in drawn
    with pytest.raises(ExtensionError, match="fa-no-such-icon"):
        icons.draw_icons('<i class="fas fa-no-such-icon"></i>')


def test_the_math_font_has_the_books_characters_their_italics_and_its_math_table():
    signs = fonts.in_formulas(["<math><mi>x</mi><mo>&#x2211;</mo></math> y"])
    assert signs == {"x", "\N{MATHEMATICAL ITALIC SMALL X}", "∑"}
    assert "√" in fonts.in_formulas(["<math><msqrt><mi>n</mi></msqrt></math>"])
    font = TTFont(BytesIO(fonts.math_font(signs)))
    assert {ord(sign) for sign in signs} == set(font.getBestCmap())
    assert "MATH" in font and font.flavor == "woff2"


def test_a_photograph_becomes_a_small_webp_and_a_small_picture_stays(tmp_path):
    noise = Image.effect_noise((300, 300), 60).convert("RGB")
    noise.save(tmp_path / "photograph.png")
    Image.new("RGB", (20, 20)).save(tmp_path / "small.png")
    made = pictures.webp(tmp_path / "photograph.png")
    assert Image.open(BytesIO(made)).size == (300, 300)
    assert len(made) < (tmp_path / "photograph.png").stat().st_size
    assert pictures.webp(tmp_path / "small.png") is None


def test_the_server_compresses_for_who_asks_and_serves_under_a_prefix(tmp_path):
    text = b"<h1>Book</h1>" * 100
    (tmp_path / "index.html").write_bytes(text)
    (tmp_path / "404.html").write_text("lost")
    with make_server(tmp_path, 0, "/book/") as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        assert urllib.request.urlopen(f"{address}/book/").read() == text
        asked = urllib.request.Request(f"{address}/book/index.html", headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(asked) as response:
            body = response.read()
            assert response.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(body) == text and len(body) < len(text) / 5
        for path in ("/index.html", "/book/none.html"):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(address + path)
            assert (caught.value.code, caught.value.read()) == (404, b"lost")
        server.shutdown()


def test_the_server_says_nothing_of_a_browser_that_hangs_up_and_tells_of_other_failures(tmp_path, capfd):
    with make_server(tmp_path, 0) as server:
        for failure in (ConnectionResetError(), ValueError("no such thing")):
            try:
                raise failure
            except Exception:
                server.handle_error(None, ("127.0.0.1", 1))
    said = capfd.readouterr().err
    assert "ConnectionResetError" not in said and "no such thing" in said
