"""The places where people read alerts: one module each, found by `@channel`.

A channel is made by a factory from the settings, None when it is not configured (UsageError when it is, but wrongly).
It takes a payload (alerts/payload.py) and says only whether trying again can help: ChannelError, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from pydantic import Field, SecretStr, ValidationError

from alerts.config import AlertConfig, load_alert_config, named_channels
from alerts.model import ALARMS
from alerts.plan import Wants
from alerts.render.redact import redacted_json
from alerts.times import Length, Strict
from gatewatch.errors import UsageError
from gatewatch.records import JSON
from gatewatch.registry import Registry
from gatewatch.secretrefs import dereferenced
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


class ChannelOptions(Strict):
    """What every channel of the alerts file may say; each kind adds its own."""

    type: str
    fallback: str | None = Field(default=None, description="channel that stands in when this one does not take alerts")
    fallback_after: Length = Field(default=timedelta(minutes=5), description="how long an alert waits for this one")
    resolved: bool | None = Field(default=None, description="whether it hears that findings are over")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of channel that the alerts file can make. make: UsageError when the options are not usable."""

    options: type[ChannelOptions]
    make: Callable[[Any, Settings], Channel]
    wants: Wants


KINDS: Registry[Kind] = Registry("alerts.channels")

Maker = TypeVar("Maker", bound=Callable[..., Channel])


def channel_kind(
    name: str, options: type[ChannelOptions], *, resolved: bool = False, in_place: bool = False
) -> Callable[[Maker], Maker]:
    """Register what makes channels of a kind. resolved, in_place: see Wants; the file may overrule `resolved`."""

    def add(make: Maker) -> Maker:
        KINDS.register(name)(Kind(options, make, Wants(resolved=resolved, in_place=in_place)))
        return make

    return add


@dataclass(frozen=True, slots=True)
class Configured:
    """A channel under its name. fallback: the one that stands in for it after so many seconds."""

    channel: Channel
    wants: Wants
    kind: str
    fallback: str | None = None
    fallback_after_s: float = 300.0


def configured(settings: Settings) -> dict[str, Configured]:
    """All channels that settings and alerts file ask for, by name. UsageError when one is asked for wrongly."""
    found: dict[str, Configured] = {}
    for name, factory in CHANNELS.items():
        one = factory(settings)
        if one is not None:
            found[name] = Configured(one, Wants(resolved="resolved" in transitions_of(name)), name)
    config = load_alert_config(settings)
    for name, given in config.channels.items():
        found[name] = _made(name, given, settings)
    for place, name in named_channels(config):
        if name not in found:
            there = ", ".join(sorted(found)) or "none"
            raise UsageError(f"{settings.alerts_file}: {place}: no channel is called {name!r}; there are: {there}")
    return found


def _made(name: str, given: Mapping[str, Any], settings: Settings) -> Configured:
    kind, options = options_of(name, given, settings)
    try:
        made = kind.make(options, settings)
    except UsageError as error:
        raise UsageError(f"{settings.alerts_file}: channels.{name}: {error}") from None
    resolved = kind.wants.resolved if options.resolved is None else options.resolved
    return Configured(
        made,
        replace(kind.wants, resolved=resolved),
        options.type,
        options.fallback,
        options.fallback_after.total_seconds(),
    )


def options_of(name: str, given: Mapping[str, Any], settings: Settings) -> tuple[Kind, ChannelOptions]:
    """Kind and checked options of a channel of the alerts file, with secrets in the place of references to them."""
    where = f"{settings.alerts_file}: channels.{name}"
    kind = KINDS.get(str(given.get("type")))
    if kind is None:
        raise UsageError(f"{where}.type: {given.get('type')!r} is not one of {', '.join(sorted(KINDS))}")
    try:
        options = kind.options.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{where}.{place}: {first['msg'].removeprefix('Value error, ')}") from None
    secret = {
        field: SecretStr(dereferenced(f"channels.{name}.{field}", value.get_secret_value()))
        for field in kind.options.model_fields
        if isinstance(value := getattr(options, field), SecretStr)
    }
    return kind, options.model_copy(update=secret)


def configured_channels(settings: Settings) -> dict[str, Channel]:
    """The channels alone, by name."""
    return {name: one.channel for name, one in configured(settings).items()}


def schema() -> dict[str, JSON]:
    """JSON Schema of the alerts file, with the options of each kind of channel."""
    document: dict[str, Any] = AlertConfig.model_json_schema()
    options = []
    for name, kind in KINDS.items():
        one = kind.options.model_json_schema()
        document["$defs"] |= one.pop("$defs", {})
        one["properties"]["type"] = {"const": name}
        one["title"] = name
        options.append(one)
    document["properties"]["channels"]["additionalProperties"] = {"oneOf": options}
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return document
