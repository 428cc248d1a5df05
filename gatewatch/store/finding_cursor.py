"""Orders of lists of findings, and where a page of one ended."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy.orm import InstrumentedAttribute

from gatewatch.store.models import FindingRow

SORTS: dict[str, InstrumentedAttribute[Any]] = {
    "start": FindingRow.start_at,
    "detected": FindingRow.detected_at,
    "updated": FindingRow.updated_at,
    "severity": FindingRow.severity_rank,
    "score": FindingRow.score,
}
"""What lists can be ordered by: columns that are never NULL; ties by id."""

Order: TypeAlias = Literal[
    "-start", "start", "-detected", "detected", "-updated", "updated", "-severity", "severity", "-score", "score"
]
"""One of SORTS; a minus stands for the highest, or newest, first."""

NEWEST: Order = "-start"


def cursor_of(row: FindingRow, sort: Order = NEWEST) -> str:
    """Where a page ended: opaque to clients."""
    value = getattr(row, SORTS[sort.removeprefix("-")].key)
    shown = value.astimezone(UTC).isoformat() if isinstance(value, datetime) else repr(value)
    return base64.urlsafe_b64encode(f"{sort} {shown} {row.id}".encode()).decode().rstrip("=")


def read_cursor(cursor: str, sort: Order = NEWEST) -> tuple[datetime | float, str]:
    """(value, id) of the last finding of the page before. ValueError: not one of ours for this order."""
    try:
        if len(cursor) > 200:
            raise ValueError
        raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        order, shown, identity = raw.decode("ascii").split(" ")
        if order != sort or not identity.isalnum():
            raise ValueError
        if sort.removeprefix("-") in ("severity", "score"):
            number = float(shown)
            if not abs(number) < 1e9:
                raise ValueError
            return number, identity
        start = datetime.fromisoformat(shown)
        if start.tzinfo is None:
            raise ValueError
        return start.astimezone(UTC), identity
    except (ValueError, UnicodeError, binascii.Error, OverflowError):
        raise ValueError("this is not a cursor that an earlier page gave") from None
