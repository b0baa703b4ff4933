"""Keeping freed memory between steps on a CPU."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

# glibc's names (malloc.h). By default it hands large blocks back to the system when they are freed, and the
# next step pays for them page by page: the system fills every fresh page with zeros.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
MMAP_MAX = 65536  # glibc's own default
NEVER = 2**31 - 1


@contextmanager
def kept_memory() -> Iterator[None]:
    """Inside, freed memory stays with the process; after it, it goes back to the system.

    A training step asks for the same large blocks as the step before. Without glibc (macOS, Windows, musl)
    nothing happens. The peak does not change, as a step's blocks are live together anyway.
    """
    libc = ctypes.CDLL(None) if hasattr(ctypes, "CDLL") else None
    if libc is None or not hasattr(libc, "mallopt") or not hasattr(libc, "malloc_trim"):
        yield
        return
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, NEVER)
    try:
        yield
    finally:
        libc.mallopt(M_MMAP_MAX, MMAP_MAX)
        libc.mallopt(M_TRIM_THRESHOLD, 128 * 1024)
        libc.malloc_trim(0)
