"""Stored requests as the API shows them."""

from __future__ import annotations

import pyarrow as pa

from gatewatch.privacy import Privacy
from gatewatch.records import JSON, iso


def rows(table: pa.Table, privacy: Privacy) -> list[JSON]:
    """Arrow rows as JSON objects; times as ISO 8601 in UTC, whole seconds without a fraction."""
    out: list[JSON] = []
    for row in map(privacy.row, table.to_pylist()):
        out.append({name: iso(value) if hasattr(value, "astimezone") else value for name, value in row.items()})
    return out
