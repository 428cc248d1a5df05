"""Which scenarios happen in a world, when, where and how strongly: a schedule that follows from the seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from gatewatch.simulate.blocks import MINE
from gatewatch.simulate.calls import Calls
from gatewatch.simulate.labels import LEVELS, Incident
from gatewatch.simulate.model import DAY_MS, HOUR_MS, MINUTE_MS, Api, Chunk, World
from gatewatch.simulate.scenarios import SCENARIOS, Apply, Planted, Scenario, Unfit

WARM_UP = 0.2
"""Share of the world at its begin in which nothing happens; at least a day in worlds of three days and more."""

GAP_MS = 6 * HOUR_MS
"""Time between two things on one API, where the world is long enough: what was learnt from the first must fade."""

SHORT_GAP_MS = 2 * HOUR_MS
"""The same, when a wanted scenario finds no other place."""

LAST_MS = 2 * HOUR_MS
"""What is to end does so this long before the world's end, so that its end can be seen."""

EVENTS_A_DAY = 0.6
"""How many things happen a day and API at most, unless every scenario once asks for more."""

ROUNDS = 2 * len(LEVELS)
"""How often a scenario is tried: at each level on busy and on quiet APIs."""

ONGOING: tuple[tuple[str, str, int], ...] = (
    ("credential_stuffing", "moderate", 48),
    ("retry_storm", "moderate", 33),
    ("outage_silence", "moderate", 26),
    ("latency_step", "moderate", 75),
)
"""Scenario, level and minutes before the end at which one of each kind begins that still goes on."""

JOINT: tuple[tuple[str, str], ...] = (
    ("credential_stuffing", "latency_step"),
    ("path_probing", "latency_one_route"),
    ("brute_force", "shared_limit"),
)
"""Pairs of incidents with causes of their own, one of which (a world) happens at the same time on one API."""

JOIN_DAYS = 7
"""In worlds shorter than that nothing is joined."""

BESIDE = 4
"""How often each of those is planted that change no call."""

_TRIES = 6


@dataclass(slots=True)
class Diary:
    """What is planted so far. busy_until: by API the times that are taken, [from, until) each."""

    world: World
    planted: list[Planted] = field(default_factory=list)
    taken: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def free(self, planted: Planted, gap_ms: int) -> bool:
        """Whether nothing else happens on its APIs meanwhile, nor shortly before or after."""
        until = self.world.end_ms if planted.until_ms is None else planted.until_ms
        return all(
            until + gap_ms <= start or planted.from_ms >= end + gap_ms
            for api in planted.api_ids
            for start, end in self.taken.get(api, ())
        )

    def add(self, planted: Planted, *, alone: bool) -> None:
        number = len(self.planted)
        self.planted.append(replace(planted, apply=Numbered(planted.apply, number)))
        until = self.world.end_ms if planted.until_ms is None else planted.until_ms
        for api in planted.api_ids if alone else ():
            self.taken.setdefault(api, []).append((planted.from_ms, until))

    def starts(self, api: Api, length: int, gap_ms: int) -> npt.NDArray[np.int64]:
        """Minutes at which something of this length may begin on the API: after the warm-up, away from all else."""
        minutes = np.arange(first_ms(self.world), self.world.end_ms - LAST_MS - length, MINUTE_MS, dtype=np.int64)
        for start, end in self.taken.get(api.id, ()):
            minutes = minutes[(minutes >= end + gap_ms) | (minutes + length + gap_ms <= start)]
        return minutes

    def events(self, api: Api) -> int:
        return len(self.taken.get(api.id, ()))


@dataclass(frozen=True, slots=True)
class Numbered:
    """An `Apply` that writes the incident's number where the scenario marked calls as its own."""

    apply: Apply
    number: int

    def __call__(self, calls: Calls, chunk: Chunk, rng: np.random.Generator) -> Calls:
        after = self.apply(calls, chunk, rng)
        after.incident[after.incident == MINE] = self.number
        return after


def plan(world: World) -> tuple[Planted, ...]:
    """Everything that happens in the world, in no order of time; () when nothing is to be planted.

    Warm-up is left alone, no two things happen on one API at the same time, levels and busy and quiet APIs take turns.
    Wanted scenarios that fit no API or find no room are left out. KeyError: there is no scenario of that name.
    """
    if not world.settings.plant:
        return ()
    wanted = [SCENARIOS[name] for name in world.settings.scenarios or tuple(SCENARIOS)]
    diary = Diary(world)
    rng = world.rng("planting")
    if world.settings.ongoing:
        _go_on(diary, wanted, rng)
    most = EVENTS_A_DAY * len(world.apis) * (world.end_ms - first_ms(world)) / DAY_MS
    hopeless: set[str] = set()
    for turn in range(ROUNDS):
        for place in rng.permutation(len(wanted)).tolist():
            one = wanted[place]
            if not one.alone or one.name in hopeless or (turn > 0 and len(diary.planted) >= most):
                continue
            if not _plant(diary, one, turn + place, rng):
                hopeless.add(one.name)
    _join(diary, wanted, rng)
    for one in wanted:
        for turn in range(BESIDE if not one.alone else 0):
            if not _plant(diary, one, turn, rng):
                break
    return tuple(diary.planted)


