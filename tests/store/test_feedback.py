from __future__ import annotations

from datetime import timedelta

from gatewatch.roles import Role, Via, Who
from gatewatch.store.audit import audit_events
from gatewatch.store.feedback import effect, give_feedback, required_scores, verdict_on
from gatewatch.store.finding_events import finding_events
from gatewatch.store.findings import save_findings
from gatewatch.store.state import State
from gatewatch.verdicts import Verdict
from tests.store.builders import AT, a_finding, minutes_after

OTTO = Who("otto", Role.OPERATOR, Via.SESSION, "u1")
FALSE, TRUE = Verdict.FALSE_POSITIVE, Verdict.TRUE_POSITIVE


def test_a_verdict_shows_its_effect_first_and_has_it_afterwards(state: State) -> None:
    starts = [0, 100, 200, 300]
    weak, mid, strong, right = (
        a_finding(start=minutes_after(start), end=minutes_after(start + 5), score=score)
        for start, score in zip(starts, (5.0, 6.0, 9.0, 5.5), strict=True)
    )
    other = a_finding("other", score=1.0)
    with state.begin() as session:
        save_findings(session, [weak, mid, strong, right, other], now=AT)
    now = minutes_after(400)
    with state.read() as session:
        ahead = effect(session, mid.id, FALSE, now)
        assert ahead is not None
        assert (ahead.before, ahead.after, ahead.episodes) == (0.0, 6.3, 4)
        assert (ahead.lost, ahead.won, ahead.right_lost) == ([weak.id, mid.id, right.id], [], [])
        assert effect(session, "none", FALSE, now) is None
        later = effect(session, mid.id, FALSE, now + timedelta(days=40))
        assert later is not None
        assert later.episodes == 0
        assert required_scores(session) == {}
    with state.begin() as session:
        assert give_feedback(session, OTTO, mid.id, FALSE, "a test", now=now) == ahead
        assert required_scores(session) == {mid.fingerprint: 6.3}
        gain = give_feedback(session, OTTO, right.id, TRUE, "", now=now)
        assert gain is not None
        assert (gain.after, gain.won) == (5.5, [mid.id, right.id])
        assert verdict_on(session, right.id) is TRUE
        give_feedback(session, OTTO, right.id, None, "", now=now)
        give_feedback(session, OTTO, mid.id, None, "", now=now)
        assert required_scores(session) == {}
        assert [one.note for one in finding_events(session, mid.id)][1:] == ["false_positive: a test", "taken back"]
        assert [one.action for one in audit_events(session)] == ["finding.feedback"] * 4
