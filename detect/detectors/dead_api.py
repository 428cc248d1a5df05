"""dead_api: an API that should answer and does not, or is declared and never called.

live_outage: requests were expected and none came, or none was answered without a server error. taken_offline: so
for half a day, or at a change that removes it. dead: no call for `dead_after_days`. unused, zombie, shadow: by the
inventory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from detect import codec
from detect.consumers import is_key, key_id
from detect.episodes import BEFORE, Episode
from detect.grid import CLOSE_US, MINUTE_US, Floats, Key
from detect.inventory import Declared, declared
from detect.model import Block, Context, Step, detector, epoch_minute, minute_at
from detect.ordinary import PROBING
from detect.policy import budget_of, severity_of
from detect.removed import Removals, removals, removes
from detect.report import changes_for, finding, number, place, span_words
from detect.sight import dead_blind, remember
from detect.silence import REMOVED_BEFORE, Silence
from gatewatch.records import JSON, Cause, Change, Entities, Finding, Kind, Severity

OFFLINE_MINUTES = 12 * 60
OFFLINE_MISSED = 100.0
UNUSED_MINUTES = 7 * 1440
SHADOW_CALLS = 20
GAP_GUARD = 1.5
LEFT = 3.0
"""Calls of monitors or scanners from which it was they who went on."""


@detector("dead_api")
@dataclass(frozen=True)
class DeadApi:
    name: str = "dead_api"

    def start(self) -> JSON:
        return {}

    def step(self, state: JSON, block: Block, context: Context) -> Step:
        known = cast(dict[str, JSON], state or {})
        silence = codec.revived(known.get("silence"), lambda: Silence(budget_of(context.settings, self.name)))
        silence.watch = context.watch
        clock = block.first + block.minutes
        stages = dict.fromkeys([*(key for key in silence.counting.keys if len(key) == 4), *block.stage_grid.keys])
        removed = removals(context, stages)
        changed = silence.step(block, context.consumers, removed)
        findings = [_outage(silence, row, episode, context, clock, removed) for row, episode in changed]
        calls = codec.revived(known.get("calls"), Calls)
        calls.take(block)
        silent = [silence.counting.keys[row] for row in silence.episodes]
        findings += calls.dead(context, {key[:4] for key in silent if not is_key(key)})
        findings += calls.by_inventory(context)
        sight = remember(known.get("sight"), block)
        after = {name: codec.kept(part, live=context.live) for name, part in (("silence", silence), ("calls", calls))}
        return {**after, "sight": sight}, findings, dead_blind(sight) + silence.warming()


def _outage(silence: Silence, row: int, episode: Episode, context: Context, clock: int, gone: Removals) -> Finding:
    if is_key(silence.counting.keys[row]):
        return _gone(silence.counting.keys[row], episode, context, clock)
    key, route = silence.counting.keys[row][:4], (*silence.counting.keys[row], None)[4]
    length = (episode.end or clock) - episode.start
    errors = float(episode.facts["errors"])
    failing = errors > 0 and errors >= 0.4 * (errors + episode.observed)
    # Who is called once an hour is silent from the last call on, not from the removal.
    noticed = episode.detected_us // MINUTE_US
    by_hand = [at for at in gone.get(key, ()) if episode.start - REMOVED_BEFORE <= at <= noticed and not failing]
    since = max(by_hand, default=episode.start)
    changes, likely = changes_for(context, Kind.DEAD_API, key, since, failing=failing)
    removed = bool(changes) and removes(changes[0])
    # Where changes are known and none removed it, it is an outage however long it takes.
    long = length >= OFFLINE_MINUTES and episode.expected >= OFFLINE_MISSED and not failing
    offline = removed or (long and not context.changes)
    monitors, strays = cast(list[float], episode.facts["beside"])
    subtype = "taken_offline" if offline else "live_outage"
    if not failing and not removed:
        if route is not None:
            subtype = "no_longer_called"
        elif max(monitors, strays) >= LEFT:
            subtype = "only_health_checks" if monitors >= strays else "only_scanners"
    left = subtype not in {"taken_offline", "live_outage"}
    cause_seen = _cause(failing, cast(list[float], episode.facts["kinds"]))
    cause = Cause.CONFIG_CHANGE if likely else Cause.CLIENT if left else cause_seen
    share = errors / max(errors + episode.observed, 1.0)
    what = "answers only with server errors" if share >= 0.995 else "answers mostly with server errors"
    silent = not failing and not errors and not round(episode.observed) and not monitors + strays
    what = what if failing else "gets no requests" if silent else "gets no requests that succeed"
    rate = episode.expected / max(length, 1)
    few = max(round(episode.observed), 0)
    answered = "no request was" if not few else "one request was" if few == 1 else f"{number(few)} requests were"
    sentence = (
        f"For {span_words(length)} {'no request came in' if silent else f'{answered} answered well'} "
        f"where {number(episode.expected)} "
        f"({number(rate)} a minute) were expected" + (f"; {number(errors)} ended in a server error." if errors else ".")
    )
    if monitors + strays and not failing:
        sentence += f" {number(monitors)} calls of monitors and {number(strays)} to routes that do not exist went on."
    base = Severity.MEDIUM if left else Severity.CRITICAL if episode.expected >= 100 or failing else Severity.HIGH
    alone = bool(episode.facts["alone"])
    doubts = (
        (alone, "No other API is in these logs: a stop of log delivery looks the same."),
        (episode.facts["sole"], "All of its calls came from one caller, which may have stopped by itself."),
    )
    caveats = [text for holds, text in doubts if holds and not failing]
    return finding(
        Kind.DEAD_API,
        key,
        episode,
        scope="live" if route is None else f"live {route}",
        route=route,
        subtype=subtype,
        severity=severity_of(base, ratio=3.0, minutes=0),
        confidence=0.95 if failing or not alone else 0.75,
        title=f"{place(key)} {route or ''}".strip()
        + " "
        + ("was taken offline" if offline else _TITLES.get(subtype, what)),
        cause=cause,
        entities=Entities(),
        unit="successful requests",
        sentence=sentence,
        facts={
            "expected_missed": round(episode.expected, 1),
            "server_errors": errors,
            "minutes": length,
            "longest_gap_expected": round(float(episode.facts["gap"]), 2),
            "in_the_back_end": failing and cause_seen is Cause.INTEGRATION,
        },
        remedy=(
            "Look at the integration's own logs and at the last deployment; roll back if they began together."
            if failing
            else "Put back what was removed, unless it was meant to go; then tell its callers."
            if removed
            else "If this was meant, remove the stage and tell its callers; if not, restore its callers' route to it."
            if left
            else "Look before the gateway: DNS, the custom domain and its mapping, the CDN, the callers' network. If "
            "it was meant, remove the stage and tell its callers."
        ),
        caveat=" ".join(caveats) or None,
        changes=changes,
        counts={"status_max": 499, "except_causes": (PROBING,)},
        # What failed; or, in a silence, the last that was answered.
        shown={"status_max": None, "status_min": 500}
        if failing
        else {"since": minute_at(episode.start - BEFORE), "until": minute_at(episode.start)},
    )


def _gone(series: Key, episode: Episode, context: Context, clock: int) -> Finding:
    """A customer's key that is used no more while all others are."""
    key, ident = series[:4], key_id(series)
    length = (episode.end or clock) - episode.start
    name = context.consumers.names.get(ident) or ident
    changes, _ = changes_for(context, Kind.DEAD_API, key, episode.start, failing=False)
    return finding(
        Kind.DEAD_API,
        key,
        episode,
        scope=f"key {ident}",
        subtype="no_longer_called",
        severity=severity_of(Severity.MEDIUM, ratio=3.0, minutes=0),
        confidence=0.75,
        title=f"API key {name} does not call {place(key)} any more",
        cause=Cause.CLIENT,
        entities=Entities(api_key_ids=(ident,)),
        unit="minutes with a call",
        sentence=(
            f"In {span_words(length)} the API key {name} called in {number(episode.observed)} minutes where "
            f"{number(episode.expected)} were expected; other callers go on."
        ),
        facts={
            "expected_missed": round(episode.expected, 1),
            "minutes": length,
            "longest_gap_expected": round(float(episode.facts["gap"]), 2),
            "api_key_id": ident,
        },
        remedy="Ask the customer: a failed release, a lost or rotated key, or one who went elsewhere.",
        changes=changes,
        shown={
            "caller": ident,
            "since": minute_at(episode.start - BEFORE),
            "until": minute_at(episode.start),
        },
    )


