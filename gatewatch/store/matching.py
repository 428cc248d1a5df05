"""All requests and minutes that fit terms, segment by segment: for exports, which have no end in sight."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa

from gatewatch.frames import MINUTES, REQUESTS
from gatewatch.frames.selecting import selected
from gatewatch.records import Selection
from gatewatch.store.manifest import segments
from gatewatch.store.reading import REQUESTS_READ, of_segments
from gatewatch.store.request_fields import CLIENT_ID_SQL, conditions_sql
from gatewatch.store.state import State
from gatewatch.where import Term

_PIECE = 100_000
"""Rows of a segment that are in memory at once."""


def matching_requests(
    state: State, since: datetime, until: datetime, terms: tuple[Term, ...]
) -> Iterator[pa.RecordBatch]:
    """REQUESTS and client_id, by the first row of their segment, then by time."""
    condition, values = conditions_sql(terms)
    values |= {"since": since, "until": until}
    with state.read() as session:
        listed = segments(session, "requests", since, until)
    for one in listed:
        for begin in range(0, max(one.rows, 1), _PIECE):
            place = f"row_place >= {begin:d} AND row_place < {begin + _PIECE:d}"
            query = (
                f"SELECT * EXCLUDE (row_place), {CLIENT_ID_SQL} AS client_id FROM ({{rows}}) "
                f'WHERE {condition} AND "at" >= $since AND "at" < $until AND {place} ORDER BY "at"'
            )
            found = of_segments(state, [one], REQUESTS, query, values, numbered=True)
            yield from found.cast(REQUESTS_READ).to_batches(max_chunksize=16_384)


def matching_selected(
    state: State, since: datetime, until: datetime, terms: tuple[Term, ...], asked: Selection | None
) -> Iterator[pa.RecordBatch]:
    """REQUESTS for which all terms and the selection hold, in the same order."""
    for batch in matching_requests(state, since, until, terms):
        rows = pa.Table.from_batches([batch]).select(REQUESTS.names)
        yield from (rows if asked is None else selected(rows, asked)).cast(REQUESTS).to_batches()


def matching_minutes(state: State, since: datetime, until: datetime, terms: tuple[Term, ...]) -> pa.Table:
    """MINUTES rows, not merged. The terms name only fields that minutes have."""
    condition, values = conditions_sql(terms)
    values |= {"since": since, "until": until}
    with state.read() as session:
        listed = segments(session, "minutes", since, until)
    if not listed:
        return MINUTES.empty_table()
    query = f"SELECT * FROM ({{rows}}) WHERE {condition} AND minute >= $since AND minute < $until"
    return of_segments(state, listed, MINUTES, query, values).cast(MINUTES)
