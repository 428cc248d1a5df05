"""Who was refused: rows of the clients frame by series and minute, tallies of them, and the culprits among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from detect.grid import MINUTE_US, Ints, Key, codes_of, micros
from detect.rhythm import Rhythm
from gatewatch.records import JSON, Entities

PER_MINUTE = 400
"""Client rows of one series and minute that are looked at, largest first; the counts themselves are exact."""

TALLY = 3000
"""Names that a tally keeps of each kind."""

DIMENSIONS: tuple[str, ...] = ("reject_cause", "throttle_scope", "client_ip", "principal", "api_key_id", "user_agent")
ENTITIES = 50
_PLACE = 1 << 32


@dataclass(slots=True)
class Rows:
    """Client rows sorted by series row, then minute. names: DIMENSIONS and route, objects with None.

    seconds: of the minute, as in CLIENTS, 0 where they are not known.
    """

    row: Ints
    minute: Ints
    n: Ints
    seconds: Ints
    names: dict[str, npt.NDArray[np.object_]]
    _place: Ints | None = field(default=None, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.row)

    def between(self, row: int, first: int, last: int) -> slice:
        """The rows of a series in the minutes first … last."""
        place = self._place
        if place is None:
            place = self._place = self.row * _PLACE + self.minute
        low = int(np.searchsorted(place, row * _PLACE + first, side="left"))
        return slice(low, int(np.searchsorted(place, row * _PLACE + last, side="right")))

    def since(self, minute: int) -> Rows:
        return self._picked(self.minute >= minute)

    def _picked(self, keep: npt.NDArray[np.bool_]) -> Rows:
        names = {name: values[keep] for name, values in self.names.items()}
        return Rows(self.row[keep], self.minute[keep], self.n[keep], self.seconds[keep], names)

    def of_sources(self, part: slice, sources: Sequence[str]) -> Rows:
        """The rows whose address, principal or key is one of the sources."""
        names = {name: values[part] for name, values in self.names.items()}
        mine = np.zeros(len(self.n[part]), dtype=bool)
        for source in sources:
            for name in ("client_ip", "principal", "api_key_id"):
                mine |= names[name] == source
        return Rows(self.row[part], self.minute[part], self.n[part], self.seconds[part], names)._picked(mine)

    def to_json(self) -> JSON:
        return {
            "row": self.row.tolist(),
            "minute": self.minute.tolist(),
            "n": self.n.tolist(),
            "seconds": self.seconds.tolist(),
            **{f"={name}": cast(list[JSON], values.tolist()) for name, values in self.names.items()},
        }


def rows_from_json(value: JSON) -> Rows:
    stored = cast(dict[str, list[Any]], value or {})
    names = {}
    for name in (*DIMENSIONS, "route"):
        given = stored.get(f"={name}", [])
        column = np.empty(len(given), dtype=object)
        column[:] = given
        names[name] = column
    ints = [np.array(stored.get(key, []), dtype=np.int64) for key in ("row", "minute", "n", "seconds")]
    return Rows(ints[0], ints[1], ints[2], ints[3], names)


def rows_of(
    clients: pd.DataFrame,
    start: int,
    minutes: int,
    row_of: Callable[[Key, str], int | None],
) -> Rows:
    """The client rows of a block that belong to a series: row_of(stage key, reject cause)."""
    if not len(clients):
        return rows_from_json(None)
    minute = micros(clients["minute"]) // MINUTE_US
    inside = (minute >= start) & (minute < start + minutes)
    frame, minute = clients[inside], minute[inside]
    codes, keys = codes_of(frame, ["account", "region", "api", "stage", "reject_cause"])
    found = [row_of(key[:4], key[4] or "") for key in keys]
    place = np.array([-1 if one is None else one for one in found], dtype=np.int64)
    row = place[codes] if len(keys) else codes
    n = frame["n"].to_numpy(dtype=np.int64)
    seconds = _seconds(frame)
    order = np.lexsort((-n, minute, row))
    order = order[row[order] >= 0]
    row, minute, n = row[order], minute[order], n[order]
    group = row * _PLACE + minute
    first = np.searchsorted(group, group, side="left")
    keep = np.arange(len(group)) - first < PER_MINUTE
    order, row, minute, n = order[keep], row[keep], minute[keep], n[keep]
    seconds = seconds[order]
    names = {}
    for name in (*DIMENSIONS, "route"):
        codes, values = pd.factorize(frame[name].iloc[order], use_na_sentinel=True)
        table = np.empty(len(values) + 1, dtype=object)
        table[: len(values)] = [str(value)[:256] for value in values]
        table[-1] = None
        names[name] = table[codes]
    return Rows(row, minute, n, seconds, names)


def _seconds(frame: pd.DataFrame) -> Ints:
    """Masks of up to 60 bits would lose some as floats, which is what a column with NULLs is."""
    column = frame["seconds"]
    if column.dtype == np.int64:
        return column.to_numpy(dtype=np.int64)
    return np.array([0 if pd.isna(value) else int(value) for value in column], dtype=np.int64)


def joined(old: Rows, new: Rows) -> Rows:
    row, minute = np.concatenate([old.row, new.row]), np.concatenate([old.minute, new.minute])
    order = np.lexsort((minute, row))
    names = {name: np.concatenate([old.names[name], new.names[name]])[order] for name in old.names}
    n, seconds = np.concatenate([old.n, new.n]), np.concatenate([old.seconds, new.seconds])
    return Rows(row[order], minute[order], n[order], seconds[order], names)


_PAIRS: tuple[tuple[str, str], ...] = (
    ("client_ip", "user_agent"),
    ("client_ip", "principal"),
    ("client_ip", "api_key_id"),
)


@dataclass(slots=True)
class Tally:
    """Refusals by name, of each dimension and of a few pairs; each kept to its TALLY largest at full hours.

    rhythms: of callers, by address, else key, else principal.
    """

    total: int = 0
    by: dict[str, dict[str, int]] = field(default_factory=dict)
    rhythms: dict[str, Rhythm] = field(default_factory=dict)

    def add(self, rows: Rows, part: slice, only: Sequence[str] | None = None) -> None:
        """Add rows; only: those of some sources (addresses, principals or keys)."""
        if only is not None:
            rows, part = rows.of_sources(part, only), slice(None)
        counts = rows.n[part]
        self.total += int(counts.sum())
        listed = counts.tolist()
        columns = {name: values[part].tolist() for name, values in rows.names.items()}
        for name, values in columns.items():
            into = self.by.setdefault(name, {})
            for value, n in zip(values, listed, strict=True):
                if value is not None:
                    into[value] = into.get(value, 0) + n
        for one, two in _PAIRS:
            into = self.by.setdefault(f"{one}|{two}", {})
            for a, b, n in zip(columns[one], columns[two], listed, strict=True):
                if a is not None and b is not None:
                    key = f"{a}\x1f{b}"
                    into[key] = into.get(key, 0) + n
        self._hear(columns, rows.minute[part].tolist(), rows.seconds[part].tolist(), listed)

    def _hear(
        self, columns: dict[str, list[str | None]], minutes: list[int], seconds: list[int], counts: list[int]
    ) -> None:
        heard: dict[tuple[str, int], list[int]] = {}
        callers = zip(columns["client_ip"], columns["api_key_id"], columns["principal"], strict=True)
        for (address, key, name), minute, mask, n in zip(callers, minutes, seconds, counts, strict=True):
            caller = address or key or name
            if caller is not None:
                one = heard.setdefault((caller, minute), [0, 0])
                one[0] |= mask
                one[1] += n
        for (caller, _), (mask, n) in heard.items():
            self.rhythms.setdefault(caller, Rhythm()).add(mask, n)

    def prune(self) -> None:
        for name, counts in self.by.items():
            if len(counts) > 2 * TALLY:
                self.by[name] = dict(ranked(counts)[:TALLY])
        if len(self.rhythms) > 2 * TALLY:
            largest = sorted(self.rhythms.items(), key=lambda item: (-item[1].n, item[0]))
            self.rhythms = dict(largest[:TALLY])

    def of(self, name: str) -> dict[str, int]:
        return self.by.get(name, {})

    def share(self, name: str, value: str) -> float:
        return self.of(name).get(value, 0) / self.total if self.total else 0.0

    def top(self, name: str) -> tuple[str | None, float]:
        """The most frequent name and its share of all."""
        counts = ranked(self.of(name))
        return (counts[0][0], counts[0][1] / max(self.total, 1)) if counts else (None, 0.0)

    def to_json(self) -> JSON:
        heard = {caller: cast(JSON, rhythm.to_json()) for caller, rhythm in self.rhythms.items()}
        return {"total": self.total, "by": cast(JSON, self.by), "rhythms": heard}

    @classmethod
    def from_json(cls, value: JSON) -> Tally:
        stored = cast(dict[str, Any], value)
        rhythms = {caller: Rhythm(*four) for caller, four in stored["rhythms"].items()}
        return cls(int(stored["total"]), {name: dict(counts) for name, counts in stored["by"].items()}, rhythms)


def ranked(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Largest first, names in order where equal."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def excess(now: Tally, before: Tally, minutes: float, minutes_before: float) -> Tally:
    """What is above the usual: each name's count less what it had before, scaled to the same length of time."""
    scale = minutes / minutes_before if minutes_before > 0 else 0.0
    out = Tally()
    for name, counts in now.by.items():
        old = before.of(name)
        out.by[name] = {}
        for value, n in counts.items():
            more = n - round(old.get(value, 0) * scale)
            if more > 0:
                out.by[name][value] = more
    out.total = max(now.total - round(before.total * scale), 1)
    out.rhythms = now.rhythms
    return out


