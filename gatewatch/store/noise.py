"""How much gatewatch said lately, and how much of that was wrong: what a noise budget is measured by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gatewatch.records import JUDGED
from gatewatch.store.alert_models import DeliveryRow
from gatewatch.store.models import FeedbackRow, FindingRow
from gatewatch.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Noise:
    """raised: findings about traffic. told: messages that left. right, wrong: what people said of findings."""

    raised: int
    told: int
    right: int
    wrong: int


def noise(session: Session, since: datetime, until: datetime) -> Noise:
    """Of [since, until): findings by their detection, messages and verdicts by when they were sent and said."""
    said = select(FeedbackRow.verdict, func.count()).where(FeedbackRow.at >= since, FeedbackRow.at < until)
    verdicts = {row[0]: int(row[1]) for row in session.execute(said.group_by(FeedbackRow.verdict))}
    raised = session.execute(
        select(func.count())
        .select_from(FindingRow)
        .where(
            FindingRow.detected_at >= since,
            FindingRow.detected_at < until,
            FindingRow.kind.in_([kind.value for kind in JUDGED]),
        )
    ).scalar_one()
    told = session.execute(
        select(func.count(func.distinct(DeliveryRow.outbox_id))).where(
            DeliveryRow.at >= since, DeliveryRow.at < until, DeliveryRow.outcome == "sent"
        )
    ).scalar_one()
    return Noise(
        raised, told, verdicts.get(Verdict.TRUE_POSITIVE.value, 0), verdicts.get(Verdict.FALSE_POSITIVE.value, 0)
    )