_TITLES = {
    "no_longer_called": "is not called any more",
    "only_health_checks": "is only called by monitors",
    "only_scanners": "is only called by scanners",
}


def _cause(failing: bool, kinds: list[float]) -> Cause:
    """kinds: back-end errors and timeouts, configuration errors, authorizer failures."""
    if not failing:
        return Cause.UNKNOWN
    back_end, config, authorizer = kinds
    if max(config, authorizer) > back_end:
        return Cause.GATEWAY
    return Cause.INTEGRATION


class Calls:
    """When each stage and route was first and last called, its longest gap, and how often it was called."""

    def __init__(self) -> None:
        self.first = self.clock = -1
        self.seen: dict[Key, list[int]] = {}

    def load(self, state: JSON) -> None:
        if not isinstance(state, dict) or not state:
            return
        self.first = cast(int, state["first"])
        for row in cast(list[list[JSON]], state["seen"]):
            self.seen[tuple(cast(list[str | None], row[0]))] = cast(list[int], row[1])

    def dump(self) -> JSON:
        rows: list[JSON] = [[list(key), cast(JSON, value)] for key, value in sorted(self.seen.items(), key=_by_call)]
        return {"first": self.first, "seen": rows}

    def take(self, block: Block) -> None:
        """Look at a block."""
        self.first = block.first if self.first < 0 else self.first
        self.clock = block.first + block.minutes
        for grid in (block.stage_grid, block.route_grid):
            counts = grid.counts("n")
            row, at = np.nonzero(counts)
            begins = np.flatnonzero(np.diff(row, prepend=-1))
            ends = np.append(begins[1:], len(row))[: len(begins)] - 1
            gaps = np.diff(at, prepend=0)
            gaps[begins] = 0
            longest = np.maximum.reduceat(gaps, begins) if len(row) else gaps
            totals = counts.sum(axis=1)[row[begins]]
            told = (row[begins], at[begins] + block.first, at[ends] + block.first, longest, totals)
            for line, first, last, pause, total in zip(*(part.tolist() for part in told), strict=True):
                key = grid.keys[line]
                old = self.seen.get(key)
                before = 0 if old is None else old[3]
                reached = -1 if old is None else old[4]
                if reached < 0:
                    reached = _reaches(counts[line], block.first, before, SHADOW_CALLS)
                if old is not None:
                    pause = max(old[2], pause, first - old[1])
                    first = old[0]
                self.seen[key] = [first, last, pause, before + int(total), reached]

    def dead(self, context: Context, silent: set[Key]) -> list[Finding]:
        """Stages and routes without a call for the set time, beyond their longest gap."""
        days = context.settings.dead_after_days
        out = []
        over = [item for item in self.seen.items() if item[1][1] + days * 1440 < self.clock]
        for key, (first, last, gap, total, _) in sorted(over, key=_by_call):
            due = last + int(max(days * 1440, GAP_GUARD * gap)) + 1
            if due > self.clock or last - first < 1440 or key[:4] in silent:
                continue
            stage = self.seen.get(key[:4])
            if len(key) == 5 and stage is not None and stage[1] < due:
                continue
            what = f"{place(key)} {key[4]}" if len(key) == 5 else place(key)
            out.append(
                _quiet(
                    "dead",
                    key,
                    start=last + 1,
                    decided=due,
                    title=f"{what} is not called any more",
                    sentence=f"The last of {total:,} calls came at {minute_at(last):%Y-%m-%d %H:%M} UTC, more than "
                    f"{days:g} days before.",
                    severity=Severity.LOW,
                    remedy="Ask the owner, switch it off for a day, then remove it.",
                    facts={"last_call_minute": last, "longest_gap_minutes": gap, "calls": total},
                )
            )
        return out

    def by_inventory(self, context: Context) -> list[Finding]:
        """unused: declared, not called for a week of logs. zombie: deprecated, still called. shadow: not declared."""
        known = declared(context.inventory)
        if not known:
            return []
        out = []
        by_place: dict[tuple[str | None, str | None], list[int]] = {}
        for key, value in self.seen.items():
            if len(key) == 4:
                by_place[key[2], key[3]] = value
                by_place.setdefault((key[2], None), value)
        decided = self.first + UNUSED_MINUTES
        for one in known:
            seen = by_place.get((one.api, one.stage))
            fresh = one.created is not None and epoch_minute(one.created) > self.first - 1440
            if self.clock >= decided and not fresh and (seen is None or seen[0] >= decided):
                out.append(_unused(one, self.first, decided, None if seen is None else seen[0]))
            if seen is not None and one.deprecated and seen[4] >= 0:
                out.append(_zombie(one, seen))
        apis = {one.api for one in known}
        places = {(one.api, one.stage) for one in known}
        for key, value in self.seen.items():
            if len(key) == 4 and value[4] >= 0 and key[2] in apis and (key[2], key[3]) not in places:
                out.append(
                    _quiet(
                        "shadow",
                        key,
                        start=value[0],
                        decided=value[4],
                        title=f"{place(key)} is called but not declared",
                        sentence=f"{value[3]:,} calls to a stage that the inventory does not have.",
                        severity=Severity.LOW,
                        remedy="Find out who deployed the stage; add it to the inventory or remove it.",
                        facts={"calls": value[3]},
                        calls=value[3],
                        last=value[1],
                    )
                )
        return out


