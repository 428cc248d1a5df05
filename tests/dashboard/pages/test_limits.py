from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from dash import html
from dash.development.base_component import Component
from plotly.utils import PlotlyJSONEncoder

from dashboard.data import Reader
from dashboard.data_limits import Role, limits, period_of, role, runs_out
from dashboard.data_whatif import Per, Proposed, outcome, steps
from dashboard.inventoried import Limit, inventory_of
from dashboard.limit_patch import NO_CALLER_LIMIT, patches
from dashboard.pages import api as api_page
from dashboard.pages import limits as page
from dashboard.view import View
from gatewatch.privacy import Privacy
from gatewatch.settings import Settings
from gatewatch.store.state import open_state
from tests.dashboard.estate import declare, document
from tests.dashboard.pages.conftest import find, texts
from tests.dashboard.world import END, HOSTILE, fill
from tests.store.builders import minutes, put, requests

SHOP = View(api="shop4f2k1", range="1h")
FLOOD = END - timedelta(minutes=30)


@pytest.fixture(scope="module")
def throttled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """The world, and a minute in which one caller fills the shop's stage: others are refused besides; k1 has a plan."""
    state = open_state(Settings(data_dir=tmp_path_factory.mktemp("limits") / "data"))
    fill(state)
    declare(state, END)
    place = {"account": "1", "region": "eu-west-1", "api": "shop4f2k1", "stage": "prod", "route": "GET /items/{id}"}
    cut = {"status": 429, "reject_cause": "throttle"}
    calls: list[dict[str, Any]] = [
        {"at": FLOOD + timedelta(milliseconds=50 * n), "principal": HOSTILE[0]} | (cut if n % 4 else {})
        for n in range(400)
    ]
    calls += [
        {"at": FLOOD + timedelta(seconds=n), "client_ip": f"198.51.100.{n % 5}"} | (cut if n in (3, 4) else {})
        for n in range(20)
    ]
    calls += [
        {"at": FLOOD + timedelta(milliseconds=40 * n), "api_key_id": "k1"} | (cut if n >= 20 else {}) for n in range(25)
    ]
    calls += [{"at": END - timedelta(hours=9, seconds=10 * n), "api_key_id": "k1"} for n in range(700)]
    rows = requests([place | one for one in calls])
    refused = sum(one.get("status") == 429 for one in calls)
    minute = {**place, "minute": FLOOD, "n": 445, "s4xx": refused, "c_throttle": refused, "t_unknown": refused}
    put(state, file="b.log", tables=[("minutes", minutes([minute])), ("requests", rows)], lines=len(calls))
    yield Reader(lambda: state, lambda: END)
    state.close()


def told(reader: Reader, view: View) -> Component:
    return page.render(reader, "", view)


def test_offenders_stand_beside_their_victims(throttled: Reader) -> None:
    found = limits(throttled, SHOP)
    assert found is not None
    first, second = found.offenders
    assert (first.client_id, first.role, first.asked, first.refused) == (
        f"principal:{HOSTILE[0]}",
        Role.OFFENDER,
        400,
        300,
    )
    assert (second.client_id, second.role, second.refused) == ("key:k1", Role.OWN, 5)
    assert second.plan is not None
    assert second.plan.name == "gold"
    assert {one.client_id for one in found.victims} == {"ip:198.51.100.3", "ip:198.51.100.4"}
    said = texts(told(throttled, SHOP))
    assert "fills a shared limit" in " ".join(said)
    assert any("Access logs do not say which limit" in text for text in said)


def test_a_caller_alone_has_nobody_to_share_with() -> None:
    row = {"quota": 0, "refused": 3, "peak": 2, "callers": 1, "asked": 5, "whole": 5}
    assert role(row, None) is Role.OWN
    assert role(row | {"callers": 2, "whole": 9}, None) is Role.OFFENDER
    assert role(row | {"callers": 9, "whole": 50}, None) is Role.VICTIM
    assert role(row | {"callers": 9, "whole": 50, "quota": 2}, None) is Role.OWN