def culprits(over: Tally, before: Tally) -> Entities:
    """Those behind an excess.

    When a few have most of it, they; when many share it, those with the campaign's agent, or those never seen before.
    """
    agent, agent_share = over.top("user_agent")
    mark = agent if agent_share >= 0.7 and before.share("user_agent", agent or "") < 0.3 else None
    return Entities(
        ips=_chosen(over, before, "client_ip", mark),
        api_key_ids=_chosen(over, before, "api_key_id", None),
        principals=_chosen(over, before, "principal", None),
        user_agents=_few(over, "user_agent"),
    )


def _few(over: Tally, name: str) -> tuple[str, ...]:
    return tuple(value for value, n in ranked(over.of(name))[:5] if n >= 0.1 * over.total)


def _chosen(over: Tally, before: Tally, name: str, mark: str | None) -> tuple[str, ...]:
    counts = ranked(over.of(name))
    if not counts:
        return ()
    top = counts[0][1]
    if top >= 0.4 * over.total:
        return tuple(value for value, n in counts[:ENTITIES] if n >= 0.25 * top)
    if mark is not None:
        with_mark = {pair.split("\x1f")[0] for pair in over.of("client_ip|user_agent") if pair.endswith(f"\x1f{mark}")}
        marked = [value for value, _ in counts if value in with_mark]
        if marked:
            return tuple(marked[:ENTITIES])
    seen = before.of(name)
    fresh = [(value, n) for value, n in counts if value not in seen]
    usable: Iterable[tuple[str, int]] = fresh if sum(n for _, n in fresh) >= 0.5 * sum(n for _, n in counts) else counts
    return tuple(value for value, n in list(usable)[:ENTITIES] if n >= max(1, 0.2 * top))


