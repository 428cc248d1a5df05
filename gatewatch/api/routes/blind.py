"""What gatewatch cannot judge, and why."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from gatewatch.api.access import VIEWER
from gatewatch.api.reading import PROBLEMS, answer, ask
from gatewatch.records import JSON
from gatewatch.store.findings import list_blind
from gatewatch.store.state import State

router = APIRouter(prefix="/api/v1/blind", tags=["findings"], dependencies=[VIEWER])


@router.get("", operation_id="blind", summary="Detectors that cannot see a stage", responses={**PROBLEMS})
async def blind(request: Request) -> Response:
    def spots(store: State) -> list[JSON]:
        with store.read() as session:
            return [one.to_json() for one in list_blind(session)]

    return answer({"blind": await ask(request, spots)})
