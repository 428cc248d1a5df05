from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dashboard.undoing import undo
from gatewatch.access.current import LOCAL
from gatewatch.lifecycle import Event, Suppression, allowed
from gatewatch.records import State
from gatewatch.settings import Settings
from gatewatch.store.acting import Act, Verb, act
from gatewatch.store.findings import StoredFinding, get_finding, save_findings
from gatewatch.store.state import open_state
from tests.store.builders import AT, a_finding

STORED = StoredFinding(a_finding(), State.NEW, AT, AT, 1)
LOOKED_AT = {State.NEW, State.ONGOING, State.ESCALATING, State.REGRESSED}


@pytest.mark.parametrize("state", [State.NEW, State.ACKNOWLEDGED, State.SNOOZED, State.RESOLVED])
def test_undoing_an_act_leads_back_in_the_store_itself(tmp_path: Path, state: State) -> None:
    """Every act that has a way back, from the states that people bring about."""
    until = AT + timedelta(hours=3)
    before = {
        State.ACKNOWLEDGED: Act(Verb.ACKNOWLEDGE),
        State.SNOOZED: Act(Verb.SNOOZE, until=until),
        State.RESOLVED: Act(Verb.RESOLVE),
    }
    opened = open_state(Settings(data_dir=tmp_path / "data"))
    undone = 0
    for number, event in enumerate(allowed(state)):
        one = replace(a_finding(), id=f"f{number}", fingerprint=f"p{number}", end=None)
        with opened.begin() as session:
            save_findings(session, [one], now=AT)
            if state in before:
                act(session, LOCAL, one.id, before[state], now=AT)
            here = get_finding(session, one.id)
            assert here is not None
            back = undo(here, event, AT)
            why = Suppression.PLANNED if event is Event.SUPPRESS else None
            act(session, LOCAL, one.id, Act(Verb(event.value), note="x", why=why), now=AT)
            for body in back:
                again = Act(Verb(str(body["action"])), until=until if "until" in body else None)
                act(session, LOCAL, one.id, again, now=AT)
            then = get_finding(session, one.id)
        assert then is not None
        if back:
            undone += 1
            assert then.state is state or (state in LOOKED_AT and then.state is State.ONGOING), event
            assert then.snooze_until == here.snooze_until, event
    opened.close()
    assert undone >= 1


def test_what_cannot_be_taken_back_has_no_undo() -> None:
    over = replace(STORED, finding=replace(STORED.finding, end=AT))
    assert undo(over, Event.RESOLVE, AT) == []
    assert undo(replace(STORED, state=State.SUPPRESSED), Event.UNSUPPRESS, AT) == []
    late = replace(STORED, state=State.SNOOZED, snooze_until=AT)
    assert undo(late, Event.UNSNOOZE, AT + timedelta(minutes=1)) == []
