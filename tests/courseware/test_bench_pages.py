"""`course bench pages` without Lighthouse: what it reads off reports, what it says without npm."""

import json

import pytest

from courseware.bench import lighthouse, pages
from courseware.bench.turns import Bench


def report(performance=1.0, paint=400.0, blocking=30.0, alt=1):
    ref = {"id": "image-alt", "weight": 10}
    scores = {"performance": performance, "accessibility": 0.97, "best-practices": 1, "seo": 1}
    requests = [{"transferSize": 300_000, "resourceSize": 900_000}, {"transferSize": 1_000}]
    return {
        "categories": {name: {"score": score, "auditRefs": [ref]} for name, score in scores.items()},
        "audits": {
            "first-contentful-paint": {"numericValue": paint},
            "total-blocking-time": {"numericValue": blocking},
            "network-requests": {"details": {"items": requests}},
            "image-alt": {"score": alt},
        },
    }


@pytest.fixture
def book(tmp_path, monkeypatch):
    (tmp_path / "index.md").write_text("# Book")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    (tmp_path / "_config.yml").write_text(
        "repository: {url: https://github.com/them/book}\nhtml: {baseurl: https://book.org/sub/path/}\n"
    )
    html = tmp_path / "_build" / "html"
    html.mkdir(parents=True)
    (html / "index.html").write_text("<h1>Book</h1>")
    monkeypatch.setattr(pages, "find_root", lambda: tmp_path)
    return tmp_path


def test_a_view_is_what_the_report_says():
    view = lighthouse.View.of(report(alt=0))
    assert view.scores == {"performance": 100, "accessibility": 97, "best-practices": 100, "seo": 100}
    assert (view.paint, view.blocking, view.transferred, view.unpacked) == (0.4, 0.03, 301_000, 900_000)
    assert view.failed == ["image-alt"]


def test_the_worst_page_counts_and_of_several_looks_at_it_the_best(book, monkeypatch):
    slow, fast, quick = report(0.5, 3000, 900), report(0.96, 900, 150), report(1, 300, 0)
    told = {"index-0": slow, "index-1": fast}
    kept = book / ".cache" / "lighthouse" / lighthouse.digest(book / "_build" / "html")
    kept.mkdir(parents=True)
    for name in ("index", *pages.BESIDES):
        for turn in range(2):
            text = json.dumps(told.get(f"{name}-{turn}", quick))
            (kept / f"{name}-{turn}.json").write_text(text)
    monkeypatch.setattr(lighthouse, "install", lambda folder: folder / "lighthouse")
    figures = {figure.part: figure for figure in pages.Looks().run(Bench(repeats=2))}
    assert figures["performance"].value == 96 and figures["performance"].verdict == "met"
    assert figures["first contentful paint"].value == 0.9
    assert figures["total blocking time"].value == 0.15
    assert figures["transferred at first view"].value == pytest.approx(0.301)
    assert "4 pages, the worst: index" in figures["performance"].note


def test_a_page_below_the_target_is_missed(book, monkeypatch):
    view = lighthouse.View.of(report(0.94, 1001, 201))
    monkeypatch.setattr(lighthouse, "install", lambda folder: folder)
    monkeypatch.setattr(pages, "look_at", lambda *arguments: {"index": view})
    verdicts = {figure.part: figure.verdict for figure in pages.Looks().run(Bench(repeats=1))}
    missed = {part for part, verdict in verdicts.items() if verdict == "missed"}
    assert missed == {"performance", "first contentful paint", "total blocking time"}


def test_without_npm_nothing_is_measured_and_it_says_what_to_get(book, monkeypatch):
    monkeypatch.setattr(lighthouse.shutil, "which", lambda name: None)
    figures = list(pages.Looks().run(Bench(repeats=1)))
    assert {figure.verdict for figure in figures} == {"not measured"}
    assert all("Node.js with npm is not installed" in figure.missing for figure in figures)


def test_a_changed_chapter_differs_in_its_first_text_alone():
    cells = [{"cell_type": "code", "source": ["1"]}, {"cell_type": "markdown", "source": ["# A"]}]
    text = json.dumps({"cells": cells})
    made = pages.changed({"one": text, "two": text}, "one", 0)
    assert made["two"] == text
    assert json.loads(made["one"])["cells"][1]["source"][0] == "# A"
    assert json.loads(made["one"]) != json.loads(text)


def test_a_page_that_is_too_much_for_lighthouse_is_named_and_the_others_are_judged(book, monkeypatch):
    program = book / "lighthouse"
    program.write_text(
        "#!/bin/sh\n"
        "case $1 in */sub/path/*) ;; *) exit 1;; esac\n"
        "case $1 in */404.html) echo 'It has exceeded the allotted time.' >&2; exit 1;; esac\n"
        'for word in "$@"; do case $word in --output-path=*) made=${word#*=};; esac; done\n'
        f'cp {book}/report.json "$made"\n'
    )
    program.chmod(0o755)
    (book / "report.json").write_text(json.dumps(report()))
    monkeypatch.setattr(lighthouse, "install", lambda folder: program)
    monkeypatch.setattr(lighthouse, "find_chromium", lambda: "/bin/true")
    said = []
    figures = {figure.part: figure for figure in pages.Looks().run(Bench(repeats=1, say=said.append))}
    assert "404: too much for Lighthouse" in said[-1]
    assert "of 3 pages" in figures["performance"].note
    assert figures["performance"].note.endswith("too much for Lighthouse: 404")