def left_out(world: World, planted: Sequence[Planted]) -> tuple[str, ...]:
    """Wanted scenarios that are not among what is planted: no API fits, or there was no room."""
    there = {one.label.scenario for one in planted}
    wanted = (world.settings.scenarios or tuple(SCENARIOS)) if world.settings.plant else ()
    return tuple(sorted(set(wanted) - there))


def first_ms(world: World) -> int:
    """When the warm-up is over."""
    length = world.end_ms - world.start_ms
    return world.start_ms + max(round(length * WARM_UP), min(DAY_MS, length // 3))


def _plant(diary: Diary, one: Scenario, turn: int, rng: np.random.Generator) -> bool:
    """Put it where it fits, at this turn's level and size of API if that can be; False: there is no place for it."""
    level = LEVELS[turn % len(LEVELS)]
    busy = turn // len(LEVELS) % 2 == 0
    apis = [api for api in diary.world.apis if one.fits(api)]
    order = rng.permutation(len(apis)).tolist()
    order.sort(key=lambda place: (apis[place].busy != busy, diary.events(apis[place])))
    length = round(one.minutes[level] * float(rng.uniform(0.8, 1.3))) * MINUTE_MS
    for gap_ms in (GAP_MS, SHORT_GAP_MS) if one.alone else (HOUR_MS,):
        for place in order:
            if _try(diary, one, apis[place], level, length, gap_ms, rng):
                return True
    return False


def _try(diary: Diary, one: Scenario, api: Api, level: str, length: int, gap_ms: int, rng: np.random.Generator) -> bool:
    """Whether it found a place on this API; some starts in its free time are tried."""
    world = diary.world
    starts = diary.starts(api, length, gap_ms)
    if not len(starts):
        return False
    for start in rng.choice(starts, _TRIES).tolist():
        start += int(rng.integers(0, MINUTE_MS))
        try:
            planted = one.make(world, api, level, start, start + length, np.random.default_rng(rng.integers(1 << 62)))
        except Unfit:
            continue
        until = world.end_ms if planted.until_ms is None else planted.until_ms
        ends = not isinstance(planted.label, Incident) or until <= world.end_ms - LAST_MS // 2
        long = not one.alone and until - planted.from_ms > DAY_MS // 4  # a holiday does not wait for incidents
        if long or (ends and planted.from_ms >= first_ms(world) and diary.free(planted, gap_ms)):
            diary.add(planted, alone=one.alone)
            return True
    return False


def _join(diary: Diary, wanted: Sequence[Scenario], rng: np.random.Generator) -> None:
    """A pair of incidents on one API, the second of which begins while the first goes on."""
    world = diary.world
    pairs = [pair for pair in JOINT if {one.name for one in wanted} >= set(pair)]
    if not pairs or world.end_ms - world.start_ms < JOIN_DAYS * DAY_MS:
        return
    first, second = pairs[int(rng.integers(len(pairs)))]
    if not _plant(diary, SCENARIOS[first], int(rng.integers(2)), rng):
        return
    host = diary.planted[-1]
    api, until = world.api(next(iter(host.api_ids))), host.until_ms
    other = SCENARIOS[second]
    if until is None or not other.fits(api):
        return
    start = (host.from_ms + until) // 2
    try:
        planted = other.make(world, api, "moderate", start, start + other.minutes["moderate"] * MINUTE_MS, rng)
    except Unfit:
        return
    alone = Diary(world, taken={api.id: [span for span in diary.taken[api.id] if span != (host.from_ms, until)]})
    if alone.free(planted, SHORT_GAP_MS) and planted.until_ms is not None:
        diary.add(planted, alone=True)


def _go_on(diary: Diary, wanted: Sequence[Scenario], rng: np.random.Generator) -> None:
    """One incident of each kind that has begun and does not end, on different APIs where there are enough."""
    world = diary.world
    names = {one.name for one in wanted}
    for name, level, minutes in ONGOING:
        if name not in names:
            continue
        one = SCENARIOS[name]
        apis = [api for api in world.apis if one.fits(api)]
        order = sorted(rng.permutation(len(apis)).tolist(), key=lambda place: diary.events(apis[place]))
        for place in order:
            start = world.end_ms - minutes * MINUTE_MS - int(rng.integers(0, 50_000))
            try:
                planted = one.make(world, apis[place], level, start, world.end_ms + HOUR_MS, rng)
            except Unfit:
                continue
            if diary.free(planted, 0):
                diary.add(planted, alone=True)
                break
