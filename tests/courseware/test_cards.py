"""Cards that other places show of a page, and the sentence beside them."""

import io

from docutils import nodes
from PIL import Image

from courseware import card
from courseware.sphinx_ext import cards


def opened(content):
    return Image.open(io.BytesIO(content))


def test_a_card_has_the_size_that_networks_show_uncut():
    picture = opened(card.draw("A title", "Part", "Book", "What it is about."))
    assert (picture.size, picture.format) == ((1200, 630), "JPEG")


def test_a_figure_is_shown_whole_in_its_colours(tmp_path):
    path = tmp_path / "figure.png"
    Image.new("RGB", (600, 200), (200, 0, 0)).save(path)
    picture = opened(card.draw("A title", "Part", "Book", "", path))
    red = [
        (x, y)
        for x in range(0, 1200, 4)
        for y in range(0, 630, 4)
        if picture.getpixel((x, y))[0] > 180 and picture.getpixel((x, y))[1] < 40
    ]
    (left, right), (top, bottom) = ((min(axis), max(axis)) for axis in zip(*red, strict=True))
    assert abs((right - left) / (bottom - top) - 3) < 0.1  # neither cut nor stretched
    assert left > 0 and right < 1199 and top > 100 and bottom < 629


def test_a_long_title_is_broken_and_cut_within_the_card():
    font = card._font(52, True)
    lines = card.wrap("squeeze and excitation " * 20, font, 1072, most=2)
    assert len(lines) == 2 and lines[-1].endswith("…")
    assert all(font.getlength(line) <= 1072 for line in lines)


def test_a_short_title_stays_whole():
    assert card.wrap("A title", card._font(52, True), 1072, most=2) == ["A title"]


def document(*paragraphs):
    made = nodes.document(None, None)
    section = nodes.section()
    section.extend(paragraphs)
    made += section
    return made


def test_the_description_is_the_lead_without_citations():
    cited = nodes.inline("", "[LBBH98]", classes=["bibtex-citation"])
    lead = nodes.paragraph(
        "", "", nodes.Text("LeNet-5 "), cited, nodes.Text(" reads handwritten digits well.")
    )
    assert cards.lead(document(lead)) == "LeNet-5 reads handwritten digits well."


def test_a_long_lead_ends_with_a_sentence_or_says_that_it_goes_on():
    assert cards.shorten("One sentence of some forty letters or so, yes. " + "word " * 60).endswith(
        "so, yes."
    )
    cut = cards.shorten("word " * 60)
    assert len(cut) <= 200 and cut.endswith("word…")


def test_the_largest_picture_of_pixels_is_the_main_figure(tmp_path):
    for name, size in {"a": (10, 10), "b": (30, 20)}.items():
        Image.new("RGB", size).save(tmp_path / f"{name}.png")
    files = {f"{name}-1.png": tmp_path / f"{name}.png" for name in ("a", "b")}
    images = [nodes.image(uri=f"../_images/{name}", alt=name) for name in (*files, "c.svg")]
    assert cards.main_figure(document(*images), files) == (tmp_path / "b.png", "b-1.png")
    assert cards.main_figure(document(nodes.image(uri="c.svg")), files) is None
