"""`POST /ingest/firehose`: Firehose's HTTP endpoint (ingest/sources/firehose.py says what is in a request).

200 means durable: it is sent after the commit and never before. What is not durable is 503, so that Firehose comes
again; 413 is for nothing that it may send, for then it would not.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from gatewatch.app.counter import TakenIn
from gatewatch.errors import GatewatchError
from gatewatch.taking import Delivery
from ingest.sources.firehose import MOST_BODY, Malformed, Pushed, Sender, expanded, read_push, sender_of

log = logging.getLogger(__name__)

PATH = "/ingest/firehose"
REQUEST_ID = "x-amz-firehose-request-id"
PATIENCE_S = 9.0
"""Longest wait for the commit; it goes on, and the same request sent again is then known."""

RETRY_S = 5
_LONGEST_MESSAGE = 500


def answer(
    status: int, request_id: str, message: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """An answer as Firehose reads it: uncompressed JSON with the request's own id. message: for the stream's log."""
    body: dict[str, object] = {"requestId": request_id[:256], "timestamp": int(time.time() * 1000)}
    if message is not None:
        body["errorMessage"] = message[:_LONGEST_MESSAGE]
    return Response(orjson.dumps(body), status_code=status, media_type="application/json", headers=dict(headers or {}))


async def take(request: Request) -> Response:
    """Answer a request of Firehose once its lines are durable."""
    headers = request.headers
    told = headers.get(REQUEST_ID)
    counter: TakenIn = request.app.state.counter
    try:
        with counter.room(_length(headers.get("content-length"))):
            body = await counter.body(request, MOST_BODY)
            if body is None:
                return answer(413, told or "", f"a body has at most {MOST_BODY >> 20} MiB")
            sender = sender_of(headers.get("x-amz-firehose-source-arn", ""))
            encoding = headers.get("content-encoding", "").strip().lower()
            pushed = await run_in_threadpool(_read, body, encoding, told, sender)
            del body
            if pushed.text or pushed.events.records or pushed.events.broken:
                future = await run_in_threadpool(counter.hand_over, _delivery(pushed, sender))
                await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), PATIENCE_S)
    except Malformed as error:
        return answer(400, told or "", str(error))
    except TimeoutError:
        return answer(503, told or "", "not written yet; send it again", {"Retry-After": str(RETRY_S)})
    except GatewatchError as error:
        log.warning("a delivery was refused", extra={"reason": str(error)})
        return answer(503, told or "", "it cannot be written now; send it again", {"Retry-After": str(RETRY_S)})
    return answer(200, pushed.request_id)


def _read(body: bytes, encoding: str, request_id: str | None, sender: Sender) -> Pushed:
    return read_push(expanded(body, encoding), request_id, sender)


def _delivery(pushed: Pushed, sender: Sender) -> Delivery:
    name = f"firehose/{sender.stream}"
    return Delivery(
        source=name,
        file=sender.stream,
        text=pushed.text,
        events=pushed.events,
        key=pushed.key,
        place=f"/{sender.stream}/log",
    )


def _length(text: str | None) -> int:
    return int(text[:12]) if text is not None and text.isascii() and text.isdigit() else 0
