"""Where an alert goes: down the routing tree, to channels, in groups."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from alerts.config import ZERO, AlertConfig, Escalation, Route
from alerts.matching import Labels
from alerts.times import Window

T = TypeVar("T")

GROUP_BY = ("fingerprint",)


@dataclass(frozen=True, slots=True)
class Way:
    """A node of the tree as it holds for an alert: what it leaves out comes from its parents. repeat 0: never."""

    name: str
    channels: tuple[str, ...]
    group_by: tuple[str, ...]
    group_wait: timedelta
    group_interval: timedelta
    repeat: timedelta
    quiet: tuple[str, ...]
    escalate: tuple[Escalation, ...]


def ways(config: AlertConfig, labels: Labels, now: datetime, channels: Iterable[str]) -> list[Way]:
    """The ways that an alert with these labels takes at `now`, in the tree's order.

    channels: all that are configured, to which goes what the tree says nothing about.
    """
    return list(_down(config.route, _above(channels), "route", labels, config.times, now))


def _above(channels: Iterable[str]) -> Way:
    return Way("route", tuple(channels), GROUP_BY, ZERO, ZERO, ZERO, (), ())


def named_ways(config: AlertConfig, channels: Iterable[str]) -> dict[str, Way]:
    """All nodes of the tree by name."""
    found: dict[str, Way] = {}

    def walk(route: Route, parent: Way, place: str) -> None:
        here = inherited(route, parent, place)
        found.setdefault(here.name, here)
        for number, child in enumerate(route.routes):
            walk(child, here, f"{place}.{number}")

    walk(config.route, _above(channels), "route")
    return found


def _down(
    route: Route, parent: Way, place: str, labels: Labels, times: Mapping[str, Sequence[Window]], now: datetime
) -> Iterator[Way]:
    if not route.match.fits(labels) or (route.time and not any(in_window(times, name, now) for name in route.time)):
        return
    here = inherited(route, parent, place)
    found = False
    for number, child in enumerate(route.routes):
        deeper = list(_down(child, here, f"{place}.{number}", labels, times, now))
        yield from deeper
        found = found or bool(deeper)
        if deeper and not child.go_on:
            return
    if not found:
        yield here


def inherited(route: Route, parent: Way, place: str) -> Way:
    """A node with what it leaves out taken from its parent."""

    def chosen(own: T | None, above: T) -> T:
        return above if own is None else own

    return Way(
        name=route.name or place,
        channels=chosen(route.channels, parent.channels),
        group_by=chosen(route.group_by, parent.group_by),
        group_wait=chosen(route.group_wait, parent.group_wait),
        group_interval=chosen(route.group_interval, parent.group_interval),
        repeat=chosen(route.repeat, parent.repeat),
        quiet=chosen(route.quiet, parent.quiet),
        escalate=chosen(route.escalate, parent.escalate),
    )


def in_window(times: Mapping[str, Sequence[Window]], name: str, now: datetime) -> bool:
    return any(window.open_at(now) for window in times[name])


def group_labels(way: Way, labels: Labels) -> dict[str, str]:
    """The labels that make the group."""
    return {name: ",".join(labels.get(name, ())) for name in way.group_by}


def group_id(way: Way, channel: str, labels: Labels) -> str:
    """Name of the group of an alert: the same for alerts of one way and channel with equal group labels."""
    parts = (way.name, channel, *(f"{name}={value}" for name, value in group_labels(way, labels).items()))
    return hashlib.sha256("\x1f".join(parts).encode(errors="surrogatepass")).hexdigest()[:24]
