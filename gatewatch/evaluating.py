"""Runs the detectors over what is new in the store, going on from checkpoints; late data replay from the one before.

A checkpoint stands at a full hour: the detectors' states after all minutes before it, and what they had said till then.
Beside it stands what the last evaluation had seen: a digest of the segments and changes of each hour, and the coverage.
From the first hour that differs the minutes are read again, and only those; whatever way the data came, the findings
are those of one run over all of them.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any
from weakref import WeakKeyDictionary

import pyarrow as pa
import pyarrow.compute as pc

from detect import codec
from detect.changes import AFTER
from detect.conclude import CONCLUDED, conclude
from detect.consumers import consumers_of
from detect.inventory import declared
from detect.meter import unknown_names, window_minutes
from detect.model import Context, epoch_minute
from detect.run import BESIDE, beside, cut, fold, frames_of
from detect.standing import DECIDES
from detect.version import code_version
from gatewatch.records import (
    JSON,
    Blind,
    Cause,
    Change,
    Entities,
    Evidence,
    Finding,
    Kind,
    Point,
    Severity,
)
from gatewatch.recounting import judged
from gatewatch.settings import Settings
from gatewatch.store.changes import change_keys
from gatewatch.store.detector_state import forget_states, load_state, save_state, states_before
from gatewatch.store.inventories import current_digests, current_inventory, version_times
from gatewatch.store.lake import added
from gatewatch.store.manifest import covered, has_segments, segments
from gatewatch.store.reading import coverage
from gatewatch.store.state import Session, State
from gatewatch.surroundings import surrounded, with_spans

CHECKPOINTS = "detect"
SEEN = "detect.seen"

HISTORY_DAYS = 21.0
"""Least history of a run from nothing: three weeks, so that a time-of-week baseline has something to stand on."""

_REMEMBERED = timedelta(days=14)  # findings that ended longer ago cannot share a cause with a new one
_HOUR = timedelta(hours=1)
_RECENT = timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the store held: digest of each hour's segments, coverage, and the end of the last closed minute.

    key: of all that a state depends on as a whole. beside: of what only explains findings. meter: how the counts of
    metrics were taken (windows, the API that was given the one name left). recent: the digests of the last hours by the
    first minute of their segments.
    """

    key: str
    until: datetime
    hours: dict[str, str]
    intervals: dict[str, str]
    beside: str = ""
    meter: str = ""
    recent: dict[str, str] = field(default_factory=dict, compare=False)

    def dump(self) -> bytes:
        listed = [self.key, self.until.isoformat(), self.hours, self.intervals, self.beside, self.meter, self.recent]
        return json.dumps(listed).encode()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """States after all minutes before `at`; said: what stood then, before symptoms are joined to their cause."""

    at: datetime
    states: dict[str, JSON] = field(default_factory=dict)
    said: dict[str, Finding] = field(default_factory=dict)

    def dump(self) -> bytes:
        said = [dataclasses.asdict(finding) for finding in self.said.values()]
        return json.dumps({"states": self.states, "said": said}, default=lambda value: value.isoformat()).encode()


@dataclass(frozen=True, slots=True)
class _Latest:
    """Where this process stands after what it saw last: the states live, so that a minute costs a minute."""

    seen: Seen
    states: dict[str, JSON]
    said: dict[str, Finding]
    blind: list[Blind]


_LATEST: WeakKeyDictionary[State, _Latest] = WeakKeyDictionary()
"""Of each store. Who goes on from it takes it out: what fails leaves nothing half done behind."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """findings: all that stand. What the store has open since [since, until) and is not among them does no longer.

    base: the checkpoint that was gone on from; None: this process knew the states.
    """

    findings: list[Finding]
    blind: list[Blind]
    since: datetime
    until: datetime
    seen: Seen
    base: Checkpoint | None
    checkpoints: list[Checkpoint]

    def save(self, session: Any, settings: Settings) -> None:
        """Keep the checkpoints and what was seen, in the caller's transaction."""
        # The first drops all that came from a history which changed.
        for one in self.checkpoints if self.base is None else (self.base, *self.checkpoints):
            save_state(session, CHECKPOINTS, one.at, one.dump())
        forget_states(session, CHECKPOINTS, self.until - timedelta(hours=settings.late_hours) - _HOUR)
        save_state(session, SEEN, datetime.fromtimestamp(0, UTC), self.seen.dump())


