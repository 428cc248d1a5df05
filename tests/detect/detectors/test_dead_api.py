from collections.abc import Callable
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa

from detect.model import Context, minute_at
from detect.run import detect
from gatewatch.records import Cause, Finding, Kind
from gatewatch.settings import Settings
from tests.detect.test_hard_traffic import START, steady, tables
from tests.detect.world import World, a_world


def found(world: World, inventory: dict[str, object] | None = None) -> list[Finding]:
    context = Context(inventory=inventory, changes=tuple(world.changes), settings=Settings())
    findings = detect(world.minutes, world.clients, world.coverage, context).findings
    return [finding for finding in findings if finding.kind is Kind.DEAD_API]


def test_an_outage_is_said_when_fifteen_requests_and_what_their_spread_asks_for_are_missed() -> None:
    world = a_world(103, apis=2, days=4, only=["live_outage"], benign=False, gap=False)
    truths = [truth for truth in world.truths if truth.api == "api0103001"]
    assert truths
    for truth in truths:
        start, end = minute_at(world.start + truth.start), minute_at(world.start + truth.end)
        (hit,) = [f for f in found(world) if f.api == truth.api and f.start <= end and (f.end is None or f.end > start)]
        assert hit.subtype == "live_outage"
        assert hit.evidence.facts["expected_missed"] >= 15  # type: ignore[operator]


def test_a_hole_in_the_coverage_is_no_outage() -> None:
    for seed in range(104, 112):
        world = a_world(seed, apis=2, days=4, incidents=False, benign=False, gap=True)
        if world.coverage.num_rows == 2:
            assert found(world) == []
            return
    raise AssertionError("no seed with a hole")


def test_a_stop_of_all_deliveries_is_no_outage_even_when_the_coverage_does_not_tell() -> None:
    world = a_world(113, apis=3, days=4, incidents=False, benign=False, gap=False)
    stop, go = minute_at(world.start + 3000), minute_at(world.start + 3090)
    minutes = world.minutes.to_pandas()
    keep = (minutes["minute"] < stop) | (minutes["minute"] >= go)
    world.minutes = world.minutes.filter(keep.to_numpy())
    assert found(world) == []


def test_what_is_declared_and_never_called_is_unused() -> None:
    world = a_world(114, apis=1, days=9, incidents=False, benign=False, gap=False)
    name = world.apis[0].name
    stages = [{"stageName": "prod"}, {"stageName": "old"}]
    fresh = datetime(2030, 1, 1, tzinfo=UTC).isoformat()
    api = {"id": name, "name": "shop", "stages": [*stages, {"stageName": "new", "createdDate": fresh}]}
    hits = found(world, {"accountId": "123456789012", "region": "eu-west-1", "restApis": [api]})
    assert [(f.subtype, f.stage) for f in hits] == [("unused", "old")]


def test_an_undeclared_stage_is_a_shadow() -> None:
    world = a_world(114, apis=1, days=2, incidents=False, benign=False, gap=False)
    api = {"id": world.apis[0].name, "name": "shop", "stages": [{"stageName": "beta"}]}
    assert [(f.subtype, f.stage) for f in found(world, {"restApis": [api]})] == [("shadow", "prod")]


def failing(world: World, api: str, first: int, minutes: int, cause: str = "c_backend_error") -> None:
    """Every answer of the API in these minutes of the world becomes a server error."""
    frame = world.minutes.to_pandas()
    start, end = minute_at(world.start + first), minute_at(world.start + first + minutes)
    hit = (frame["api"] == api) & (frame["minute"] >= start) & (frame["minute"] < end)
    for name in [name for name in frame.columns if name.startswith(("s2", "s3", "s4", "c_"))]:
        frame.loc[hit, name] = 0
    for name in ("s5xx", cause):
        frame.loc[hit, name] = frame.loc[hit, "n"]
    world.minutes = pa.Table.from_pandas(frame, schema=world.minutes.schema, preserve_index=False)


def without(world: World, api: str, first: int, minutes: int) -> None:
    """Nobody calls the API in these minutes of the world."""
    frame = world.minutes.to_pandas()
    start, end = minute_at(world.start + first), minute_at(world.start + first + minutes)
    gone = (frame["api"] == api) & (frame["minute"] >= start) & (frame["minute"] < end)
    world.minutes = world.minutes.filter((~gone).to_numpy())


def test_failures_in_a_row_tell_sooner_than_as_much_silence() -> None:
    delays = []
    for hit in (failing, without):
        world = a_world(116, apis=3, days=4, incidents=False, benign=False, gap=False)
        calls = world.minutes.to_pandas().groupby("api")["n"].sum()
        quiet, onset = str(calls.idxmin()), 4 * 1440 - 600
        hit(world, quiet, onset, 120)
        (said,) = [finding for finding in found(world) if finding.api == quiet]
        assert said.subtype == "live_outage"
        delays.append((said.detected_at - minute_at(world.start + onset)).total_seconds() / 60)
    assert delays[0] < 0.7 * delays[1], delays


def test_who_stays_away_at_the_same_time_every_day_is_said_once() -> None:
    world = a_world(115, apis=2, days=7, incidents=False, benign=False, gap=False)
    for day in (3, 4, 5, 6):
        without(world, world.apis[0].name, day * 1440 + 720, 120)
    assert [f.subtype for f in found(world) if f.api == world.apis[0].name] == ["live_outage"]