def test_a_plan_says_what_is_used_what_is_left_and_when_it_runs_out(throttled: Reader) -> None:
    found = limits(throttled, View(api="shop4f2k1"))
    assert found is not None
    (key,) = found.keys
    # The quota counts from midnight: 140 calls of the night before are not in it.
    assert (key.key, key.name, key.plan.quota, key.throttled) == ("k1", "partner-one", 1000, 5)
    assert key.served == 720
    assert key.used_share == pytest.approx(0.72)
    assert key.runs_out is not None
    assert key.runs_out[0] > END
    said = texts(told(throttled, View(api="shop4f2k1")))
    assert "280" in said
    assert "26/s of 10/s" in said or "25/s of 10/s" in said


def test_a_forecast_has_an_interval_and_ends_with_the_period() -> None:
    now = datetime(2026, 6, 9, 12, tzinfo=END.tzinfo)
    soon = now + timedelta(hours=12)
    assert runs_out(0, [1] * 24, now, soon) == (now, now)
    steady = runs_out(60, [10] * 24, now, soon)
    assert steady == (now + timedelta(hours=6), now + timedelta(hours=6))
    assert runs_out(600, [10] * 24, now, soon) is None
    assert runs_out(60, [0] * 24, now, soon) is None
    early_late = runs_out(60, [0, 20] * 12, now, soon)
    assert early_late is not None
    early, late = early_late
    assert early < now + timedelta(hours=6) < (late or soon)


def test_periods_begin_at_midnight_on_mondays_and_on_the_first() -> None:
    plan = inventory_of(document()).plans[0]
    at = datetime(2026, 6, 10, 12, 30, tzinfo=END.tzinfo)
    days = [
        period_of(type(plan)(plan.id, plan.name, plan.limit, 1, name, (), None, frozenset()), at)
        for name in ("DAY", "WEEK", "MONTH")
    ]
    assert [(begin.day, (end - begin).days) for begin, end in days] == [(10, 1), (8, 7), (1, 30)]


def test_the_account_and_its_stages_against_their_limits(throttled: Reader) -> None:
    found = limits(throttled, SHOP)
    assert found is not None
    shop = next(one for one in found.stages if one.api == "shop4f2k1")
    assert shop.limit == Limit(100.0, 200)
    assert shop.peak == 46  # in its first second: 20 of the flood, 25 of the key, 1 of an address
    (account,) = [one for one in found.accounts if one.account == "1"]
    assert (account.limit, account.read) == (Limit(10000.0, 5000), True)
    assert "The limits are those that AWS told." in texts(told(throttled, SHOP))


def test_a_limit_is_replayed_on_what_was_called(throttled: Reader) -> None:
    window = throttled.window(SHOP)
    assert window is not None
    none = outcome(throttled, SHOP, window, Proposed("shop4f2k1", "prod", Per.STAGE, 1e6, 10**6))
    assert (none.refused, none.calls, none.now, none.first_at) == (0, 445, 307, None)
    stage = outcome(throttled, SHOP, window, Proposed("shop4f2k1", "prod", Per.STAGE, 1.0, 5))
    # 445 calls in 20 s: 5 at once, and one a second after that.
    assert stage.calls - stage.refused in (24, 25)
    assert stage.first_at == FLOOD + timedelta(milliseconds=80)  # the sixth call
    caller = outcome(throttled, SHOP, window, Proposed("shop4f2k1", "prod", Per.CALLER, 5.0, 10))
    assert caller.hit[0].client_id == f"principal:{HOSTILE[0]}"
    assert caller.callers_hit == 2
    assert not caller.whole_seconds


def test_a_waf_rule_leaves_alone_who_has_no_address_in_the_logs(throttled: Reader) -> None:
    window = throttled.window(SHOP)
    assert window is not None
    found = outcome(throttled, SHOP, window, Proposed("shop4f2k1", "prod", Per.ADDRESS, 3, 60))
    assert (found.refused, found.callers_hit) == (5, 5)  # of each of five addresses the fourth call


