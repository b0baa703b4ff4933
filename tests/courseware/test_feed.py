"""The changelog as a feed that readers of feeds accept."""

import re
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

from courseware.sphinx_ext import feed

CHANGELOG = """# Changelog

## Unreleased

### Added
- Something `new` & fine.

## [0.2.0] - 2027-03-04
### Fixed
- A count.

## 0.1.0 - 2026-11-21
- First.
"""
NAMES = {"a": "http://www.w3.org/2005/Atom"}
ADDRESS = "https://ada.github.io/course/"


def parsed(text=CHANGELOG):
    found = feed.versions(text, "2027-05-06")
    return ElementTree.fromstring(feed.atom(found, "Book: changes", "Ada", ADDRESS))


def test_every_version_is_an_entry_with_its_own_date_and_list():
    entries = parsed().findall("a:entry", NAMES)
    assert [entry.findtext("a:title", "", NAMES) for entry in entries] == ["Unreleased", "0.2.0", "0.1.0"]
    dates = [entry.findtext("a:updated", "", NAMES)[:10] for entry in entries]
    assert dates == ["2027-05-06", "2027-03-04", "2026-11-21"]
    content = entries[0].find("a:content", NAMES)
    assert content.get("type") == "html"
    assert "<li>Something <code>new</code> &amp; fine.</li>" in content.text
    assert "A count" not in content.text


def test_the_feed_has_what_rfc_4287_requires():
    root = parsed()
    for each in (root, *root.findall("a:entry", NAMES)):
        assert re.match(r"https://", each.findtext("a:id", "", NAMES))
        assert each.findtext("a:title", "", NAMES)
        datetime.strptime(each.findtext("a:updated", "", NAMES), "%Y-%m-%dT%H:%M:%SZ")
    assert root.findtext("a:author/a:name", "", NAMES) == "Ada"
    assert root.find("a:link[@rel='self']", NAMES).get("href") == f"{ADDRESS}changelog.xml"
    ids = [entry.findtext("a:id", "", NAMES) for entry in root.findall("a:entry", NAMES)]
    assert len(set(ids)) == len(ids)
    assert root.findtext("a:updated", "", NAMES).startswith("2027-05-06")


def test_the_books_own_changelog_gives_a_feed():
    text = (Path(__file__).parents[2] / "CHANGELOG.md").read_text("utf-8")
    assert len(parsed(text).findall("a:entry", NAMES)) == len(re.findall(r"^## ", text, re.MULTILINE))
