"""Arrays as JSON, bit for bit: little-endian bytes in base64, compressed (zlib's format)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

import numpy as np
from isal import isal_zlib

from gatewatch.records import JSON


class Kept(Protocol):
    """Part of a state that is JSON between runs, and an object within one."""

    def load(self, state: JSON) -> None: ...

    def dump(self) -> JSON: ...


Part = TypeVar("Part", bound=Kept)


@dataclass(frozen=True, slots=True)
class Live:
    """Stands in a state for what the next block of the same run goes on with: arrays need not be packed meanwhile."""

    part: Kept


def revived(stored: JSON | Live, make: Callable[[], Part]) -> Part:
    """The part itself, or a new one with what was stored of it."""
    if isinstance(stored, Live):
        return cast(Part, stored.part)
    part = make()
    part.load(stored)
    return part


def kept(part: Kept, *, live: bool) -> JSON:
    """What stands for a part in a state."""
    return cast(JSON, Live(part)) if live else part.dump()


def settled(state: JSON | Live) -> JSON:
    """A state as JSON: with what its live parts dump."""
    if isinstance(state, Live):
        return state.part.dump()
    if isinstance(state, dict):
        return {name: settled(value) for name, value in state.items()}
    return state


_TYPES = frozenset({"<f8", "<i8", "|b1", "<f4"})


def pack(array: np.ndarray[Any, Any]) -> JSON:
    kind = array.dtype.newbyteorder("<").str
    if kind not in _TYPES:
        raise ValueError(f"arrays of {array.dtype} are not stored")
    raw = np.ascontiguousarray(array, dtype=kind).tobytes()
    return {"t": kind, "s": [int(n) for n in array.shape], "z": base64.b64encode(isal_zlib.compress(raw, 1)).decode()}


def unpack(value: JSON) -> np.ndarray[Any, Any]:
    """The array of `pack`; ValueError when the value is none."""
    if not isinstance(value, dict) or value.get("t") not in _TYPES:
        raise ValueError("not a stored array")
    raw = isal_zlib.decompress(base64.b64decode(str(value["z"])))
    shape = tuple(int(n) for n in cast(list[int], value["s"]))
    return np.frombuffer(raw, dtype=str(value["t"])).reshape(shape).copy()
