"""The schedule of a world: warm-up, gaps, levels, restrictions, what goes on at the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from gatewatch.simulate.archetypes import build
from gatewatch.simulate.inventory import inventory
from gatewatch.simulate.labels import LEVELS, Benign, Incident
from gatewatch.simulate.limits import weekly_peak
from gatewatch.simulate.model import DAY_MS, HOUR_MS, MINUTE_MS, Settings, World
from gatewatch.simulate.planting import LAST_MS, first_ms, plan
from gatewatch.simulate.scenarios import SCENARIOS, Planted
from gatewatch.simulate.scenarios.noisy_neighbour import ROOM
from tests.simulate.worlds import END_MS

SETTINGS = Settings(seed=21, days=14, apis=13, rate_rps=4.0, end_ms=END_MS)


@pytest.fixture(scope="module")
def world() -> World:
    return build(SETTINGS)


@pytest.fixture(scope="module")
def planted(world: World) -> tuple[Planted, ...]:
    return plan(world)


def until(one: Planted, world: World) -> int:
    return world.end_ms if one.until_ms is None else one.until_ms


def test_nothing_happens_while_warming_up_and_incidents_end_before_the_world(
    world: World, planted: tuple[Planted, ...]
) -> None:
    for one in planted:
        if SCENARIOS[one.label.scenario].alone:
            assert one.from_ms >= first_ms(world)
            assert first_ms(world) >= world.start_ms + 2 * DAY_MS
        if isinstance(one.label, Incident):
            assert one.label.end_ms is not None
            assert one.label.end_ms <= world.end_ms - LAST_MS // 2


def test_no_two_things_happen_on_one_api_at_once_but_for_one_pair_that_is_meant(
    world: World, planted: tuple[Planted, ...]
) -> None:
    alone = [one for one in planted if SCENARIOS[one.label.scenario].alone]
    meeting = [
        (one.label.scenario, other.label.scenario)
        for place, one in enumerate(alone)
        for other in alone[:place]
        if one.api_ids & other.api_ids
        and one.from_ms < until(other, world) + HOUR_MS
        and other.from_ms < until(one, world) + HOUR_MS
    ]
    assert len(meeting) <= 1


def test_every_scenario_that_fits_is_planted_and_levels_and_sizes_take_turns(planted: tuple[Planted, ...]) -> None:
    names = Counter(one.label.scenario for one in planted)
    missing = set(SCENARIOS) - set(names)
    assert missing <= {"never_called", "holiday", "clock_change", "planned_deprecation"}
    labels = [one.label for one in planted if isinstance(one.label, Incident)]
    levels = Counter(label.level for label in labels)
    assert set(levels) == set(LEVELS)
    assert min(levels.values()) > 0.6 * max(levels.values())
    assert len({label.id for label in labels}) == len(labels)
    assert {label.kind for label in labels} == {known.kind for known in SCENARIOS.values() if known.kind}


def test_the_schedule_follows_from_the_seed_alone(world: World, planted: tuple[Planted, ...]) -> None:
    again = plan(build(SETTINGS))
    assert [one.label.to_json() for one in again] == [one.label.to_json() for one in planted]
    other = plan(build(replace(SETTINGS, seed=22)))
    assert [one.label.id for one in other] != [one.label.id for one in planted]


def test_only_what_is_asked_for_is_planted() -> None:
    names = ("brute_force", "canary")
    planted = plan(build(replace(SETTINGS, scenarios=names)))
    assert {one.label.scenario for one in planted} == set(names)
    assert Counter(one.label.scenario for one in planted)["brute_force"] >= 3
    assert plan(build(replace(SETTINGS, plant=False))) == ()
    with pytest.raises(KeyError):
        plan(build(replace(SETTINGS, scenarios=("no_such_thing",))))


def test_one_incident_of_each_kind_goes_on_at_the_end_when_asked() -> None:
    world = build(replace(SETTINGS, days=8, ongoing=True))
    going = [one for one in plan(world) if isinstance(one.label, Incident) and one.label.end_ms is None]
    assert sorted(one.label.kind for one in going if isinstance(one.label, Incident)) == sorted(
        {known.kind for known in SCENARIOS.values() if known.kind}
    )
    assert len({api for one in going for api in one.api_ids}) == len(going)
    for one in going:
        assert one.until_ms is None
        assert world.end_ms - one.from_ms >= 20 * MINUTE_MS


def test_busy_and_quiet_apis_both_have_incidents() -> None:
    world = build(replace(SETTINGS, rate_rps=30.0, days=7))
    labels = [one.label for one in plan(world) if isinstance(one.label, Incident)]
    assert {label.traffic for label in labels} == {"busy", "quiet"}


def test_short_and_small_worlds_get_what_fits() -> None:
    world = build(replace(SETTINGS, days=2, apis=3, rate_rps=2.0))
    planted = plan(world)
    assert len(planted) >= 3
    assert all(one.from_ms >= first_ms(world) for one in planted if SCENARIOS[one.label.scenario].alone)


def test_a_world_of_five_weeks_has_dead_things_and_days_off() -> None:
    world = build(replace(SETTINGS, days=40, scenarios=("never_called", "holiday", "clock_change")))
    planted = plan(world)
    dead = [one for one in planted if one.label.scenario == "never_called"]
    assert dead
    assert all(one.inventory is not None and one.label.end_ms is None for one in dead)
    document = inventory(world, planted)
    declared = {one["id"] for one in document["restApis"]} | {one["id"] for one in document["apiKeys"]}
    declared |= {
        f"{api['id']} {method} {resource['path']}"
        for api in document["restApis"]
        for resource in api["resources"]
        for method in resource["resourceMethods"]
    }
    for label in (one.label for one in dead):
        assert isinstance(label, Incident)
        scope, keys = label.scope[0], label.culprits.api_key_ids
        name = keys[0] if keys else f"{scope.api_id} {scope.route}" if scope.route else scope.api_id
        assert name in declared
        assert name not in {*world.apis[0].keys, *(api.id for api in world.apis)}
    days = [one.label for one in planted if one.label.scenario == "holiday"]
    assert days
    for label in days:
        assert isinstance(label, Benign)
        assert label.end_ms is None or 0 < label.end_ms - label.start_ms <= DAY_MS + HOUR_MS


def test_a_throttle_that_is_hit_stands_in_the_inventory() -> None:
    world = build(replace(SETTINGS, days=6, scenarios=("noisy_neighbour",)))
    planted = plan(world)
    document = inventory(world, planted)
    kinds = set()
    for one in planted:
        api = world.api(next(iter(one.api_ids)))
        kinds.add(api.kind)
        if api.kind == "rest":
            own = next(entry for entry in document["restApis"] if entry["id"] == api.id)
            limit = own["stages"][0]["methodSettings"]["*/*"]["throttlingRateLimit"]
        else:
            rows = document["httpApis"] + document["webSocketApis"]
            own = next(entry for entry in rows if entry["ApiId"] == api.id)
            limit = own["Stages"][0]["DefaultRouteSettings"]["ThrottlingRateLimit"]
        assert limit == pytest.approx(weekly_peak(world, api) * ROOM / 60)
    assert len(kinds) >= 2
