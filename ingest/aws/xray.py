"""Traces of one region from X-Ray: found in windows, fetched by five, looked at again while they are in progress.

What X-Ray did not get round to (UnprocessedTraceIds) is asked for again, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gatewatch.records import JSON
from ingest.aws.reading import Reader
from ingest.aws.session import Aws

SETTLE = timedelta(seconds=60)
WINDOW = timedelta(hours=1)
FIRST = timedelta(hours=1)
LONGEST = timedelta(hours=6)
"""After a longer pause only the newest hours are looked at: old traces explain nothing any more."""

MOST = 1000
"""Traces fetched in one look: the faulty ones first, then the slowest."""

LOOKS = 5
_AT_ONCE = 5
_GATEWAY = "AWS::ApiGateway::Stage"


@dataclass(frozen=True, slots=True)
class Pulled:
    """traces: items of BatchGetTraces. cursor: where to go on, and which traces are looked at again how often."""

    traces: list[dict[str, Any]]
    cursor: dict[str, JSON]
    left_out: int


def pull_traces(aws: Aws, region: str, cursor: Mapping[str, Any] | None, now: datetime) -> Pulled | None:
    """The traces since the last look; None when it is too early."""
    known = dict(cursor or {})
    until = now - SETTLE
    since = max(datetime.fromisoformat(known["until"]), until - LONGEST) if "until" in known else until - FIRST
    if until <= since:
        return None
    reader = Reader(aws, region)
    found: dict[str, tuple[bool, float]] = {}
    for start, end in _windows(since, until):
        asked = {"StartTime": start, "EndTime": end, "TimeRangeType": "Event"}
        for page in reader.pages("xray", "get_trace_summaries", "NextToken", **asked):
            for summary in page.get("TraceSummaries") or []:
                kinds = {one.get("Type") for one in summary.get("ServiceIds") or []}
                if not kinds or _GATEWAY in kinds:
                    faulty = bool(summary.get("HasFault") or summary.get("HasError") or summary.get("HasThrottle"))
                    found[summary["Id"]] = faulty, float(summary.get("ResponseTime") or summary.get("Duration") or 0.0)
    again = {str(name): int(looks) for name, looks in (known.get("again") or {}).items()}
    new = sorted(
        (name for name in found if name not in again), key=lambda name: (not found[name][0], -found[name][1], name)
    )
    chosen = [*again, *new[:MOST]]
    traces: list[dict[str, Any]] = []
    missed: list[str] = []
    for begin in range(0, len(chosen), _AT_ONCE):
        for page in reader.pages("xray", "batch_get_traces", "NextToken", TraceIds=chosen[begin : begin + _AT_ONCE]):
            traces += page.get("Traces") or []
            missed += page.get("UnprocessedTraceIds") or []
    later = [*missed, *(one["Id"] for one in traces if _in_progress(one))]
    unfinished = {name: again.get(name, 0) + 1 for name in later}
    return Pulled(
        [one for one in traces if one["Id"] not in unfinished or unfinished[one["Id"]] >= LOOKS],
        {"until": until.isoformat(), "again": {name: looks for name, looks in unfinished.items() if looks < LOOKS}},
        max(len(new) - MOST, 0),
    )


def _windows(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    while since < until:
        end = min(since + WINDOW, until)
        yield since, end
        since = end


def _in_progress(trace: Mapping[str, Any]) -> bool:
    """One of its segments has not ended."""
    for segment in trace.get("Segments") or []:
        try:
            document = json.loads(segment.get("Document") or "{}")
        except ValueError:
            continue
        if isinstance(document, dict) and document.get("in_progress"):
            return True
    return False