def evaluate(state: State, settings: Settings, horizon: datetime) -> Evaluation | None:
    """Look at all closed minutes before `horizon`; None when nothing changed since the last time.

    Nothing is written: `Evaluation.save` does, together with the findings.
    """
    now_seen = _look(state, settings, horizon)
    with state.read() as session:
        stored = load_state(session, SEEN)
        before = None if stored is None else _read_seen(stored[1])
        if before is not None and before == replace(now_seen, meter=before.meter):
            return None
        until = now_seen.until
        since = until - history(settings)
        changed = _changed_from(before, now_seen, since)
        rows = [] if changed is None else states_before(session, CHECKPOINTS, changed)
    latest = _LATEST.pop(state, None)
    if latest is not None and (changed is None or latest.seen != before or changed < latest.seen.until):
        latest = None
    base = Checkpoint(latest.seen.until) if latest is not None else _base(rows, since)
    context = surrounded(state, Context(settings=settings), base.at, until, history=since, known_until=horizon)
    now_seen = replace(now_seen, meter=_meter(context))
    if (rows or latest is not None) and before is not None and before.meter != now_seen.meter:
        latest, base = None, Checkpoint(since)
        context = surrounded(state, Context(settings=settings), base.at, until, history=since, known_until=horizon)
    minutes, clients = (_before(table, until) for table in judged(state, base.at, until))
    intervals = coverage(state, base.at, until)
    begin = base.at
    if latest is None and not base.states and minutes.num_rows:
        begin = pc.min(minutes.column("minute")).as_py()
    # Copies: a detector may go on writing in the state that it was given.
    states, said, blind = copy.deepcopy(base.states), dict(base.said), list[Blind]()
    if latest is not None:
        states, said, blind = latest.states, latest.said, latest.blind
    checkpoints: list[Checkpoint] = []
    first = epoch_minute(begin)
    for end in _stops(begin, until, settings.late_hours) if latest is None else _hours(begin, until):
        start, stop = epoch_minute(begin), epoch_minute(end)
        if stop > start and (minutes.num_rows or intervals.num_rows):
            blocks = cut(frames_of(minutes, clients, intervals, start, stop))
            found, blind, states = fold(blocks, context, states, live=True)
        else:  # whoever brings no logs wants to hear of changes all the same
            found, states = beside(context, states, first, stop)
        said |= {finding.id: finding for finding in found}
        begin = end
        if end < until or (latest is not None and stop > start and end.minute == 0):
            checkpoints.append(Checkpoint(end, _settled(states, states.keys()), _remembered(said, end)))
    stands = _Latest(now_seen, dict(states), _remembered(said, until), blind)
    # What is said of the minutes that have no logs yet is said anew the next time.
    later, _ = beside(context, _settled(states, BESIDE), first, epoch_minute(horizon))
    said |= {finding.id: finding for finding in later}
    context = with_spans(state, context, said.values(), until)
    found = conclude(list(said.values()), _settled(states, CONCLUDED), until, context)
    _LATEST[state] = stands
    return Evaluation(found, blind, since, until, now_seen, None if latest is not None else base, checkpoints)


def _base(rows: list[tuple[datetime, bytes]], since: datetime) -> Checkpoint:
    return _read_checkpoint(*rows[0]) if rows else Checkpoint(since)


def _settled(states: Mapping[str, JSON], names: Collection[str]) -> dict[str, JSON]:
    """Some of the states as they are now, whatever becomes of those that live."""
    return copy.deepcopy({name: codec.settled(one) for name, one in states.items() if name in names})


