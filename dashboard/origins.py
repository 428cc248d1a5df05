"""Where data come from, as the Sources page shows it: how each source goes, what AWS refuses, what it costs."""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alerts.config import load_alert_config
from dashboard.traffic import bucket_starts, covered, covered_share
from dashboard.view import Window
from gatewatch.connecting import budget_of
from gatewatch.diagnosing import Diagnosis, diagnoses, known_stages
from gatewatch.polling import EVERY
from gatewatch.records import Blind
from gatewatch.store.activity import Batch, batches_of
from gatewatch.store.connections import AwsConnection, Poll, connections, polls
from gatewatch.store.findings import list_blind
from gatewatch.store.leases import last_run
from gatewatch.store.reading import coverage
from gatewatch.store.sources import Source, SourceAccount, accounting, look_job, sources
from gatewatch.store.spending import Spent, ledger
from gatewatch.store.state import Session, State
from ingest.aws.spending import Budget
from ingest.sources.gathered import brings

LEDGER_DAYS = 30
FORECAST_DAYS = 7
OVERDUE = 3
"""A reader is overdue when it was not asked for so many times its period."""

WORKING, WAITING, SILENT, FAILING, BY_HAND = "working", "waiting", "silent", "failing", "by hand"
DENIED, OVERDUE_STATE, NEVER = "partly denied", "overdue", "never asked"


@dataclass(frozen=True, slots=True)
class Origin:
    """A source of lines. looked: (when, error) of the worker's last look, None when nobody knows.

    kind None: nobody registered it; lines came by a command or were pushed. lag: from the newest request of its last
    batch to the moment at which it could be read; None when it brought nothing in the window. brings: what it brings
    instead of lines.
    """

    name: str
    kind: str | None
    location: str
    state: str
    account: SourceAccount | None
    looked: tuple[datetime, str | None] | None
    lines: tuple[float, ...]
    lag: timedelta | None
    covered_share: float
    delivered: tuple[bool, ...]
    brings: str | None = None

    @property
    def taken(self) -> float:
        """Lines kept in the window."""
        return sum(self.lines)


@dataclass(frozen=True, slots=True)
class AwsReader:
    """What one connection is asked for in one region. denied: call -> what AWS said."""

    connection: str
    region: str
    source: str
    state: str
    poll: Poll | None
    denied: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Spending:
    """Of all accounts. days: list price by source of ours. forecast: dollars of this month, None: not known."""

    today: date
    calls: int
    dollars: float
    budget: Budget
    days: dict[date, dict[str, float]]
    operations: list[tuple[str, str, str, int, float]]
    forecast: float | None
    from_days: int

    @property
    def paused(self) -> tuple[str, ...]:
        return self.budget.paused(round(self.dollars * 1e9), self.calls)

    @property
    def sources(self) -> list[str]:
        return sorted({name for day in self.days.values() for name in day})


@dataclass(frozen=True, slots=True)
class Origins:
    """window None: no request was ever stored. ticked: (when, error) of the last evaluation."""

    now: datetime
    window: Window | None
    origins: list[Origin]
    readers: list[AwsReader]
    connections: list[AwsConnection]
    spending: Spending
    stages: list[Diagnosis]
    blind: list[Blind]
    ticked: tuple[datetime, str | None] | None
    starts: list[datetime] = field(default_factory=list)


def origins(state: State, window: Window | None, now: datetime) -> Origins:
    """Everything about where data come from. now: by the real clock, which looks and calls go by."""
    settings = state.settings
    today = now.astimezone(UTC).date()
    silent_after = load_alert_config(settings).silent_after
    with state.read() as session:
        known = connections(session)
        readers = _readers(known, polls(session), now)
        spent = ledger(session, _first_day(today), today)
        blind = list_blind(session)
        ticked = last_run(session, "tick")
        found = _found(session)
        # What was read after the newest request, be it old, is what this range has its requests from.
        batches = batches_of(session, window.since, now if window.stale else window.until) if window else []
    intervals = coverage(state, window.since, window.until) if window else None
    starts = _starts(window)
    listed = [_origin(*one, batches, intervals, window, starts, silent_after, now) for one in found]
    inventory, rates, seen = known_stages(state)
    return Origins(
        now=now,
        window=window,
        origins=sorted(listed, key=lambda one: (_ORDER.index(one.state), one.name)),
        readers=readers,
        connections=known,
        spending=spending(spent, budget_of(settings), today),
        stages=sorted(diagnoses(inventory, rates=rates, coverage=seen), key=_blindest),
        blind=blind,
        ticked=ticked,
        starts=starts,
    )


_ORDER = (FAILING, SILENT, WAITING, WORKING, BY_HAND)

_Found = tuple[str, Source | None, SourceAccount | None, tuple[datetime, str | None] | None]


def _found(session: Session) -> list[_Found]:
    registered = {one.name: one for one in sources(session)}
    accounts = {one.source: one for one in accounting(session)}
    return [
        (name, registered.get(name), accounts.get(name), last_run(session, look_job(name)))
        for name in sorted(registered.keys() | accounts.keys())
    ]


def _starts(window: Window | None) -> list[datetime]:
    """Starts of the buckets of small lines: at most 40."""
    if window is None:
        return []
    size = timedelta(minutes=window.bucket_minutes * 3)
    return bucket_starts(window.since, window.until, size)


