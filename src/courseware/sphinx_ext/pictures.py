"""PNG outputs as WebP where that is smaller."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from pathlib import Path

from PIL import Image

SMALL = 20_000  # bytes: below, nothing is worth another format
QUALITY = 90  # photographs only: drawings stay exact


@cache
def webp(source: Path) -> bytes | None:
    """The picture as WebP: exact if that is small, else at high quality; None to keep it as it is."""
    if source.suffix != ".png" or source.stat().st_size < SMALL:
        return None
    with Image.open(source) as picture:
        exact = _encoded(picture, lossless=True)
        lossy = _encoded(picture, quality=QUALITY) if len(exact) > 4 * SMALL else exact
    best = lossy if len(lossy) < len(exact) / 2 else exact
    return best if len(best) < source.stat().st_size else None


def _encoded(picture: Image.Image, **options: object) -> bytes:
    written = BytesIO()
    picture.save(written, "WEBP", method=4, **options)
    return written.getvalue()
