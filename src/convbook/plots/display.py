"""Putting a figure on the page, with the words that stand in for it."""

from __future__ import annotations

import base64
import io
import re
import struct
import sys
from collections import deque
from html import escape
from typing import NamedTuple

import matplotlib
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from convbook.plots.style import STYLE

SVG, PNG = "image/svg+xml", "image/png"
_LARGEST_SVG = 400_000  # bytes; a scatter of many thousand points is lighter as pixels
_PIXELS_PER_INCH = 96  # CSS pixels


SHOWN: deque[tuple[Figure, str]] = deque(maxlen=3)  # the last figures with their words: labs hand them in


class Picture(NamedTuple):
    """A figure turned into bytes."""

    mime: str
    data: bytes
    width: int  # CSS pixels
    height: int


def checked_alt(alt: str) -> str:
    """Return ``alt`` without surrounding space.

    Raises:
        ValueError: if it is missing or empty.
    """
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(
            "alt is empty: say in a sentence what the figure shows, for readers who cannot see it"
        )
    return " ".join(alt.split())


def picture(figure: Figure, alt: str = "", *, tight: bool = True) -> Picture:
    """Render as SVG, or as PNG at twice the pixels if the figure holds images.

    Args:
        figure: what to draw.
        alt: label to write into an SVG.
        tight: cut to what is drawn; frames that are to lie on each other must not be.
    """
    with matplotlib.rc_context(STYLE):
        if not _holds_images(figure):
            drawn = _svg(figure, alt, tight)
            if len(drawn.data) <= _LARGEST_SVG:
                return drawn
        return _png(figure, tight)


def show(fig: Figure, alt: str) -> None:
    """Display a figure with its alternative text, and close it.

    The text travels in the output's metadata, where ``IPython.display.Image(alt=...)`` puts it too;
    inside an SVG it stands once more as its label, for notebooks that show SVG in place.

    Raises:
        ValueError: if ``alt`` is empty.
    """
    alt = checked_alt(alt)
    drawn = picture(fig, alt)
    SHOWN.append((fig, alt))
    content = drawn.data.decode() if drawn.mime == SVG else base64.b64encode(drawn.data).decode()
    from IPython.display import display

    display(
        {drawn.mime: content, "text/plain": alt},
        raw=True,
        metadata={drawn.mime: {"alt": alt, "width": drawn.width, "height": drawn.height}},
    )
    if "matplotlib.pyplot" in sys.modules:  # figures made by pyplot would be shown again at the cell's end
        sys.modules["matplotlib.pyplot"].close(fig)


def _holds_images(figure: Figure) -> bool:
    return any(axes.images or any(isinstance(c, QuadMesh) for c in axes.collections) for axes in figure.axes)


def _svg(figure: Figure, alt: str, tight: bool) -> Picture:
    buffer = io.StringIO()
    figure.savefig(
        buffer, format="svg", bbox_inches="tight" if tight else None, pad_inches=0.06, metadata={"Date": None}
    )
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)
    text = text[text.index("<svg") :]
    found = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', text)
    assert found, "matplotlib wrote an SVG without a size"
    width, height = (round(float(points) * _PIXELS_PER_INCH / 72) for points in found.groups())
    label = f' role="img" aria-label="{escape(alt)}"' if alt else ""
    style = ' style="max-width: 100%; height: auto"'
    text = text.replace(found.group(), f'width="{width}" height="{height}"{label}{style}', 1)
    return Picture(SVG, text.encode(), width, height)


def _png(figure: Figure, tight: bool) -> Picture:
    buffer = io.BytesIO()
    figure.savefig(
        buffer,
        format="png",
        dpi=2 * _PIXELS_PER_INCH,
        bbox_inches="tight" if tight else None,
        pad_inches=0.06,
        metadata={"Software": None},
    )
    data = buffer.getvalue()
    width, height = struct.unpack(">II", data[16:24])
    return Picture(PNG, data, round(width / 2), round(height / 2))
