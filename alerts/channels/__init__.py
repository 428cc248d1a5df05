"""The places where people read alerts: one module each, found by `@channel`.

A channel is made by a factory from the settings, None when it is not configured (UsageError when it is, but wrongly).
It takes a payload (alerts/payload.py) and says only whether trying again can help: ChannelError, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from alerts.model import ALARMS
from alerts.render.redact import redacted_json
from gatewatch.records import JSON
from gatewatch.registry import Registry
from gatewatch.settings import Settings

MOST_REPLY = 2000
MOST_REQUEST = 64_000


@dataclass(slots=True)
class Attempt:
    """One attempt to send. memory: what earlier messages of the group left; what it holds after success is kept.

    wire: what went out and came back, for the delivery log. repeat: an earlier attempt may have got through.
    """

    memory: dict[str, JSON] = field(default_factory=dict)
    wire: list[JSON] = field(default_factory=list)
    repeat: bool = False

    def note(self, what: str, request: JSON, reply: str, status: int | None = None) -> None:
        """Keep an exchange. what: such as `POST chat.postMessage`, never an address that is a secret."""
        self.wire.append(
            {
                "what": what,
                "request": redacted_json(request, MOST_REQUEST),
                "status": status,
                "reply": redacted_json(reply, MOST_REPLY),
            }
        )


class Channel(Protocol):
    def send(
        self,
        payload: Mapping[str, JSON],
        *,
        idempotency_key: str,
        now: datetime | None = None,
        attempt: Attempt | None = None,
    ) -> None:
        """Deliver or raise ChannelError. The same key again is a repeat of the same message, and looks like it.

        now: the instant of sending, for the message's date; without it, the instant of detection. attempt: what is
        known of earlier messages, and where to note what went over the wire.
        """
        ...


Factory = Callable[[Settings], Channel | None]

CHANNELS: Registry[Factory] = Registry("alerts.channels")

_TRANSITIONS: dict[str, frozenset[str]] = {}


def channel(name: str, *, also: frozenset[str] = frozenset()) -> Callable[[Factory], Factory]:
    """Register a factory. `also`: transitions beside new and worse, for channels in which they disturb nobody."""

    def add(factory: Factory) -> Factory:
        _TRANSITIONS[name] = ALARMS | also
        return CHANNELS.register(name)(factory)

    return add


def transitions_of(name: str) -> frozenset[str]:
    """What a channel wants to hear of."""
    return _TRANSITIONS[name] if name in CHANNELS else ALARMS


def configured_channels(settings: Settings) -> dict[str, Channel]:
    """The channels that the settings ask for, by name. UsageError when one is asked for wrongly."""
    made = {name: factory(settings) for name, factory in CHANNELS.items()}
    return {name: one for name, one in made.items() if one is not None}
