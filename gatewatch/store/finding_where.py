"""Terms of gatewatch.where as SQL on findings: columns from a list, values as parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_, func, not_, or_
from sqlalchemy.orm import InstrumentedAttribute

from gatewatch.records import Severity
from gatewatch.store.models import FindingRow
from gatewatch.where import FIELDS, Term, Type

COLUMNS: dict[str, ColumnElement[Any] | InstrumentedAttribute[Any]] = {
    **{
        name: getattr(FindingRow, name)
        for name in FIELDS
        if name not in ("start", "end", "detected", "updated", "suppression", "place")
    },
    "place": FindingRow.api + "/" + func.coalesce(FindingRow.stage, ""),
    "start": FindingRow.start_at,
    "end": FindingRow.end_at,
    "detected": FindingRow.detected_at,
    "updated": FindingRow.updated_at,
    "suppression": FindingRow.suppression_id,
}

_COMPARE: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    ">=": lambda column, value: column >= value,
    "<=": lambda column, value: column <= value,
    ">": lambda column, value: column > value,
    "<": lambda column, value: column < value,
}


def conditions(terms: Iterable[Term]) -> list[ColumnElement[bool]]:
    """One condition a term."""
    return [_condition(one) for one in terms]


def _condition(term: Term) -> ColumnElement[bool]:
    column: Any = COLUMNS[term.field]
    if term.op == "is":
        return and_(column.is_(None) if term.values[0] == "empty" else column.is_not(None))
    if term.op in _COMPARE:
        if term.field == "severity":
            return _COMPARE[term.op](FindingRow.severity_rank, Severity(str(term.values[0])).rank)
        return _COMPARE[term.op](column, term.values[0])
    if term.op in ("~", "!~"):
        has = column.icontains(str(term.values[0]), autoescape=True)
    else:
        has = column == term.values[0] if len(term.values) == 1 else column.in_(term.values)
    if not term.op.startswith(("!", "not")):
        return and_(has)
    # What has no value is not that value either.
    return not_(has) if FIELDS[term.field] is not Type.TEXT else or_(column.is_(None), not_(has))
