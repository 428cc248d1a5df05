"""A breaker a channel: after a few failures in a row it is left alone for a while, then one alert tries it again.

So a receiver that is down costs one time-out now and then, and its queue leaves as soon as it is back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from gatewatch.store.alert_models import BreakerRow

OPENS_AFTER = 3
FIRST_REST_S = 15.0
LONGEST_REST_S = 300.0


@dataclass(frozen=True, slots=True)
class Health:
    """How sending through a channel goes. failures: in a row. open_until: it is left alone until then."""

    channel: str
    failures: int
    open_until: datetime | None
    failed_at: datetime | None
    sent_at: datetime | None
    error: str | None


def worked(session: Session, channel: str, now: datetime) -> None:
    """An alert got through: the breaker closes."""
    row = _row(session, channel)
    row.failures, row.open_until, row.sent_at, row.error = 0, None, now, None


def failed(session: Session, channel: str, error: str, now: datetime, *, after_s: float | None = None) -> None:
    """Another failure. after_s: the receiver itself asked to be left alone for so long."""
    row = _row(session, channel)
    row.failures += 1
    row.failed_at, row.error = now, error
    rest = min(after_s or 0.0, LONGEST_REST_S)
    if row.failures >= OPENS_AFTER:
        rest = max(rest, min(FIRST_REST_S * 2.0 ** min(row.failures - OPENS_AFTER, 20), LONGEST_REST_S))
    if rest:
        row.open_until = now + timedelta(seconds=rest)


def allowed(session: Session, channel: str, now: datetime) -> bool:
    """Whether an alert may try the channel now."""
    row = session.get(BreakerRow, channel)
    return row is None or row.open_until is None or row.open_until <= now


def healths(session: Session) -> dict[str, Health]:
    """All channels that were ever used, by name."""
    return {
        row.channel: Health(row.channel, row.failures, row.open_until, row.failed_at, row.sent_at, row.error)
        for row in session.scalars(select(BreakerRow).order_by(BreakerRow.channel))
    }


def _row(session: Session, channel: str) -> BreakerRow:
    row = session.execute(
        select(BreakerRow).where(BreakerRow.channel == channel).with_for_update()
    ).scalar_one_or_none()
    if row is None:
        row = session.merge(
            BreakerRow(channel=channel, failures=0, open_until=None, failed_at=None, sent_at=None, error=None)
        )
        session.flush()
    return row
