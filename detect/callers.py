"""Addresses that fail a little, hour after hour: with how many names each was refused within a day.

A slow spray hides in every minute, but no honest address fails with dozens of names in a day, unless people with
browsers of their own are behind it. Looked at when an hour is full; what is unusual is learned from the hours' largest.
Mere refusals are not looked at: clients whose tokens expire, or that never drop a withdrawn key, have dozens a day.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from detect import codec
from detect.grid import Bools, Floats, Ints
from detect.stats.peaks import Peaks
from detect.stats.tail import nats
from detect.who import Rows
from gatewatch.records import JSON

DAY = 24
KEPT_HOURS = 7 * DAY
"""How long an address that is not refused any more is remembered with what was usual for it."""

MOST_CALLERS = 300
MOST_NAMES = 64
LEAST = 12.0
USUAL, SIZE = 1.5, 10.0
"""Names a day that any address may have, and how much alike addresses are (of a negative binomial)."""

WAIT = 12
"""Hours that a score waits before it is learned from, so that what works itself up is not its own yardstick."""

LEARNED_HOURS = 72.0
WARM_HOURS = 24
OTHERS = 0.6
"""Share of the first one's count from which another address with the same tool belongs to it."""


@dataclass(slots=True)
class Caller:
    """hours: refusals by hour. names, agents: the hour in which each was seen last. usual: of `amount`."""

    first: int
    last: int
    usual: float = 0.0
    hours: dict[int, int] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    agents: dict[str, int] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        return sum(self.hours.values())

    @property
    def amount(self) -> float:
        """What is judged: the names of a day."""
        return float(len(self.names))

    @property
    def crowd(self) -> bool:
        """People behind one address: browsers of their own."""
        return len(self.agents) >= (5 if len(self.names) < 40 else 6)

    def forget(self, hour: int) -> None:
        """Drop what is older than a day. No name or agent is older than the first hour with a refusal."""
        if next(iter(self.hours), hour) > hour - DAY:
            return
        for part in (self.names, self.agents):
            for name in [name for name, seen in part.items() if seen <= hour - DAY]:
                del part[name]
        for one in [one for one in self.hours if one <= hour - DAY]:
            del self.hours[one]

    def to_json(self) -> list[JSON]:
        hours: list[JSON] = [[hour, n] for hour, n in self.hours.items()]
        return [self.first, self.last, self.usual, hours, cast(JSON, self.names), cast(JSON, self.agents)]

    @classmethod
    def from_json(cls, value: Any) -> Caller:
        first, last, usual, hours, names, agents = value
        return cls(first, last, usual, {int(hour): int(n) for hour, n in hours}, dict(names), dict(agents))


@dataclass(frozen=True, slots=True)
class Lasting:
    """Addresses of a series that are out of line over a day, the first one foremost. names: with which they failed."""

    score: float
    sources: tuple[str, ...]
    refused: int
    names: tuple[str, ...]
    since: int


