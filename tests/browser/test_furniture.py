"""What every built page has around its text: a head, a card, numbers, neighbours; and the printed book."""

import re
from html import unescape
from xml.etree import ElementTree

import pytest
from conftest import ROOT
from PIL import Image

from courseware import contents, pdf
from courseware.one_page import merge

pytestmark = pytest.mark.browser

PAGES = list(contents.sources(ROOT))
CHAPTERS = [page for page in PAGES if page.startswith("chapters/")]
LABS = [page for page in PAGES if page.startswith("labs/")]


def text_of(html, page):
    return (html / f"{page}.html").read_text("utf-8")


def meta(text):
    found = re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]*)"', text)
    return {name: unescape(value) for name, value in found}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_announced_with_title_description_and_a_card_that_exists(html, page):
    tags = meta(text_of(html, page))
    assert tags["og:title"]
    assert tags["og:description"] == tags["description"]
    assert 20 <= len(tags["description"]) <= 200 and "[" not in tags["description"]
    home = tags["og:url"].removesuffix(f"{page}.html")
    assert home.startswith("https://")
    card = html / tags["og:image"].removeprefix(home)
    with Image.open(card) as picture:
        assert picture.size == (int(tags["og:image:width"]), int(tags["og:image:height"])) == (1200, 630)
    assert tags["og:image:alt"].strip()
    assert card.stat().st_size < 300_000


@pytest.mark.parametrize("page", ["404", "genindex", "search"])
def test_a_page_that_no_source_stands_behind_is_described_once(html, page):
    text = text_of(html, page)
    assert text.count('name="description"') == 1
    assert 40 <= len(meta(text)["description"]) <= 200


@pytest.mark.parametrize("page", CHAPTERS + LABS)
def test_a_notebook_can_be_opened_and_downloaded_without_opening_a_menu(html, page):
    head = re.search(r'</h1><ul class="cb-head">.*?</ul>', text_of(html, page))[0]
    links = dict(re.findall(r'<a href="([^"]+)">([^<]+)</a>', head))
    colab, download = links
    assert colab.startswith("https://colab.research.google.com/") and colab.endswith(f"{page}.ipynb")
    assert (html / page).parent.joinpath(download).resolve().is_file()
    assert contents.parts(ROOT)[page] in head
    assert page not in LABS or "100 points" in head


@pytest.mark.parametrize("page", CHAPTERS)
def test_displayed_equations_are_numbered_without_a_gap(html, page):
    text = text_of(html, page)
    numbers = re.findall(r'<span class="eqno">\((\d+)\.(\d+)\)', text)
    assert numbers and len({chapter for chapter, _ in numbers}) == 1
    assert [int(number) for _, number in numbers] == list(range(1, len(numbers) + 1))
    assert len(re.findall(r'id="equation-[^"]+"', text)) == len(numbers)


def test_labs_have_no_numbered_equations(html):
    assert not any('class="eqno"' in text_of(html, page) for page in LABS)


@pytest.mark.parametrize("page", CHAPTERS)
def test_a_chapters_glossary_links_say_what_they_mean_and_none_comes_twice(html, page):
    found = re.findall(r'href="\.\./glossary\.html#([^"]+)" title="([^"]+)"', text_of(html, page))
    by_the_machine = [anchor for anchor, _ in found]
    assert len(set(by_the_machine)) > 2
    authors = len(re.findall(r"\{term\}", contents.sources(ROOT)[page].read_text("utf-8")))
    assert len(by_the_machine) - len(set(by_the_machine)) <= authors


def test_neighbours_name_their_part(html):
    area = text_of(html, CHAPTERS[1]).partition('class="prev-next-area"')[2]
    titles = re.findall(r'<p class="prev-next-title"><span class="cb-part">([^<]+)</span>', area)
    around = [PAGES[PAGES.index(CHAPTERS[1]) + step] for step in (-1, 1)]
    assert titles == [contents.parts(ROOT)[name] for name in around]


def test_every_page_names_the_feed_and_the_feed_is_there(html):
    ElementTree.parse(html / "changelog.xml")
    for page in PAGES:
        assert re.search(
            r'<link rel="alternate" type="application/atom\+xml"[^>]*/changelog\.xml"', text_of(html, page)
        )


def test_a_missing_page_offers_a_search_and_ways_back(html, prefix):
    text = text_of(html, "404")
    assert f'action="{prefix}search.html"' in text
    assert f'href="{prefix}glossary.html"' in text


@pytest.fixture(scope="module")
def printed(html, tmp_path_factory):
    """A short book: the front page, one chapter, one lab, glossary and references; and what was merged."""
    config = {"title": "ConvBook", "author": "The authors", "html": {"baseurl": "https://ada.github.io/b/"}}
    names = ["index", CHAPTERS[0], LABS[0], "glossary", "references"]
    book = merge(html, names, contents.parts(ROOT), pdf.read_cover(ROOT, config))
    folder = tmp_path_factory.mktemp("printed", numbered=True)
    (folder / html.name).symlink_to(html)
    (folder / "work").mkdir()
    browser = pdf.find_chromium()
    numbers = pdf.page_numbers(pdf.print_page(book.html({}), folder / "work", browser))
    return book, numbers, pdf.print_page(book.html(numbers), folder / "work", browser)


def test_the_printed_books_contents_name_the_pages_on_which_chapters_begin(printed):
    book, numbers, content = printed
    begins = [numbers[entry.anchor] for entry in book.entries if entry.anchor]
    assert begins == sorted(set(begins)) and begins[0] == 3  # after the title and the contents
    assert pdf.page_numbers(content) == numbers  # filling them in moved nothing
    assert begins[-1] <= pdf.count_pages(content)


def test_the_printed_book_is_tagged_has_an_outline_and_embeds_its_fonts(printed):
    content = printed[2]
    assert content.startswith(b"%PDF-")
    assert b"/StructTreeRoot" in content and b"/Outlines" in content and b"/Lang" in content
    assert b"LeNet-5" in b"".join(re.findall(rb"/Title \(([^)]*)\)", content))
    described = re.findall(rb"/Type\s*/FontDescriptor.*?>>", content, re.DOTALL)
    assert described and all(re.search(rb"/FontFile\d?", each) for each in described)


def test_the_printed_books_outline_has_each_title_once_and_whole(printed):
    book, _, content = printed
    titles = [title.decode("latin-1") for title in re.findall(rb"/Title \(([^)]*)\)", content)]
    assert not [title for title in titles if title[: len(title) // 2] * 2 == title]
    plain = {entry.title for entry in book.entries if entry.title.isascii() and "(" not in entry.title}
    assert len(plain) > 4 and plain <= set(titles)


def test_the_printed_book_runs_no_script_and_unfolds_everything(printed):
    page = printed[0].html({})
    assert not re.search(r"<(script|button|input|form)\b", page)
    folded = re.findall(r"<details\b[^>]*>", page)
    assert folded and all(" open" in tag for tag in folded)


def test_every_link_inside_the_printed_book_leads_somewhere(printed):
    page = printed[0].html({})
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert len(targets) > 30 and targets <= set(ids)


def test_the_printed_labs_are_the_students(printed):
    assert "BEGIN SOLUTION" not in printed[0].articles
    assert "NotImplementedError" in printed[0].articles
