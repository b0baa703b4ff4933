"""The bar that ``fit`` shows; it lives below the data, whose downloads show it too."""

from convbook.progress import progress_bar, somebody_watches

__all__ = ["progress_bar", "somebody_watches"]
