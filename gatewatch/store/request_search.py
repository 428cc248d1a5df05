"""Requests that fit terms, a page at a time, newest or oldest first.

A request has no number of its own: a page ends at an instant and at so many rows of it, in an order that neither
joining of segments nor new data of other times changes. A page that looked at SEARCHED rows without being full ends
there, and says how far it came; so nobody waits for a needle in a year of hay.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from gatewatch.frames import REQUESTS
from gatewatch.frames.schema import TIME
from gatewatch.store.executions import with_executions
from gatewatch.store.lake import Segment
from gatewatch.store.manifest import segments
from gatewatch.store.reading import FILES_AT_ONCE, REQUESTS_READ, of_segments
from gatewatch.store.request_fields import CLIENT_ID_SQL, conditions_sql
from gatewatch.store.state import State
from gatewatch.where import Term

MOST = 1000
SEARCHED = 20_000_000
"""Rows of segments that one page looks through, at most."""

_FIRST_FILES = 2

_TIES = ("request_id", "extended_request_id", "source", "path", "client_ip")
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Found:
    """rows: REQUESTS and client_id. searched_to: how far the page looked; None: to the end of what was asked."""

    rows: pa.Table
    next_cursor: str | None
    searched_to: datetime | None


def find_requests(
    state: State,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    terms: tuple[Term, ...] = (),
    limit: int = 100,
    cursor: str | None = None,
    newest_first: bool = True,
    searched: int = SEARCHED,
) -> Found:
    """A page of the requests of [since, until). ValueError: the cursor is none that an earlier page gave."""
    limit, skip = max(1, min(limit, MOST)), 0
    if cursor is not None:
        at, skip = _read(cursor, newest_first)
        since, until = (since, at + _INSTANT) if newest_first else (at, until)
    with state.read() as session:
        listed = segments(session, "requests", since, until)
    listed.sort(key=lambda one: one.max_at if newest_first else one.min_at, reverse=newest_first)
    found, looked, wanted = REQUESTS_READ.empty_table(), 0, skip + limit + 1
    at_once, counted = _FIRST_FILES, False  # most pages end within them
    while listed and looked < searched and not _enough(found, wanted, listed[0], newest_first):
        some, listed = listed[:at_once], listed[at_once:]
        looked += sum(one.rows for one in some) if counted else 0
        at_once, counted = FILES_AT_ONCE, True
        more = _ask(state, some, since, until, terms, wanted, newest_first)
        found = _first(pa.concat_tables([found, more]), wanted, newest_first)
    reached = None
    if listed and not _enough(found, wanted, listed[0], newest_first):
        # What lies on the far side of the next segment's end is known to be complete.
        reached = listed[0].max_at if newest_first else listed[0].min_at
        beyond = pc.greater if newest_first else pc.less
        found = found.filter(beyond(found.column("at"), pa.scalar(reached, TIME)))
    page = with_executions(state, found.slice(skip, limit).combine_chunks())
    if found.num_rows > skip + limit:
        return Found(page, _cursor(found, skip + limit, newest_first), None)
    if reached is not None:
        return Found(page, _written(reached, 0, newest_first), reached)
    return Found(page, None, None)


def every_request(
    state: State,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    terms: tuple[Term, ...] = (),
    most: int,
) -> pa.Table:
    """All requests of [since, until), newest first, but no more than `most`."""
    with state.read() as session:
        listed = segments(session, "requests", since, until)
    listed.sort(key=lambda one: one.max_at, reverse=True)
    found = REQUESTS_READ.empty_table()
    while listed and not _enough(found, most, listed[0], newest_first=True):
        some, listed = listed[:FILES_AT_ONCE], listed[FILES_AT_ONCE:]
        more = _ask(state, some, since, until, terms, most, newest_first=True)
        found = _first(pa.concat_tables([found, more]), most, newest_first=True)
    return found.combine_chunks()


def count_requests(
    state: State, *, since: datetime | None = None, until: datetime | None = None, terms: tuple[Term, ...] = ()
) -> int:
    """How many requests of [since, until) there are."""
    condition, values = conditions_sql(terms)
    for name, op, at in (("since", ">=", since), ("until", "<", until)):
        if at is not None:
            condition, values[name] = f'{condition} AND "at" {op} ${name}', at
    with state.read() as session:
        listed = segments(session, "requests", since, until)
    if not listed:
        return 0
    query = f"SELECT count(*)::BIGINT AS n FROM ({{rows}}) WHERE {condition}"
    return int(of_segments(state, listed, REQUESTS, query, values).column("n")[0].as_py())


GREATEST: dict[str, str] = {"latency": "latency_ms", "size": "response_bytes", "status": "status"}
"""What requests can be put in order by beside their time, the greatest first."""


def greatest_requests(
    state: State, by: str, *, since: datetime, until: datetime, terms: tuple[Term, ...] = (), limit: int = 100
) -> pa.Table:
    """Those of [since, until) with the greatest value of GREATEST[by], over all that are stored; unknown ones last."""
    condition, values = conditions_sql(terms)
    values |= {"since": since, "until": until}
    with state.read() as session:
        listed = segments(session, "requests", since, until)
    found = REQUESTS_READ.empty_table()
    order = f'{GREATEST[by]} DESC NULLS LAST, "at" DESC, ' + ", ".join(f"{one} NULLS LAST" for one in _TIES)
    query = (
        f"SELECT *, {CLIENT_ID_SQL} AS client_id FROM ({{rows}}) WHERE {condition} "
        f'AND "at" >= $since AND "at" < $until ORDER BY {order} LIMIT {limit:d}'
    )
    last = "at_end"
    keys = [(GREATEST[by], "descending", last), ("at", "descending", last)]
    keys += [(name, "ascending", last) for name in _TIES]
    for begin in range(0, len(listed), FILES_AT_ONCE):
        some = of_segments(state, listed[begin : begin + FILES_AT_ONCE], REQUESTS, query, values).cast(REQUESTS_READ)
        both = pa.concat_tables([found, some])
        found = both.take(pc.sort_indices(both, sort_keys=keys)).slice(0, limit)
    return with_executions(state, found.combine_chunks())


def _ask(
    state: State,
    some: list[Segment],
    since: datetime | None,
    until: datetime | None,
    terms: tuple[Term, ...],
    limit: int,
    newest_first: bool,
) -> pa.Table:
    condition, values = conditions_sql(terms)
    if since is not None:
        condition, values["since"] = f'{condition} AND "at" >= $since', since
    if until is not None:
        condition, values["until"] = f'{condition} AND "at" < $until', until
    query = (
        f"SELECT *, {CLIENT_ID_SQL} AS client_id FROM ({{rows}}) WHERE {condition} "
        f'ORDER BY "at" {"DESC" if newest_first else "ASC"}, '
        f"{', '.join(f'{one} NULLS LAST' for one in _TIES)} LIMIT {limit:d}"
    )
    return of_segments(state, some, REQUESTS, query, values).cast(REQUESTS_READ)


def _first(rows: pa.Table, limit: int, newest_first: bool) -> pa.Table:
    order = [("at", "descending" if newest_first else "ascending")]
    return rows.sort_by([*order, *((name, "ascending") for name in _TIES)]).slice(0, limit)


def _enough(found: pa.Table, wanted: int, following: Segment, newest_first: bool) -> bool:
    """No segment from `following` on can hold a row of the page."""
    if found.num_rows < wanted:
        return False
    worst: datetime = found.column("at")[-1].as_py()
    return following.max_at < worst if newest_first else following.min_at > worst


def _cursor(found: pa.Table, end: int, newest_first: bool) -> str:
    """After the row before `end`: its instant, and how many rows of that instant were given."""
    times = found.column("at").slice(0, end).to_pylist()
    last = times[-1]
    return _written(last, sum(1 for one in times if one == last), newest_first)


def _written(at: datetime, skip: int, newest_first: bool) -> str:
    text = f"{'-' if newest_first else '+'}at {at.astimezone(UTC).isoformat()} {skip}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str, newest_first: bool) -> tuple[datetime, int]:
    try:
        if len(cursor) > 200:
            raise ValueError
        raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        order, shown, skip = raw.decode("ascii").split(" ")
        at = datetime.fromisoformat(shown)
        if order != ("-at" if newest_first else "+at") or at.tzinfo is None or not 0 <= int(skip) <= 100_000:
            raise ValueError
        at = at.astimezone(UTC)
        if not 1970 <= at.year < 3000:
            raise ValueError
        return at, int(skip)
    except (ValueError, UnicodeError, binascii.Error, OverflowError):
        raise ValueError("this is not a cursor that an earlier page gave") from None
