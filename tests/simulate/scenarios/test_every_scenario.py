"""What every scenario keeps to, at each level and on each kind of API that it fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from gatewatch.records import Cause, Kind
from gatewatch.simulate.blocks import BLOCK_MS, MINE
from gatewatch.simulate.calls import TIMEOUT_MS, Calls, joined
from gatewatch.simulate.labels import LEVELS, Benign, Incident
from gatewatch.simulate.model import MINUTE_MS, Api, Chunk
from gatewatch.simulate.outcomes import LOOKS, Outcome
from gatewatch.simulate.render import Lines, identities
from gatewatch.simulate.scenarios import SCENARIOS, Planted
from gatewatch.simulate.templates import variables
from tests.simulate.worlds import before_and_after, drawn, first_fits, planted, world

RATE = 2.5
KINDS = ("rest", "http", "websocket")
ONLY_LONG_WORLDS = {"never_called", "holiday", "clock_change"}
"""Those that need a world of five weeks, or a date; they have tests of their own."""


def cases() -> Iterator[tuple[str, str, str]]:
    for name in SCENARIOS:
        for kind in KINDS:
            if name not in ONLY_LONG_WORLDS and first_fits(world(RATE), name, kind) is not None:
                for level in LEVELS:
                    yield name, kind, level


def make(name: str, kind: str, level: str) -> tuple[Api, Planted]:
    """On the busiest API of the kind; on its ten times busier sister when there are too few calls."""
    for rate in (RATE, 10 * RATE):
        one = world(rate)
        for api in one.apis:
            if api.kind == kind and SCENARIOS[name].fits(api):
                found = planted(one, name, api, level)
                if found is not None:
                    return api, found
    pytest.skip(f"{name} at {level} level fits no {kind} API of these worlds")


def of(api: Api) -> float:
    """The rate of the world that the API is of."""
    return RATE if api in world(RATE).apis else 10 * RATE


def same(left: Calls, right: Calls) -> bool:
    """Whether both hold the same calls; the order within a millisecond is of no account."""
    if len(left) != len(right):
        return False
    names = [field.name for field in fields(Calls)]
    one, other = left.in_order(), right.in_order()
    if all((getattr(one, name) == getattr(other, name)).all() for name in names):
        return True
    orders = [np.lexsort([getattr(calls, name) for name in names]) for calls in (left, right)]
    return all((getattr(left, name)[orders[0]] == getattr(right, name)[orders[1]]).all() for name in names)


@pytest.mark.parametrize(("name", "kind", "level"), list(cases()))
def test_it_keeps_to_its_time_its_label_and_what_aws_can_write(name: str, kind: str, level: str) -> None:
    api, what = make(name, kind, level)
    one = world(of(api))
    before, after = before_and_after(one, what, api)
    until = one.end_ms if what.until_ms is None else what.until_ms
    check_label(name, level, api, what)
    assert same(before.take(~before.during(what.from_ms, until)), after.take(~after.during(what.from_ms, until)))
    check_possible(api, after)
    check_who(one.apis.index(api), of(api), what, after)
    if level == "moderate":
        check_chunks(of(api), api, what)


def check_label(name: str, level: str, api: Api, what: Planted) -> None:
    label, known = what.label, SCENARIOS[name]
    scopes = label.scope if isinstance(label, Incident) else (label.scope,)
    assert isinstance(label, Benign) == known.benign
    assert label.scenario == name
    assert label.start_ms == what.from_ms
    assert label.end_ms is None or label.end_ms > label.start_ms
    assert label.end_ms is None or label.end_ms - label.start_ms < 4 * 1440 * MINUTE_MS
    for scope in scopes:
        assert (scope.api_id, scope.stage) == (api.id, api.stage)
        assert scope.route is None or scope.route in [route.key for route in api.routes]
    if isinstance(label, Incident):
        assert label.kind in set(Kind)
        assert label.level == level
        assert label.traffic == ("busy" if api.busy else "quiet")
        assert {label.cause, *label.accept_causes} <= {str(cause) for cause in Cause}
        assert label.subtype not in label.accept_subtypes
        assert label.tell.endswith(".")
    else:
        assert label.why.endswith(".")
    assert label.to_json()["scenario"] == name
    for change in what.changes:
        assert change["eventName"]
        assert str(change["eventTime"])[:13] >= "2026-05"


def check_possible(api: Api, calls: Calls) -> None:
    """Statuses, layers and times that API Gateway could have written together."""
    answered = calls.outcome == Outcome.ANSWERED
    reached = answered & ~calls.cached
    assert (calls.integration_status[reached] == calls.status[reached]).all()
    assert (calls.integration_ms[reached] >= 0).all()
    for outcome in np.unique(calls.outcome).tolist():
        if outcome == Outcome.ANSWERED:
            continue
        mine = calls.outcome == outcome
        look = LOOKS[Outcome(outcome)]
        assert set(calls.status[mine].tolist()) == {look.of(api.kind).status}
        assert (calls.integration_status[mine] == -1).all()
        assert not calls.cached[mine].any()
        if look.layer in ("gateway", "waf", "authorizer"):
            assert (calls.integration_ms[mine] == -1).all()
        if look.layer == "waf":
            assert api.kind == "rest"
    parts = sum(np.maximum(getattr(calls, part), 0) for part in ("integration_ms", "authorizer_ms", "waf_ms"))
    assert (calls.latency_ms >= parts).all()
    assert (calls.integration_ms <= TIMEOUT_MS + 10).all()
    assert (calls.cold_ms <= np.maximum(calls.integration_ms, 0)).all()
    assert (calls.route < len(api.routes)).all()
    assert ((calls.key >= -1) & (calls.key < max(len(api.keys), 1))).all()
    assert (calls.authorizer_ms[calls.outcome == Outcome.ANSWERED] >= -1).all()
    if api.kind == "websocket":
        assert (calls.connection[calls.incident == MINE] >= 0).all()


def check_who(place: int, rate: float, what: Planted, after: Calls) -> None:
    """Everybody who is to be named is named in a line of the incident."""
    if not isinstance(what.label, Incident):
        return
    one = world(rate)
    api, who = one.apis[place], what.label.culprits
    mine = after.take(after.incident == MINE) if (after.incident == MINE).any() else after
    lines = Lines(one, api, mine, identities(one, api, 0, len(mine)))
    shown = set(variables(api.template))
    for names, texts in (
        (("identity.sourceIp",), who.ips),
        (("identity.apiKeyId",), who.api_key_ids),
        (("authorizer.principalId", "authorizer.claims.sub", "identity.user"), who.principals),
        (("identity.userAgent",), who.user_agents),
    ):
        if texts and what.label.kind != "dead_api":
            column = next(name for name in names if name in shown)
            assert set(texts) <= set(lines[column].to_pylist())
            assert len(set(texts)) == len(texts)


def check_chunks(rate: float, api: Api, what: Planted) -> None:
    """Cutting a chunk in two, at a block's edge, changes nothing."""
    one = world(rate)
    chunk = next(chunk for chunk in one.chunks(api) if what.touches(chunk))
    whole = what.apply(drawn(one, chunk), chunk, np.random.default_rng(1))
    inside = max(what.from_ms, chunk.start_ms) // BLOCK_MS * BLOCK_MS + BLOCK_MS
    if not chunk.start_ms < inside < chunk.end_ms:
        return
    parts = []
    for start, end in ((chunk.start_ms, inside), (inside, chunk.end_ms)):
        calls = drawn(one, chunk)
        part = Chunk(api, chunk.number, start, end)
        parts.append(what.apply(calls.take(calls.during(start, end)), part, np.random.default_rng(2)))
    assert same(joined(parts), whole)