def test_the_sliders_begin_at_the_limit_that_is_declared(throttled: Reader) -> None:
    made = told(throttled, SHOP)
    rate, burst = find(made, "Slider")
    assert (rate.value, burst.value) == (100.0, 200)
    said = " ".join(texts(made))
    assert "With 100 a second, burst 200 (whole stage), 0 of 445 calls" in said
    assert "aws_api_gateway_method_settings" in said
    plan = told(throttled, View(api="shop4f2k1", range="1h", sel="caller"))
    assert [one.value for one in find(plan, "Slider")] == [10.0, 20]


def test_what_is_moved_is_answered_and_nonsense_is_not(throttled: Reader) -> None:
    of = {"api": "shop4f2k1", "stage": "prod", "per": "caller"}
    proposed = page.proposed_of(5, 10, of)
    assert proposed == Proposed("shop4f2k1", "prod", Per.CALLER, 5.0, 10)
    assert any("would be refused" in text for text in texts(together(page.answered(throttled, proposed, SHOP))))
    for rate, burst, what in (
        ("x", 1, of),
        (float("nan"), 1, of),
        (-1, 1, of),
        (1, 1e12, of),
        (1, 1, None),
        (1, 1, of | {"per": "?"}),
        (1, 1, of | {"api": 7}),
        (1, 61, of | {"per": "address"}),
    ):
        assert page.proposed_of(rate, burst, what) is None


def together(parts: list[Any]) -> Component:
    return html.Div(parts)


def forms(found: list[tuple[str, str]] | str) -> dict[str, str]:
    assert not isinstance(found, str)
    return dict(found)


def test_a_proposal_is_written_as_what_sets_it() -> None:
    known = inventory_of(document())
    hostile = Proposed('x"; rm -rf ~ #${file("/etc")}', "pr'od", Per.STAGE, 2.5, 7)
    written = forms(patches(hostile, known.apis["shop4f2k1"], None))
    assert "--stage-name 'pr'\"'\"'od'" in written["AWS CLI"]
    assert '"x\\"; rm -rf ~ #$${file(\\"/etc\\")}"' in written["Terraform"]
    assert "throttling_rate_limit  = 2.5" in written["Terraform"]
    login = Proposed("login8a2", "prod", Per.CALLER, 5, 5)
    assert patches(login, known.apis["login8a2"], None) == NO_CALLER_LIMIT
    plan = forms(patches(Proposed("shop4f2k1", "prod", Per.CALLER, 5, 6), known.apis["shop4f2k1"], known.plans[0]))
    assert "--usage-plan-id pl1" in plan["AWS CLI"]
    waf = patches(Proposed("shop4f2k1", "prod", Per.ADDRESS, 300, 120), known.apis["shop4f2k1"], None)
    assert "evaluation_window_sec = 120" in waf[0][1]


def test_it_is_small_a_tab_too_and_masks_people(throttled: Reader) -> None:
    state = throttled.store()
    hidden = Reader(lambda: state, lambda: END, privacy=Privacy("hash", lambda: b"k" * 32))
    for made in (told(throttled, View()), api_page.render(throttled, "shop4f2k1", View(tab="limits"))):
        assert len(json.dumps(made, cls=PlotlyJSONEncoder)) < 300_000
        assert "Offenders" in texts(made)
    assert "198.51.100" not in json.dumps(told(hidden, SHOP), cls=PlotlyJSONEncoder)


def test_calm_and_empty_say_so(throttled: Reader, nothing: Reader) -> None:
    assert "No requests yet" in texts(told(nothing, View()))
    calm = texts(told(throttled, View(api="legacy9")))
    assert "No usage plan in scope" in calm
    assert "No request in this range" in texts(told(throttled, View(api="never77")))


def test_sliders_have_some_two_hundred_steps() -> None:
    assert [steps(top)[1] for top in (10, 100, 1000, 60_000)] == [0.1, 0.5, 5, 500]
