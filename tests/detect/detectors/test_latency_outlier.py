import re

import numpy as np
import pyarrow as pa

from detect.detectors.latency_outlier import _follows_load
from detect.episodes import Episode
from detect.model import Context
from detect.run import detect
from detect.slowstate import LEAST_LIMIT, Slowness
from gatewatch.frames import MINUTES
from gatewatch.records import Finding, Kind
from gatewatch.settings import Settings
from tests.detect.world import World, a_world, tables_of


def found(world: World) -> list[Finding]:
    findings = detect(world.minutes, world.clients, world.coverage, Context(settings=Settings())).findings
    return [finding for finding in findings if finding.kind is Kind.LATENCY_OUTLIER]


def calm(seed: int) -> World:
    """One API with some traffic and nothing out of line."""
    while True:
        world = a_world(seed, apis=1, days=3, incidents=False, benign=False, gap=False)
        if world.apis[0].rate > 10:
            return world
        seed += 1


def test_a_step_names_its_layer() -> None:
    world = calm(130)
    api = world.apis[0]
    api.authorizer_ms[:, 3000:3120] += 3 * float(api.base_ms.max())
    world.minutes, world.clients = tables_of(api)
    (hit,) = found(world)
    assert (hit.subtype, hit.layer) == ("authorizer", "authorizer")
    shares = hit.evidence.facts["layer_shares"]
    assert isinstance(shares, dict)
    assert abs(sum(float(str(share)) for share in shares.values()) - 1) < 0.01


def test_a_slow_web_acl_is_told_from_the_gateway_where_its_time_is_logged() -> None:
    world = calm(130)
    api = world.apis[0]
    api.waf_ms = np.full(api.n.shape, 4.0)
    api.waf_ms[:, 3000:3120] += 3 * float(api.base_ms.max())
    world.minutes, world.clients = tables_of(api)
    (hit,) = found(world)
    assert (hit.subtype, hit.layer, hit.evidence.card["code"]) == ("waf", "waf", "LAT-012")
    assert hit.evidence.facts["layer_shares"]["waf"] > 0.9  # type: ignore[index,call-overload,operator]  # JSON


def test_rows_from_before_waf_was_told_know_no_waf_and_hide_nothing() -> None:
    world = calm(130)
    api = world.apis[0]
    api.gateway_ms[:, 3000:3120] += 3 * float(api.base_ms.max())
    world.minutes, world.clients = tables_of(api)
    for name in ("waf_us", "waf_n"):
        place = MINUTES.get_field_index(name)
        world.minutes = world.minutes.set_column(place, MINUTES.field(name), pa.nulls(len(world.minutes), pa.int64()))
    (hit,) = found(world)
    assert (hit.subtype, hit.layer) == ("gateway", "gateway")
    assert "waf" not in hit.evidence.facts["layer_shares"]  # type: ignore[operator]  # JSON


def test_the_layer_is_that_of_the_whole_incident_not_of_the_time_since_it_was_noticed() -> None:
    world = calm(130)
    api = world.apis[0]
    api.tail[:, 2880:3135] = 0.025
    api.tail_by[:, 2880:3135] = 14
    world.minutes, world.clients = tables_of(api)
    hits = found(world)
    assert hits
    assert {hit.layer for hit in hits} == {"integration"}


def test_a_step_at_the_rush_hour_does_not_follow_the_load() -> None:
    """What comes after its end, when all is fast and quiet again, is no part of it."""
    episode = Episode(0, 0, 125)
    load = [100.0, 110, 120, 130, 140, 150, 150, 150, 150, 150, 150, 150, 60.0, 55.0]
    episode.facts["load"] = [[10.0, calls] for calls in load]
    episode.facts["thirds"] = [[50.0, 50.0 * score] for score in [0.3] * 12 + [0.0, 0.0]]
    assert not _follows_load(episode)
    episode.facts["thirds"] = [[50.0, 0.5 * max(calls - 90, 0)] for calls in load]
    assert _follows_load(episode)


def test_the_alarm_limit_of_a_stage_is_learned_from_its_own_hours() -> None:
    slow = Slowness(0.02)
    slow.stages = [("1", "r", "a", "prod"), ("1", "r", "b", "prod")]
    slow.peaks.grow(2)
    young = slow.limits()
    assert young[0] == young[1] > LEAST_LIMIT
    rng = np.random.default_rng(4)
    for _ in range(24 * 14):
        slow.peaks.see(np.stack([rng.exponential(0.6, 60), rng.exponential(4.0, 60)]))
        slow.peaks.close(np.array([True, True]))
    calm, noisy = slow.limits().tolist()
    assert calm == LEAST_LIMIT
    assert noisy > young[0] + 5


