"""An event on an Amazon EventBridge bus, for rules that act by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from alerts.channels import Attempt, channel_kind
from alerts.channels.aws import AwsOptions, called, client_of
from alerts.outbound import as_json
from gatewatch.errors import ChannelError
from gatewatch.records import JSON
from gatewatch.settings import Settings


class EventBridgeOptions(AwsOptions):
    bus: str = Field(default="default", description="name or ARN of the event bus")
    source: str = Field(default="gatewatch", pattern=r"^[\w./-]+$")


class EventBridge:
    """client: makes the EventBridge client, with credentials that are good now."""

    def __init__(self, client: Callable[[], Any], bus: str, source: str) -> None:
        self._client = client
        self._bus = bus
        self._source = source

    def send(
        self,
        payload: Mapping[str, JSON],
        *,
        idempotency_key: str,
        now: datetime | None = None,
        attempt: Attempt | None = None,
    ) -> None:
        detail = {"idempotency_key": idempotency_key, **payload}
        entry: dict[str, Any] = {
            "EventBusName": self._bus,
            "Source": self._source,
            "DetailType": f"gatewatch finding {payload.get('transition') or 'news'}",
            "Detail": as_json(detail).decode(),
        }
        if now is not None:
            entry["Time"] = now
        noted: JSON = {**{key: value for key, value in entry.items() if key != "Time"}, "Detail": {**detail}}
        reply = called(
            "eventbridge",
            "EventBridge PutEvents",
            noted,
            attempt,
            lambda: self._client().put_events(Entries=[entry]),
        )
        if reply.get("FailedEntryCount"):  # such a failure comes with status 200
            code = str(reply["Entries"][0].get("ErrorCode", "unknown"))[:80]
            again = code in ("ThrottlingException", "InternalFailure", "InternalException")
            raise ChannelError(f"eventbridge: {code}", retry=again)


@channel_kind("eventbridge", EventBridgeOptions, resolved=True)
def eventbridge(options: EventBridgeOptions, settings: Settings) -> EventBridge:
    return EventBridge(lambda: client_of("events", options, settings), options.bus, options.source)