def test_each_subtype_and_each_temptation_has_a_scenario() -> None:
    subtypes = {(known.kind, known.subtype) for known in SCENARIOS.values() if not known.benign}
    wanted = {
        "auth_failure_spike": "brute_force credential_stuffing password_spray api_key_probing account_takeover "
        "expired_token_loop authorizer_outage misconfiguration signing_key_rotation waf_block_surge path_probing "
        "distributed",
        "throttling_abuse": "over_plan retry_storm address_rotation quota_exhausted noisy_neighbour slow_ramp "
        "shared_limit",
        "dead_api": "live_outage no_longer_called never_called only_health_checks only_scanners taken_offline",
        "latency_outlier": "step creep timeout_29s one_route tail_only bimodal load_correlated gateway waf authorizer "
        "cold_start downstream",
    }
    assert subtypes == {(kind, one) for kind, names in wanted.items() for one in names.split()}
    benign = {name for name, known in SCENARIOS.items() if known.benign}
    assert benign >= set(
        "flash_crowd nightly_batch canary nat_login_wave polite_client improved_latency larger_payloads "
        "delayed_delivery new_monitor monthly_job planned_deprecation holiday survived_rotation app_update "
        "harmless_release".split()
    )


def test_each_scenario_is_told_of_in_the_documentation() -> None:
    told = Path("docs/scenarios.md").read_text()
    rows = {line.split("`")[1] for line in told.splitlines() if line.startswith("| `")}
    assert rows == set(SCENARIOS)