class Callers:
    """State: the addresses of each series row, and what the largest of an hour is worth."""

    def __init__(self) -> None:
        self.of: dict[int, dict[str, Caller]] = {}
        self.peaks = Peaks()
        self.waiting: Floats = np.zeros((0, WAIT))

    def load(self, state: JSON) -> None:
        stored = cast(dict[str, Any], state)
        self.peaks.load(stored["peaks"])
        self.waiting = codec.unpack(stored["waiting"])
        self.of = {
            int(row): {name: Caller.from_json(one) for name, one in callers.items()}
            for row, callers in stored["of"].items()
        }

    def dump(self) -> JSON:
        of: dict[str, JSON] = {
            str(row): {name: one.to_json() for name, one in self.of[row].items()} for row in sorted(self.of)
        }
        return {"peaks": self.peaks.dump(), "waiting": codec.pack(self.waiting), "of": of}

    def hour(
        self, hour: int, rows: Rows, watched: Iterable[int], age_hours: Ints, held: Bools, per_week: Floats
    ) -> dict[int, Lasting]:
        """Close an hour. rows: of it. watched: series rows. held: series in an episode. per_week: budget (series,)."""
        self.peaks.grow(len(age_hours))
        score = np.where((age_hours >= WAIT) & ~held, 0.0, np.nan)
        limit = self.peaks.limit(per_week)
        out: dict[int, Lasting] = {}
        for row in watched:
            part = rows.between(row, hour * 60, hour * 60 + 59)
            callers = self.of.get(row)
            if part.stop > part.start:
                callers = self.of.setdefault(row, {})
                self._add(callers, hour, rows, part)
            if callers:
                found = self._judge(callers, hour)
                score[row] += found[0] if found is not None else 0.0
                if found is not None and found[0] >= limit[row] and age_hours[row] >= WARM_HOURS:
                    out[row] = self._lasting(callers, *found)
                self._age(callers, hour)
        more = np.full((len(score) - len(self.waiting), WAIT), np.nan)
        waiting = np.concatenate([np.concatenate([self.waiting, more]), score[:, None]], axis=1)
        waiting[list(out)] = np.nan
        self.waiting = np.ascontiguousarray(waiting[:, 1:])
        self.peaks.see(waiting[:, :1])
        self.peaks.close(np.isfinite(waiting[:, 0]))
        return out

    def _add(self, callers: dict[str, Caller], hour: int, rows: Rows, part: slice) -> None:
        columns = (rows.names[name][part].tolist() for name in ("client_ip", "principal", "user_agent"))
        for address, name, agent, n, minute in zip(
            *columns, rows.n[part].tolist(), rows.minute[part].tolist(), strict=True
        ):
            if address is None:
                continue
            one = callers.get(address)
            if one is None:
                one = callers[address] = Caller(minute, minute)
            elif not one.hours:
                one.first = minute
            one.last = minute
            one.hours[hour] = one.hours.get(hour, 0) + n
            for seen, value in ((one.names, name), (one.agents, agent)):
                if value is not None and (value in seen or len(seen) < MOST_NAMES):
                    seen[value] = hour

    def _judge(self, callers: dict[str, Caller], hour: int) -> tuple[float, str] | None:
        """The most unusual of the addresses that were refused in this hour."""
        best: tuple[float, str] | None = None
        for address, one in callers.items():
            one.forget(hour)
            amount = one.amount
            if hour not in one.hours or amount < LEAST or one.crowd:
                continue
            usual = np.array([USUAL + one.usual])
            found = (float(nats(np.array([amount]), usual, np.array([SIZE]))[0]), address)
            best = found if best is None or found > best else best
        return best

    def _lasting(self, callers: dict[str, Caller], score: float, address: str) -> Lasting:
        lead = callers[address]
        others = [
            (one.amount, name)
            for name, one in callers.items()
            if name != address
            and not one.crowd
            and one.amount >= OTHERS * lead.amount
            and one.amount >= 3.0 * (USUAL + one.usual)
            and (one.agents.keys() & lead.agents.keys() or not lead.agents)
        ]
        sources = (address, *(name for _, name in sorted(others, key=lambda item: (-item[0], item[1]))[:9]))
        names = dict.fromkeys(name for source in sources for name in callers[source].names)
        return Lasting(
            score,
            sources,
            sum(callers[source].refused for source in sources),
            tuple(names),
            min(callers[source].first for source in sources),
        )

    def _age(self, callers: dict[str, Caller], hour: int) -> None:
        for address in [address for address, one in callers.items() if _gone(one, hour)]:
            del callers[address]
        for one in callers.values():
            if hour * 60 - one.first > DAY * 60 or not one.hours:
                one.usual += (one.amount - one.usual) / LEARNED_HOURS
        if len(callers) > MOST_CALLERS:
            kept = sorted(callers.items(), key=lambda item: (-max(item[1].amount, item[1].usual), item[0]))
            for address, _ in kept[MOST_CALLERS:]:
                del callers[address]


def _gone(one: Caller, hour: int) -> bool:
    return not one.hours and (one.usual < 1.0 or one.last // 60 <= hour - KEPT_HOURS)
