import numpy as np

from detect.model import Context
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
