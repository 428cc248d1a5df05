"""What stands beside a finding on its page: earlier episodes, quality of its data, verdicts, and who did what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from dashboard.data import Reader
from dashboard.standing import once
from dashboard.thresholds import LOOK_BACK
from dashboard.traffic import covered_share
from gatewatch.records import Blind, Finding
from gatewatch.roles import Role, Who
from gatewatch.store.audit import AuditEvent, audit_events
from gatewatch.store.feedback import verdict_on
from gatewatch.store.finding_events import FindingEvent, finding_events
from gatewatch.store.findings import FindingFilter, StoredFinding, list_blind, list_findings
from gatewatch.store.reading import bounds, coverage
from gatewatch.verdicts import Verdict
from gatewatch.where import Term

EARLIER = 5
ALIKE = 5
AUDITED = 50
MOST_PEERS = 200
_SAID = frozenset({"comment", "resolve", "suppress"})
"""What of an earlier episode's history is worth reading again."""


@dataclass(frozen=True, slots=True)
class Episode:
    """An earlier finding. told: what people said of it last; None: nothing. verdict: theirs."""

    stored: StoredFinding
    told: FindingEvent | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """earlier: of the same problem; alike: of the same kind, on the same API. covered: share of its time for which
    sources delivered. newest: of the stored requests. audit: only for who may see it. peers: of the same kind, of
    the last month."""

    earlier: list[Episode] = field(default_factory=list)
    alike: list[Episode] = field(default_factory=list)
    verdict: Verdict | None = None
    covered: float = float("nan")
    blind: list[Blind] = field(default_factory=list)
    newest: datetime | None = None
    audit: list[AuditEvent] = field(default_factory=list)
    peers: list[Finding] = field(default_factory=list)


def beside(reader: Reader, stored: StoredFinding, who: Who | None) -> Beside:
    state, one = reader.store(), stored.finding
    known = bounds(state)
    newest = known[1] if known else None
    until = one.end or max(newest or one.start, one.start)
    until = max(until, one.start + timedelta(minutes=1))
    share = covered_share(coverage(state, one.start, until), one.start, until)
    with state.read() as session:
        same = Term("fingerprint", "=", (one.fingerprint,))
        others = Term("fingerprint", "!=", (one.fingerprint,))
        earlier = list_findings(session, FindingFilter(state="all", where=(same,)), limit=EARLIER + 1).items
        alike = list_findings(
            session, FindingFilter(state="all", kind=one.kind.value, api=one.api, where=(others,)), limit=ALIKE
        ).items
        month = FindingFilter(state="all", kind=one.kind.value, since=until - LOOK_BACK, until=until)
        before = [each for each in earlier if each.finding.id != one.id][:EARLIER]
        return Beside(
            earlier=_episodes(session, reader, before),
            alike=_episodes(session, reader, alike),
            verdict=verdict_on(session, one.id),
            covered=share,
            blind=once(
                [each for each in list_blind(session) if each.api == one.api and each.stage in (None, one.stage)]
            ),
            newest=newest,
            audit=audit_events(session, limit=AUDITED, target=one.id) if who and who.may(Role.ADMIN) else [],
            peers=[each.finding for each in list_findings(session, month, limit=MOST_PEERS).items],
        )


def _episodes(session: Session, reader: Reader, found: Sequence[StoredFinding]) -> list[Episode]:
    out = []
    for each in found:
        told = [event for event in finding_events(session, each.finding.id) if event.transition in _SAID]
        shown = reader.shown(each)
        out.append(Episode(shown, told[-1] if told else None, verdict_on(session, each.finding.id)))
    return out


def lasted(one: Finding, newest: datetime | None) -> timedelta:
    """How long it has gone on, as far as the data reach."""
    return max((one.end or newest or one.start) - one.start, timedelta(0))
