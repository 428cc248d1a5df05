"""Takes everything that was read and found out of the store; people, sources, connections and the audit log stay."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from gatewatch.store import access_models, alert_models  # noqa: F401 - their tables belong to the metadata
from gatewatch.store.base import Base
from gatewatch.store.models import SegmentRow
from gatewatch.store.retired import retire

KEPT = frozenset(
    (
        "user_account user_session login_attempt api_token guess audit_event "
        "source aws_connection aws_poll aws_spend lease job_run meta silence channel_breaker channel_memory "
        "removed_segment segment"
    ).split()
)
"""Tables that hold nothing of what was read. Segments go another way: their files stay for those who read them now."""


def forget_all(session: Session) -> None:
    """In this transaction. Files of the lake go later (retired.sweep_retired)."""
    retire(session, paths=tuple(session.scalars(select(SegmentRow.path))))
    for table in reversed(Base.metadata.sorted_tables):
        if table.name not in KEPT:
            session.execute(delete(table))