def _origin(
    name: str,
    source: Source | None,
    account: SourceAccount | None,
    looked: tuple[datetime, str | None] | None,
    batches: Sequence[Batch],
    intervals: pa.Table | None,
    window: Window | None,
    starts: Sequence[datetime],
    silent_after: timedelta,
    now: datetime,
) -> Origin:
    mine = [one for one in batches if one.source == name]
    lines = np.zeros(len(starts))
    size = timedelta(minutes=window.bucket_minutes * 3) if window else timedelta(minutes=1)
    for one in mine:
        place = (one.committed_at - starts[0]) // size
        if place >= 0:
            lines[min(place, len(starts) - 1)] += one.accepted
    with_requests = [one for one in mine if one.newest_at is not None]
    last = max(with_requests, key=lambda one: one.committed_at, default=None)
    share, delivered = float("nan"), tuple[bool, ...]()
    if window is not None and intervals is not None:
        own = intervals.filter(pc.equal(intervals.column("source"), name))
        share = covered_share(own, window.since, window.until)
        delivered = tuple(bool(one) for one in covered(own, starts, size))
    return Origin(
        name=name,
        kind=source.kind if source else None,
        location=source.location if source else "",
        state=_state(source, account, looked, silent_after, now),
        account=account,
        looked=looked,
        lines=tuple(lines.tolist()),
        lag=None if last is None or last.newest_at is None else max(last.committed_at - last.newest_at, timedelta()),
        covered_share=share,
        delivered=delivered,
        brings=brings(source.kind, source.location) if source else None,
    )


def _state(
    source: Source | None,
    account: SourceAccount | None,
    looked: tuple[datetime, str | None] | None,
    silent_after: timedelta,
    now: datetime,
) -> str:
    if source is None or not source.follow:
        return BY_HAND
    if looked is not None and looked[1] is not None:
        return FAILING
    if brings(source.kind, source.location) is not None:  # nothing may have changed, or been refused, for weeks
        return WAITING if looked is None else WORKING
    if account is None or account.last_commit_at is None:
        return WAITING
    return SILENT if now - account.last_commit_at > silent_after else WORKING


def _readers(known: Sequence[AwsConnection], tried: Sequence[Poll], now: datetime) -> list[AwsReader]:
    by_key: dict[tuple[str, str], list[Poll]] = defaultdict(list)
    for one in tried:
        by_key[one.connection, one.source].append(one)
    out = []
    for connection in known:
        for source in EVERY:
            if source not in connection.sources:
                continue
            found = by_key.get((connection.name, source), [])
            out += [_reader(one, now) for one in found]
            missing = set(connection.regions) - {one.region for one in found}
            if not found and not missing:
                missing = {""}
            out += [AwsReader(connection.name, region, source, NEVER, None, {}) for region in sorted(missing)]
    return out


def _reader(poll: Poll, now: datetime) -> AwsReader:
    cursor = poll.cursor if isinstance(poll.cursor, dict) else {}
    listed = cursor.get("denied")
    denied = {name: str(said) for name, said in listed.items()} if isinstance(listed, dict) else {}
    if poll.error is not None:
        state = FAILING
    elif denied:
        state = DENIED
    elif now - poll.tried_at > OVERDUE * EVERY.get(poll.source, timedelta(hours=1)):
        state = OVERDUE_STATE
    else:
        state = WORKING
    return AwsReader(poll.connection, poll.region, poll.source, state, poll, denied)


def _first_day(today: date) -> date:
    return min(today - timedelta(days=LEDGER_DAYS - 1), today.replace(day=1))


def spending(spent: Sequence[Spent], budget: Budget, today: date) -> Spending:
    """The ledger added up. The forecast takes the mean of the last whole days for those that are left of the month."""
    days: dict[date, dict[str, float]] = {}
    sums: dict[tuple[str, str, str], tuple[int, float]] = {}
    for one in spent:
        day = days.setdefault(one.day, {})
        day[one.source] = day.get(one.source, 0.0) + one.dollars
        key = (one.source, one.service, one.operation)
        calls, dollars = sums.get(key, (0, 0.0))
        sums[key] = (calls + one.calls, dollars + one.dollars)
    ranked = sorted(((*key, *value) for key, value in sums.items()), key=lambda row: (-row[4], -row[3], row[:3]))
    forecast, whole = _forecast(days, today)
    now = [one for one in spent if one.day == today]
    return Spending(
        today=today,
        calls=sum(one.calls for one in now),
        dollars=sum(one.nanos for one in now) / 1e9,
        budget=budget,
        days=days,
        operations=ranked,
        forecast=forecast,
        from_days=whole,
    )


def _forecast(days: Mapping[date, Mapping[str, float]], today: date) -> tuple[float | None, int]:
    """(dollars of this month, whole days that this rests on)."""
    if not days or min(days) >= today:
        return None, 0
    whole = min((today - min(days)).days, FORECAST_DAYS)
    recent = [sum(days.get(today - timedelta(days=back), {}).values()) for back in range(1, whole + 1)]
    left = calendar.monthrange(today.year, today.month)[1] - today.day + 1
    before = sum(sum(day.values()) for at, day in days.items() if today.replace(day=1) <= at < today)
    return before + left * sum(recent) / whole, whole


def _blindest(one: Diagnosis) -> tuple[int, int, str, str]:
    levels = [sight.level for sight in one.sights]
    return (-levels.count("blind"), -levels.count("degraded"), one.log.name, one.log.stage)
