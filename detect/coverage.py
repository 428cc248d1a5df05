"""How much of the traffic is in the logs: lines over CloudWatch `Count`, window by window. Part of data_quality.

Of WebSocket APIs the connections are counted: `$connect` lines over `ConnectCount`. Of their messages CloudWatch counts
those of both directions, and a line tells of one.

A window is judged GRACE minutes after its end: delivery takes its time. Low coverage lasts from the first window below
LOW on; it is over when there are enough lines again. Sums by day are kept, for verdicts that rest on weeks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from detect import codec
from detect.episodes import Episode
from detect.grid import CLOSE_US, MINUTE_US, Floats, Ints, Key
from detect.inventory import declared
from detect.meter import Counted, Scope, counted, window_minutes
from detect.model import Block, Context
from detect.stats.tail import nats
from gatewatch.records import JSON, ApiType

LOW = 0.90
WHOLE = 0.98
"""Below it a view is worth a badge, and what was never seen is not proven to be gone."""

GRACE = 15
LASTING = 15
LEAST_MISSING = 10.0
"""Requests that must be missing: a few stand in the window before or after the one in which they were counted."""

DAYS = 45

CONNECT = "$connect"
"""The route of a WebSocket API that opens connections."""


class Coverage:
    """State: lines by stage and minute that are not judged yet, the run of low windows by scope, sums by day.

    lost: stages that no series counts. untold: WebSocket stages that are called, of whose connections no line came yet.
    """

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.born: dict[Key, int] = {}
        self.start = -1
        self.lines: Floats = np.zeros((0, 0))
        self.runs: dict[Key, list[float]] = {}
        self.episodes: dict[Key, Episode] = {}
        self.days: dict[Key, dict[str, list[float]]] = {}
        self.members: dict[Key, list[Key]] = {}
        self.lost: list[Key] = []
        self.untold: list[Key] = []

    def load(self, state: JSON) -> None:
        if not isinstance(state, dict) or not state:
            return
        known = cast(dict[str, Any], state)
        self.keys = [tuple(key) for key in known["keys"]]
        self.born = {tuple(key): minute for key, minute in known["born"]}
        self.start, self.lines = known["start"], codec.unpack(known["lines"])
        self.runs = {tuple(key): value for key, value in known["runs"]}
        self.episodes = {tuple(key): Episode.from_json(value) for key, value in known["episodes"]}
        self.days = {tuple(key): value for key, value in known["days"]}
        self.members = {tuple(key): [tuple(one) for one in value] for key, value in known["members"]}
        self.lost = [tuple(key) for key in known["lost"]]
        self.untold = [tuple(key) for key in known.get("untold", ())]

    def dump(self) -> JSON:
        if self.start < 0:
            return {}
        return {
            "keys": _listed(self.keys),
            "born": [[list(key), self.born[key]] for key in _sorted(self.born)],
            "start": self.start,
            "lines": codec.pack(self.lines),
            "runs": [[list(key), cast(JSON, self.runs[key])] for key in _sorted(self.runs)],
            "episodes": [[list(key), self.episodes[key].to_json()] for key in _sorted(self.episodes)],
            "days": [[list(key), cast(JSON, self.days[key])] for key in _sorted(self.days)],
            "members": [[list(key), _listed(self.members[key])] for key in _sorted(self.members)],
            "lost": _listed(self.lost),
            "untold": _listed(self.untold),
        }

    def step(self, block: Block, context: Context) -> list[tuple[Key, Episode]]:
        """Take a block; the episodes that changed in it."""
        metrics = context.metrics
        if metrics is None or not metrics.num_rows:
            self.start, self.lines, self.runs, self.lost = -1, np.zeros((len(self.keys), 0)), {}, []
            return []
        width = window_minutes(metrics)
        named: list[Key] = [(one.account, one.region, one.api, one.stage) for one in declared(context.inventory)]
        self._append(block, width, named)
        windows = max((block.first + block.minutes - GRACE - self.start) // width, 0)
        found = counted(metrics, context.inventory, self.keys, self.start, windows, width)
        self.lost = [key for key in found.lost if key in self.born]
        rows = {key: row for row, key in enumerate(self.keys)}
        sums = self.lines[:, : windows * width].reshape(len(self.keys), windows, width).sum(axis=2)
        changed: list[tuple[Key, Episode]] = []
        for row, scope in enumerate(found.scopes):
            lines = np.asarray(sum((sums[rows[member]] for member in scope.members), np.zeros(windows)))
            self._days(scope, lines, found.counts[row], width)
            changed += self._judge(scope, lines, found, row, width)
        self.lines = np.ascontiguousarray(self.lines[:, windows * width :])
        self.start += windows * width
        return changed

    def _append(self, block: Block, width: int, named: list[Key]) -> None:
        """Add the block's lines. named: stages of the inventory, which may be counted though no line of them comes."""
        grid = block.stage_grid
        lines, first = grid.counts("n"), grid.first.copy()
        _connections(block, lines, first)
        for key, minute in zip(grid.keys, first.tolist(), strict=True):
            if minute < block.minutes:
                self.born.setdefault(key, block.first + minute)
        untold = dict.fromkeys([*self.untold, *grid.keys])
        self.untold = [key for key in untold if key not in self.born]
        known = set(self.keys)
        self.keys += [key for key in dict.fromkeys([*named, *grid.keys]) if key not in known]
        rows = {key: row for row, key in enumerate(self.keys)}
        wide = self.lines.shape[1]
        more = np.zeros((len(self.keys), wide + block.minutes))
        more[: len(self.lines), :wide] = self.lines
        more[np.array([rows[key] for key in grid.keys], dtype=np.int64), wide:] = lines
        begin = block.first - wide
        # What is less than a whole window (at the very first, or when the periods changed) is not judged.
        if self.start < begin or self.start % width:
            self.start = -(-max(begin, self.start) // width) * width
        self.lines = more[:, min(max(self.start - begin, 0), more.shape[1]) :]

    def _days(self, scope: Scope, lines: Floats, counts: Floats, width: int) -> None:
        known = np.flatnonzero(np.isfinite(counts))
        if not len(known):
            return
        self.members[scope.key] = list(scope.members)
        sums = self.days.setdefault(scope.key, {})
        day = (self.start + known * width) // 1440
        for one in np.unique(day).tolist():
            mine = known[day == one]
            old = sums.setdefault(str(one), [0.0, 0.0])
            # A window with more lines than requests does not make up for one that lacks some.
            old[0] += float(np.minimum(lines[mine], counts[mine]).sum())
            old[1] += float(counts[mine].sum())
        oldest = max(int(one) for one in sums) - DAYS
        for one in [one for one in sums if int(one) <= oldest]:
            del sums[one]

    def _judge(self, scope: Scope, lines: Floats, found: Counted, row: int, width: int) -> list[tuple[Key, Episode]]:
        counts, key = found.counts[row], scope.key
        # Before its first line a stage was not logged, or its logs are not here: that is not a loss.
        born = min((self.born[member] for member in scope.members if member in self.born), default=None)
        if born is None:
            return []
        begun = self.start + (np.arange(len(counts)) + 1) * width > born
        low = np.isfinite(counts) & (counts > 0) & (lines < LOW * counts) & begun
        if not low.any() and key not in self.runs and key not in self.episodes:
            return []
        changed: dict[int, tuple[Key, Episode]] = {}
        for spot in np.flatnonzero(np.isfinite(counts) & (counts > 0) & begun).tolist():
            minute = self.start + spot * width
            seen, due = float(lines[spot]), float(counts[spot])
            episode = self.episodes.get(key)
            if episode is not None:
                self._go_on(key, episode, minute, width, seen, due, low=bool(low[spot]))
                changed[episode.start] = (key, episode)
                continue
            if not low[spot]:
                self.runs.pop(key, None)
                continue
            run = self.runs.setdefault(key, [float(minute), 0.0, 0.0])
            run[1] += seen
            run[2] += due
            lasted = minute + width - run[0]
            if lasted >= LASTING and run[2] - run[1] >= LEAST_MISSING:
                closes = (minute + width + GRACE) * MINUTE_US + CLOSE_US
                episode = Episode(int(run[0]), closes, minute + width - 1)
                episode.observed, episode.expected = run[1], run[2]
                episode.score = _surprise(run[1], run[2])
                episode.facts = {
                    "quiet": 0.0,
                    "again": [0.0, 0.0],
                    "members": _listed(scope.members),
                    "connections": scope.connections,
                }
                episode.chart(minute, seen, due, None)
                del self.runs[key]
                self.episodes[key] = episode
                changed[episode.start] = (key, episode)
        return list(changed.values())

    def _go_on(
        self, key: Key, episode: Episode, minute: int, width: int, seen: float, due: float, *, low: bool
    ) -> None:
        facts = episode.facts
        episode.chart(minute, seen, due, None)
        if not low:
            facts["quiet"] += width
            facts["again"] = [facts["again"][0] + seen, facts["again"][1] + due]
            if facts["quiet"] >= LASTING:
                episode.end = episode.last + 1
                del self.episodes[key]
            return
        episode.observed += seen + facts["again"][0]
        episode.expected += due + facts["again"][1]
        facts["quiet"], facts["again"] = 0.0, [0.0, 0.0]
        episode.last = minute + width - 1
        episode.score = _surprise(episode.observed, episode.expected)


def _connections(block: Block, lines: Floats, first: Ints) -> None:
    """Of WebSocket stages put those of `$connect` in place of all lines (stages × minutes) and of their first minute.

    A stage whose connections no line tells has none, and counts as not logged.
    """
    grid = block.stage_grid
    rows = np.flatnonzero(grid.of_type(ApiType.WEBSOCKET.value))
    if not len(rows):
        return
    lines[rows], first[rows] = 0.0, block.minutes
    routes = block.route_grid
    counts = routes.counts("n")
    of = {grid.keys[row]: row for row in rows.tolist()}
    for spot, key in enumerate(routes.keys):
        row = of.get(key[:-1])
        if row is not None and key[-1] == CONNECT:
            lines[row], first[row] = counts[spot], routes.first[spot]


def share_of(state: JSON, key: Key, first: int, last: int) -> tuple[float, float] | None:
    """Lines and requests of a stage on the days of minutes first … last, from `Coverage.dump`; None: unknown."""
    if not isinstance(state, dict) or not state:
        return None
    known = cast(dict[str, Any], state)
    scopes = [tuple(scope) for scope, members in known["members"] if any(same_stage(key, one) for one in members)]
    lines = counts = 0.0
    for scope, days in known["days"]:
        if tuple(scope) in scopes:
            for day, (seen, due) in days.items():
                if first // 1440 <= int(day) <= last // 1440:
                    lines, counts = lines + seen, counts + due
    return (lines, counts) if scopes and counts > 0 else None


def same_stage(one: Sequence[str | None], other: Sequence[str | None]) -> bool:
    """Is it one stage, as far as both say? Keys of account, region, API, stage."""
    places = zip(one[:2], other[:2], strict=True)
    return list(one[2:4]) == list(other[2:4]) and all(a is None or b is None or a == b for a, b in places)


def shares(state: JSON) -> list[tuple[Key, float, float]]:
    """(stage, lines, requests) of each scope over all days that are kept."""
    if not isinstance(state, dict) or not state:
        return []
    known = cast(dict[str, Any], state)
    out = []
    for scope, days in known["days"]:
        out.append((tuple(scope), sum(one[0] for one in days.values()), sum(one[1] for one in days.values())))
    return out


def _surprise(seen: float, due: float) -> float:
    """Nats of so few lines when one in fifty may be missing."""
    return -float(nats(np.array([seen]), np.array([WHOLE * due]), np.array([1e9]))[0])


def _sorted(keyed: dict[Key, Any]) -> list[Key]:
    return sorted(keyed, key=lambda key: tuple(part or "" for part in key))


def _listed(keys: Any) -> list[JSON]:
    return [list(key) for key in keys]
