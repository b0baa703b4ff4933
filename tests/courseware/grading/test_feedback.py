import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made_results import MARKUP, TURNED, hostile, made, not_run, png

from courseware.grading.feedback import address, write_feedback
from courseware.grading.pages import TEMPLATES, clean, duration, percent
from courseware.grading.result import Result


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.source = path.read_bytes().decode()
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page(folder: Path, result: Result) -> Page:
    write_feedback(folder, "A bottleneck", result)
    return Page(folder / address(result.student))


def test_a_student_reads_what_passed_and_what_to_look_at(tmp_path: Path) -> None:
    read = page(tmp_path, made("ada", 1, 0.5, 0, message="The shape is (2, 8), not (2, 4)."))
    assert "35 of 100 points" in read.text and "1 of 3 passed" in read.text
    assert [read.text.count(word) for word in ("✓ passed", "◐ partly passed", "✗ not passed")] == [1, 1, 1]
    assert read.text.count("The shape is (2, 8), not (2, 4).") == 2
    assert "I expected more." in read.text and "1.5 s" in read.text


def test_who_was_not_run_reads_why_and_what_to_do(tmp_path: Path) -> None:
    read = page(tmp_path, not_run("bob", reason="handed in nothing", sha256=""))
    assert "handed in nothing" in read.text and "lab.hand_in(answer)" in read.text
    assert "Your grade is empty, not zero." in read.text and " 0 of" not in read.text


def test_plots_are_inside_the_page_with_words_beside_them(tmp_path: Path) -> None:
    images = page(tmp_path, made(figures=(png(), png(3, 2)))).all("img")
    assert [image["src"] for image in images] == [f"data:image/png;base64,{p}" for p in (png(), png(3, 2))]
    assert [image["alt"] for image in images] == [
        f"Plot {i} of 2 from your notebook, {size} pixels" for i, size in ((1, "1 × 1"), (2, "3 × 2"))
    ]


def test_a_picture_that_would_fill_the_memory_is_not_shown(tmp_path: Path) -> None:
    read = page(tmp_path, made(figures=(png(50_000, 50_000), png())))
    assert len(read.all("img")) == 1
    assert "50000 × 50000 pixels: too many to show" in read.text


@pytest.mark.parametrize("number", range(len(hostile())))
def test_a_hostile_page_is_only_text(tmp_path: Path, number: int) -> None:
    result = hostile()[number]
    read = page(tmp_path, result)
    plain = [page(tmp_path, made("ada", 0, 0, 0)), page(tmp_path, not_run("bob"))]
    assert {name for name, _ in read.tags} <= {name for each in plain for name, _ in each.tags}
    attributes = {key for _, found in read.tags for key in found}
    assert not {key for key in attributes if key.startswith("on") or key in ("style", "href")}
    assert all(str(image["src"]).startswith("data:image/png;base64,") for image in read.all("img"))
    assert clean(result.name) in read.text
    assert list((tmp_path / "feedback").iterdir()), "the page must lie in its folder, whatever the name"


def test_what_turns_text_round_is_made_visible() -> None:
    shown = clean(TURNED)
    assert shown == "photo\ufffdgnp.exe \ufffd שלום \u200f\ufffd\ufffd[31m\ufffd"
    assert clean("tabs\tand\r\nlines, ZWNJ \u200c, Zoë") == "tabs\tand\nlines, ZWNJ \u200c, Zoë"


def test_the_page_may_load_and_run_nothing(tmp_path: Path) -> None:
    read = page(tmp_path, made("ada", words=MARKUP))
    [policy] = [meta["content"] for meta in read.all("meta") if "http-equiv" in meta]
    assert policy and policy.startswith("default-src 'none'; img-src data:; base-uri 'none'")
    assert not read.all("script") and not read.all("link") and not read.all("a")
    assert "url(" not in read.source and "@import" not in read.source


def test_a_page_that_would_not_change_is_not_written_again(tmp_path: Path) -> None:
    page(tmp_path, made())
    before = (tmp_path / address("ada")).stat().st_mtime_ns
    page(tmp_path, made())
    assert (tmp_path / address("ada")).stat().st_mtime_ns == before
    page(tmp_path, made("ada", 0, 0, 0))
    assert "0 of 100 points" in (tmp_path / address("ada")).read_text(encoding="utf-8")


def luminance(colour: str) -> float:
    if len(colour) == 4:
        colour = "#" + "".join(2 * digit for digit in colour[1:])
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_read(scheme: int) -> None:
    """WCAG 2.2, 1.4.3: text contrasts with what is behind it by at least 4.5 to 1."""
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]+);", style.split(":root {")[scheme + 1]))
    for behind in ("paper", "quiet"):
        for text in ("ink", "faint", "link", "good", "bad"):
            dark, light = sorted((luminance(colours[behind]), luminance(colours[text])))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{text} on {behind}"


def test_numbers_read_as_they_are() -> None:
    assert [duration(s) for s in (0.04, 12.34, 59.96, 125, 3725)] == [
        "0.0 s", "12.3 s", "1 min 0 s", "2 min 5 s", "1 h 2 min",
    ]  # fmt: skip
    assert [percent(share) for share in (0, 0.001, 0.5, 0.999, 1)] == ["0 %", "1 %", "50 %", "99 %", "100 %"]
