"""What calls besides people: health checks, scanners, forgotten clients, nightly batches, devices on their beat."""

from __future__ import annotations

import numpy as np

from gatewatch.simulate.calls import Calls, joined, refuse
from gatewatch.simulate.clients import show_clients
from gatewatch.simulate.demand import local_ms
from gatewatch.simulate.model import DAY_MS, HOUR_MS, MINUTE_MS, Api, Chunk, Ints, World
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.people import PROBES, agent, mixed, uniform, user_addresses

CHECK_SECONDS = 60
CHECKERS = 2
"""Each of two places asks once a minute."""

CHECKED_RPS = 0.05
"""APIs below this rate are not watched by anybody."""

SCANS_A_DAY = 1.5
SCAN_PROBES = (4, 40)
DRIZZLE_A_DAY = 15.0
"""Lone requests for paths that do not exist, a day and API."""

STRAGGLER_MINUTES = 20
"""How often a client with a withdrawn key tries again."""

BATCH_MINUTES = 35
BATCH_START_MINUTE = 130
"""Local time of the nightly batch: ten past two, plus up to an hour that is the API's own."""

DEVICE_SECONDS = 300
ON_SHARE = 0.95
"""Devices that are on at a time, on average."""


def health_checks(world: World, chunk: Chunk, rng: np.random.Generator) -> Calls:
    """Two monitors, each with its own phase, a second of jitter; nobody checks the quietest APIs."""
    places = [place for place, route in enumerate(chunk.api.routes) if route.health]
    places = places if chunk.api.rate_rps >= CHECKED_RPS else []
    if not places:
        return Calls.blank(np.zeros(0, dtype=np.int64))
    step = CHECK_SECONDS * 1000
    parts = []
    for checker in range(CHECKERS):
        phase = int(mixed(world.seed, chunk.api.index, 31, checker)) % step
        at = np.arange(chunk.start_ms // step * step + phase, chunk.end_ms, step, dtype=np.int64)
        calls = Calls.blank(at + rng.integers(0, 1000, len(at)))
        calls.route[:] = places[0]
        calls.ip[:] = user_addresses("hosting", mixed(world.seed, 32, np.array([checker])))[0]
        calls.agent[:] = agent("Amazon-Route53" if checker < 1 else "UptimeProbe")
        parts.append(calls)
    return joined(parts)


def scanners(world: World, chunk: Chunk, rng: np.random.Generator) -> Calls:
    """A few sessions a day of a bot that tries paths in a row, and a drizzle of lone probes."""
    hours = (chunk.end_ms - chunk.start_ms) / HOUR_MS
    lone = rng.integers(chunk.start_ms, chunk.end_ms, int(rng.poisson(DRIZZLE_A_DAY / 24 * hours)))
    drizzle = Calls.blank(np.sort(lone))
    drizzle.ip = user_addresses("hosting", mixed(world.seed, 33, drizzle.at_ms // HOUR_MS))
    parts = [drizzle]
    for start in rng.integers(chunk.start_ms, chunk.end_ms, int(rng.poisson(SCANS_A_DAY / 24 * hours))).tolist():
        size = int(rng.integers(*SCAN_PROBES))
        session = Calls.blank(start + np.cumsum(rng.exponential(1500.0, size)).astype(np.int64))
        session.ip[:] = user_addresses("hosting", mixed(world.seed, 34, np.array([start])))[0]
        parts.append(session)
    calls = joined(parts)
    calls.route[:] = -1
    calls.path[:] = rng.integers(0, len(PROBES), len(calls))
    calls.method[:] = np.where(rng.random(len(calls)) < 0.9, 0, 1)
    bots = np.array([agent("zgrab"), agent("Nuclei"), agent("Mozilla/5.0 (compatible; ScanBot"), agent("Go-http")])
    calls.agent[:] = bots[calls.ip % len(bots)]
    if chunk.api.kind == "websocket":
        calls = calls.take(rng.random(len(calls)) < 0.2)  # most bots do not speak WebSocket
    return calls


def stragglers(world: World, chunk: Chunk, rng: np.random.Generator) -> Calls:
    """A client whose key was withdrawn long ago goes on trying; only on APIs with keys."""
    keyed = [place for place, route in enumerate(chunk.api.routes) if route.auth == "key"]
    step = STRAGGLER_MINUTES * MINUTE_MS
    at = np.arange(-(-chunk.start_ms // step) * step, chunk.end_ms, step, dtype=np.int64)
    calls = Calls.blank(at + rng.integers(0, 20_000, len(at)) if keyed else at[:0])
    calls.route[:] = keyed[0] if keyed else 0
    calls.ip[:] = user_addresses("hosting", mixed(world.seed, chunk.api.index, np.array([35])))[0]
    calls.agent[:] = agent("partner-sync")
    refuse(chunk.api, calls, np.ones(len(calls), dtype=np.bool_), Outcome.KEY_UNKNOWN, rng)
    return calls


def nightly(world: World, chunk: Chunk, rng: np.random.Generator) -> Calls:
    """Every night at the same local time one client goes through a nightly route at a steady pace for half an hour."""
    api = chunk.api
    places = [place for place, route in enumerate(api.routes) if route.nightly]
    if not places:
        return Calls.blank(np.zeros(0, dtype=np.int64))
    minutes = np.arange(chunk.start_ms, chunk.end_ms, MINUTE_MS, dtype=np.int64)
    begin = batch_start(world, api)
    of_day = local_ms(api.timezone, minutes) % DAY_MS // MINUTE_MS
    tonight = minutes[(of_day >= begin) & (of_day < begin + BATCH_MINUTES)]
    counts = rng.poisson(max(api.rate_rps * 60 * 0.5, 4.0), len(tonight))
    calls = Calls.blank(np.repeat(tonight, counts) + rng.integers(0, MINUTE_MS, int(counts.sum())))
    calls.route[:] = places[0]
    show_clients(world, api, calls, np.zeros(len(calls), dtype=np.int64))
    calls.agent[:] = agent("nightly-export")
    calls.path[:] = rng.integers(1, 9_974, len(calls))
    return calls


def batch_start(world: World, api: Api) -> int:
    """Local minute of the day at which the nightly batch begins."""
    return BATCH_START_MINUTE + int(mixed(world.seed, api.index, 36)) % 60


def device_beats(world: World, chunk: Chunk, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """When devices report, in order of time, and which one does: each on its own beat, some seconds late at times.

    All of an API's users are devices. One in twenty is off for six hours. The beat is five minutes for a fleet of
    ordinary size, and longer where the API's rate is too low for that.
    """
    api = chunk.api
    step = max(round(api.users * ON_SHARE / api.rate_rps), 1) * 1000
    devices = np.arange(api.users)
    phase = mixed(world.seed, api.index, 37, devices) % step
    beats = np.arange(chunk.start_ms // step * step, chunk.end_ms, step, dtype=np.int64)
    at = (beats[:, None] + phase[None, :]).ravel()
    who = np.tile(devices, len(beats))
    off = uniform(world.seed, api.index, 38, who, (at + mixed(who) % DAY_MS) // (6 * HOUR_MS)) >= ON_SHARE
    at, who = at[~off], who[~off]
    at += rng.exponential(2_500.0, len(at)).astype(np.int64)
    order = np.argsort(at, kind="stable")
    at, who = at[order], who[order]
    here = (at >= chunk.start_ms) & (at < chunk.end_ms)
    return at[here], who[here]
