"""What papers and lectures get wrong, each slip with the computation that settles it.

One file a subject; in it one function a slip, which computes, asserts and says what it found. ``settle``
runs one, ``load_errata`` gives all, ``errata_markdown`` is the book's page.
"""

from importlib import import_module
from pkgutil import iter_modules

from convbook.errata.erratum import KINDS, Erratum, Finding, load_errata, settle
from convbook.errata.page import errata_markdown

for _subject in iter_modules(__path__, __name__ + "."):
    import_module(_subject.name)

__all__ = ["KINDS", "Erratum", "Finding", "errata_markdown", "load_errata", "settle"]
