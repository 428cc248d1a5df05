"""Questions about raw requests whose answers add up by the hour: an hour that is over is looked through once.

An hour's part is kept for as long as the same segments reach into it (late lines bring others). The ends of the asked
time, which are no whole hours, are kept as long as the same time is asked for.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from gatewatch.store.lake import Segment
from gatewatch.store.manifest import segments
from gatewatch.store.parts import Parts
from gatewatch.store.reading import of_segments
from gatewatch.store.state import State

KEPT = Parts(most=96 << 20)
"""Of this process."""

HOUR = timedelta(hours=1)
_AT_ONCE = 24
_ONE_AT_A_TIME = threading.Lock()
"""Two pages that need the same do not both look."""


def by_the_hour(
    state: State,
    schema: pa.Schema,
    query: str,
    values: Mapping[str, object],
    since: datetime,
    until: datetime,
) -> pa.Table | None:
    """The answers to `query` for each hour, or part of one, of [since, until), below each other; None: no segment.

    query: in it {rows} are requests, {time} the condition on their time, and `hour` an expression to select as `hour`
    and to group by. values: what it names besides.
    """
    with state.read() as session:
        listed = segments(session, "requests", since, until)
    if not listed:
        return None
    first, last = _up(since), _down(until)
    shape = f"{state.lake.root}\0{query}\0{sorted(values.items())!r}"
    tables: list[pa.Table] = []
    with _ONE_AT_A_TIME:
        if first < last:
            tables += _hours(state, shape, schema, query, values, listed, first, last)
            ends = [(since, first), (last, until)]
        else:
            ends = [(since, until)]
        for begin, end in ends:
            if begin < end and (some := _reaching(listed, begin, end)):
                key = f"{begin} {end} {_digest(some)}"
                found, missing = KEPT.get(shape, [key])
                if missing:
                    found = [_asked(state, schema, query, values, some, [(begin, end)])]
                    KEPT.put(shape, {key: found[0]})
                tables += found
    return pa.concat_tables(tables) if tables else None


def _hours(
    state: State,
    shape: str,
    schema: pa.Schema,
    query: str,
    values: Mapping[str, object],
    listed: Sequence[Segment],
    first: datetime,
    last: datetime,
) -> list[pa.Table]:
    reaching: dict[datetime, list[Segment]] = {}
    for one in listed:
        hour = max(_down(one.min_at), first)
        while hour < last and hour <= one.max_at:
            reaching.setdefault(hour, []).append(one)
            hour += HOUR
    keys = {f"{hour} {_digest(some)}": hour for hour, some in reaching.items()}
    found, missing = KEPT.get(shape, list(keys))
    for begin in range(0, len(missing), _AT_ONCE):
        wanted = {keys[key]: key for key in missing[begin : begin + _AT_ONCE]}
        some = list({one.path: one for hour in wanted for one in reaching[hour]}.values())
        table = _asked(state, schema, query, values, some, [(hour, hour + HOUR) for hour in wanted])
        place = table.column("hour").cast(pa.int64())
        made = {
            key: table.filter(pc.equal(place, int(hour.timestamp()) * 1_000_000)).combine_chunks()
            for hour, key in wanted.items()
        }
        KEPT.put(shape, made)
        found += made.values()
    return found


def _asked(
    state: State,
    schema: pa.Schema,
    query: str,
    values: Mapping[str, object],
    some: Sequence[Segment],
    spans: Sequence[tuple[datetime, datetime]],
) -> pa.Table:
    """One question about several spans, which follow each other."""
    joined: list[tuple[datetime, datetime]] = []
    for begin, end in sorted(spans):
        if joined and joined[-1][1] == begin:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    given = dict(values)
    parts = []
    for number, (begin, end) in enumerate(joined):
        parts.append(f'("at" >= $b{number} AND "at" < $e{number})')
        given |= {f"b{number}": begin, f"e{number}": end}
    return of_segments(state, some, schema, query.replace("{time}", f"({' OR '.join(parts)})"), given)


def _reaching(listed: Sequence[Segment], begin: datetime, end: datetime) -> list[Segment]:
    return [one for one in listed if one.max_at >= begin and one.min_at < end]


def _digest(some: Sequence[Segment]) -> str:
    return hashlib.blake2b("\0".join(sorted(one.path for one in some)).encode(), digest_size=16).hexdigest()


def hour_before(at: datetime) -> datetime:
    """The last beginning of an hour before `at`."""
    return _up(at) - HOUR


def _down(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _up(at: datetime) -> datetime:
    whole = _down(at)
    return whole if whole == at else whole + HOUR
