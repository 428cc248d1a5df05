"""Columns that follow from few values: each combination of these is worked out once and looked up from then on.

A day of traffic knows some hundred combinations of API, stage and route, and some dozen of error type, message and
phases. The SQL that makes columns of them is long, so it runs over one row of each new combination, not over all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

LIMIT = 200_000
"""Combinations remembered; an attacker can make as many as he likes, so they start anew beyond it."""

Rows = npt.NDArray[np.int64]
Work = Callable[[Rows], pa.Table]
"""Row numbers -> table of rn and the book's columns."""


class Book:
    """What each combination was worked out to be. A combination is a hash of its values and its format."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self._places: dict[int, int] = {}
        self._values = pa.table({name: pa.array([], pa.string()) for name in self.columns})

    def fill(self, rows: pa.Table, combination: str, work: Work) -> pa.Table:
        """Replace the column `combination` (NULL: no values) by the book's columns, dictionary-encoded."""
        hashes = rows.column(combination).combine_chunks()
        valid = np.flatnonzero(hashes.is_valid().to_numpy(zero_copy_only=False))
        codes = np.full(len(rows), -1, dtype=np.int32)
        if len(valid):
            encoded = hashes.take(pa.array(valid)).dictionary_encode()  # in a third of the time of numpy's `unique`
            known = encoded.dictionary.to_pylist()
            place = encoded.indices.to_numpy()
            unknown = [index for index, value in enumerate(known) if value not in self._places]
            if len(self._places) + len(unknown) > LIMIT:
                self._places.clear()
                self._values = self._values.slice(0, 0)
                unknown = list(range(len(known)))
            if unknown:
                first = np.flatnonzero(first_seen(place))
                numbers = np.asarray(rows.column("rn").take(pa.array(valid[first[unknown]])).to_numpy(), dtype=np.int64)
                self._learn(numbers, [known[index] for index in unknown], work)
            codes[valid] = np.array([self._places[value] for value in known], dtype=np.int32)[place]
        out = rows.drop_columns(combination)
        for name in self.columns:
            out = out.append_column(name, _column(self._values.column(name).combine_chunks(), codes))
        return out

    def _learn(self, numbers: Rows, hashes: Sequence[int], work: Work) -> None:
        worked = work(numbers)
        order = np.argsort(np.asarray(worked.column("rn").to_numpy()))
        wanted = np.argsort(numbers)
        place = np.empty(len(numbers), dtype=np.int64)
        place[wanted] = order
        new = worked.select(self.columns).take(pa.array(place))
        for offset, value in enumerate(hashes):
            self._places[value] = len(self._values) + offset
        if len(self._values):
            new = pa.concat_tables([self._values, new])
        self._values = new.combine_chunks()


def first_seen(codes: npt.NDArray[np.signedinteger]) -> npt.NDArray[np.bool_]:
    """Whether a row is the first with its code; codes are given in the order of their first row."""
    highest = np.maximum.accumulate(codes)
    return np.append(True, highest[1:] != highest[:-1])[: len(codes)]


def _column(values: pa.Array, codes: npt.NDArray[np.int32]) -> pa.Array:
    """values[codes], NULL where the code is negative; text stays dictionary-encoded."""
    if not pa.types.is_string(values.type):
        return values.take(pa.array(codes, mask=codes < 0))
    absent = codes < 0
    if values.null_count:  # dictionaries with a NULL in them cannot be unified, so it goes into the indices
        empty = np.append(values.is_null().to_numpy(zero_copy_only=False), True)
        absent = empty[codes]
        values = values.fill_null("")
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=absent), values)
