"""Images as tensors: embedded, downloaded, or read from ``$CONVBOOK_DATA``.

``load("digits")`` needs no network. ``load("mnist")`` and the others fetch the original files once and
compare their checksums. What fits the device becomes an :class:`ImageSet`, what does not a
:class:`StreamSet`.
"""

from convbook.data.clutter import cluttered_digits
from convbook.data.errors import DataError
from convbook.data.images import ImageSet
from convbook.data.load import Images, list_data, load, place
from convbook.data.photographs import photograph_patches, photographs
from convbook.data.stream import StreamSet

__all__ = [
    "DataError",
    "ImageSet",
    "Images",
    "StreamSet",
    "cluttered_digits",
    "list_data",
    "load",
    "photograph_patches",
    "photographs",
    "place",
]