def test_larger_answers_that_take_longer_are_no_outlier() -> None:
    world = calm(131)
    api = world.apis[0]
    api.bytes[:, 3000:3240] *= 3
    api.integration[:, 3000:3240] *= 1.7
    world.minutes, world.clients = tables_of(api)
    assert found(world) == []


def test_faster_is_no_outlier() -> None:
    world = calm(132)
    api = world.apis[0]
    api.integration[:, 3000:3240] *= 0.4
    world.minutes, world.clients = tables_of(api)
    assert found(world) == []


def test_slow_hours_are_told_days_after_fast_ones() -> None:
    """A morning of warm caches is no reason to take for chance what comes two days later."""
    world = a_world(162, apis=1, days=5, incidents=False, benign=False, gap=False)
    api = world.apis[0]
    assert 0.5 < api.rate < 2.5
    api.integration[:, 3000:3420] *= 0.5
    api.integration[:, 5700:5820] *= 1.7
    world.minutes, world.clients = tables_of(api)
    (hit,) = found(world)
    assert abs((hit.start - world.minutes.column("minute")[0].as_py()).total_seconds() / 60 - 5700) <= 20


def test_a_flood_of_bad_tokens_makes_nothing_slow_though_the_authorizer_takes_longer() -> None:
    world = calm(134)
    api = world.apis[0]
    api.causes["expired_credential"] = np.zeros(api.n.shape)
    api.causes["expired_credential"][:, 3000:3120] = np.ceil(0.3 * api.n[:, 3000:3120])
    api.integration[:, 3000:3120] *= 1.6  # of all, as the histograms of these minutes cannot tell them apart
    world.minutes, world.clients = tables_of(api)
    assert [one for one in found(world) if one.kind is Kind.LATENCY_OUTLIER] == []
    api.causes["expired_credential"][:, 3000:3120] = np.floor(0.05 * api.n[:, 3000:3120])
    world.minutes, world.clients = tables_of(api)
    assert found(world), "with few of them it is told"


def test_requests_at_the_limit_are_timeouts() -> None:
    world = calm(133)
    api = world.apis[0]
    api.timeouts[:, 3000:3060] = 0.3
    world.minutes, world.clients = tables_of(api)
    (hit,) = found(world)
    assert hit.subtype == "timeout_29s"
    assert hit.cause.value == "integration"


def test_the_chart_shows_the_routes_that_it_is_about() -> None:
    world = calm(130)
    api = world.apis[0]
    api.base_ms[0] *= 8  # the busiest route is another story
    api.integration[1, 3000:3120] *= 3
    world.minutes, world.clients = tables_of(api)
    (hit,) = found(world)
    assert hit.route == api.routes[1]
    ratio = hit.evidence.observed / hit.evidence.expected
    assert f" ms is normal ({ratio:.1f} times); " in hit.evidence.sentence
    during = [point.observed for point in hit.evidence.series if hit.start <= point.at and point.observed is not None]
    before = [point.observed for point in hit.evidence.series if point.at < hit.start and point.observed is not None]
    # So is what its sentence tells: the median of that route alone.
    assert abs(np.median(during[:110]) / hit.evidence.observed - 1) < 0.2
    assert abs(np.median(before) / hit.evidence.expected - 1) < 0.2


def test_where_a_third_is_slow_the_sentence_tells_a_quantile_that_rose() -> None:
    world = calm(130)
    api = world.apis[0]
    api.tail[:, 3000:3120], api.tail_by[:, 3000:3120] = 0.3, 12.0
    world.minutes, world.clients = tables_of(api)
    (hit,) = found(world)
    assert hit.evidence.observed > 1.5 * hit.evidence.expected
    assert hit.evidence.sentence.startswith(("The p75 latency was", "The p90 latency was", "The p95 latency was"))


def test_of_several_routes_the_sentence_names_the_one_that_moved_most() -> None:
    world = calm(130)
    api = world.apis[0]
    api.integration[:, 3000:3120] *= np.array([2.0, 6.0, 2.0])[: len(api.routes), None]
    world.minutes, world.clients = tables_of(api)
    (hit,) = found(world)
    assert hit.route is None
    most = re.search(rf" times\), most on {api.routes[1]} \((\d+) ms, usually (\d+) ms\); ", hit.evidence.sentence)
    assert most is not None
    now, usual = map(int, most.groups())
    # That route's own, six times its usual; all together rose less.
    told = [hit.evidence.facts[name] for name in ("most_ms", "most_usual_ms")]
    assert [round(ms) for ms in told if isinstance(ms, float)] == [now, usual]
    assert now / usual > 1.3 * hit.evidence.observed / hit.evidence.expected
