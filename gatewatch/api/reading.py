"""What the routes share: the store, the shape of answers, and times in queries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, TypeVar

import orjson
from fastapi import HTTPException, Request
from pydantic import AfterValidator, BaseModel, BeforeValidator
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gatewatch.records import JSON
from gatewatch.store.state import State

T = TypeVar("T")

SCHEMA_VERSION = 1


async def ask(request: Request, question: Callable[[State], T]) -> T:
    """The answer of `question`, asked in a thread: the database, or Parquet, may take its time."""
    opened: Callable[[], State] = request.app.state.opened
    return await run_in_threadpool(lambda: question(opened()))


def answer(body: dict[str, JSON], *, status: int = 200) -> Response:
    """`body` as JSON; written by orjson, several times faster than a response model (which is documentation here)."""
    whole: dict[str, JSON] = {"schema_version": SCHEMA_VERSION, **body}
    try:
        text = orjson.dumps(whole)
    except TypeError:  # half a character (a lone surrogate) that a log line spelt as an escape
        text = orjson.dumps(_whole_characters(whole))
    return Response(text, status_code=status, media_type="application/json")


def _whole_characters(value: JSON) -> JSON:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole_characters(one) for one in value]
    if isinstance(value, dict):
        return {str(_whole_characters(key)): _whole_characters(one) for key, one in value.items()}
    return value


def _written(value: object) -> object:
    """Only text with a date: a bare number could be seconds, milliseconds or a typing error."""
    if isinstance(value, str) and "-" not in value[1:]:
        raise ValueError("a time is written like 2026-06-09T12:00:00Z")
    return value


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs its zone, for example 2026-06-09T12:00:00Z (a + in a URL is written %2B)")
    return value


Instant = Annotated[datetime, BeforeValidator(_written), AfterValidator(_aware)]


class Problem(BaseModel):
    """RFC 9457 problem document."""

    type: str
    title: str
    status: int
    detail: str


PROBLEMS: dict[int | str, dict[str, object]] = {
    400: {"model": Problem, "description": "It fits this description, but is no filter, range or cursor of this data"},
    422: {"model": Problem, "description": "A parameter is not what it should be"},
    503: {"model": Problem, "description": "The database cannot be reached"},
}


NOT_FOUND: dict[int | str, dict[str, object]] = {404: {"model": Problem, "description": "Nothing has this id"}}


def unfit(detail: str) -> HTTPException:
    """400: what no description of single parameters can tell, such as a filter or two times that do not go together.

    What breaks the description is 422.
    """
    return HTTPException(400, detail)


def missing(what: str) -> HTTPException:
    return HTTPException(404, f"there is no {what}")
