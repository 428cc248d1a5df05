"""The audit log, for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from gatewatch.api.access import ADMIN
from gatewatch.api.reading import PROBLEMS, Instant, answer, ask
from gatewatch.store.audit import MOST_ROWS, AuditEvent, audit_events, to_json
from gatewatch.store.state import State

router = APIRouter(prefix="/api/v1/audit", tags=["access"], dependencies=[ADMIN])

Name = Annotated[str | None, Query(max_length=300)]


@router.get("", operation_id="list_audit", summary="Who did what, newest first", responses={**PROBLEMS})
async def list_audit(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100,
    before: Annotated[int | None, Query(ge=1, le=2**53, description="Only lines with a smaller id")] = None,
    since: Instant | None = None,
    actor: Name = None,
    action: Name = None,
) -> Response:
    def lines(store: State) -> list[AuditEvent]:
        with store.read() as session:
            return audit_events(session, limit=limit, before=before, since=since, actor=actor, action=action)

    found = await ask(request, lines)
    following = found[-1].id if len(found) == limit else None
    return answer({"events": [to_json(event) for event in found], "next_before": following})
