"""Frames drawn beforehand, turned by a slider: interaction where the kernel is long gone."""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Sequence
from html import escape

from matplotlib.figure import Figure

from convbook.explore.shell import Explorable, ExplorableError, put_on_page
from convbook.plots.display import PNG, Picture, checked_alt, picture

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def flipbook(
    figures: Sequence[Figure | bytes], labels: Sequence[str], alts: Sequence[str], title: str
) -> None:
    """Display frames one at a time, with a slider between them; all of them where there is no JavaScript.

    Args:
        figures: matplotlib figures of one size, or PNG files' bytes (drawn at twice their size on the page).
        labels: a few words a frame, shown beside the slider.
        alts: what each frame shows, in a sentence.
        title: what turning the pages changes; names the slider.

    Raises:
        ExplorableError: if there are fewer than two frames, their numbers differ, or bytes are no PNG.
        ValueError: if an alt text is empty.
    """
    put_on_page(flipbook_html(figures, labels, alts, title), f"{title}: {', '.join(labels)}")


def flipbook_html(
    figures: Sequence[Figure | bytes], labels: Sequence[str], alts: Sequence[str], title: str
) -> str:
    """The HTML of a flip book; see ``flipbook``."""
    if not len(figures) == len(labels) == len(alts):
        counts = f"{len(figures)} frames, {len(labels)} labels, {len(alts)} alt texts"
        raise ExplorableError(f"a flip book needs one label and one alt text a frame: got {counts}")
    if len(figures) < 2:
        raise ExplorableError("a flip book needs at least two frames: show a single figure by plots.show")
    frames = [
        _frame(_picture(figure), label, checked_alt(alt))
        for figure, label, alt in zip(figures, labels, alts, strict=True)
    ]
    alt = f"{title}: {len(frames)} pictures, turned by a slider"
    data = {"title": title, "labels": list(labels)}
    return Explorable("flipbook", data, alt, fallback="".join(frames)).html()


def _picture(figure: Figure | bytes) -> Picture:
    if isinstance(figure, Figure):
        drawn = picture(figure, tight=False)
        return _lighter(drawn) if drawn.mime == PNG else drawn
    if not figure.startswith(_PNG_MAGIC):
        raise ExplorableError("a frame is a matplotlib figure or the bytes of a PNG file")
    width, height = struct.unpack(">II", figure[16:24])
    return Picture(PNG, figure, round(width / 2), round(height / 2))


def _lighter(drawn: Picture) -> Picture:
    """As WebP if that is smaller: photographs shrink to a fifth, and all frames lie in the page itself."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.open(io.BytesIO(drawn.data)).convert("RGB").save(buffer, "WEBP", quality=88, method=5)
    data = buffer.getvalue()
    return drawn._replace(mime="image/webp", data=data) if len(data) < len(drawn.data) else drawn


def _frame(drawn: Picture, label: str, alt: str) -> str:
    address = f"data:{drawn.mime};base64,{base64.b64encode(drawn.data).decode()}"
    size = f'width="{drawn.width}" height="{drawn.height}"'
    caption = f"<figcaption>{escape(label)}</figcaption>"
    return f'<figure>{caption}<img src="{address}" alt="{escape(alt)}" {size}></figure>'
