"""How many findings have which value, for the filters beside a list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gatewatch.records import Kind
from gatewatch.store.finding_where import COLUMNS
from gatewatch.store.findings import FindingFilter, filter_conditions
from gatewatch.store.models import FindingRow

FACETS: tuple[str, ...] = ("kind", "severity", "state", "cause", "api", "stage", "account", "region", "assignee")
MOST_VALUES = 50


def facets(
    session: Session, filter_: FindingFilter, names: Collection[str] = FACETS
) -> tuple[int, dict[str, list[tuple[str | None, int]]]]:
    """(findings, facet -> its most frequent values with their counts, at most MOST_VALUES). None: without a value.

    One pass over the findings, grouped by all facets at once.
    """
    ordered = [name for name in FACETS if name in names]
    columns = [COLUMNS[name] for name in ordered]
    counts: dict[str, Counter[str | None]] = {name: Counter() for name in ordered}
    total = 0
    question = select(*columns, func.count()).where(*filter_conditions(filter_)).group_by(*columns)
    for *values, count in session.execute(question):
        total += count
        for name, value in zip(ordered, values, strict=True):
            counts[name][value] += count
    ranked = {
        name: sorted(found.items(), key=lambda one: (-one[1], one[0] or ""))[:MOST_VALUES]
        for name, found in counts.items()
    }
    return total, ranked


def kinds_and_subtypes(session: Session) -> list[tuple[Kind, str, int]]:
    """(kind, subtype, findings) of all that was ever found and is not suppressed."""
    question = (
        select(FindingRow.kind, FindingRow.subtype, func.count())
        .where(*filter_conditions(FindingFilter()))
        .group_by(FindingRow.kind, FindingRow.subtype)
        .order_by(FindingRow.kind, FindingRow.subtype)
    )
    return [(Kind(kind), subtype, count) for kind, subtype, count in session.execute(question)]
