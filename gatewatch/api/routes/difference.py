"""What is different about a selection of requests: its fields' values against those of the rest."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from gatewatch.api.access import VIEWER
from gatewatch.api.reading import PROBLEMS, Instant, answer, ask, unfit
from gatewatch.api.request_query import SPAN, Span, request_terms, usage
from gatewatch.privacy import Privacy
from gatewatch.records import JSON
from gatewatch.store.difference import Difference, Dimension, Sets, difference
from gatewatch.store.request_fields import shown
from gatewatch.where import MOST_TERMS

router = APIRouter(prefix="/api/v1/difference", tags=["traffic"], dependencies=[VIEWER])

_BACK = {"1d": timedelta(days=1), "1w": timedelta(days=7)}


@router.get(
    "",
    operation_id="difference",
    summary="Fields ranked by how surely a selection of requests differs from the rest",
    responses={**PROBLEMS},
)
async def compare(
    request: Request,
    span: Span = SPAN,
    select: Annotated[
        list[str] | None,
        Query(description="What selects, written as `where`", max_length=MOST_TERMS, examples=[["status >= 500"]]),
    ] = None,
    select_since: Annotated[Instant | None, Query(description="The selection begins here, inside the range")] = None,
    select_until: Annotated[Instant | None, Query(description="The selection ends here, inside the range")] = None,
    against: Annotated[
        Literal["rest", "previous", "1d", "1w"],
        Query(description="rest of the range; or what the same `where` gives so long before the selection"),
    ] = "rest",
) -> Response:
    begin, end = max(select_since or span.since, span.since), min(select_until or span.until, span.until)
    if not begin < end:
        raise unfit("select_since: the selection's time must lie in the range, and begin before it ends")
    others = None
    if against != "rest":
        back = _BACK.get(against, end - begin)
        others = (begin - back, min(end - back, begin))
    sets = Sets(
        since=span.since,
        until=span.until,
        terms=span.terms,
        chosen=request_terms(request, select, "select"),
        chosen_since=None if select_since is None else begin,
        chosen_until=None if select_until is None else end,
        others=others,
    )
    privacy: Privacy = request.app.state.privacy
    found: Difference = await ask(request, lambda store: usage(lambda: difference(store, sets)))
    listed: list[JSON] = [_dimension(one, privacy) for one in found.dimensions]
    body: dict[str, JSON] = {
        "selected": found.selected,
        "rest": found.rest,
        "selected_every": found.selected_every,
        "rest_every": found.rest_every,
        "dimensions": listed,
        "numbers": [
            {
                "name": one.name,
                "selected_p50": one.selected[0],
                "selected_p95": one.selected[1],
                "rest_p50": one.rest[0],
                "rest_p95": one.rest[1],
            }
            for one in found.numbers
        ],
    }
    return answer(body)


def _dimension(one: Dimension, privacy: Privacy) -> JSON:
    values: list[JSON] = [
        {
            "value": shown(privacy, one.name, value.value),
            "selected": value.selected,
            "rest": value.rest,
            "selected_share": round(value.selected_share, 6),
            "rest_share": round(value.rest_share, 6),
            "sure": round(value.sure, 6),
            "callers": value.callers,
        }
        for value in one.values
    ]
    return {
        "name": one.name,
        "score": round(one.score, 6),
        "distinct": one.distinct,
        "chosen": one.chosen,
        "values": values,
    }
