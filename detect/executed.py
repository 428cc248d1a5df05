"""What execution logs add to a finding about refused requests: which limit or authorizer, in the gateway's words."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from gatewatch.frames.schema import TIME
from gatewatch.records import JSON, Finding, Kind

ABOUT = frozenset({Kind.THROTTLING_ABUSE, Kind.AUTH_FAILURE_SPIKE})
SHOWN = 120

_THROTTLED = frozenset({"throttle", "quota"})
_LIMITS = {
    "account": "the account's limit",
    "stage": "the stage's limit",
    "method": "a method's limit",
    "plan": "a usage plan's rate",
    "lambda": "the function's concurrency",
}


def executed(finding: Finding, executions: pa.Table | None, until: datetime) -> Finding:
    """The finding with what the execution log says of its time and place; without one it stays as it is."""
    if executions is None or finding.kind not in ABOUT or not executions.num_rows:
        return finding
    rows = _of_place(executions, finding, min(finding.end or until, until)).to_pylist()
    throttling = finding.kind is Kind.THROTTLING_ABUSE
    rows = [row for row in rows if (row["reject_cause"] in _THROTTLED) == throttling]
    if not rows:
        return finding
    causes = Counter(str(row["reject_cause"]) for row in rows)
    scopes = Counter(str(row["throttle_scope"]) for row in rows if row["throttle_scope"] is not None)
    authorizers = Counter(str(row["authorizer"]) for row in rows if row["authorizer"] is not None)
    told: dict[str, JSON] = {"requests": len(rows), "causes": cast(JSON, dict(sorted(causes.items())))}
    if throttling:
        told["scopes"] = cast(JSON, dict(sorted(scopes.items())))
    elif authorizers:
        told["authorizers"] = cast(JSON, dict(sorted(authorizers.items())))
    facts = {**finding.evidence.facts, "execution_log": told}
    sentence = f"{finding.evidence.sentence} {_sentence(rows, causes, scopes, throttling=throttling)}"
    return replace(finding, evidence=replace(finding.evidence, facts=facts, sentence=sentence))


def _of_place(executions: pa.Table, finding: Finding, end: datetime) -> pa.Table:
    at = executions.column("at")
    kept = pc.and_(pc.greater_equal(at, pa.scalar(finding.start, TIME)), pc.less(at, pa.scalar(end, TIME)))
    rows = executions.filter(kept)
    for name, value in (("api", finding.api), ("stage", finding.stage), ("account", finding.account)):
        if value is not None:
            column = rows.column(name)
            rows = rows.filter(pc.or_kleene(column.is_null(), pc.equal(column, value)))
    return rows


def _sentence(rows: list[dict[str, JSON]], causes: Counter[str], scopes: Counter[str], *, throttling: bool) -> str:
    if throttling:
        named = [(_LIMITS.get(scope, "a limit"), count) for scope, count in scopes.most_common()]
        named += [("a usage plan's quota", causes["quota"])] if causes["quota"] else []
        what, count = max(named, key=lambda one: one[1], default=("a limit", len(rows)))
    else:
        cause, count = causes.most_common(1)[0]
        what = cause.replace("_", " ")
    said = Counter(str(row["said"]) for row in rows if row["said"]).most_common(1)
    quoted = f": “{said[0][0][:SHOWN]}”" if said else ""
    return f"The execution log names {what} in {count:,} of {len(rows):,} of them{quoted}."