def checkpoint_before(state: State, context: Context, at: datetime) -> Checkpoint | None:
    """The last checkpoint at or before `at` that these detectors and settings made; None when there is none.

    Ticks know what is in the store: with documents that somebody brought beside it none fits.
    """
    if context.inventory or context.changes or context.metrics is not None or context.spans is not None:
        return None
    with state.read() as session:
        stored = load_state(session, SEEN)
        if stored is None or _read_seen(stored[1]).key != _key(context.settings, session):
            return None
        rows = states_before(session, CHECKPOINTS, at)
    return _read_checkpoint(*rows[0]) if rows else None


def _key(settings: Settings, session: Session) -> str:
    """Which detectors, settings and declared stages a state comes from, and whether requests were counted."""
    budgets = sorted(settings.detector_budgets.items())
    budget = f"{settings.false_alarms_per_week} {budgets} {settings.dead_after_days} {settings.late_hours}"
    inventory = current_inventory(session)
    known = declared(inventory)
    keys = sorted(consumers_of(inventory).hashes)
    return _digest(f"{code_version()} {budget} {known} {keys} {has_segments(session, 'metrics')}")


def _meter(context: Context) -> str:
    """How counts are taken, as far as it depends on which series there are; empty without metrics."""
    if context.metrics is None:
        return ""
    unknown = unknown_names(context.metrics, context.inventory)
    named = context.metrics.select(["api", "api_name"]).filter(
        pc.is_in(context.metrics.column("api_name").cast(pa.string()), pa.array(unknown, pa.string()))
    )
    given = sorted({str(one) for one in named.column("api").cast(pa.string()).to_pylist()})
    return f"{window_minutes(context.metrics)} {given}"


def history(settings: Settings) -> timedelta:
    """How far a run from nothing looks back."""
    return timedelta(days=max(HISTORY_DAYS, 1.5 * settings.dead_after_days))


def _stops(begin: datetime, until: datetime, late_hours: int) -> list[datetime]:
    """Where the run stops to keep a checkpoint: each full hour that late data may ask for, an hour back at least."""
    last = until.replace(minute=0, second=0, microsecond=0) - _HOUR
    stops = [last - _HOUR * back for back in range(late_hours, -1, -1)]
    return [*(stop for stop in stops if stop > begin), until]


def _hours(begin: datetime, until: datetime) -> list[datetime]:
    """The full hours after `begin`, each of which is to be a checkpoint, and `until`."""
    hour, out = begin.replace(minute=0) + _HOUR, list[datetime]()
    while hour < until:
        out.append(hour)
        hour += _HOUR
    return [*out, until]


def _remembered(said: Mapping[str, Finding], at: datetime) -> dict[str, Finding]:
    return {key: one for key, one in said.items() if one.end is None or one.end > at - _REMEMBERED}


def _look(state: State, settings: Settings, horizon: datetime) -> Seen:
    oldest = horizon - history(settings) - _REMEMBERED
    with state.read() as session:
        kinds = ("minutes", "clients", "metrics", "executions")
        listed = [segment for kind in kinds for segment in segments(session, kind, until=horizon)]
        intervals = covered(session, until=horizon)
        changes = change_keys(session, oldest, horizon)
        beside = [one for kind in ("spans", "executions") for one in segments(session, kind, oldest, horizon)]
        traces = added(segment.token for segment in beside)
        # What has to stand for some time is decided by the clock alone.
        moments = [at for at, _ in changes] + version_times(session, oldest)
        due = sum(at + timedelta(minutes=minutes) <= horizon for at in moments for minutes in DECIDES)
        explained = _digest(f"{current_digests(session)} {traces} {due}")
        key = _key(settings, session)
    newest = [segment.max_at + timedelta(minutes=1) for segment in listed if segment.kind == "minutes"]
    ends = [end for _, _, end in intervals]
    until = min(horizon, max([*newest, *ends], default=horizon)).replace(second=0, microsecond=0)
    parts: dict[str, list[str]] = {}
    minutes: dict[str, list[str]] = {}
    moved = [(segment.min_at, segment.token) for segment in listed]
    # A change may explain what seems to have begun a little before it.
    for at, token in (*moved, *((at - AFTER, change) for at, change in changes)):
        parts.setdefault(_hour(at), []).append(token)
        if at > until - _RECENT:
            minutes.setdefault(at.replace(second=0, microsecond=0).isoformat(), []).append(token)
    hours = {hour: added(tokens) for hour, tokens in parts.items()}  # compaction changes none of them
    recent = {minute: added(tokens) for minute, tokens in minutes.items()}
    spans = {f"{_digest(source)} {start.isoformat()}": end.isoformat() for source, start, end in intervals}
    return Seen(key, until, hours, spans, explained, recent=recent)