def test_who_came_back_is_missed_again_at_another_time_and_when_seen_in_between() -> None:
    world = a_world(115, apis=2, days=7, incidents=False, benign=False, gap=False)
    for day, hour in ((3, 12), (4, 16), (6, 12)):
        without(world, world.apis[0].name, day * 1440 + hour * 60, 120)
    assert len([f for f in found(world) if f.api == world.apis[0].name]) == 3


def polled(every: int, until: int, at: Callable[[int], bool] = lambda minute: True) -> list[Finding]:
    """What is said of GET /poll that is called once in so many minutes (only at some) until it stops on the third day.

    GET /pets is called twenty times a minute all the while. until: minute of its last call.
    """
    frame = steady(3)
    poll = frame.iloc[[minute for minute in range(0, until + 1, every) if at(minute)]].copy()
    poll["route"], poll["n"], poll["s2xx"] = "GET /poll", 1, 1
    poll["latency_c"] = poll["integration_c"] = [[1]] * len(poll)
    made = tables(pd.concat([frame, poll]))
    return [f for f in detect(*made, Context(), only={"dead_api"}).findings if f.route == "GET /poll"]


def test_who_calls_like_clockwork_is_missed_after_a_few_calls() -> None:
    (hit,) = polled(5, 2 * 1440 + 300)
    assert hit.subtype == "no_longer_called"
    waited = (hit.detected_at - hit.start).total_seconds() / 60
    assert 40 <= waited <= 75  # eight calls or a few more, not twenty


def test_who_calls_all_day_is_missed_on_the_second_day_and_a_job_is_not() -> None:
    (hit,) = polled(2, 1440 + 600)
    assert hit.start == minute_at(START + 1440 + 601)
    assert polled(2, 1440 + 600, lambda minute: minute % 1440 < 60) == []


def test_refusals_by_the_gateway_and_one_host_that_lives_do_not_hide_an_outage_on_a_first_day() -> None:
    frame = steady(1).iloc[:480].copy()
    bad = frame.index >= 420
    frame["n"], frame["s2xx"] = 20, 20
    frame.loc[bad, ["s2xx", "s5xx", "c_backend_error"]] = [0, 18, 18]
    frame.loc[bad, ["s4xx", "c_expired_credential"]] = 2
    alive = bad & (frame.index % 3 == 0)
    frame.loc[alive, ["s2xx", "s5xx", "c_backend_error"]] = [1, 17, 17]
    (hit,) = detect(*tables(frame), Context(), only={"dead_api"}).findings
    onset = minute_at(START + 420)
    assert (hit.subtype, hit.cause) == ("live_outage", Cause.INTEGRATION)
    assert abs((hit.start - onset).total_seconds()) <= 120
    assert (hit.detected_at - onset).total_seconds() <= 480
    assert "mostly with server errors" in hit.title


def test_a_fifth_of_failures_is_no_outage() -> None:
    frame = steady(1).iloc[:480].copy()
    bad = frame.index >= 420
    frame.loc[bad, ["s2xx", "s5xx", "c_backend_error"]] = [16, 4, 4]
    assert detect(*tables(frame), Context(), only={"dead_api"}).findings == []


def test_scanners_whose_paths_are_told_as_routes_are_scanners() -> None:
    frame = steady(3)
    gone = frame.index >= 2 * 1440 + 600
    strays = frame[gone & (frame.index % 4 == 0)].copy()
    strays["route"], strays["n"], strays["s2xx"] = "GET /", 1, 0
    strays["s4xx"] = strays["c_path_probing"] = 1
    strays["latency_c"] = strays["integration_c"] = [[1]] * len(strays)
    (hit,) = detect(*tables(pd.concat([frame[~gone], strays])), Context(), only={"dead_api"}).findings
    assert hit.subtype == "only_scanners"


def test_monitors_that_come_back_with_everybody_are_not_all_that_is_left() -> None:
    frame = steady(3)
    gone = (frame.index >= 2 * 1440 + 600) & (frame.index < 2 * 1440 + 630)
    health = frame[~gone].copy()
    health["route"], health["n"], health["s2xx"] = "GET /health", 3, 3
    health["latency_c"] = health["integration_c"] = [[3]] * len(health)
    (hit,) = detect(*tables(pd.concat([frame[~gone], health])), Context(), only={"dead_api"}).findings
    assert hit.subtype == "live_outage"
    assert hit.end == minute_at(START + 2 * 1440 + 630)


def test_six_failures_of_ten_for_long_are_an_outage_that_ends_when_they_end() -> None:
    frame = steady(2)
    bad = (frame.index >= 2000) & (frame.index < 2040)
    frame.loc[bad, ["s2xx", "s5xx", "c_backend_error"]] = [8, 12, 12]
    frame.loc[frame.index == 2060, ["s2xx", "s5xx", "c_backend_error"]] = [19, 1, 1]  # a stray one is not its tail
    (hit,) = detect(*tables(frame), Context(), only={"dead_api"}).findings
    assert (hit.subtype, hit.end) == ("live_outage", minute_at(START + 2040))
    assert "mostly with server errors" in hit.title
    assert hit.evidence.facts["server_errors"] == 40 * 12


def test_a_route_that_runs_into_time_outs_is_not_silent() -> None:
    frame = steady(3)
    slow = frame.copy()
    slow["route"] = "GET /slow"
    hangs = (slow.index >= 2 * 1440 + 600) & (slow.index < 2 * 1440 + 608)
    slow.loc[hangs, ["s2xx", "s5xx", "c_backend_timeout"]] = [0, 20, 20]
    findings = detect(*tables(pd.concat([frame, slow])), Context(), only={"dead_api"}).findings
    assert [hit.route for hit in findings] == []
