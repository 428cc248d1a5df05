"""Verdicts on findings, the thresholds that follow from them, and what a verdict would change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from gatewatch.records import JSON
from gatewatch.roles import Who
from gatewatch.store import audit
from gatewatch.store.finding_events import add_event
from gatewatch.store.models import FeedbackRow, FindingRow
from gatewatch.verdicts import Said, Verdict, required_score

LOOK_BACK = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a verdict does to its scope. before, after: the score that is required (0: only the detector's threshold).

    episodes: of the problem in the last 30 days. lost: those that would not have been raised after it, which were
    before; won: the other way round. right_lost: of the lost, those that somebody said are right.
    """

    before: float
    after: float
    episodes: int
    lost: list[str]
    won: list[str]
    right_lost: list[str]

    def to_json(self) -> dict[str, JSON]:
        return {
            "required_before": self.before,
            "required_after": self.after,
            "episodes": self.episodes,
            "lost": [*self.lost],
            "won": [*self.won],
            "right_lost": [*self.right_lost],
        }


def effect(session: Session, finding_id: str, verdict: Verdict | None, now: datetime) -> Effect | None:
    """What it would change to say this of the finding (None: to take back what was said); nothing is stored.

    None: there is no such finding.
    """
    row = session.get(FindingRow, finding_id)
    if row is None:
        return None
    said = _said(session, row.fingerprint)
    tried = {key: one for key, one in said.items() if key != finding_id}
    if verdict is not None:
        # What was said once keeps its score, for the evidence may have grown since.
        score = said[finding_id].score if finding_id in said else row.score
        tried[finding_id] = Said(verdict, score)
    before, after = required_score(said.values()), required_score(tried.values())
    episodes = session.execute(
        select(FindingRow.id, FindingRow.score)
        .where(FindingRow.fingerprint == row.fingerprint, FindingRow.start_at >= now - LOOK_BACK)
        .order_by(FindingRow.start_at, FindingRow.id)
    ).all()
    lost = [one.id for one in episodes if before <= one.score < after]
    won = [one.id for one in episodes if after <= one.score < before]
    right = [one for one in lost if one in tried and tried[one].verdict is Verdict.TRUE_POSITIVE]
    return Effect(before, after, len(episodes), lost, won, right)


def give_feedback(
    session: Session, who: Who, finding_id: str, verdict: Verdict | None, note: str, *, now: datetime
) -> Effect | None:
    """Store what somebody says of a finding, instead of what was said before; the effect. None: no such finding."""
    found = effect(session, finding_id, verdict, now)
    row = session.get(FindingRow, finding_id, with_for_update=True)
    if found is None or row is None:
        return None
    kept = session.get(FeedbackRow, finding_id)
    score = row.score if kept is None else kept.score
    session.execute(delete(FeedbackRow).where(FeedbackRow.finding_id == finding_id))
    if verdict is not None:
        session.execute(
            insert(FeedbackRow).values(
                finding_id=finding_id,
                fingerprint=row.fingerprint,
                verdict=verdict.value,
                score=score,
                note=note,
                author=who.name,
                at=now,
            )
        )
    word = "taken back" if verdict is None else verdict.value
    add_event(session, finding_id, "feedback", actor=who.name, note=f"{word}: {note}" if note else word, now=now)
    detail: dict[str, JSON] = {"verdict": word, "required_before": found.before, "required_after": found.after}
    audit.note(session, who, "finding.feedback", finding_id, now=now, detail=detail)
    row.revision += 1
    row.updated_at = now
    session.flush()
    return found


def required_scores(session: Session) -> dict[str, float]:
    """Fingerprint -> the score that its findings need, for those about which something was said."""
    said: dict[str, list[Said]] = {}
    for row in session.scalars(select(FeedbackRow).order_by(FeedbackRow.finding_id)):
        said.setdefault(row.fingerprint, []).append(Said(Verdict(row.verdict), row.score))
    required = {name: required_score(verdicts) for name, verdicts in said.items()}
    return {name: score for name, score in required.items() if score > 0}


def verdict_on(session: Session, finding_id: str) -> Verdict | None:
    """What was said of a finding."""
    row = session.get(FeedbackRow, finding_id)
    return None if row is None else Verdict(row.verdict)


def _said(session: Session, fingerprint: str) -> dict[str, Said]:
    rows = session.scalars(select(FeedbackRow).where(FeedbackRow.fingerprint == fingerprint))
    return {row.finding_id: Said(Verdict(row.verdict), row.score) for row in rows}
