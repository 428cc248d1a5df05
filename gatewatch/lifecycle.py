"""The life of a finding, as data: from each state, what may happen, and what comes then.

API, command line, dashboard and Slack ask here and nowhere else; docs/lifecycle.md shows the same table, and a test
compares them. Pure: no clock, no store.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum

from gatewatch.errors import UsageError
from gatewatch.records import State


class Event(StrEnum):
    """What may happen to a finding: the first five come from the data or the clock, the others from people."""

    SEEN = "seen"
    WORSE = "worse"
    ENDED = "ended"
    AGAIN = "again"
    WAKE = "wake"
    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    SNOOZE = "snooze"
    UNSNOOZE = "unsnooze"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    RESOLVE = "resolve"
    REOPEN = "reopen"


PEOPLE: tuple[Event, ...] = tuple(Event)[5:]
"""What people can do; the others nobody can ask for."""

_OPEN: Mapping[Event, State] = {
    Event.WORSE: State.ESCALATING,
    Event.ENDED: State.RESOLVED,
    Event.ACKNOWLEDGE: State.ACKNOWLEDGED,
    Event.SNOOZE: State.SNOOZED,
    Event.SUPPRESS: State.SUPPRESSED,
    Event.RESOLVE: State.RESOLVED,
}

TRANSITIONS: Mapping[State, Mapping[Event, State]] = {
    State.NEW: {**_OPEN, Event.SEEN: State.ONGOING},
    State.ONGOING: {**_OPEN, Event.SEEN: State.ONGOING},
    State.ESCALATING: {**_OPEN, Event.SEEN: State.ESCALATING},
    State.REGRESSED: {**_OPEN, Event.SEEN: State.REGRESSED},
    State.ACKNOWLEDGED: {
        **_OPEN,
        Event.SEEN: State.ACKNOWLEDGED,
        Event.UNACKNOWLEDGE: State.ONGOING,
    },
    State.SNOOZED: {
        **_OPEN,
        Event.SEEN: State.SNOOZED,
        Event.WAKE: State.ONGOING,
        Event.UNSNOOZE: State.ONGOING,
    },
    State.SUPPRESSED: {
        Event.SEEN: State.SUPPRESSED,
        Event.WORSE: State.SUPPRESSED,
        Event.ENDED: State.SUPPRESSED,
        Event.AGAIN: State.SUPPRESSED,
        Event.WAKE: State.ONGOING,
        Event.SUPPRESS: State.SUPPRESSED,
        Event.UNSUPPRESS: State.ONGOING,
    },
    State.RESOLVED: {
        Event.SEEN: State.RESOLVED,
        Event.WORSE: State.RESOLVED,
        Event.ENDED: State.RESOLVED,
        Event.AGAIN: State.REGRESSED,
        Event.SUPPRESS: State.SUPPRESSED,
        Event.REOPEN: State.ONGOING,
    },
}
"""state -> event -> the state after it; what is missing is not allowed.

One rule stands beside it (`after`): what is over cannot be ongoing, so whatever would lead there ends in resolved.
"""

OPEN: tuple[State, ...] = (
    State.NEW,
    State.ONGOING,
    State.ESCALATING,
    State.REGRESSED,
    State.ACKNOWLEDGED,
    State.SNOOZED,
)
"""States of what goes on and counts: everything but suppressed and resolved."""

HOLD = timedelta(minutes=60)
"""So long after a person has resolved a finding it stays so, unless it gets worse: what is over may still trail in."""

REGRESSES_WITHIN = timedelta(days=7)
"""A problem that comes back so soon after its last episode is regressed, and not new."""


class Suppression(StrEnum):
    """Why a finding is to be hidden."""

    ACCEPTED_RISK = "accepted_risk"
    FALSE_POSITIVE = "false_positive"
    IRRELEVANT = "irrelevant"
    PLANNED = "planned"


def after(state: State, event: Event, *, over: bool = False) -> State:
    """The state after `event`. over: the detectors say that it has ended. UsageError when it is not allowed.

    >>> after(State.ACKNOWLEDGED, Event.WORSE)
    <State.ESCALATING: 'escalating'>
    >>> after(State.SUPPRESSED, Event.UNSUPPRESS, over=True)
    <State.RESOLVED: 'resolved'>
    """
    if event not in TRANSITIONS[state]:
        allowed = ", ".join(one for one in TRANSITIONS[state] if one in PEOPLE)
        raise UsageError(f"a finding that is {state.value} cannot be {_DONE[event]}; it allows {allowed}")
    then = TRANSITIONS[state][event]
    if over and event is Event.REOPEN:
        raise UsageError("it has ended: there is nothing to reopen; it reopens by itself when it comes back")
    return State.RESOLVED if over and then is State.ONGOING else then


def allowed(state: State, *, over: bool = False) -> list[Event]:
    """What people can do to a finding in this state, for buttons and menus."""
    return [one for one in TRANSITIONS[state] if one in PEOPLE and not (over and one is Event.REOPEN)]


_DONE: Mapping[Event, str] = {
    Event.SEEN: "seen",
    Event.WORSE: "made worse",
    Event.ENDED: "ended",
    Event.AGAIN: "taken up again",
    Event.WAKE: "woken",
    Event.ACKNOWLEDGE: "acknowledged",
    Event.UNACKNOWLEDGE: "unacknowledged",
    Event.SNOOZE: "snoozed",
    Event.UNSNOOZE: "unsnoozed",
    Event.SUPPRESS: "suppressed",
    Event.UNSUPPRESS: "unsuppressed",
    Event.RESOLVE: "resolved",
    Event.REOPEN: "reopened",
}
