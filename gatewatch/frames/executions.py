"""Requests and what the execution log says of them, joined: a cause that the access log could not tell is told."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from gatewatch.frames.inprocess import asking, in_process

_KEYS = ("at", "api", "status", "request_id", "extended_request_id", "reject_cause", "throttle_scope")
_WITHIN_S = 120
"""So far may the access log's time lie from the execution log's, where both know a request only by its requestId.

A client may choose that id (`x-amzn-RequestId`), and choose it again; the extended one is the gateway's own.
"""

_WANTED = """
    e.reject_cause IS NOT NULL AND (r.api IS NULL OR e.api IS NULL OR r.api = e.api)
    AND (r.reject_cause = 'unknown' OR e.reject_cause IN ('throttle', 'quota'))
"""
_REFINED = f"""
    SELECT row, max_by(reject_cause, named) AS cause, max_by(throttle_scope, named) AS scope FROM (
        SELECT row, e.reject_cause, e.throttle_scope,
               (coalesce(e.throttle_scope, 'unknown') <> 'unknown')::INT AS named
        FROM requests AS r JOIN executions AS e USING (extended_request_id) WHERE {_WANTED}
        UNION ALL
        SELECT row, e.reject_cause, e.throttle_scope,
               (coalesce(e.throttle_scope, 'unknown') <> 'unknown')::INT AS named
        FROM requests AS r JOIN executions AS e USING (request_id)
        WHERE (e.extended_request_id IS NULL OR r.extended_request_id IS NULL)
          AND abs(e."at" - r."at") <= {_WITHIN_S * 1_000_000} AND {_WANTED}
    ) GROUP BY row ORDER BY row
"""
"""Requests: those alone that a cause may be told of."""


def refined(requests: pa.Table, executions: pa.Table | None) -> pa.Table:
    """The requests (columns of REQUESTS) with reject_cause and throttle_scope of EXECUTIONS where they had none.

    A cause that the access log tells stays: an execution log only says what is unknown.
    """
    if executions is None or not executions.num_rows or not requests.num_rows:
        return requests
    if not set(_KEYS) <= set(requests.column_names):
        return requests
    cause = requests.column("reject_cause")
    scope = pc.fill_null(requests.column("throttle_scope"), "unknown")
    unknown = pc.or_(pc.equal(cause, "unknown"), pc.and_(pc.equal(cause, "throttle"), pc.equal(scope, "unknown")))
    numbered = requests.select(_KEYS).append_column("row", pa.array(range(requests.num_rows), pa.int64()))
    asked = _plain(
        numbered.filter(pc.and_(pc.fill_null(unknown, False), pc.greater_equal(requests.column("status"), 400)))
    )
    if not asked.num_rows:
        return requests
    with asking("merging", in_process) as connection:
        connection.register("requests", asked)
        connection.register("executions", _plain(executions))
        told = connection.execute(_REFINED).fetchall()
    causes = requests.column("reject_cause").to_pylist()
    scopes = requests.column("throttle_scope").to_pylist()
    for row, cause, scope in told:
        causes[row], scopes[row] = cause, scope
    for name, values in (("reject_cause", causes), ("throttle_scope", scopes)):
        place = requests.schema.get_field_index(name)
        field = requests.schema.field(place)
        requests = requests.set_column(place, field, pa.array(values, pa.string()).cast(field.type))
    return requests


def _plain(table: pa.Table) -> pa.Table:
    """`at` as microseconds, which need no calendar."""
    place = table.schema.get_field_index("at")
    return table.set_column(place, "at", table.column("at").cast(pa.int64()))
