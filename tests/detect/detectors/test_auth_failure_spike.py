import numpy as np

from detect.model import Context, minute_at
from detect.run import detect
from gatewatch.frames import COVERAGE
from gatewatch.records import Finding, Severity
from gatewatch.settings import Settings
from tests.detect.world import Api, World, a_world, tables_of


def found(world: World) -> list[Finding]:
    context = Context(changes=tuple(world.changes), settings=Settings())
    return detect(world.minutes, world.clients, world.coverage, context).findings


def test_a_brute_force_is_one_finding_with_its_source() -> None:
    world = a_world(101, apis=1, days=4, only=["brute_force"], benign=False, gap=False)
    (truth, *_) = world.truths
    hits = [f for f in found(world) if set(f.entities.ips) & truth.ips]
    assert [f.subtype for f in hits] == ["brute_force"]
    assert set(hits[0].entities.ips) == truth.ips
    assert 0 < len(hits[0].evidence.series) <= 240


def test_calm_traffic_raises_nothing() -> None:
    world = a_world(102, apis=2, days=5, incidents=False, benign=False)
    assert [f.title for f in found(world) if f.severity.rank >= Severity.LOW.rank] == []


def test_a_burst_in_an_hour_of_logs_is_found_against_its_own_earlier_minutes() -> None:
    api = Api("short00001", np.random.default_rng(5), 29_000_000, 60, 20.0)
    extra = np.zeros_like(api.n)
    extra[0, 35:45] = 40
    api.refuse("authorizer_deny", extra, ["203.0.113.7"], principals=True, principal_pool=["admin"])
    minutes, clients = tables_of(api)
    coverage = COVERAGE.empty_table()
    (hit,) = detect(minutes, clients, coverage, Context(settings=Settings())).findings
    assert hit.subtype == "brute_force"
    assert hit.entities.ips == ("203.0.113.7",)


def lone(rate: float, minutes: int, seed: int = 5) -> Api:
    return Api("lone000001", np.random.default_rng(seed), 29_000_160, minutes, rate)


def said(api: Api) -> list[Finding]:
    minutes, clients = tables_of(api)
    return list(detect(minutes, clients, COVERAGE.empty_table(), Context(settings=Settings())).findings)


def test_an_attack_ends_with_its_last_guess_although_windows_and_sources_look_odd_for_an_hour() -> None:
    api = lone(40.0, 2 * 1440)
    extra = np.zeros_like(api.n)
    extra[0, 2000:2030] = 20
    attackers = [f"203.0.113.{i}" for i in range(30)]
    api.refuse("authorizer_deny", extra, attackers, principals=True)
    hum = np.zeros_like(api.n)
    hum[0] = np.random.default_rng(6).poisson(1.0, hum.shape[1])
    api.refuse("authorizer_deny", hum, attackers, principals=True)  # go on as ordinary callers who mistype
    (hit,) = said(api)
    assert hit.end is not None
    assert abs((hit.end - minute_at(api.start + 2030)).total_seconds()) <= 240


def test_what_locked_callers_out_stays_a_misconfiguration_when_it_is_mended() -> None:
    api = lone(90.0, 2 * 1440)
    taken = np.zeros_like(api.n)
    taken[:, 2000:2045] = np.floor(0.8 * api.n[:, 2000:2045])
    pool = [f"198.51.{i}.{i}" for i in range(60)]
    api.refuse("authorizer_deny", taken, pool, principals=True, added=False)
    (hit,) = said(api)
    assert hit.subtype == "misconfiguration"
    assert hit.entities.ips == ()


def test_a_big_callers_usual_share_of_refusals_is_no_takeover_on_a_first_day() -> None:
    api = lone(180.0, 14 * 60)
    hum = np.zeros_like(api.n)
    hum[0] = np.random.default_rng(7).poisson(0.01 * api.n[0])
    hum[0, 420:] += np.random.default_rng(8).poisson(1.6, hum.shape[1] - 420)  # the day begins
    pool = [f"198.51.0.{i}" for i in range(60)]
    api.n[0, 420:] += 160
    api.refuse("unknown", hum, pool, weights=np.array([0.3] + [0.7 / 59] * 59))
    assert [f.title for f in said(api) if f.subtype == "account_takeover"] == []