def _hour(at: datetime) -> str:
    return at.replace(minute=0, second=0, microsecond=0).isoformat()


def _changed_from(before: Seen | None, now: Seen, since: datetime) -> datetime | None:
    """The first moment about which something new is known; None: everything, from the start.

    What was before `since` counts no longer: old segments may have been removed.
    """
    if before is None or before.key != now.key:
        return None
    moments = [before.until, now.until]
    for hour in before.hours.keys() | now.hours.keys():
        if before.hours.get(hour) != now.hours.get(hour) and datetime.fromisoformat(hour) + _HOUR > since:
            moments.append(_changed_in(hour, before, now))
    for name in before.intervals.keys() | now.intervals.keys():
        old, new = before.intervals.get(name), now.intervals.get(name)
        if old != new:
            ends = [end for end in (old, new) if end is not None]
            moments.append(datetime.fromisoformat(min(ends) if len(ends) == 2 else name.split()[1]))
    return min(moments)


def _changed_in(hour: str, before: Seen, now: Seen) -> datetime:
    """The first minute of an hour whose segments differ; its begin where not all minutes are known one by one."""
    details = []
    for seen in (before, now):
        mine = {minute: token for minute, token in seen.recent.items() if minute[:13] == hour[:13]}
        if added(mine.values()) != seen.hours.get(hour, added(())):
            return datetime.fromisoformat(hour)
        details.append(mine)
    old, new = details
    differ = [minute for minute in old.keys() | new.keys() if old.get(minute) != new.get(minute)]
    return datetime.fromisoformat(min(differ, default=hour))


def _digest(text: str) -> str:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=12).hexdigest()


def _read_seen(body: bytes) -> Seen:
    key, until, *rest = json.loads(body)
    return Seen(key, datetime.fromisoformat(until), *rest)


def _read_checkpoint(at: datetime, body: bytes) -> Checkpoint:
    document = json.loads(body)
    said = [_finding(one) for one in document["said"]]
    return Checkpoint(at, document["states"], {finding.id: finding for finding in said})


def _finding(raw: dict[str, Any]) -> Finding:
    def when(text: str | None) -> datetime | None:
        return None if text is None else datetime.fromisoformat(text)

    evidence = raw["evidence"]
    series = tuple(Point(**{**point, "at": when(point["at"])}) for point in evidence["series"])
    return Finding(
        **{
            **raw,
            "kind": Kind(raw["kind"]),
            "severity": Severity(raw["severity"]),
            "cause": Cause(raw["cause"]),
            "start": when(raw["start"]),
            "end": when(raw["end"]),
            "detected_at": when(raw["detected_at"]),
            "entities": Entities(**{name: tuple(values) for name, values in raw["entities"].items()}),
            "evidence": Evidence(**{**evidence, "series": series}),
            "changes": tuple(Change(**{**change, "at": when(change["at"])}) for change in raw["changes"]),
        }
    )


def _before(table: pa.Table, until: datetime) -> pa.Table:
    return table.filter(pc.less(table.column("minute"), pa.scalar(until, table.schema.field("minute").type)))
