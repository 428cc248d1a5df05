"""Series of any measure by any field, and heat maps of latency."""

from __future__ import annotations

import math
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from gatewatch.api.access import VIEWER
from gatewatch.api.reading import PROBLEMS, answer, ask
from gatewatch.api.request_query import SPAN, STEP, Span, step_seconds, usage
from gatewatch.api.tags import tagged
from gatewatch.privacy import Privacy
from gatewatch.records import JSON, iso
from gatewatch.store.bands import Band, bands
from gatewatch.store.measures import MEASURES
from gatewatch.store.request_fields import GROUPED, shown
from gatewatch.store.series import MOST_GROUPS, Asked, HeatMap, Lines, heat_map, series, step_for
from gatewatch.store.state import State

router = APIRouter(prefix="/api/v1", tags=["traffic"], dependencies=[VIEWER])

MeasureName = StrEnum("MeasureName", {name: name for name in MEASURES})  # type: ignore[misc]
FieldName = StrEnum("FieldName", {name: name for name in GROUPED})  # type: ignore[misc]
_REQUESTS = MeasureName("requests")
Step = Annotated[
    str | None,
    Query(
        max_length=10,
        description="5m, 1h, 1d …; default: about 200 points",
        examples=["1h"],
        json_schema_extra={"pattern": STEP},
    ),
]

_BACK = {"1d": timedelta(days=1), "1w": timedelta(days=7)}


@router.get(
    "/series",
    operation_id="series",
    summary="A measure over time, in one line or by the values of a field",
    responses={**PROBLEMS},
)
async def get_series(
    request: Request,
    measure: MeasureName = _REQUESTS,
    by: Annotated[FieldName | None, Query(description="A line for each of its most frequent values")] = None,
    span: Span = SPAN,
    step: Step = None,
    top: Annotated[int, Query(ge=1, le=MOST_GROUPS, description="Lines beside the one of all others")] = 8,
    compare: Annotated[
        Literal["previous", "1d", "1w"] | None, Query(description="The same, so long before, as `compared`")
    ] = None,
    band: Annotated[bool, Query(description="What detectors expected, where a finding holds it, as `bands`")] = False,
) -> Response:
    name, seconds = measure.value, step_seconds(step) or step_for(span.since, span.until)
    asked = Asked(span.since, span.until, seconds, span.terms, None if by is None else by.value, top)
    privacy: Privacy = request.app.state.privacy

    def told(store: State) -> dict[str, JSON]:
        found = series(store, name, asked)
        body: dict[str, JSON] = {
            "measure": name,
            "unit": MEASURES[name].unit,
            "means": MEASURES[name].means,
            "by": asked.by,
            "step_s": seconds,
            **_lines(found, privacy, asked.by),
        }
        if compare is not None:
            back = _BACK.get(compare, timedelta(seconds=seconds * asked.steps))
            before = series(store, name, Asked(span.since - back, span.until - back, seconds, span.terms))
            body["compared"] = {"seconds_before": int(back.total_seconds()), **_lines(before, privacy, None)}
        if band:
            with store.read() as session:
                body["bands"] = [_band(one) for one in bands(session, name, span.since, span.until, span.terms)]
        return body

    return tagged(request, answer(await ask(request, lambda store: usage(lambda: told(store)))))


@router.get(
    "/heatmap",
    operation_id="heatmap",
    summary="How many requests took how long, over time",
    responses={**PROBLEMS},
)
async def get_heat_map(
    request: Request,
    span: Span = SPAN,
    step: Step = None,
    rows: Annotated[int, Query(ge=4, le=100, description="Bands of latency, at most")] = 36,
) -> Response:
    seconds = step_seconds(step) or step_for(span.since, span.until, 120)
    asked = Asked(span.since, span.until, seconds, span.terms)
    found: HeatMap = await ask(request, lambda store: usage(lambda: heat_map(store, asked, rows=rows)))
    counts: list[JSON] = [[*row] for row in found.counts]
    body: dict[str, JSON] = {
        "at": [iso(one) for one in found.at],
        "step_s": seconds,
        "edges_ms": [round(one, 3) for one in found.edges_ms],
        "counts": counts,
        "over_28s": found.over,
        "source": found.source,
    }
    return tagged(request, answer(body))


def _lines(found: Lines, privacy: Privacy, by: str | None) -> dict[str, JSON]:
    return {
        "at": [iso(one) for one in found.at],
        "lines": [
            {
                "value": shown(privacy, by, one.value),
                "other": one.other,
                "points": [None if math.isnan(value) else value for value in one.points],
            }
            for one in found.lines
        ],
        "groups": found.groups,
        "known_steps": sum(found.known),
        "source": found.source,
    }


def _band(one: Band) -> JSON:
    points: list[JSON] = [
        {"at": iso(point.at), "observed": point.observed, "expected": point.expected, "upper": point.upper}
        for point in one.points
    ]
    return {"finding": one.finding_id, "kind": one.kind, "unit": one.unit, "title": one.title, "points": points}
