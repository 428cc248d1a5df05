"""Memory that is free again but still held: allocators keep it, so that the next task or phase adds to it."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

import pyarrow as pa

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_LARGE = 1 << 30


def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function of it; None where there is none (musl, macOS)."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError):
        return None
    return found


_TRIM, _OPTION = _of_glibc("malloc_trim"), _of_glibc("mallopt")


def keep() -> None:
    """Let this process use the memory of one task for the next, until `give_back`: fresh pages cost time."""
    if _OPTION is not None:
        _OPTION(_MMAP_THRESHOLD, _LARGE)
        _OPTION(_TRIM_THRESHOLD, _LARGE)


def give_back() -> None:
    """Return free memory to the system. Some milliseconds; the next allocations pay for fresh pages."""
    pa.default_memory_pool().release_unused()
    if _TRIM is not None:
        _TRIM(0)
