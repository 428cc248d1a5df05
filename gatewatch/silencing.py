"""Silences as people make and end them, from the command line and the API alike, with a line of the audit log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import ValidationError

from alerts.matching import NAMES, Match
from gatewatch.alerting import silence_of
from gatewatch.errors import UsageError
from gatewatch.records import JSON, iso
from gatewatch.roles import Who
from gatewatch.store import audit
from gatewatch.store.notices import look_now
from gatewatch.store.silences import StoredSilence, add_silence, end_silence
from gatewatch.store.state import Session


def add(
    session: Session,
    who: Who,
    matchers: Mapping[str, Sequence[str]],
    *,
    reason: str,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
) -> StoredSilence:
    """Make a silence. UsageError when a matcher is no matcher, or see store.silences.add_silence."""
    for name in matchers:
        if name not in NAMES:
            raise UsageError(f"no label is called {name!r}; there are {', '.join(NAMES)}")
    try:
        match = Match.model_validate({name: list(patterns) for name, patterns in matchers.items()})
    except ValidationError as error:
        raise UsageError(error.errors(include_input=False)[0]["msg"].removeprefix("Value error, ")) from None
    made = add_silence(
        session,
        match.conditions,
        reason=reason,
        author=who.name,
        starts_at=starts_at,
        ends_at=ends_at,
        now=now,
    )
    detail: dict[str, JSON] = {"matchers": str(match), "reason": made.reason, "ends_at": iso(made.ends_at)}
    audit.note(session, who, "silence.add", made.id, now=now, detail=detail)
    return made


def end(session: Session, who: Who, silence_id: str, *, now: datetime) -> StoredSilence | None:
    """End a silence; None when there is none, or it is over."""
    ended = end_silence(session, silence_id, now)
    if ended is not None:
        audit.note(session, who, "silence.end", silence_id, now=now)
        look_now(session, now)
    return ended


def to_json(silence: StoredSilence, now: datetime) -> dict[str, JSON]:
    matchers: dict[str, JSON] = {name: [*patterns] for name, patterns in silence.matchers.items()}
    return {
        "id": silence.id,
        "state": silence_of(silence).state(now),
        "matchers": matchers,
        "reason": silence.reason,
        "author": silence.author,
        "starts_at": iso(silence.starts_at),
        "ends_at": iso(silence.ends_at),
        "created_at": iso(silence.created_at),
    }
