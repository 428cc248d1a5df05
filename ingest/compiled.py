"""The library that the package's build compiles from cut.c where it finds a compiler (hatch_build.py)."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LIBRARY = Path(__file__).with_name("_cut.so")


@dataclass(frozen=True, slots=True)
class Compiled:
    """The functions of cut.c: they take addresses, so their callers see to it that what is there stays there."""

    cut: Callable[..., int]
    lines: Callable[..., int]


@cache
def loaded() -> Compiled | None:
    """None where it was not built, or from another cut.c."""
    address, count, number = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32
    try:
        library = ctypes.CDLL(str(LIBRARY))
        cut, lines = library.gatewatch_values, library.gatewatch_lines
    except (OSError, AttributeError):
        return None
    cut.argtypes = [address, address, count, address, ctypes.c_char_p, address, number, address, address]
    cut.argtypes += [address] * 8
    lines.argtypes = [address, count, count, address, count, address]
    cut.restype = lines.restype = count
    return Compiled(cut, lines)
