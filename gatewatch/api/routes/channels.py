"""Channels of alerts: what is configured, how sending goes, and a test message."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from alerts.channels import Attempt, Configured, configured
from alerts.sample import sample_payload
from gatewatch.api.access import OPERATOR, VIEWER, asker
from gatewatch.api.changing import CHANGES, Body, Key, Once, change, now
from gatewatch.api.reading import NOT_FOUND, PROBLEMS, answer, ask, missing
from gatewatch.errors import ChannelError
from gatewatch.records import JSON, iso
from gatewatch.settings import Settings
from gatewatch.store import audit
from gatewatch.store.breakers import Health, healths
from gatewatch.store.models import key_of
from gatewatch.store.state import State

router = APIRouter(prefix="/api/v1/channels", tags=["alerts"], dependencies=[VIEWER])

ChannelName = Annotated[str, Path(alias="name", max_length=64, description="The channel's name")]


class Trial(Body):
    """resolved: as if the made-up finding were over."""

    resolved: bool = False


def to_json(name: str, one: Configured, health: Health | None) -> dict[str, JSON]:
    return {
        "name": name,
        "kind": one.kind,
        "fallback": one.fallback,
        "hears_of_the_end": one.wants.resolved,
        "failures_in_a_row": health.failures if health else 0,
        "left_alone_until": iso(health.open_until) if health and health.open_until else None,
        "last_sent_at": iso(health.sent_at) if health and health.sent_at else None,
        "last_error": health.error if health else None,
    }


@router.get("", operation_id="list_channels", summary="Channels, and how sending goes", responses={**PROBLEMS})
async def list_channels(request: Request) -> Response:
    settings: Settings = request.app.state.settings
    found = await run_in_threadpool(configured, settings)

    def known(store: State) -> dict[str, Health]:
        with store.read() as session:
            return healths(session)

    health = await ask(request, known)
    return answer({"channels": [to_json(name, one, health.get(name)) for name, one in found.items()]})


@router.post(
    "/{name}/test",
    operation_id="test_channel",
    summary="Send a made-up finding; the exact payload and the reply",
    responses={**NOT_FOUND, **CHANGES},
    dependencies=[OPERATOR],
)
async def try_out(request: Request, name: ChannelName, wish: Trial, key: Key = None) -> Response:
    who, at = asker(request), now()
    settings: Settings = request.app.state.settings
    found = await run_in_threadpool(configured, settings)
    if name not in found:
        raise missing("channel with this name")
    once = Once(request, who, key, wish.model_dump_json(), at)
    known = await once.known()
    if known is not None:
        return known
    await change(request, lambda session: audit.note(session, who, "channel.test", name, now=at))
    attempt = Attempt()
    payload = sample_payload(settings, at, reason="resolved" if wish.resolved else "new")

    def send() -> str | None:
        try:
            sent_as = f"test-{at:%Y%m%dT%H%M%S}" if key is None else f"test-{key_of(who.via.value, who.id, name, key)}"
            found[name].channel.send(payload, idempotency_key=sent_as, now=at, attempt=attempt)
        except ChannelError as error:
            return str(error)
        return None

    error = await run_in_threadpool(send)
    return await once.done({"delivered": error is None, "error": error, "wire": attempt.wire})
