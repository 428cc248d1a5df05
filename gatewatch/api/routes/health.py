"""Is the process alive, and can it work?"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from gatewatch.api.access import PUBLIC
from gatewatch.api.problems import problem
from gatewatch.api.reading import PROBLEMS, answer, ask
from gatewatch.errors import GatewatchError, SchemaError
from gatewatch.store.migrate import current_revision
from gatewatch.store.models import SCHEMA
from gatewatch.store.state import State

router = APIRouter(tags=["health"], dependencies=[PUBLIC])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", operation_id="healthz", summary="Always 200 while alive")
async def healthz() -> Response:
    return answer({"status": "alive"})


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    operation_id="readyz",
    summary="200 when the database answers and has the right schema",
    responses={503: PROBLEMS[503]},
)
async def readyz(request: Request) -> Response:
    try:
        await ask(request, _check)
    except GatewatchError as error:
        return problem(503, str(error), kind="urn:gatewatch:problem:not-ready", headers={"Retry-After": "5"})
    return answer({"status": "ready"})


def _check(state: State) -> None:
    with state.read() as session:
        found = current_revision(session.connection())
    if found != SCHEMA:
        raise SchemaError(f"the database has schema {found}, this gatewatch works with {SCHEMA}")
