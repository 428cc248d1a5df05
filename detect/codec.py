"""Arrays as JSON, bit for bit: little-endian bytes in base64, compressed (zlib's format)."""

from __future__ import annotations

import base64
from typing import Any, cast

import numpy as np
from isal import isal_zlib

from gatewatch.records import JSON

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
