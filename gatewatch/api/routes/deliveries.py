"""The delivery log: each attempt to send an alert, with what went out and what came back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from gatewatch.api.access import OPERATOR, VIEWER, asker
from gatewatch.api.changing import CHANGES, Body, Key, Once, now
from gatewatch.api.reading import PROBLEMS, answer, ask
from gatewatch.records import JSON
from gatewatch.store import audit
from gatewatch.store.outbox import dead_items, deliveries, delivery_json, outbox_counts, requeue
from gatewatch.store.state import Session, State

router = APIRouter(prefix="/api/v1/deliveries", tags=["alerts"], dependencies=[VIEWER])


class Again(Body):
    """alerts: ids of alerts that were given up; without them, all that were."""

    alerts: list[Annotated[str, Field(max_length=64)]] | None = Field(default=None, max_length=1000)


@router.get("", operation_id="list_deliveries", summary="Attempts to deliver, newest first", responses={**PROBLEMS})
async def list_deliveries(
    request: Request,
    channel: Annotated[str | None, Query(max_length=64, description="Only this channel")] = None,
    finding: Annotated[str | None, Query(max_length=64, description="Only alerts that tell of this finding")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    def found(store: State) -> dict[str, JSON]:
        with store.read() as session:
            rows = deliveries(session, limit, channel=channel, finding_id=finding)
            counts: dict[str, JSON] = {**outbox_counts(session)}
        return {"deliveries": [delivery_json(one) for one in rows], "alerts": counts}

    return answer(await ask(request, found))


@router.post(
    "/retry",
    operation_id="retry_deliveries",
    summary="Try alerts that were given up again",
    responses={**CHANGES},
    dependencies=[OPERATOR],
)
async def retry(request: Request, wish: Again, key: Key = None) -> Response:
    who, at = asker(request), now()

    def again(session: Session) -> dict[str, JSON]:
        wanted = dead_items(session) if wish.alerts is None else wish.alerts
        done = sum(requeue(session, one) for one in wanted)
        audit.note(session, who, "alert.retry", now=at, detail={"alerts": done})
        return {"retried": done}

    return await Once(request, who, key, wish.model_dump_json(), at).change(again)
