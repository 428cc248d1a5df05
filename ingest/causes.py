"""Reject causes of the refused rows, each combination of values judged once.

A cause follows from a few values (error type, message, phases, status), and a day of traffic knows only some dozens of
their combinations. The SQL of `reject_cause` is long, so it runs over one row of each new combination, not over all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingest import api_types

_PRESENT = frozenset(
    {"identity.apiKeyId", "identity.apiKey", "identity.userArn", "identity.caller", "connectionId", "routeKey"}
)
"""Variables of which the rules only ask whether they are there."""


def combination_sql(variables: Iterable[str]) -> str:
    """One text for all that the rules of these variables look at: rows that agree in it have the same cause.

    Latencies count by tenths of a second (all limits are multiples), identities by being there at all.
    """
    parts = []
    for name in sorted(variables):
        column = '"' + name.replace('"', '""') + '"'
        if name.endswith(("atency", "_s")):
            number = f"try_cast({column} AS DOUBLE)"
            parts.append(
                f"CASE WHEN {number} > 0 THEN {number} // {100 if name.endswith('atency') else 0.1} ELSE -1 END"
            )
        elif name in _PRESENT:
            parts.append(f"coalesce({column}, '-') IN ('-', '')")
        elif name == "requestId":
            parts.append(f"regexp_full_match({column}, '{api_types._UUID}')")
        else:
            parts.append(column)
    return f"hash({', '.join(parts) or 'NULL'})"


LIMIT = 200_000
"""Combinations remembered; an attacker can make as many as he likes, so they start anew beyond it."""

Judge = Callable[[npt.NDArray[np.int64]], pa.Table]
"""Row numbers -> table of rn, reject_cause, throttle_scope."""


class CauseBook:
    """What each combination (a hash of its values and its format) was judged to be."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[str | None, str | None]] = {}

    def fill(self, rows: pa.Table, judge: Judge) -> pa.Table:
        """Replace the column `combination` (NULL where not refused) by reject_cause and throttle_scope."""
        combination = rows.column("combination").combine_chunks()
        refused = np.flatnonzero(combination.is_valid().to_numpy(zero_copy_only=False))
        causes = np.full(len(rows), -1, dtype=np.int32)
        scopes = np.full(len(rows), -1, dtype=np.int32)
        cause_words: dict[str | None, int] = {}
        scope_words: dict[str | None, int] = {}
        if len(refused):
            hashes = combination.take(pa.array(refused)).to_numpy()
            unique, first, place = np.unique(hashes, return_index=True, return_inverse=True)
            unknown = [index for index, value in enumerate(unique.tolist()) if value not in self._known]
            if unknown:
                self._learn(rows, unique, refused[first], np.array(unknown), judge)
            judged = [self._known[value] for value in unique.tolist()]
            cause_codes = np.array([_code(cause_words, cause) for cause, _ in judged], dtype=np.int32)
            scope_codes = np.array([_code(scope_words, scope) for _, scope in judged], dtype=np.int32)
            causes[refused] = cause_codes[place]
            scopes[refused] = scope_codes[place]
        out = rows.drop_columns("combination")
        out = out.append_column("reject_cause", _words(causes, cause_words))
        return out.append_column("throttle_scope", _words(scopes, scope_words))

    def _learn(
        self,
        rows: pa.Table,
        unique: npt.NDArray[np.uint64],
        places: npt.NDArray[np.int64],
        unknown: npt.NDArray[np.int64],
        judge: Judge,
    ) -> None:
        if len(self._known) + len(unknown) > LIMIT:
            self._known.clear()
            unknown = np.arange(len(unique))
        numbers = np.asarray(rows.column("rn").take(pa.array(places[unknown])).to_numpy(), dtype=np.int64)
        judged = judge(numbers).to_pydict()
        by_row = {
            row: (cause, scope)
            for row, cause, scope in zip(judged["rn"], judged["reject_cause"], judged["throttle_scope"], strict=True)
        }
        for value, row in zip(unique[unknown].tolist(), numbers.tolist(), strict=True):
            self._known[value] = by_row[row]


def _code(words: dict[str | None, int], word: str | None) -> int:
    return -1 if word is None else words.setdefault(word, len(words))


def _words(codes: npt.NDArray[np.int32], words: dict[str | None, int]) -> pa.Array:
    indices = pa.array(codes, mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(words), pa.string())).cast(pa.string())
