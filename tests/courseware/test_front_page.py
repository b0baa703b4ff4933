"""The front page's cards, timeline and links lead to what the book has."""

import json

import yaml

from convbook import explore
from courseware import contents
from courseware.notebooks import find_root
from courseware.places import chapters_on_papers, sections_showing
from courseware.sphinx_ext.front import CARDS, card_html, timeline_html

ROOT = find_root()


def notebook(*cells):
    return json.dumps({"cells": [{"cell_type": kind, "source": [source]} for kind, source in cells]})


BOOK = {
    "chapters/one": notebook(
        ("markdown", "# One: first\n\nWords."),
        ("code", 'claims.table("b2016")\nexplore.window(image)'),
        ("markdown", "## See it slide\n"),
        ("code", "explore.convolution(image)"),
        ("code", 'claims.check("a2015")\nclaims.check("c2017")'),
    ),
    "chapters/two": notebook(("markdown", "# Two"), ("code", 'claims.check("a2015")')),
}


def test_the_chapter_on_a_paper_is_the_first_that_checks_its_claims():
    found = chapters_on_papers(BOOK, "../")
    assert found == {
        "a2015": {"title": "One: first", "href": "../chapters/one.html"},
        "c2017": {"title": "One: first", "href": "../chapters/one.html"},
    }


def test_the_books_own_chapters_are_found_by_the_papers_they_check():
    pages = {name: path.read_text("utf-8") for name, path in contents.sources(ROOT, "*.ipynb").items()}
    found = chapters_on_papers(pages)
    assert found["xie2017aggregated"]["href"] == "chapters/resnext.html"
    assert found["hu2018squeeze"]["title"].startswith("Squeeze-and-excitation")
    assert {link["href"].removesuffix(".html") for link in found.values()} <= set(pages)


def test_a_card_leads_to_the_section_that_shows_its_explorable():
    assert sections_showing(BOOK["chapters/one"])["convolution"] == "see-it-slide"
    assert sections_showing(BOOK["chapters/one"])["window"] == "one-first"
    assert sections_showing(BOOK["chapters/two"]) == {}


def test_every_page_of_the_part_play_has_a_card_and_every_card_a_picture():
    listed = {str(name) for name in contents.sources(ROOT) if name.startswith("play/")} - {"play/index"}
    assert listed <= {card.page for card in CARDS}
    for card in CARDS:
        icon = (ROOT / "_static" / "icons" / f"{card.icon}.svg").read_text("utf-8")
        assert icon.startswith("<svg ") and "<script" not in icon
        assert "aria-hidden" in card_html(card, "x.html", icon)


def test_cards_of_chapters_stand_in_the_book():
    pages = contents.sources(ROOT)
    assert {card.page for card in CARDS if not card.page.startswith("play/")} <= set(pages)
    assert "networks" in explore.list_explorables()


def test_the_timeline_names_papers_and_links_those_with_a_chapter():
    years = [{"year": 2015, "papers": ["a", "b"], "ideas": [{"label": "a <skip>", "papers": ["a"]}]}]
    papers = {"a": "ANet (Who et al. 2015)", "b": "B&B (Why 2015)"}
    html = timeline_html(years, papers, {"a": {"title": "A", "href": "chapters/a.html"}})
    assert "<b>2015</b>" in html and "a &lt;skip&gt;" in html
    assert html.count('<a href="chapters/a.html">ANet</a>') == 1
    assert "also B&amp;B" in html and "(Who" not in html


def test_the_front_page_asks_for_what_it_shows():
    text = (ROOT / "index.md").read_text("utf-8")
    for directive in ("{explorable} networks", "{play}", "{timeline}", "{glance}"):
        assert f"```{directive}\n" in text
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    captions = [part["caption"] for part in toc["parts"]]
    assert captions.index("Play") < captions.index("Labs")
