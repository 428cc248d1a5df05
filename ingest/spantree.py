"""From the spans of one trace to where its time went: each instant belongs to the deepest span that was running.

So the parts add up to the whole, whatever ran at the same time. What a span stands for follows from itself and from
what called it: below the gateway is its integration, below a function what the function called.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

ROOT_ORIGIN = "AWS::ApiGateway::Stage"
_INIT = frozenset({"initialization", "init", "coldstart"})
_OWN = frozenset({"invocation", "overhead", "responselatency", "responseduration", "runtimeoverhead"})
"""Subsegments that Lambda itself makes of a function's time."""

DEEPEST = 64
MOST_SPANS = 4000
"""Spans of a trace that are looked at: a trace document is at most 500 KB."""


@dataclass(frozen=True, slots=True)
class Span:
    """Times in seconds since the epoch. origin: X-Ray's word for the kind of node. remote: it calls something else.

    target: what an integration or a call goes to (function, table, host), when it says.
    """

    ident: str
    parent: str | None
    name: str
    start_s: float
    end_s: float
    origin: str | None = None
    remote: bool = False
    target: str | None = None


def parts(root: Span, spans: Iterable[Span]) -> list[tuple[str, str | None, float]]:
    """(part, name, ms) of the time between root's start and end, most time first; see frames.SPANS."""
    tree = _Tree(root, spans)
    totals: dict[tuple[str, str | None], float] = {}
    running: list[tuple[int, float, int]] = []
    order = sorted(range(len(tree.spans)), key=lambda at: (tree.spans[at].start_s, tree.depth[at]))
    bounds = sorted(
        {min(max(edge, root.start_s), root.end_s) for one in tree.spans for edge in (one.start_s, one.end_s)}
    )
    place = 0
    for begin, end in pairwise(bounds):
        while place < len(order) and tree.spans[order[place]].start_s <= begin:
            at = order[place]
            heapq.heappush(running, (-tree.depth[at], -tree.spans[at].start_s, at))
            place += 1
        while running and tree.spans[running[0][2]].end_s <= begin:
            heapq.heappop(running)
        key = tree.meaning[running[0][2]] if running else ("gateway", None)
        totals[key] = totals.get(key, 0.0) + (end - begin) * 1000.0
    return sorted(
        ((part, name, ms) for (part, name), ms in totals.items()), key=lambda row: (-row[2], row[0], row[1] or "")
    )


class _Tree:
    """The spans that hang on the root, with their depth and meaning (part, name)."""

    def __init__(self, root: Span, spans: Iterable[Span]) -> None:
        children: dict[str, list[Span]] = {}
        for span in spans:
            if span.parent is not None and span.ident != root.ident:
                children.setdefault(span.parent, []).append(span)
        self.spans: list[Span] = [root]
        self.depth: list[int] = [0]
        self.meaning: list[tuple[str, str | None]] = [("gateway", None)]
        seen, at = {root.ident}, 0
        while at < len(self.spans) and len(self.spans) < MOST_SPANS:
            for child in children.get(self.spans[at].ident, ()):
                if child.ident in seen or self.depth[at] >= DEEPEST:
                    continue
                seen.add(child.ident)
                part, name = _meaning(child, self.meaning[at])
                # A cold start goes on before the function is said to run: it counts as the deepest.
                self.spans.append(child)
                self.depth.append(DEEPEST + 1 if part == "init" else self.depth[at] + 1)
                self.meaning.append((part, name))
            at += 1


def _meaning(span: Span, above: tuple[str, str | None]) -> tuple[str, str | None]:
    part, name = above
    word = span.name.lower().replace(" ", "").replace("-", "")
    if part in {"authorizer", "downstream", "init"}:
        return above
    if part == "gateway":
        target = span.target or span.name
        asked = f"{span.name} {target}".lower()
        return ("authorizer" if "authoriz" in asked or "authoris" in asked else "integration"), target
    if word in _INIT:
        return "init", name
    if span.origin == "AWS::Lambda":
        return "integration", span.target or span.name
    if span.origin is not None and part == "integration":
        return "handler", span.target or span.name
    if word in _OWN or not span.remote:
        return ("handler" if part == "integration" else part), name
    return "downstream", span.target if span.target is not None else span.name
