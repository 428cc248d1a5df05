from detect.model import Context
from detect.run import detect
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


def test_requests_at_the_limit_are_timeouts() -> None:
    world = calm(133)
    api = world.apis[0]
    api.timeouts[:, 3000:3060] = 0.3
    world.minutes, world.clients = tables_of(api)
    (hit,) = found(world)
    assert hit.subtype == "timeout_29s"
    assert hit.cause.value == "integration"
