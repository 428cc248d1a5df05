"""Errors as problem documents (RFC 9457): what went wrong, in one sentence, and nothing about our insides."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import cast

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gatewatch.errors import GatewatchError
from gatewatch.records import JSON

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"
_LONGEST = 300  # an error repeats what was sent only so far


def problem(
    status: int,
    detail: str,
    *,
    kind: str = "about:blank",
    headers: Mapping[str, str] | None = None,
    errors: list[JSON] | None = None,
) -> Response:
    """A problem answer. kind: its type, `about:blank` when the status says all."""
    body: dict[str, JSON] = {
        "type": kind,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail[:_LONGEST],
    }
    if errors is not None:
        body["errors"] = errors
    return Response(orjson.dumps(body), status_code=status, media_type=PROBLEM, headers=headers)


def install_problems(app: FastAPI) -> None:
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(GatewatchError, _store_away)


async def _invalid(request: Request, error: Exception) -> Response:  # noqa: ARG001
    found: list[JSON] = []
    for one in cast(RequestValidationError, error).errors()[:20]:
        where = ".".join(str(part) for part in one["loc"][1:]) or str(one["loc"][0])
        found.append({"where": where[:80], "message": str(one["msg"]).removeprefix("Value error, ")[:_LONGEST]})
    first = cast("dict[str, JSON]", found[0])
    detail = f"{first['where']}: {first['message']}"
    return problem(422, detail, kind="urn:gatewatch:problem:invalid-parameter", errors=found)


async def _http(request: Request, error: Exception) -> Response:  # noqa: ARG001
    known = cast(HTTPException, error)
    detail = known.detail if known.detail != HTTPStatus(known.status_code).phrase else "nothing stands here"
    return problem(known.status_code, detail, headers=known.headers)


async def _store_away(request: Request, error: Exception) -> Response:  # noqa: ARG001
    log.warning("a request could not be answered", extra={"reason": str(error)})
    kind = "urn:gatewatch:problem:store-unavailable"
    return problem(503, str(error), kind=kind, headers={"Retry-After": "5"})
