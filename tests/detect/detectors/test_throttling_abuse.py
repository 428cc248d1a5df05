import numpy as np

from detect.model import Context
from detect.run import detect
from gatewatch.records import Finding, Kind
from gatewatch.settings import Settings
from tests.detect.world import World, a_world


def found(world: World) -> list[Finding]:
    context = Context(changes=tuple(world.changes), settings=Settings())
    findings = detect(world.minutes, world.clients, world.coverage, context).findings
    return [finding for finding in findings if finding.kind is Kind.THROTTLING_ABUSE]


def test_one_caller_beyond_its_plan_is_named() -> None:
    world = a_world(115, apis=1, days=4, only=["over_plan"], benign=False, gap=False)
    hits = found(world)
    assert len(hits) == len(world.truths)
    for truth, hit in zip(sorted(world.truths, key=lambda t: t.start), hits, strict=True):
        assert set(hit.entities.api_key_ids) == truth.keys
        assert hit.subtype in truth.subtypes


def test_a_limit_that_all_run_into_names_no_caller() -> None:
    world = next(
        made
        for seed in range(116, 140)
        if (made := a_world(seed, apis=1, days=4, only=["shared_limit"], benign=False, gap=False)).truths
    )
    (hit, *_) = found(world)
    assert hit.subtype == "shared_limit"
    assert hit.entities.ips == ()
    assert hit.cause.value == "config_change"


def test_a_client_that_backs_off_is_left_alone() -> None:
    world = a_world(117, apis=1, days=4, incidents=False, benign=False, gap=False)
    api = world.apis[0]
    extra = np.zeros_like(api.n)
    extra[0, 4000:4012] = np.floor(60 * 0.5 ** np.arange(12))
    api.refuse("throttle", extra, ["203.0.113.9"], keys=["polite"], scope="plan")
    from tests.detect.world import tables_of

    world.minutes, world.clients = tables_of(api)
    assert found(world) == []
