"""Traces of a finding's time: where the slowest of its traced requests spent their time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.charting import copies
from dashboard.components import card, table
from dashboard.view import View
from gatewatch.records import Finding
from gatewatch.store.behind import Trace

MOST = 8
PARTS = {
    "gateway": "gateway",
    "authorizer": "authorizer",
    "integration": "call of the integration",
    "init": "cold start",
    "handler": "function itself",
    "downstream": "downstream",
}
"""A span's part in words."""


def part_name(part: str, name: str | None) -> str:
    said = PARTS.get(part, plain(part, 30))
    return said + (f" {plain(name, 60)}" if name and part != "gateway" else "")


def traced_card(one: Finding, found: Sequence[Trace], around: View) -> Component | None:
    """around: the view of the finding's time, in which Latency takes a trace apart; None where nothing was traced."""
    if not found:
        return None
    sums: dict[str, float] = {}
    for trace in found:
        for part, name, ms in trace.parts:
            sums[part_name(part, name)] = sums.get(part_name(part, name), 0.0) + ms
    most = max(sums, key=lambda name: sums[name])
    total = sum(sums.values())
    said = (
        f"{words.plural(len(found), 'traced request')} of its time, the slowest first: "
        f"{words.percent(sums[most] / total if total else None)} of their time went to: {most}."
    )
    rows: list[list[Any]] = []
    for trace in found[:MOST]:
        part, name, ms = trace.parts[0]
        href = "/latency" + around.search(api=one.api, stage=one.stage, sel=trace.trace_id) + "#trace"
        rows.append(
            [
                dcc.Link(words.bare_second(trace.at), href=href, title=plain(trace.trace_id, 60)),
                plain(trace.route, 80) or words.NONE,
                str(trace.status) if trace.status is not None else words.NONE,
                words.millis(trace.total_ms),
                f"{part_name(part, name)}: {words.millis(ms)}",
            ]
        )
    heads = (words.zoned("Time (UTC)"), "Route", "Status", "Took", "Most of it")
    return card(
        "Traces",
        html.P(said, className="small"),
        table(heads, rows, caption=said, numbers=(2, 3), name="stack one"),
        copies(api=f"GET /api/v1/findings/{one.id}/traces"),
        note="a sample; each opens its parts",
    )
