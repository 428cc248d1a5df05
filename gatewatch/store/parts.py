"""What single segments add to an answer, kept: a segment never changes, so that it is read once for each question."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from gatewatch.store.lake import Segment


@dataclass(slots=True)
class Parts:
    """The least recently used go first when `most` bytes are passed. shape: of the question, and of which lake."""

    most: int = 96 << 20
    bytes: int = 0
    _known: OrderedDict[tuple[str, str], pa.Table] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, shape: str, paths: Sequence[str]) -> tuple[list[pa.Table], list[str]]:
        """(what is known, the paths of which nothing is)."""
        found, missing = [], []
        with self._lock:
            for path in paths:
                part = self._known.get((shape, path))
                if part is None:
                    missing.append(path)
                else:
                    self._known.move_to_end((shape, path))
                    found.append(part)
        return found, missing

    def put(self, shape: str, parts: dict[str, pa.Table]) -> None:
        with self._lock:
            for path, part in parts.items():
                if (shape, path) not in self._known:
                    self._known[shape, path] = part
                    self.bytes += part.nbytes + 200
            while self.bytes > self.most and self._known:
                _, gone = self._known.popitem(last=False)
                self.bytes -= gone.nbytes + 200


def apart(table: pa.Table, some: Sequence[Segment], *, copied: bool = True) -> dict[str, pa.Table]:
    """The rows of each segment, which `segment` names by its place.

    copied: False where nothing is kept of them: rows that lie in the order of segments are not even moved.
    """
    places = np.asarray(table.column("segment").to_numpy(), dtype=np.int64)
    rest = table.drop_columns(["segment"]).combine_chunks()
    if not copied and np.all(places[1:] >= places[:-1]):
        ends = np.searchsorted(places, np.arange(len(some) + 1))
        return {one.path: rest.slice(ends[place], ends[place + 1] - ends[place]) for place, one in enumerate(some)}
    order = np.argsort(places, kind="stable")
    ends = np.searchsorted(places[order], np.arange(len(some) + 1))
    return {
        one.path: rest.take(pa.array(order[ends[place] : ends[place + 1]])).combine_chunks()
        for place, one in enumerate(some)
    }
