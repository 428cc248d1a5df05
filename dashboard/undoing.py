"""How an act on a finding is taken back: the calls that lead to where it was, as far as its life allows."""

from __future__ import annotations

from datetime import datetime

from gatewatch.errors import UsageError
from gatewatch.lifecycle import Event, after
from gatewatch.records import JSON, State, iso
from gatewatch.store.findings import StoredFinding

_BACK: dict[State, Event] = {
    State.ACKNOWLEDGED: Event.UNACKNOWLEDGE,
    State.SNOOZED: Event.UNSNOOZE,
    State.SUPPRESSED: Event.UNSUPPRESS,
    State.RESOLVED: Event.REOPEN,
}
"""What leads out of a state that people bring about."""

Body = dict[str, JSON]


def undo(stored: StoredFinding, event: Event, now: datetime) -> list[Body]:
    """Bodies of the actions that undo `event`, in their order; none when there is no way back.

    What was new or escalating is ongoing afterwards: somebody has looked at it.
    """
    over = stored.finding.end is not None
    try:
        then = after(stored.state, event, over=over)
        if event is Event.UNSUPPRESS or then is stored.state:
            return []  # what a suppression said cannot be guessed
        steps: list[Event] = [_BACK[then]] if then in _BACK else []
        here = after(then, steps[0], over=over) if steps else then
    except (UsageError, KeyError):
        return []
    bodies: list[Body] = [{"action": one.value} for one in steps]
    if here is not stored.state:
        bodies += _again(stored, now)
    return bodies


def _again(stored: StoredFinding, now: datetime) -> list[Body]:
    """From ongoing to the state that somebody had brought about."""
    if stored.state is State.ACKNOWLEDGED:
        return [{"action": Event.ACKNOWLEDGE.value}]
    if stored.state is State.RESOLVED:
        return [] if stored.finding.end is not None else [{"action": Event.RESOLVE.value}]
    if stored.state is not State.SNOOZED or (stored.snooze_until is not None and stored.snooze_until <= now):
        return []
    body: Body = {"action": Event.SNOOZE.value}
    if stored.snooze_until is not None:
        body["until"] = iso(stored.snooze_until)
    elif stored.snooze_count is not None:
        body["count"] = stored.snooze_count
    return [body]