def _by_call(item: tuple[Key, list[int]]) -> tuple[int, tuple[str, ...]]:
    """By first call, then key: the order does not tell how the input was cut."""
    return item[1][0], tuple(part or "" for part in item[0])


def _reaches(counts: Floats, first: int, before: int, least: int) -> int:
    """The minute (counts are of those from `first` on) at which the sum of calls reaches `least`, -1 if it does not."""
    running = np.cumsum(counts) + before
    place = int(np.searchsorted(running, least))
    return first + place if place < len(running) else -1


def _unused(one: Declared, first: int, decided: int, called: int | None) -> Finding:
    key: Key = (one.account, one.region, one.api, one.stage)
    return _quiet(
        "unused",
        key,
        start=first,
        decided=decided,
        end=called,
        title=f"{place(key)} ({one.name}) is declared but never called",
        sentence="No call in all logs that were read, a week at least.",
        severity=Severity.LOW,
        remedy="Ask the owner; remove the stage when nobody needs it, after a day switched off.",
        facts={"created": None if one.created is None else one.created.isoformat()},
        confidence=0.6,
        caveat="A caller that comes once a month or quarter would not be in these logs yet.",
    )


def _zombie(one: Declared, seen: list[int]) -> Finding:
    key: Key = (one.account, one.region, one.api, one.stage)
    return _quiet(
        "zombie",
        key,
        start=seen[0],
        decided=seen[4],
        title=f"{place(key)} ({one.name}) is deprecated but still called",
        sentence=f"{seen[3]:,} calls to something that is marked deprecated.",
        severity=Severity.LOW,
        remedy="Tell the callers when it ends, and return a Deprecation header until then.",
        facts={"calls": seen[3]},
        calls=seen[3],
        last=seen[1],
    )


def _quiet(
    subtype: str,
    key: Key,
    *,
    start: int,
    decided: int,
    title: str,
    sentence: str,
    severity: Severity,
    remedy: str,
    facts: dict[str, JSON],
    confidence: float = 0.8,
    caveat: str | None = None,
    end: int | None = None,
    calls: int = 0,
    last: int | None = None,
) -> Finding:
    """A finding that no episode carries; decided: the minute that settled it. calls: so many from start to `last`."""
    episode = Episode(start, (decided + 1) * MINUTE_US + CLOSE_US, decided if last is None else last, end)
    episode.observed = float(calls)
    changes: tuple[Change, ...] = ()
    return finding(
        Kind.DEAD_API,
        key,
        episode,
        scope=f"{subtype} {key[4] if len(key) == 5 else ''}",
        subtype=subtype,
        severity=severity,
        confidence=confidence,
        title=title,
        cause=Cause.UNKNOWN,
        entities=Entities(),
        unit="calls",
        sentence=sentence,
        facts=facts,
        remedy=remedy,
        route=key[4] if len(key) == 5 else None,
        caveat=caveat,
        changes=changes,
        counts={},
    )
