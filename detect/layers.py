"""Which part of a slow request took the time, by traces: cold start, the function itself, a named downstream, or above.

Traces of the episode are compared with those of the day before it, route by route, so that a shift of traffic is no
slowness. What a part takes more is its share of the whole rise; one that has most of it, beyond what chance gives, is
the verdict. Traces are a sample: they tell where the time went, never how often.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detect.grid import Bools, Floats, Ints
from gatewatch.frames.schema import TIME
from gatewatch.records import JSON, Cause, Finding, Kind

BEFORE = timedelta(hours=24)
LEAST_TRACES = 8
CLEAR = 0.5
SURE_Z = 3.0
LIMIT_MS = 28_000.0
TAIL = 0.9
"""For what is slow in its tail only, the slowest tenth is compared with the slowest tenth."""

SHOWN = 6
LINKED = 5

_WORDS: Mapping[str, str] = {
    "gateway": "gateway",
    "authorizer": "authorizer",
    "integration": "integration",
    "handler": "application",
    "init": "cold start",
}
_SAID: Mapping[str, str] = {
    "integration": "the call of the integration",
    "handler": "in the function or service itself",
}
_LAYERS: Mapping[str, str] = {
    "gateway": "gateway",
    "authorizer": "authorizer",
    "integration": "integration",
    "handler": "integration",
    "init": "cold_start",
    "downstream": "downstream",
}
_WITHIN: Mapping[str, frozenset[str]] = {
    "integration": frozenset({"integration", "handler", "init", "downstream"}),
    "authorizer": frozenset({"authorizer"}),
    "gateway": frozenset({"gateway", "authorizer"}),
    "waf": frozenset({"gateway"}),
}
"""Layer that the logs show -> the parts of a trace that it is made of (an authorizer's time may not be logged)."""

_CAUSES: Mapping[str, Cause] = {"gateway": Cause.GATEWAY, "authorizer": Cause.GATEWAY}
_REMEDY: Mapping[str, str] = {
    "gateway": "Compare with the AWS health dashboard; check WAF, mapping templates and payload sizes.",
    "authorizer": "Look at the authorizer's latency and cold starts, and raise its cache TTL.",
    "integration": "The call waits before the function or service runs: look at its concurrency, its queue, the VPC "
    "link and connection limits.",
    "handler": "The code itself takes the time: look at its last deployment, its memory setting and what it computes.",
    "init": "Keep functions warm (provisioned concurrency, SnapStart), or make their start shorter: fewer imports, a "
    "smaller package, more memory.",
    "downstream": "Look at {name}: its own latency, throttling and capacity; give calls to it a timeout.",
}


@dataclass(frozen=True, slots=True)
class _Traces:
    """One row a traced request: start, whole time, route code, id; ms: time in each part (LABELS and downstreams)."""

    at: Ints
    total: Floats
    route: Ints
    ids: list[str]
    ms: Floats
    labels: list[str]
    routes: list[str | None]

    def __len__(self) -> int:
        return len(self.at)

    def where(self, chosen: Bools) -> _Traces:
        ids = [self.ids[row] for row in np.flatnonzero(chosen).tolist()]
        return replace(
            self, at=self.at[chosen], total=self.total[chosen], route=self.route[chosen], ids=ids, ms=self.ms[chosen]
        )


def refined(finding: Finding, spans: pa.Table | None, until: datetime) -> Finding:
    """A latency finding with the verdict of the traces, as far as there are enough; others as they are."""
    if spans is None or finding.kind is not Kind.LATENCY_OUTLIER or not spans.num_rows:
        return finding
    traces = _traces(_of_place(spans, finding, min(finding.end or until, until)))
    late = traces.at >= _micros(finding.start)
    if finding.subtype == "timeout_29s":
        return _timed_out(finding, traces.where(late & (traces.total >= LIMIT_MS)))
    now, before = traces.where(late), traces.where(~late)
    now, before = _of_routes(now, before, cast(list[str], finding.evidence.facts.get("routes", [])))
    if len(now) < LEAST_TRACES or len(before) < LEAST_TRACES:
        return finding
    if finding.subtype in ("tail_only", "bimodal"):
        now, before = (one.where(one.total >= np.quantile(one.total, TAIL)) for one in (now, before))
    return _verdict(finding, now, before)


def _micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def _of_place(spans: pa.Table, finding: Finding, end: datetime) -> pa.Table:
    """The spans of the finding's stage from the day before it to `end`."""
    at = spans.column("at")
    kept = pc.and_(pc.greater_equal(at, pa.scalar(finding.start - BEFORE, TIME)), pc.less(at, pa.scalar(end, TIME)))
    spans = spans.filter(kept)
    for name, value in (("api", finding.api), ("stage", finding.stage)):
        if value is not None:
            spans = spans.filter(pc.equal(spans.column(name).cast(pa.string()), value))
    if finding.account is not None:
        account = spans.column("account").cast(pa.string())
        spans = spans.filter(pc.or_kleene(account.is_null(), pc.equal(account, finding.account)))
    return spans


def _traces(spans: pa.Table) -> _Traces:
    columns = {name: spans.column(name).cast(pa.string()) for name in ("trace_id", "route", "part", "name")}
    at = spans.column("at").cast(pa.int64()).to_numpy()
    part = np.array(columns["part"].to_pylist(), dtype=object)
    named = [_label(one, name) for one, name in zip(part, columns["name"].to_pylist(), strict=True)]
    labels = sorted(set(named))
    place = {label: number for number, label in enumerate(labels)}
    texts = columns["trace_id"].to_pylist()
    key = {one: number for number, one in enumerate(dict.fromkeys(zip(texts, at.tolist(), strict=True)))}
    row = np.array([key[one] for one in zip(texts, at.tolist(), strict=True)], dtype=np.int64)
    column = np.array([place[label] for label in named], dtype=np.int64)
    ms = np.bincount(
        row * max(len(labels), 1) + column,
        weights=spans.column("ms").to_numpy().astype(np.float64),
        minlength=len(key) * max(len(labels), 1),
    )
    first = np.unique(row, return_index=True)[1]
    found = columns["route"].to_pylist()
    routes = list(dict.fromkeys(found))
    number = {route: code for code, route in enumerate(routes)}
    return _Traces(
        at[first],
        spans.column("total_ms").to_numpy().astype(np.float64)[first],
        np.array([number[found[one]] for one in first.tolist()], dtype=np.int64),
        [str(texts[one]) for one in first.tolist()],
        ms.astype(np.float64).reshape(len(key), max(len(labels), 1)),
        labels,
        routes,
    )


def _label(part: str, name: str | None) -> str:
    """What a person calls it; only downstreams go by their names."""
    return f"downstream {name}" if part == "downstream" else _WORDS[part]


def _of_routes(now: _Traces, before: _Traces, routes: Sequence[str]) -> tuple[_Traces, _Traces]:
    """Only the routes that are slow, where there are traces enough of them by the same name."""
    codes = [code for code, route in enumerate(now.routes) if route in routes]
    some = now.where(np.isin(now.route, codes)), before.where(np.isin(before.route, codes))
    return some if min(len(one) for one in some) >= LEAST_TRACES else (now, before)


def _verdict(finding: Finding, now: _Traces, before: _Traces) -> Finding:
    rise, error = _rises(now, before)
    gained = np.where(_in_question(finding, now.labels), np.maximum(rise, 0.0), 0.0)
    if not gained.sum() > 0:
        return finding
    share = np.round(gained / gained.sum(), 3)
    best = int(np.argmax(share))
    clear = share[best] >= CLEAR and rise[best] >= SURE_Z * error[best]
    order = np.argsort(-share, kind="stable")[:SHOWN].tolist()
    facts: dict[str, JSON] = {
        "verdict": now.labels[best] if clear else "cannot tell",
        "trace_shares": {now.labels[at]: float(share[at]) for at in order if share[at] > 0},
        "trace_rise_ms": {now.labels[at]: round(float(rise[at]), 1) for at in order if share[at] > 0},
        "traces": len(now),
        "traces_before": len(before),
        "trace_ids": cast(JSON, _slowest(now)),
    }
    if not clear:
        return _with_facts(finding, facts)
    label, parts = now.labels[best], {word: part for part, word in _WORDS.items()}
    part = "downstream" if label.startswith("downstream ") else parts[label]
    layer = _LAYERS[part] if (finding.layer, part) != ("waf", "gateway") else "waf"
    told = f" Traces: {share[best]:.0%} of the rise is {_SAID.get(part, label)}."
    return replace(
        _with_facts(finding, facts, told),
        layer=layer,
        subtype=layer if layer != "integration" or finding.subtype in _WITHIN else finding.subtype,
        cause=_CAUSES.get(part, Cause.INTEGRATION) if finding.cause is not Cause.CONFIG_CHANGE else finding.cause,
        confidence=max(finding.confidence, 0.9),
        remedy=_REMEDY[part].format(name=label.removeprefix("downstream ")),
        caveat=None if finding.layer is None else finding.caveat,
    )


def _in_question(finding: Finding, labels: Sequence[str]) -> Bools:
    """Which parts may be to blame: the logs hold every request, so where they show the layer, traces tell within it."""
    shares = finding.evidence.facts.get("layer_shares")
    if finding.layer is None or not isinstance(shares, dict) or not shares:
        return np.ones(len(labels), dtype=bool)
    parts = {label: part for part, label in _WORDS.items()}
    told = ["downstream" if label.startswith("downstream ") else parts[label] for label in labels]
    return np.array([part in _WITHIN[finding.layer] for part in told], dtype=bool)


def _rises(now: _Traces, before: _Traces) -> tuple[Floats, Floats]:
    """More ms a request in each part, and its standard error; routes weigh as they do now, those without a past not."""
    rise, square, weight = np.zeros(len(now.labels)), np.zeros(len(now.labels)), 0.0
    for code in sorted(set(now.route.tolist()) & set(before.route.tolist())):
        one, two = now.ms[now.route == code], before.ms[before.route == code]
        if len(one) < 2 or len(two) < 2:
            continue
        rise += len(one) * (one.mean(axis=0) - two.mean(axis=0))
        square += len(one) ** 2 * (one.var(axis=0, ddof=1) / len(one) + two.var(axis=0, ddof=1) / len(two))
        weight += len(one)
    return (rise / weight, np.sqrt(square) / weight) if weight else (rise, rise)


def _timed_out(finding: Finding, traces: _Traces) -> Finding:
    """Where requests that ran into the limit waited."""
    if not len(traces):
        return finding
    share = np.round(traces.ms.sum(axis=0) / traces.ms.sum(), 3)
    order = np.argsort(-share, kind="stable")[:SHOWN].tolist()
    best = traces.labels[order[0]]
    facts: dict[str, JSON] = {
        "verdict": f"timeout at 29 s: {best}" if share[order[0]] >= CLEAR else "timeout at 29 s",
        "trace_shares": {traces.labels[at]: float(share[at]) for at in order if share[at] > 0},
        "traces": len(traces),
        "trace_ids": cast(JSON, _slowest(traces)),
    }
    told = f" Traces: they wait in {best} ({share[order[0]]:.0%})." if share[order[0]] >= CLEAR else ""
    layer = "downstream" if best.startswith("downstream ") and told else finding.layer
    return replace(_with_facts(finding, facts, told), layer=layer)


def _slowest(traces: _Traces) -> list[str]:
    order = sorted(range(len(traces)), key=lambda row: (-traces.total[row], traces.ids[row]))
    return [traces.ids[row] for row in order[:LINKED]]


def _with_facts(finding: Finding, facts: dict[str, JSON], told: str = "") -> Finding:
    evidence = finding.evidence
    return replace(
        finding,
        evidence=replace(evidence, facts={**evidence.facts, **facts}, sentence=f"{evidence.sentence}{told}"),
    )
