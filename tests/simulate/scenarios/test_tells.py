"""What gives each scenario away is in the calls."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from gatewatch.simulate.blocks import MINE
from gatewatch.simulate.calls import TIMEOUT_MS, Calls
from gatewatch.simulate.labels import LEVELS, Incident
from gatewatch.simulate.model import MINUTE_MS, Api
from gatewatch.simulate.outcomes import Outcome
from gatewatch.simulate.scenarios import SCENARIOS, Planted
from tests.simulate.worlds import before_and_after, planted, world


def at_work(name: str, level: str = "moderate", kind: str | None = None) -> tuple[Api, Planted, Calls, Calls]:
    """(API, what is planted, all calls, those made or changed by it), on the first API where it is possible."""
    for rate in (2.5, 25.0):
        one = world(rate)
        for api in one.apis:
            if SCENARIOS[name].fits(api) and kind in (None, api.kind):
                what = planted(one, name, api, level)
                if what is not None:
                    _, after = before_and_after(one, what, api)
                    return api, what, after, after.take(after.incident == MINE)
    raise AssertionError(f"{name} is nowhere possible")


def per(values: np.ndarray) -> np.ndarray:
    """How often each value occurs."""
    return np.unique(values, return_counts=True)[1]


@pytest.mark.parametrize("level", LEVELS)
def test_a_spray_tries_each_name_three_times_at_most_and_hours_apart(level: str) -> None:
    _, what, _, mine = at_work("password_spray", level)
    assert per(mine.principal).max() <= 3
    assert len(np.unique(mine.principal)) >= 40
    assert len(np.unique(mine.ip)) <= 3
    assert isinstance(what.label, Incident)
    gaps = [np.diff(mine.at_ms[mine.principal == name]) for name in np.unique(mine.principal)[:30].tolist()]
    assert min(gap.min() for gap in gaps if len(gap)) > 20 * MINUTE_MS


@pytest.mark.parametrize("level", LEVELS)
def test_stuffing_uses_many_addresses_a_few_tries_each_and_no_name_twice(level: str) -> None:
    _, what, _, mine = at_work("credential_stuffing", level)
    assert len(np.unique(mine.ip)) >= 25
    assert per(mine.ip).max() <= 18
    assert isinstance(what.label, Incident)
    assert what.label.culprits.asns == ("64509",)
    assert per(mine.principal).max() == 1
    assert (mine.status >= 400).all()


def test_brute_force_is_one_source_and_one_or_two_names() -> None:
    _, _, _, mine = at_work("brute_force")
    assert len(np.unique(mine.ip)) == 1
    assert len(np.unique(mine.principal)) <= 2


@pytest.mark.parametrize("level", LEVELS)
def test_a_taken_account_opens_for_an_address_that_failed_before(level: str) -> None:
    _, _, _, mine = at_work("account_takeover", level)
    opened = np.flatnonzero(mine.status < 400)
    assert len(opened)
    for place in opened.tolist():
        before = mine.at_ms < mine.at_ms[place]
        assert (before & (mine.ip == mine.ip[place]) & (mine.status >= 400)).any()


@pytest.mark.parametrize("level", LEVELS)
def test_a_loop_is_regular_to_a_tenth_of_a_second(level: str) -> None:
    _, _, _, mine = at_work("expired_token_loop", level)
    gaps = np.diff(np.sort(mine.at_ms))
    assert gaps.max() - gaps.min() <= 125
    assert len(np.unique(mine.ip)) == 1


def test_refusals_after_a_rotation_die_away_and_nobody_is_refused_after_a_success() -> None:
    _, what, after, mine = at_work("signing_key_rotation")
    assert what.until_ms is not None
    quarter = (what.until_ms - what.from_ms) // 4
    counts = [int(mine.during(what.from_ms + n * quarter, what.from_ms + (n + 1) * quarter).sum()) for n in range(4)]
    assert counts[0] > 2 * counts[1] > 0
    assert counts[0] > 5 * counts[3]
    refused = after.outcome == Outcome.TOKEN_SIGNATURE
    for user in np.unique(mine.principal)[:40].tolist():
        its = after.take((after.principal == user) & after.during(what.from_ms, what.until_ms)).in_order()
        its = its.take((its.outcome == Outcome.TOKEN_SIGNATURE) | (its.authorizer_ms >= 0))
        bad = its.outcome == Outcome.TOKEN_SIGNATURE
        if bad.any() and (~bad).any():
            assert its.at_ms[bad].max() <= its.at_ms[~bad].max() or its.at_ms[~bad].max() < what.from_ms + 1
    assert refused.any()


@pytest.mark.parametrize("kind", ["rest", "http"])
def test_a_storm_knocks_again_within_two_tenths_of_a_second(kind: str) -> None:
    _, _, _, mine = at_work("retry_storm", "moderate", kind)
    knocks = mine.take(mine.status == 429)
    gaps = np.diff(np.sort(knocks.at_ms))
    assert np.quantile(gaps, 0.9) < 200
    assert len(np.unique(mine.ip)) <= 3


def test_a_polite_client_waits_longer_each_time_and_gets_through() -> None:
    _, _, _, mine = at_work("polite_client", "blatant")
    assert 0 < (mine.status == 429).sum() < 300
    first = mine.at_ms.min()
    batch = np.sort(mine.take(mine.during(first, first + 60_000) & (mine.status == 429)).at_ms) - first
    assert (batch < 30_000).all()
    assert (mine.status < 300).sum() > (mine.status == 429).sum() / 3


def test_rotating_addresses_share_one_key_and_one_agent() -> None:
    _, _, _, mine = at_work("address_rotation")
    assert len(np.unique(mine.ip)) >= 40
    assert len(np.unique(mine.key)) == len(np.unique(mine.agent)) == 1


def test_a_quota_lets_no_call_of_its_key_pass_until_midnight() -> None:
    api, what, after, _ = at_work("quota_exhausted")
    label = what.label
    assert isinstance(label, Incident)
    assert label.end_ms is not None
    key = api.keys.index(label.culprits.api_key_ids[0])
    now = after.during(label.start_ms, label.end_ms) & (after.key == key) & (after.outcome != Outcome.NO_ROUTE)
    keyed = np.isin(after.route, [place for place, route in enumerate(api.routes) if route.auth == "key"])
    assert set(after.outcome[now & keyed].tolist()) == {int(Outcome.QUOTA)}
    assert label.end_ms <= (label.start_ms // 86_400_000 + 1) * 86_400_000


def test_neighbours_are_refused_with_the_noisy_one_who_has_the_excess() -> None:
    _, what, after, _ = at_work("noisy_neighbour")
    now = after.take(after.during(what.from_ms, what.until_ms or 0))
    refused = now.take(now.status == 429)
    assert len(np.unique(refused.ip)) >= 5
    assert per(now.ip).max() > 0.4 * len(now)


def test_a_ramp_grows() -> None:
    _, what, _, mine = at_work("slow_ramp")
    assert what.until_ms is not None
    third = (what.until_ms - what.from_ms) // 3
    bad = mine.take(mine.status == 429)
    counts = [int(bad.during(what.from_ms + n * third, what.from_ms + (n + 1) * third).sum()) for n in range(3)]
    assert counts[0] < counts[1] < counts[2]


def test_a_shared_limit_hits_clients_in_proportion_to_their_calls() -> None:
    _, what, after, _ = at_work("shared_limit", "blatant")
    now = after.take(after.during(what.from_ms, what.until_ms or 0) & (after.route >= 0))
    refused = now.status == 429
    users, places = np.unique(now.ip, return_inverse=True)
    often = [place for place in range(len(users)) if (places == place).sum() >= 30]
    shares = [refused[places == place].mean() for place in often]
    assert np.std(shares) < 0.2
    assert 0.3 < refused.mean() < 0.75


def test_hanging_calls_take_29_seconds_and_come_at_a_fixed_period() -> None:
    _, what, _, mine = at_work("latency_timeouts")
    assert (mine.outcome == Outcome.INTEGRATION_TIMEOUT).all()
    assert ((mine.integration_ms >= TIMEOUT_MS) & (mine.integration_ms < TIMEOUT_MS + 10)).all()
    starts = [later for earlier, later in pairwise(np.sort(mine.at_ms).tolist()) if later - earlier > 2.2 * MINUTE_MS]
    period = float(what.label.tell.split()[1]) * MINUTE_MS if isinstance(what.label, Incident) else 0.0
    phases = (np.array(starts) - what.from_ms) % period
    assert (np.minimum(phases, period - phases) < 0.5 * period).mean() == 1.0
    assert ((mine.at_ms - what.from_ms) % period < 0.5 * period).all()


def test_a_tail_leaves_the_median_where_it_was() -> None:
    api, what, after, _ = at_work("latency_tail")
    before, _ = before_and_after(world(2.5) if api in world(2.5).apis else world(25.0), what, api)
    place = max(range(len(api.routes)), key=lambda place: api.routes[place].weight)
    spans = []
    for calls in (before, after):
        mine = calls.during(what.from_ms, what.until_ms or 0) & (calls.route == place) & (calls.integration_ms > 0)
        spans.append(calls.latency_ms[mine])
    assert np.median(spans[1]) < 1.15 * np.median(spans[0])
    assert np.quantile(spans[1], 0.97) > 1.2 * np.quantile(spans[0], 0.97)


@pytest.mark.parametrize(
    ("name", "column"),
    [("slow_waf", "waf_ms"), ("slow_authorizer", "authorizer_ms"), ("cold_starts", "cold_ms"),
     ("slow_downstream", "downstream_ms")],
)  # fmt: skip
def test_the_time_is_lost_in_the_layer_that_the_label_names(name: str, column: str) -> None:
    api, what, after, _ = at_work(name)
    before, _ = before_and_after(world(2.5) if api in world(2.5).apis else world(25.0), what, api)
    lost = (after.latency_ms - before.latency_ms).sum()
    in_layer = (np.maximum(getattr(after, column), 0) - np.maximum(getattr(before, column), 0)).sum()
    assert lost > 0
    assert in_layer == pytest.approx(lost, rel=0.02)


def test_a_slow_gateway_is_slow_in_what_is_left() -> None:
    api, what, after, _ = at_work("slow_gateway")
    before, _ = before_and_after(world(2.5) if api in world(2.5).apis else world(25.0), what, api)
    for column in ("integration_ms", "authorizer_ms", "waf_ms"):
        assert (getattr(after, column) == getattr(before, column)).all()
    assert after.latency_ms.sum() > before.latency_ms.sum()


def test_a_creep_has_no_jump() -> None:
    api, what, after, _ = at_work("latency_creep", "blatant")
    before, _ = before_and_after(world(2.5) if api in world(2.5).apis else world(25.0), what, api)
    ratio = np.maximum(after.integration_ms, 1) / np.maximum(before.integration_ms, 1)
    time = (after.at_ms - what.from_ms) / ((what.until_ms or 0) - what.from_ms)
    slow = (before.integration_ms > 50) & (after.integration_ms < TIMEOUT_MS)
    early, late = (slow & (time > a) & (time < b) for a, b in ((0.0, 0.05), (0.95, 1.0)))
    assert ratio[early].mean() < 1.15
    assert ratio[late].mean() > 1.5


def test_load_and_latency_go_together() -> None:
    _, _, _, mine = at_work("latency_under_load", "blatant")
    hours, places, counts = np.unique(mine.at_ms // 3_600_000, return_inverse=True, return_counts=True)
    means = np.array([np.log(mine.integration_ms[places == place] + 1).mean() for place in range(len(hours))])
    full = counts[1:-1]
    assert np.corrcoef(full, means[1:-1])[0, 1] > 0.5


@pytest.mark.parametrize("name", [name for name, known in SCENARIOS.items() if known.cause == "config_change"])
def test_a_change_is_made_shortly_before(name: str) -> None:
    found = False
    for level in LEVELS:
        for seed in range(4):
            for rate in (2.5, 25.0):
                one = world(rate)
                api = next((api for api in one.apis if SCENARIOS[name].fits(api)), None)
                what = planted(one, name, api, level, seed) if api is not None else None
                if what is None or api is None or not isinstance(what.label, Incident):
                    continue
                if what.label.cause != "config_change":
                    assert what.label.accept_causes
                    continue
                times = sorted(np.datetime64(str(change["eventTime"]).rstrip("Z"), "ms") for change in what.changes)
                before = what.from_ms - int(times[0].astype("int64"))
                assert -1_000 <= before < 12 * 3_600_000
                if name != "latency_under_load":
                    assert before < 150_000
                text = str(what.changes)
                assert any(word in text for word in (api.id, api.name, "edge", *api.keys))
                found = True
    assert found


def test_everybody_in_an_office_gets_in_after_failing_once() -> None:
    _, _, _, mine = at_work("nat_login_wave")
    assert len(np.unique(mine.ip)) == 1
    failed = mine.take(mine.status >= 400)
    assert per(failed.principal).max() == 1
    assert set(failed.principal.tolist()) <= set(mine.principal[mine.status < 400].tolist())


def test_larger_answers_take_as_much_longer_as_they_are_larger() -> None:
    api, what, after, mine = at_work("larger_payloads")
    before, _ = before_and_after(world(2.5) if api in world(2.5).apis else world(25.0), what, api)
    changed = after.incident == MINE
    per_kb = api.routes[int(mine.route[0])].latency.ms_per_kb
    more_kb = (after.bytes - before.bytes)[changed] / 1024
    late = after.integration_ms[changed] >= TIMEOUT_MS
    longer = (after.integration_ms - before.integration_ms)[changed]
    assert np.allclose(longer[~late], more_kb[~late] * per_kb, atol=1.0)


def test_late_lines_are_held_until_after_their_time() -> None:
    one = world(2.5)
    what = planted(one, "delayed_delivery", one.apis[0], "blatant")
    assert what is not None
    (hold,) = what.holds
    assert hold.api_id == one.apis[0].id
    assert hold.until_ms is not None
    assert hold.until_ms >= hold.end_ms > hold.start_ms


def test_a_deprecated_route_loses_its_calls_to_its_successor() -> None:
    api, what, after, _ = at_work("planned_deprecation", "blatant")
    before, _ = before_and_after(world(2.5) if api in world(2.5).apis else world(25.0), what, api)
    place = api.route_index(what.label.to_json()["route"])  # type: ignore[arg-type]
    late = after.at_ms > after.at_ms.max() - 4 * 3_600_000
    assert 0 < (after.route[late] == place).sum() < 0.6 * (before.route[late] == place).sum()
    assert len(after) == len(before)
