"""One stub for all that is polled: a world with a clock, answered page by page, and a table of faults upon it.

What a source asks is answered by `listings`: a function from a call to what there is to list. The faults are those of
aws-facts.md 12: throttled calls, a session that has ended, pages without items, a page that comes again for ever.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.awsdouble import Answer, Call

THROTTLED: Mapping[str, Answer] = {
    "apigateway": (429, {"__type": "TooManyRequestsException", "message": "Too Many Requests"}),
}
_THROTTLED: Answer = (400, {"__type": "ThrottlingException", "message": "Rate exceeded"})
_EXPIRED: Answer = (400, {"__type": "ExpiredTokenException", "message": "The security token is expired"})

FAULTS: Mapping[str, float] = {"throttled": 0.4, "expired": 0.004, "empty": 0.15, "repeated": 0.004}
"""Chance of each in a call; throttled as in reliability.md N15."""

NONE: Mapping[str, float] = dict.fromkeys(FAULTS, 0.0)


@dataclass(frozen=True)
class Listing:
    """What a call lists. key: of the items in the answer. asked, given: name of the mark in the question and answer.

    shape: the whole answer from the items of a page and whether more follow; None: {key: items}.
    """

    items: list[Any]
    mark: str | None
    page: int
    key: str = ""
    given: str = "NextToken"
    shape: Callable[[list[Any], bool], dict[str, Any]] | None = None

    def answer(self, items: list[Any], mark: str | None) -> dict[str, Any]:
        body = {self.key: items} if self.shape is None else self.shape(items, mark is not None)
        return {**body, **({} if mark is None else {self.given: mark})}


@dataclass
class World:
    """times: of every call, by the clock. served: calls that were let through, without pages that had to be empty."""

    clock: list[float]
    chance: random.Random
    listings: Callable[[Call, float], Listing | Answer | None]
    faults: Mapping[str, float]
    times: dict[str, list[float]] = field(default_factory=dict)
    served: int = 0
    seen: dict[str, int] = field(default_factory=dict)
    stuck: set[str] = field(default_factory=set)

    def __call__(self, call: Call) -> Answer | None:
        found = self.listings(call, self.clock[0])
        if found is None:
            return None
        self.times.setdefault(call.service, []).append(self.clock[0])
        if self._happens("throttled"):
            return THROTTLED.get(call.service, _THROTTLED)
        if self._happens("expired"):
            return _EXPIRED
        self.served += 1
        if isinstance(found, tuple):
            return found
        begin, _, turn = (found.mark or "0.").partition(".")
        first = int(begin)
        if found.mark in self.stuck or (found.mark is not None and self._happens("repeated")):
            self.stuck.add(str(found.mark))
            return 200, found.answer([], found.mark)
        if found.items and self._happens("empty"):
            self.served -= 1  # nobody can do without asking for it
            return 200, found.answer([], f"{first}.{turn}e")
        last = first + found.page
        more = f"{last}.{self.served}" if last < len(found.items) else None
        return 200, found.answer(found.items[first:last], more)

    def _happens(self, fault: str) -> bool:
        happened = self.chance.random() < self.faults[fault]
        if happened:
            self.seen[fault] = self.seen.get(fault, 0) + 1
        return happened
