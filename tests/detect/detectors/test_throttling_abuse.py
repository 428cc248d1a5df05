import numpy as np

from detect.model import Context, minute_at
from detect.run import detect
from gatewatch.frames import COVERAGE
from gatewatch.records import Finding, Kind
from gatewatch.settings import Settings
from tests.detect.world import Api, World, a_world, tables_of


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
    world.minutes, world.clients = tables_of(api)
    assert found(world) == []


def with_refusals(cause: str, minutes: list[int], *, days: int, per_minute: int = 1) -> list[Finding]:
    """What is said of a key that is refused in these minutes, where nobody ever was."""
    api = Api("plan000001", np.random.default_rng(8), 29_000_160, days * 1440, 2.0)
    extra = np.zeros_like(api.n)
    extra[0, minutes] = per_minute
    api.refuse(cause, extra, ["203.0.113.9"], keys=["kbig"])
    table, clients = tables_of(api)
    context = Context(settings=Settings())
    findings = detect(table, clients, COVERAGE.empty_table(), context, only={"throttling_abuse"}).findings
    return [finding for finding in findings if finding.kind is Kind.THROTTLING_ABUSE]


def test_who_goes_on_after_its_quota_is_said_at_the_fourth_refusal() -> None:
    (hit,) = with_refusals("quota", list(range(3500, 3600, 5)), days=3)
    assert hit.subtype == "quota_exhausted"
    assert hit.entities.api_key_ids == ("kbig",)
    assert (hit.detected_at - hit.start).total_seconds() <= 60 * 18


def test_a_few_refusals_an_hour_that_go_on_for_hours_are_found_at_whatever_minute_of_the_hour() -> None:
    # Batches at seven and at 37 minutes past: never in the last ten minutes of an hour, when hours are looked at.
    (hit,) = with_refusals("throttle", list(range(5 * 1440 + 7, 6 * 1440, 30)), days=6, per_minute=2)
    assert hit.entities.api_key_ids == ("kbig",)


def test_a_nightly_job_that_runs_into_its_limit_is_said_once_and_again_when_it_grows() -> None:
    api = Api("lone000001", np.random.default_rng(9), 29_000_160, 6 * 1440, 20.0)
    for day, size in ((1, 12), (2, 12), (3, 13), (4, 60)):
        extra = np.zeros_like(api.n)
        extra[0, day * 1440 + 125 : day * 1440 + 135] = size
        api.refuse("throttle", extra, ["10.9.8.7"])
    minutes, clients = tables_of(api)
    told = detect(minutes, clients, COVERAGE.empty_table(), Context(settings=Settings())).findings
    days = [(f.start - minute_at(api.start)).days for f in told if f.kind is Kind.THROTTLING_ABUSE]
    assert days == [1, 4]
