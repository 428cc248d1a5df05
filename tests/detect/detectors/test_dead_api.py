from datetime import UTC, datetime

from detect.model import Context, minute_at
from detect.run import detect
from gatewatch.records import Finding, Kind
from gatewatch.settings import Settings
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
