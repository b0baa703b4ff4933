"""Printing the book: what is merged, what is said when it cannot be done."""

import pytest

from courseware import pdf
from courseware.one_page import Cover, anchor, merge

COVER = Cover("A & B", "Sub", "Ada", "1", "https://a/", "free")


def write(folder, name, article):
    path = folder / f"{name}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        '<html><head><link rel="stylesheet" href="../_static/a.css" /></head><body><nav>menu</nav>'
        f'<article class="bd-article">{article}</article></body></html>',
        "utf-8",
    )


@pytest.fixture
def book(tmp_path):
    html = tmp_path / "html"
    write(
        html,
        "chapters/one",
        '<h1 id="t">One<a class="headerlink" href="#t">#</a></h1><p><a href="two.html#x">to two</a>'
        '<a href="https://far/">far</a><a href="../other.html">gone</a></p><script>run()</script>'
        '<details><summary>Show</summary>inside</details><img src="../_images/a.png" loading="lazy">',
    )
    write(html, "chapters/two", '<h1 id="t">Two</h1><h2 id="x">Deeper</h2><button>press</button>')
    return merge(html, ["chapters/one", "chapters/two"], {"chapters/one": "P", "chapters/two": "P"}, COVER)


def test_links_between_pages_become_links_within_the_book(book):
    assert 'href="#chapters.two.x"' in book.articles
    assert 'id="chapters.two.x"' in book.articles
    assert 'href="https://far/"' in book.articles
    assert 'href="#chapters.one"' in book.articles  # a page that is not printed: stay where one is


def test_the_same_anchor_on_two_pages_stays_two_anchors(book):
    assert 'id="chapters.one.t"' in book.articles and 'id="chapters.two.t"' in book.articles


def test_nothing_to_click_is_printed_and_everything_is_unfolded(book):
    for gone in ("<script", "<button", "headerlink", "menu", "loading"):
        assert gone not in book.articles
    assert '<details open="">' in book.articles


def test_pictures_and_styles_are_found_from_beside_the_pages(book):
    assert 'src="../html/_images/a.png"' in book.articles
    assert 'href="../html/_static/a.css"' in book.styles


def test_a_part_is_named_once_and_headings_go_one_level_down(book):
    assert [(entry.title, entry.anchor) for entry in book.entries] == [
        ("P", ""),
        ("One", anchor("chapters/one")),
        ("Two", anchor("chapters/two")),
    ]
    assert '<h2 id="chapters.two.t">Two</h2><h3 id="chapters.two.x">' in book.articles


def test_page_numbers_stand_in_the_contents_once_they_are_known(book):
    assert "<b>17</b>" in book.html({"chapters.two": 17})
    assert "<b></b>" in book.html({})
    assert "A &amp; B" in book.html({})


# Two pages in a tree of their own, the second first in the file; an anchor on each.
PDF = (
    b"%PDF-1.4\n1 0 obj\n<</Type /Catalog\n/Pages 2 0 R\n/Dests 9 0 R>>\nendobj\n"
    b"5 0 obj\n<</Type /Page\n/Parent 2 0 R>>\nendobj\n4 0 obj\n<</Type /Page\n/Parent 2 0 R>>\nendobj\n"
    b"3 0 obj\n<</Type /Pages\n/Kids [4 0 R]>>\nendobj\n"
    b"2 0 obj\n<</Type /Pages\n/Kids [3 0 R 5 0 R]>>\nendobj\n"
    b"9 0 obj\n<</a.b [5 0 R /XYZ 0 700 0]\n/a#20c [4 0 R /XYZ 0 1 0]>>\nendobj\n"
)


def test_pages_are_counted_in_the_order_of_the_files_tree():
    assert pdf.count_pages(PDF) == 2
    assert pdf.page_numbers(PDF) == {"a.b": 2, "a c": 1}


def test_without_chromium_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setenv("CHROMIUM", "/no/such/browser")
    with pytest.raises(pdf.PrintError, match="apt-get install chromium") as caught:
        pdf.find_chromium()
    assert "\n" not in str(caught.value)


def test_a_browser_that_prints_nothing_is_reported_with_its_last_words(tmp_path):
    browser = tmp_path / "browser"
    browser.write_text("#!/bin/sh\necho first >&2\necho 'no room left' >&2\nexit 3\n")
    browser.chmod(0o755)
    with pytest.raises(pdf.PrintError, match="printed nothing: no room left"):
        pdf.print_page("<p>x</p>", tmp_path, str(browser))
