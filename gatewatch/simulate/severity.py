"""How large an incident must be to be as visible as its level says, measured against the API's own background.

The measure is information: the expected log-likelihood ratio, in nats, between the calls with the incident and those
without it, for somebody who knows the background exactly (rate of each minute, over-dispersion, spread of latencies).
An alarm that may be false once in ten weeks needs about ln(100,000) = 11.5 nats (Lorden's bound); whoever has to learn
the background needs more. A subtle incident carries 35 to 45 nats in all, a moderate one three times as much, a
blatant one ten times as much and several times the background, too. Nothing here knows how anything is detected.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from gatewatch.simulate.background import DRIFT, WANDER
from gatewatch.simulate.clients import ZIPF
from gatewatch.simulate.demand import per_minute
from gatewatch.simulate.model import MINUTE_MS, Api, Floats, Route, World
from gatewatch.simulate.scenarios import Unfit
from gatewatch.simulate.sidelines import DRIZZLE_A_DAY, SCAN_PROBES, SCANS_A_DAY, STRAGGLER_MINUTES
from gatewatch.simulate.tokens import MISTYPED, REACTIVE, TRIES_AGAIN

NATS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"blatant": (400.0, 600.0), "moderate": (110.0, 150.0), "subtle": (35.0, 45.0)}
)
"""Range of the information that an incident carries, by level."""

TIMES: Mapping[str, float] = MappingProxyType({"blatant": 6.0, "moderate": 2.0, "subtle": 0.0})
"""What is added is at least this many times the background."""

_MISSING_OR_BAD = 0.0036
_BLOCKED = 0.0006
_APP_FORBIDDEN = 0.02


def wanted_nats(level: str, rng: np.random.Generator) -> float:
    """The information that this one incident is to carry."""
    return float(rng.uniform(*NATS[level]))


def nats_of_counts(extra: Floats, base: Floats, dispersion: float) -> float:
    """Information of `extra` calls a minute on top of `base`, both expected; variance over mean is `dispersion`."""
    base = np.maximum(base, 1e-4)
    return float(((base + extra) * np.log1p(extra / base) - extra).sum()) / max(dispersion, 1.0)


def extra_counts(
    base: Floats, dispersion: float, level: str, rng: np.random.Generator, *, least: float, shape: Floats | None = None
) -> Floats:
    """How many calls a minute to add to a background of `base` a minute, for all minutes of the incident.

    least: of all together, so that there is enough to tell what it is. shape: of the addition in time, default level.
    """
    form = np.ones(len(base)) if shape is None else shape / shape.mean()
    wanted = wanted_nats(level, rng)
    low, high = 0.0, 1.0
    while nats_of_counts(high * form, base, dispersion) < wanted:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if nats_of_counts(middle * form, base, dispersion) < wanted else (low, middle)
    size = max(high, TIMES[level] * float(base.mean()), least / len(base))
    found: Floats = size * form
    return found


def credential_refusals(world: World, api: Api, start_ms: int, end_ms: int) -> Floats:
    """Expected refusals of tokens and keys by the gateway on ordinary days, for each minute."""
    calls = per_minute(world, api, start_ms, end_ms)
    tokens = sum(route.weight for route in api.routes if route.auth in ("jwt", "lambda"))
    found = calls * tokens * _MISSING_OR_BAD
    if tokens:
        users = np.arange(1, api.users + 1, dtype=np.float64) ** -ZIPF[api.audience]
        rates = calls.mean() * tokens * users / users.sum()
        # refused are those who come back with the token of the life before
        expiring = REACTIVE * ((1 - np.exp(-rates * api.token_minutes)) ** 2).sum() / api.token_minutes
        found = found + expiring * calls / max(float(calls.mean()), 1e-9)
    if any(route.auth == "key" for route in api.routes):
        found = found + 1 / STRAGGLER_MINUTES
    return found


def refused_logins(world: World, api: Api, start_ms: int, end_ms: int) -> Floats:
    """Expected refusals of passwords (and of rights) by the back end on ordinary days, for each minute."""
    calls = per_minute(world, api, start_ms, end_ms)
    logins = sum(route.weight for route in api.routes if route.auth == "login")
    again = TRIES_AGAIN * 0.5
    mistyped = logins * MISTYPED * (1 + again + again**2 + again**3)
    forbidden = sum(route.weight * route.client_errors for route in api.routes) * _APP_FORBIDDEN
    found: Floats = calls * (mistyped + forbidden)
    return found


def probes(api: Api, minutes: int) -> Floats:
    """Expected requests for paths that do not exist, for each minute; they come in sessions (PROBE_DISPERSION)."""
    a_day = DRIZZLE_A_DAY + SCANS_A_DAY * (sum(SCAN_PROBES) / 2)
    return np.full(minutes, a_day / 1440 * (0.2 if api.kind == "websocket" else 1.0))


PROBE_DISPERSION = 25.0


def blocked(world: World, api: Api, start_ms: int, end_ms: int) -> Floats:
    """Expected blocks by the web ACL, for each minute."""
    return per_minute(world, api, start_ms, end_ms) * _BLOCKED


def server_errors(world: World, api: Api, start_ms: int, end_ms: int) -> Floats:
    """Expected 5xx of back ends, for each minute."""
    share = sum(route.weight * route.server_errors for route in api.routes)
    return per_minute(world, api, start_ms, end_ms) * share


def nats_per_missed(dispersion: float) -> float:
    """Information of one expected call that does not come: a gamma-Poisson minute is empty with phi^(-mean/(phi-1))."""
    return 1.0 if dispersion < 1.05 else float(np.log(dispersion) / (dispersion - 1))


def silence_ms(world: World, api: Api, share: float, start_ms: int, nats: float) -> int | None:
    """How long a share of the API's calls must be missing from start_ms on to carry this information.

    None when the world is over before.
    """
    per_call = nats_per_missed(api.dispersion) * share
    begin = start_ms // MINUTE_MS * MINUTE_MS
    missed = np.cumsum(per_minute(world, api, begin, world.end_ms)) * per_call
    place = int(np.searchsorted(missed, nats))
    return None if place >= len(missed) else (place + 1) * MINUTE_MS


def log_spread(api: Api, route: Route) -> float:
    """Standard deviation of the logarithm of a route's latency: body, second mode, tail and cold starts together."""
    latency = route.latency
    variance = latency.sigma**2
    if latency.slow_share:
        step = np.log(latency.slow_ms / latency.median_ms)
        variance += latency.slow_share * (1 - latency.slow_share) * step**2
    variance += latency.tail_share * (2 / latency.tail_alpha**2)
    cold = latency.cold_share * min(max(1.0, 2.0 / max(api.rate_rps, 0.05)), 12.0)
    variance += cold * float(np.log(latency.cold_ms / latency.median_ms)) ** 2
    return float(np.sqrt(variance))


