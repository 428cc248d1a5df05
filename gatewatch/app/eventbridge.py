"""`POST /ingest/eventbridge`: configuration changes as EventBridge sends them to an API destination.

The body is one event, or a list of events; what is no change of a service that we look at is answered and passed over.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gatewatch.api.problems import problem
from gatewatch.app.counter import TakenIn
from gatewatch.app.opened import Opened
from gatewatch.errors import GatewatchError
from gatewatch.store.changes import save_changes
from ingest.changes import event_changes

log = logging.getLogger(__name__)

PATH = "/ingest/eventbridge"
MOST_BODY = 1 << 20
"""An event has at most 256 KB."""


async def take(request: Request) -> Response:
    """Answer once the changes stand in the timeline; an event that is told again changes nothing."""
    counter: TakenIn = request.app.state.counter
    opened: Opened = request.app.state.opened
    try:
        with counter.room(MOST_BODY):
            body = await counter.body(request, MOST_BODY)
            if body is None:
                return problem(413, f"a body has at most {MOST_BODY >> 20} MiB")
            new = await run_in_threadpool(_keep, opened, body)
    except ValueError as error:
        return problem(400, str(error))
    except GatewatchError as error:
        log.warning("an event was refused", extra={"reason": str(error)})
        return problem(503, "it cannot be written now; send it again", headers={"Retry-After": "5"})
    return JSONResponse({"new": new})


def _keep(opened: Opened, body: bytes) -> int:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the body is not JSON: {error.msg}") from None
    listed = document if isinstance(document, list) else [document]
    if not all(isinstance(one, dict) for one in listed):
        raise ValueError("the body is neither an event nor a list of events")
    events = [change for one in listed for change in event_changes(one)]
    if not events:
        return 0
    now = datetime.now(UTC)
    return opened().run(lambda session: save_changes(session, events, source="eventbridge", now=now))
