"""Memory that is free again but still held: allocators keep it, so that the next task or phase adds to it."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

import pyarrow as pa


def _malloc_trim() -> Callable[[int], int] | None:
    """glibc's function; None where there is none (musl, macOS)."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None


_TRIM = _malloc_trim()


def give_back() -> None:
    """Return free memory to the system. Some milliseconds; the next allocations pay for fresh pages."""
    pa.default_memory_pool().release_unused()
    if _TRIM is not None:
        _TRIM(0)