def nats_of_shift(shift: Floats, calls: Floats, spread: float) -> float:
    """Information of latencies multiplied by exp(shift): an element a quarter of an hour, in which `calls` are made.

    All calls of a quarter share what the API wanders (background.WANDER, DRIFT): more calls do not tell ever more.
    """
    variance = spread**2 / np.maximum(calls, 1e-9) + WANDER**2 + DRIFT**2
    return float((shift**2 / (2 * variance)).sum())


def shift_for(
    calls: Floats, spread: float, level: str, rng: np.random.Generator, *, form: Floats | None = None
) -> float:
    """The shift of log-latency that makes an incident of this level; at least LEAST_SHIFT. Unfit past MOST_SHIFT.

    calls: expected in each quarter of an hour of the incident. form: the shift's course, 1 at its full size.
    """
    course = np.ones(len(calls)) if form is None else form
    one = nats_of_shift(course, calls, spread)
    needed = float(np.sqrt(wanted_nats(level, rng) / max(one, 1e-9)))
    if needed > MOST_SHIFT:
        raise Unfit(f"too few calls to tell a latency of {level} level")
    return max(needed, LEAST_SHIFT[level])


LEAST_SHIFT: Mapping[str, float] = MappingProxyType(
    {"blatant": float(np.log(4.0)), "moderate": float(np.log(1.9)), "subtle": float(np.log(1.35))}
)
"""Slower by less is no incident to anybody, however sure one can be."""

MOST_SHIFT = float(np.log(12.0))


def calls_per_quarter(world: World, api: Api, share: float, start_ms: int, end_ms: int) -> Floats:
    """Expected calls of a share of the API in each quarter of an hour of [start_ms, end_ms)."""
    minutes = per_minute(world, api, start_ms // MINUTE_MS * MINUTE_MS, -(-end_ms // MINUTE_MS) * MINUTE_MS) * share
    return np.add.reduceat(minutes, np.arange(0, len(minutes), 15))


NO_THROTTLING = 0.02
"""Refusals a minute for want of quota on an ordinary day, as far as anybody can tell: there are none."""


def silent_since(world: World, api: Api, share: float, nats: float) -> int:
    """From when on a share of the API's calls must be missing to carry this information by the world's end.

    Unfit when the whole world is too short for it.
    """
    per_call = nats_per_missed(api.dispersion) * share
    missed = np.cumsum(per_minute(world, api, world.start_ms, world.end_ms)[::-1]) * per_call
    place = int(np.searchsorted(missed, nats))
    if place >= len(missed):
        raise Unfit("too few calls to tell a silence by the world's end")
    return world.end_ms - (place + 1) * MINUTE_MS


def share_of_calls(
    calls: Floats, base: Floats, dispersion: float, level: str, rng: np.random.Generator, *, least: float, full: float
) -> float:
    """Which share of calls (expected, a minute) must fail on top of `base` failures; `full` at least.

    least: failures of all together. All of them when even that carries less information than the level asks for;
    Unfit when it is less than ENOUGH_NATS.
    """
    extra = extra_counts(base, dispersion, level, rng, least=least, shape=np.maximum(calls, 1e-9))
    share = float(extra.sum() / max(calls.sum(), 1e-9))
    if share > 1 and nats_of_counts(calls, base, dispersion) < ENOUGH_NATS:
        raise Unfit("too few calls for so many failures")
    return min(max(share, full), 1.0)


ENOUGH_NATS = 60.0
"""What everything failing must carry at least; it is as blatant as it can be on an API with few calls."""


def share_of_slow(calls: float, usual: float, level: str, rng: np.random.Generator, *, least: float) -> float:
    """Which share of calls must take far longer, where `usual` of them do on ordinary days; at least `least`.

    Unfit when it would be more than a third: then it is no tail any more.
    """
    wanted = wanted_nats(level, rng)
    low, high = usual, 0.9
    for _ in range(50):
        share = (low + high) / 2
        nats = calls * (share * np.log(share / usual) + (1 - share) * np.log((1 - share) / (1 - usual)))
        low, high = (low, share) if nats >= wanted else (share, high)
    if high > 0.34:
        raise Unfit("too few calls to tell a tail")
    return max(high, least)
