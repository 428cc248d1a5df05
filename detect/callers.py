"""Addresses that fail a little, hour after hour: with how many names each was refused within a day.

A slow spray hides in every minute, but no honest address fails with dozens of names in a day, unless people with
browsers of their own are behind it. A slower one hides in every day; over seven days it is looked for in addresses that
came later than the record's first days (a back end that logs in its users from one address was always there). Looked at
when an hour is full; what is unusual is learned from the hours' largest.
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

DAY, WEEK = 24, 7 * 24
KEPT_HOURS = WEEK
"""How long an address that is not refused any more is remembered with what was usual for it."""

MOST_CALLERS = 300
MOST_NAMES = 64
KEPT_NAMES = 4
"""An address that tried so many names within a week is remembered through a day without refusals."""

LEAST = 12.0
LEAST_WEEK = 18.0
USUAL, USUAL_WEEK, SIZE = 1.5, 3.0, 10.0
"""Names a day and a week that any address may have, and how much alike addresses are (of a negative binomial)."""

NEWCOMER_HOURS = 48
"""Addresses that came within so many hours of the series' begin may always have been there."""

WAIT = 12
"""Hours that a score waits before it is learned from, so that what works itself up is not its own yardstick."""

LEARNED_HOURS = 72.0
WARM_HOURS = 24
OTHERS = 0.6
"""Share of the first one's count from which another address with the same tool belongs to it."""


@dataclass(slots=True)
class Caller:
    """hours: refusals by hour. names, agents: the hour in which each was seen last. All of a week.

    came, first, last: minutes of the first refusal, of the first since a day of quiet, of the last. usual: of
    the names of a day, `amount`.
    """

    came: int
    first: int
    last: int
    usual: float = 0.0
    hours: dict[int, int] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    agents: dict[str, int] = field(default_factory=dict)

    def refused(self, since: int) -> int:
        return sum(n for hour, n in self.hours.items() if hour > since)

    def quiet(self, hour: int) -> bool:
        """Was it not refused for a day?"""
        return self.last // 60 <= hour - DAY

    def names_since(self, hour: int) -> int:
        return sum(seen > hour for seen in self.names.values())

    def amount(self, hour: int) -> float:
        """What is judged: the names of a day."""
        return float(self.names_since(hour - DAY))

    def crowd(self, since: int) -> bool:
        """People behind one address: browsers of their own, since an hour."""
        agents = sum(seen > since for seen in self.agents.values())
        return agents >= (5 if self.names_since(since) < 40 else 6)

    def forget(self, hour: int) -> None:
        """Drop what is older than a week. No name or agent is older than the first hour with a refusal."""
        if next(iter(self.hours), hour) > hour - WEEK:
            return
        for part in (self.names, self.agents):
            for name in [name for name, seen in part.items() if seen <= hour - WEEK]:
                del part[name]
        for one in [one for one in self.hours if one <= hour - WEEK]:
            del self.hours[one]

    def to_json(self) -> list[JSON]:
        hours: list[JSON] = [[hour, n] for hour, n in self.hours.items()]
        return [self.came, self.first, self.last, self.usual, hours, cast(JSON, self.names), cast(JSON, self.agents)]

    @classmethod
    def from_json(cls, value: Any) -> Caller:
        came, first, last, usual, hours, names, agents = value
        return cls(came, first, last, usual, {int(hour): int(n) for hour, n in hours}, dict(names), dict(agents))


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
                found = self._judge(callers, hour, hour - int(age_hours[row]))
                # Scores of a week grow for days: what such scores are worth is learned from those of a day.
                score[row] += found[0] if found is not None and found[2] == DAY else 0.0
                if found is not None and found[0] >= limit[row] and age_hours[row] >= WARM_HOURS:
                    out[row] = self._lasting(callers, hour, *found)
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
                one = callers[address] = Caller(minute, minute, minute)
            elif one.quiet(hour):
                one.first = minute
            one.last = minute
            one.hours[hour] = one.hours.get(hour, 0) + n
            for seen, value in ((one.names, name), (one.agents, agent)):
                if value is None:
                    continue
                if value not in seen and len(seen) >= MOST_NAMES:
                    del seen[min(seen, key=lambda name: (seen[name], name))]
                seen[value] = hour

    def _judge(self, callers: dict[str, Caller], hour: int, born: int) -> tuple[float, str, int] | None:
        """The most unusual of the addresses that were refused in this hour: score, address, hours that tell it.

        born: the hour in which the series began.
        """
        best: tuple[float, str, int] | None = None
        for address, one in callers.items():
            one.forget(hour)
            if hour not in one.hours:
                continue
            looks = [(one.amount(hour), LEAST, USUAL + one.usual, DAY)]
            if one.came // 60 >= born + NEWCOMER_HOURS:
                looks.append((float(len(one.names)), LEAST_WEEK, USUAL_WEEK, WEEK))
            for amount, least, usual, length in looks:
                if amount >= least and not one.crowd(hour - length):
                    score = float(nats(np.array([amount]), np.array([usual]), np.array([SIZE]))[0])
                    best = max(best or (score, address, length), (score, address, length))
        return best

    def _lasting(self, callers: dict[str, Caller], hour: int, score: float, address: str, length: int) -> Lasting:
        lead, since = callers[address], hour - length
        usual = USUAL if length == DAY else USUAL_WEEK
        others = [
            (one.names_since(since), name)
            for name, one in callers.items()
            if name != address
            and not one.crowd(since)
            and one.names_since(since) >= OTHERS * lead.names_since(since)
            and one.names_since(since) >= 3.0 * (usual + one.usual)
            and (one.agents.keys() & lead.agents.keys() or not lead.agents)
        ]
        sources = (address, *(name for _, name in sorted(others, key=lambda item: (-item[0], item[1]))[:9]))
        names = dict.fromkeys(
            name for source in sources for name, seen in callers[source].names.items() if seen > since
        )
        return Lasting(
            score,
            sources,
            sum(callers[source].refused(since) for source in sources),
            tuple(names),
            min(callers[source].first if length == DAY else callers[source].came for source in sources),
        )

    def _age(self, callers: dict[str, Caller], hour: int) -> None:
        for address in [address for address, one in callers.items() if _gone(one, hour)]:
            del callers[address]
        for one in callers.values():
            if hour * 60 - one.first > DAY * 60 or one.quiet(hour):
                one.usual += (one.amount(hour) - one.usual) / LEARNED_HOURS
        if len(callers) > MOST_CALLERS:
            kept = sorted(callers.items(), key=lambda item: (-_weight(item[1], hour), item[0]))
            for address, _ in kept[MOST_CALLERS:]:
                del callers[address]


def _gone(one: Caller, hour: int) -> bool:
    return one.quiet(hour) and (
        (one.usual < 1.0 and len(one.names) < KEPT_NAMES) or one.last // 60 <= hour - KEPT_HOURS
    )


def _weight(one: Caller, hour: int) -> float:
    """Who is the last to be forgotten."""
    return max(one.amount(hour), one.usual, len(one.names) / KEPT_NAMES)
