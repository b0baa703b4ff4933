"""Cards of 1200 by 630 pixels: a page's title and its main figure, in the book's colours."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont, ImageOps

SIZE = (1200, 630)  # what the large networks show uncut
MARGIN = 64
PAPER, INK, ACCENT, QUIET, LINE = "#ffffff", "#1c2733", "#0b5c8e", "#51606e", "#d5dde5"
_QUALITY = 85


def draw(title: str, part: str, book: str, description: str, figure: Path | None = None) -> bytes:
    """Draw a card as JPEG.

    Args:
        title: of the page.
        part: of the book that the page stands in, or nothing.
        book: the book's name.
        description: a sentence or two, shown where there is no figure.
        figure: a picture of pixels, shown below the title.
    """
    sheet = Image.new("RGB", SIZE, PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.rectangle((0, 0, SIZE[0], 14), fill=ACCENT)
    above = f"{book} · {part}" if part else book
    pen.text((MARGIN, 48), above, fill=ACCENT, font=_font(28, bold=True))
    width = SIZE[0] - 2 * MARGIN
    y = _write(pen, title, 98, width, _font(52 if figure else 64, bold=True), INK, most=2 if figure else 3)
    if figure is None:
        _write(pen, description, y + 28, width, _font(32), QUIET, most=5)
    else:
        _place(sheet, figure, (MARGIN, y + 24, SIZE[0] - MARGIN, SIZE[1] - 40))
    content = io.BytesIO()
    sheet.save(content, "JPEG", quality=_QUALITY)
    return content.getvalue()


def wrap(text: str, font: ImageFont.FreeTypeFont, width: float, most: int) -> list[str]:
    """Break a text into at most `most` lines `width` pixels wide; the last shows if there was more."""
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < most:
        line = words.pop(0)
        while words and font.getlength(f"{line} {words[0]}") <= width:
            line += f" {words.pop(0)}"
        lines.append(line)
    if words:
        last = lines[-1]
        while font.getlength(f"{last} …") > width:
            last = last.rpartition(" ")[0]
        lines[-1] = f"{last} …"
    return lines


def _write(
    pen: ImageDraw.ImageDraw,
    text: str,
    y: float,
    width: float,
    font: ImageFont.FreeTypeFont,
    colour: str,
    most: int,
) -> float:
    """Write lines from `y` on; return where they end."""
    for line in wrap(text, font, width, most):
        pen.text((MARGIN, y), line, fill=colour, font=font)
        y += font.size * 1.25
    return y


def _place(sheet: Image.Image, figure: Path, box: tuple[float, float, float, float]) -> None:
    """Fit a figure into a box, in its middle, and never more than twice its size."""
    room = (int(box[2] - box[0]), int(box[3] - box[1]))
    with Image.open(figure) as opened:
        picture = opened.convert("RGBA")
    limit = (min(room[0], 2 * picture.width), min(room[1], 2 * picture.height))
    picture = ImageOps.contain(picture, limit, Image.Resampling.LANCZOS)
    corner = (int(box[0]) + (room[0] - picture.width) // 2, int(box[1]) + (room[1] - picture.height) // 2)
    sheet.paste(picture, corner, picture)


@cache
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The figures' own typeface, which comes with matplotlib."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), size)
