"""The ledger of AWS calls: how many a day, by account, source and call, and their list price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gatewatch.store.models import AwsSpendRow


@dataclass(frozen=True, slots=True)
class Spent:
    """nanos: list price in billionths of a dollar."""

    day: date
    account: str
    source: str
    service: str
    operation: str
    calls: int
    nanos: int

    @property
    def dollars(self) -> float:
        return self.nanos / 1e9


def add_spent(session: Session, spent: Sequence[Spent]) -> None:
    """Add to what stands there."""
    for one in spent:
        key = (one.day.isoformat(), one.account, one.source, one.service, one.operation)
        row = session.get(AwsSpendRow, key, with_for_update=True)
        if row is None:
            day, account, source, service, operation = key
            row = AwsSpendRow(
                day=day, account=account, source=source, service=service, operation=operation, calls=0, nanos=0
            )
            session.add(row)
        row.calls += one.calls
        row.nanos += one.nanos


def total(session: Session, day: date) -> tuple[int, int]:
    """Calls and billionths of a dollar of a day."""
    row = session.execute(
        select(func.coalesce(func.sum(AwsSpendRow.calls), 0), func.coalesce(func.sum(AwsSpendRow.nanos), 0)).where(
            AwsSpendRow.day == day.isoformat()
        )
    ).one()
    return int(row[0]), int(row[1])


def ledger(session: Session, since: date, until: date) -> list[Spent]:
    """What stands there for the days of [since, until], by day, account, source and call."""
    columns = (
        AwsSpendRow.day,
        AwsSpendRow.account,
        AwsSpendRow.source,
        AwsSpendRow.service,
        AwsSpendRow.operation,
    )
    rows = session.scalars(
        select(AwsSpendRow)
        .where(AwsSpendRow.day >= since.isoformat(), AwsSpendRow.day <= until.isoformat())
        .order_by(*columns)
    )
    return [
        Spent(date.fromisoformat(row.day), row.account, row.source, row.service, row.operation, row.calls, row.nanos)
        for row in rows
    ]