def distinct(tally: Tally, name: str) -> int:
    return len(tally.of(name))


def sources_over(
    rows: Rows,
    first: int,
    window: int,
    limit: Callable[[Sequence[int]], npt.NDArray[np.float64]],
    named: Sequence[str] = ("client_ip", "principal", "api_key_id"),
) -> tuple[Ints, Ints, Ints, npt.NDArray[np.object_]]:
    """Sources with many refusals within `window` minutes: (row, minute, count, source) from minute `first` on.

    A source is named by the first of `named` that is told. limit: least count for each series row.
    """
    source = np.array(
        [one or two or three or "" for one, two, three in zip(*(rows.names[name] for name in named), strict=True)],
        dtype=object,
    )
    known = source != ""
    empty = np.zeros(0, np.int64)
    if not known.any():
        return empty, empty, empty, source[:0]
    row, minute, n, source = rows.row[known], rows.minute[known], rows.n[known], source[known]
    codes, names = pd.factorize(source)
    base = int(minute.min())
    span = int(minute.max()) - base + window + 1
    who, number = np.unique(row * (len(names) + 1) + codes, return_inverse=True)
    del who
    place = number * span + (minute - base)
    order = np.argsort(place, kind="stable")
    place = place[order]
    running = np.concatenate([np.zeros(1, np.int64), np.cumsum(n[order])])
    floor = place - np.minimum(minute[order] - base, window - 1)
    low = np.searchsorted(place, floor, side="left")
    high = np.searchsorted(place, place, side="right")
    count = running[high] - running[low]
    keep = (minute[order] >= first) & (count >= limit(row[order].tolist()))
    chosen = order[keep]
    return row[chosen], minute[chosen], count[keep], source[chosen]
