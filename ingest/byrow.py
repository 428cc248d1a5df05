"""The rows of a few lines that were read one by one: in Python, sooner than DuckDB has planned the query for them."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from gatewatch.frames import REQUESTS, visible_mask
from gatewatch.frames.callers import caller_hash_sql
from ingest.canonical_row import canonical_row, given, reason
from ingest.plan import Plan
from ingest.queries import SERIES_SQL, WHO, client_text

_BESIDE = [("event_id", pa.string()), ("caller", pa.string()), ("rank", pa.int32())]
_COLUMNS = pa.schema([("rn", pa.int32()), *REQUESTS, *_BESIDE])


def by_row(
    plan: Plan, rows: pa.Table, schema: pa.Schema, key: str, table_of: Callable[[pa.Table, str], pa.Table]
) -> pa.Table:
    """What the plan's query of rows that were read already gives: `schema`, and `reason`.

    rows: `rn` and the format's variables. key: for hashing secrets, hexadecimal. table_of(table, expressions): of these
    rows; hashes are DuckDB's, or a request would be another one by this way.
    """
    absent = dict.fromkeys(plan.variables)
    records: list[dict[str, object]] = []
    for line in rows.to_pylist():
        variables = absent | line
        why = reason(variables)
        record = canonical_row(variables, plan.constants, key) if why is None else {}
        status = record.get("status")
        if plan.lean and not (isinstance(status, int) and status >= 400):
            record |= dict.fromkeys(WHO)
        caller, rank = client_text(variables)
        beside = {
            "rn": line["rn"],
            "reason": why,
            "event_id": variables.get("x.event_id"),
            "caller": caller,
            "rank": rank,
        }
        records.append(record | beside)
    told = {field.name: pa.array([one.get(field.name) for one in records], field.type) for field in _COLUMNS}
    told["visible"] = pa.array([visible_mask(given(plan.variables, plan.constants))] * len(records), pa.uint64())
    hashed = table_of(
        pa.table(told),
        f'(epoch_us("at") // 60000000)::INTEGER AS minute, {SERIES_SQL} AS series, '
        f"CASE WHEN rank IS NOT NULL THEN {caller_hash_sql('caller', 'rank')} END AS client, "
        f"{plan.identity} AS identity",
    )
    told |= {name: hashed.column(name) for name in hashed.column_names}
    told["reason"] = pa.array([one["reason"] for one in records], pa.string())
    for field in schema:
        if pa.types.is_dictionary(field.type):
            told[field.name] = told[field.name].dictionary_encode()
    return pa.table({name: told[name] for name in [*schema.names, "reason"]})
