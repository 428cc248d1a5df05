from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from plotly.utils import PlotlyJSONEncoder

from dashboard.data import Reader
from dashboard.origins import FAILING, WAITING, WORKING, origins, spending
from dashboard.pages.sources import render
from dashboard.view import View, Window
from gatewatch.connecting import budget_of
from gatewatch.jobs import note_look
from gatewatch.settings import Settings
from gatewatch.store.sources import register_source
from gatewatch.store.spending import Spent
from gatewatch.store.state import open_state
from tests.alerts.hostile import HOSTILE
from tests.dashboard.operations import add_sources
from tests.dashboard.pages.conftest import find, texts
from tests.dashboard.world import END, fill


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    state = open_state(Settings(data_dir=tmp_path_factory.mktemp("sources") / "data"))
    fill(state)
    add_sources(state, END)
    yield Reader(lambda: state, lambda: END)
    state.close()


def shown(reader: Reader, view: View | None = None) -> str:
    return "\n".join(texts(render(reader, "", view or View())))


def test_each_source_says_how_it_goes(filled: Reader) -> None:
    found = {one.name: one for one in origins(filled.store(), filled.window(View()), END).origins}
    assert found["bucket"].state == FAILING
    assert found["fresh"].state == WAITING
    assert found["files"].account is not None
    assert 0.9 < found["files"].covered_share < 1
    text = shown(filled)
    assert "AWS bucket: ListObjectsV2 is denied" in text
    assert "Data do not come as they should: bucket (failing)." in text


def test_what_was_read_after_old_requests_is_counted_in_the_range_that_ends_with_them(filled: Reader) -> None:
    until, now = END - timedelta(days=2), END + timedelta(minutes=1)
    taken = [
        sum(one.taken for one in origins(filled.store(), Window(until - timedelta(days=1), until, stale), now).origins)
        for stale in (False, True)
    ]
    assert taken[0] == 0 < taken[1]


def test_a_source_that_brings_no_lines_waits_for_none(tmp_path: Path) -> None:
    state = open_state(Settings(data_dir=tmp_path / "data"))
    group = "API-Gateway-Execution-Logs_a1b2c3d4e5/prod"
    kinds = {"queue": ("eventbridge", "https://sqs.eu-west-1.amazonaws.com/1/q"), "why": ("cloudwatch_logs", group)}
    for name, (kind, location) in {**kinds, "spans": ("cloudwatch_logs", "aws/spans")}.items():
        register_source(state, name, kind, location, True, {})
        if name != "spans":
            note_look(state, name, END - timedelta(minutes=1), [])
    reader = Reader(lambda: state, lambda: END)
    found = {one.name: (one.state, one.brings) for one in origins(state, None, END).origins}
    assert found == {"queue": (WORKING, "changes"), "why": (WORKING, "causes"), "spans": (WAITING, "traces")}
    text = shown(reader)
    assert "brings changes" in text
    assert "brings why requests were refused" in text
    state.close()


def test_what_was_never_seen_is_said_not_to_be_known(filled: Reader) -> None:
    found = {one.name: one for one in origins(filled.store(), filled.window(View()), END).origins}
    assert found["fresh"].lag is None
    assert found["fresh"].looked is None
    assert shown(filled).count("not known") >= 3


def test_rights_that_aws_refuses_stand_beside_what_it_said(filled: Reader) -> None:
    text = shown(filled)
    assert "1 call denied" in text
    assert "acm:List" in text
    assert "xray is denied (access denied)" in text
    assert "never asked" in text  # changes: switched on, and nobody asked yet
    assert "overdue" in text  # metrics: an hour ago, and due every five minutes


def test_the_forecast_rests_on_whole_days() -> None:
    budget = budget_of(Settings())
    today = date(2026, 6, 9)

    def day(back: int, dollars: float) -> Spent:
        return Spent(today - timedelta(days=back), "1", "metrics", "cloudwatch", "GetMetricData", 1, int(dollars * 1e9))

    assert spending([day(0, 5.0)], budget, today).forecast is None
    some = spending([day(0, 9.0), day(1, 1.0), day(2, 3.0)], budget, today)
    assert some.from_days == 2
    assert some.forecast == pytest.approx(4.0 + 22 * 2.0)  # two days gone, 22 with today to come
    may = spending([day(9, 100.0), *(day(back, 1.0) for back in range(1, 9))], budget, today)
    assert may.from_days == 7
    assert may.forecast == pytest.approx(8.0 + 22 * 1.0)  # what May cost is not June's
    assert spending([day(0, 9.0)], budget, today).paused == budget.order


def test_spending_has_a_chart_a_sentence_and_a_table(filled: Reader) -> None:
    page = render(filled, "", View())
    [figure] = [one.data for one in find(page, "Store") if one.id == {"type": "figure", "name": "spend"}]
    assert [trace["name"] for trace in figure["data"]] == ["logs", "metrics"]
    assert len(figure["data"][0]["x"]) == 30
    assert figure["layout"]["xaxis"]["nticks"] == 10  # a month of dates would lie upon each other
    text = "\n".join(texts(page))
    assert "the dearest day was" in text
    assert "Day" in json.dumps(page, cls=PlotlyJSONEncoder)


def test_a_stage_is_judged_and_its_patch_stands_in_four_forms(filled: Reader) -> None:
    text = shown(filled, View(sel="shop4f2k1/prod"))
    assert "0 of 2 stages let every detector see everything" in text
    assert "$context.identity.apiKey is the API key itself" in text
    for part in ("aws apigateway", "aws_api_gateway_stage", "AWS::ApiGateway::Stage", "CfnStage"):
        assert part in text
    assert "This stage writes no access log" in shown(filled, View(sel="shop4f2k1/test"))
    assert "There is no such stage" in shown(filled, View(sel="nothing"))


def test_an_empty_store_says_how_to_begin(nothing: Reader) -> None:
    text = shown(nothing)
    for part in ("gatewatch sources add", "gatewatch accounts connect", "gatewatch ingest --inventory"):
        assert part in text


def test_it_stays_small_and_plain_whatever_names_say(tmp_path: Path) -> None:
    state = open_state(Settings(data_dir=tmp_path / "data"))
    fill(state)
    for text in HOSTILE[:6]:
        add_sources(state, END, text.encode(errors="replace").decode().replace("\x00", "")[:200])
    reader = Reader(lambda: state, lambda: END)
    page = render(reader, "", View(sel="shop4f2k1/prod"))
    assert len(json.dumps(page, cls=PlotlyJSONEncoder)) < 300_000
    assert all(char.isprintable() or char == "\n" for char in "".join(texts(page)))
    state.close()
