"""How alerts are routed: the file that the setting `alerts_file` names, TOML or YAML. Without it, defaults.

`schema()` is its JSON Schema; unknown keys, channels and windows are errors that name the place.
"""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Field, ValidationError, field_validator

from alerts.matching import NAMES, Match, Owner
from alerts.times import Length, Strict, Window
from gatewatch.errors import UsageError
from gatewatch.settings import Settings

log = logging.getLogger(__name__)

MOST_BYTES = 1 << 20
ZERO = timedelta()


class Escalation(Strict):
    """Whom to tell when nobody has acknowledged `after` the first message."""

    after: Length
    channels: tuple[str, ...] = Field(min_length=1)


class Route(Strict):
    """A node of the routing tree. What it leaves out it takes from its parent."""

    name: str = Field(default="", pattern=r"^[\w .-]*$", description="for people; default: its place in the tree")
    match: Match = Match()
    time: tuple[str, ...] = Field(default=(), description="windows in one of which the finding must come")
    channels: tuple[str, ...] | None = Field(default=None, description="names of channels; none: nobody is told")
    group_by: tuple[str, ...] | None = Field(default=None, description="labels that findings of one message share")
    group_wait: Length | None = Field(default=None, description="how long a new group waits for more; critical never")
    group_interval: Length | None = Field(default=None, description="the least between two messages of a group")
    repeat: Length | None = Field(
        default=None, description="after which a group that nobody acknowledged is told again"
    )
    quiet: tuple[str, ...] | None = Field(default=None, description="windows in which only critical findings are told")
    escalate: tuple[Escalation, ...] | None = Field(default=None, max_length=2)
    go_on: bool = Field(default=False, description="also look at the routes after this one")
    routes: tuple[Route, ...] = ()

    @field_validator("group_by")
    @classmethod
    def _labels(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in names or ():
            if name not in NAMES:
                raise ValueError(f"no label is called {name!r}; there are {', '.join(NAMES)}")
        return names


class Inhibit(Strict):
    """While a finding that fits `source` is open, those that fit `target` and share the labels `equal` are held."""

    source: Match
    target: Match
    equal: tuple[str, ...] = ("account", "region", "api")


class Maintenance(Strict):
    """A time in which what fits is not told: once (`starts`, `ends`), or in windows that come again."""

    reason: str = Field(min_length=1)
    match: Match = Match()
    starts: datetime | None = None
    ends: datetime | None = None
    windows: tuple[str, ...] = ()

    @field_validator("starts", "ends")
    @classmethod
    def _utc(cls, at: datetime | None) -> datetime | None:
        return at if at is None else at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


class Storm(Strict):
    """When a channel would get more than `most` messages in `window`, the rest becomes one summary every `window`.

    critical: messages about critical findings that pass beside these.
    """

    most: int = Field(default=12, ge=1)
    critical: int = Field(default=6, ge=1)
    window: Length = timedelta(minutes=5)


class Heartbeat(Strict):
    """Dead-man's switch: an address outside that is called while we work, and raises the alarm when we do not."""

    url: str = Field(description="https address; may be a reference such as env:NAME")
    every: Length = timedelta(minutes=1)


DEFAULT_INHIBIT = (
    # What is slow or refused because of an outage or a change is said once, by its cause.
    Inhibit(
        source=Match(severity=("critical", "high"), cause=("integration", "gateway", "config_change")),
        target=Match(severity=("medium", "low", "info"), cause=("integration", "gateway", "config_change")),
        equal=("account", "region", "api", "cause"),
    ),
    # An API whose logs fail to come is not dead.
    Inhibit(source=Match(kind=("data_quality",)), target=Match(kind=("dead_api",))),
)


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


Windows = Annotated[
    tuple[Window, ...], BeforeValidator(_one_or_many, json_schema_input_type=Window | tuple[Window, ...])
]


class AlertConfig(Strict):
    """The whole file."""

    channels: dict[str, dict[str, Any]] = Field(default_factory=dict, description="name -> type and its options")
    route: Route = Route()
    inhibit: tuple[Inhibit, ...] = DEFAULT_INHIBIT
    times: dict[str, Windows] = Field(default_factory=dict, description="name -> windows")
    maintenance: tuple[Maintenance, ...] = ()
    storm: Storm = Storm()
    owners: tuple[Owner, ...] = ()
    heartbeat: Heartbeat | None = None
    silent_after: Length = Field(default=timedelta(hours=1), description="a followed source without new data is told")
    stalled_after: Length = Field(default=timedelta(minutes=15), description="without an evaluation, it is told")


_NONE = AlertConfig()
_good: dict[Path, AlertConfig] = {}


def load_alert_config(settings: Settings) -> AlertConfig:
    """The configuration in force: the same object until the file changes.

    UsageError names the file, the place in it, and what is wrong. A process that has read the file once goes on with
    what it read when the file becomes wrong: a slip of the pen must not stop evaluations and alerts.
    """
    path = settings.alerts_file
    if path is None:
        return _NONE
    try:
        _good[path] = _loaded(path, _stamp(path))
    except UsageError as error:
        if path not in _good:
            raise
        log.error("the alerts file is wrong; what it said before still holds", extra={"reason": str(error)})
    return _good[path]


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        raise UsageError(f"setting 'alerts_file': {path}: {error.strerror or error}") from None


@lru_cache(maxsize=4)
def _loaded(path: Path, stamp: int) -> AlertConfig:
    del stamp  # a changed file is another one
    return parse(_document(path), str(path))


def _document(path: Path) -> Any:
    try:
        raw = path.read_bytes()
        if len(raw) > MOST_BYTES:
            raise UsageError(f"{path}: larger than {MOST_BYTES >> 20} MiB")
        return tomllib.loads(raw.decode()) if path.suffix == ".toml" else yaml.safe_load(raw.decode())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{path}: not a readable TOML or YAML file: {' '.join(str(error).split())[:300]}") from None


def parse(document: Any, where: str) -> AlertConfig:
    """The configuration in a document; UsageError with the first thing that is wrong."""
    try:
        config = AlertConfig.model_validate({} if document is None else document)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{where}: {place or 'document'}: {first['msg'].removeprefix('Value error, ')}") from None
    for name in config.channels:
        if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
            raise UsageError(f"{where}: channels.{name}: a name is made of letters, digits, - and _")
    for place, name in _windows(config):
        if name not in config.times:
            raise UsageError(f"{where}: {place}: there is no window {name!r} in times")
    for number, one in enumerate(config.maintenance):
        if not one.windows and (one.starts is None or one.ends is None or one.ends <= one.starts):
            raise UsageError(f"{where}: maintenance.{number}: name windows, or starts and a later ends")
    return config


def every_route(route: Route, place: str = "route") -> Iterator[tuple[str, Route]]:
    """All nodes of a tree with their places, each before its children."""
    yield place, route
    for number, child in enumerate(route.routes):
        yield from every_route(child, f"{place}.routes.{number}")


def _windows(config: AlertConfig) -> Iterator[tuple[str, str]]:
    for place, route in every_route(config.route):
        yield from ((f"{place}.time", name) for name in route.time)
        yield from ((f"{place}.quiet", name) for name in route.quiet or ())
    for number, one in enumerate(config.maintenance):
        yield from ((f"maintenance.{number}.windows", name) for name in one.windows)


def named_channels(config: AlertConfig) -> Iterator[tuple[str, str]]:
    """(place, name) of all channels that routes, escalations and fallbacks name."""
    for place, route in every_route(config.route):
        yield from ((f"{place}.channels", name) for name in route.channels or ())
        for step in route.escalate or ():
            yield from ((f"{place}.escalate", name) for name in step.channels)
    for name, options in config.channels.items():
        if isinstance(options.get("fallback"), str):
            yield f"channels.{name}.fallback", options["fallback"]
