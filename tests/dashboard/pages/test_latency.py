from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from plotly.utils import PlotlyJSONEncoder

from dashboard.data import Reader
from dashboard.heat import heat_rows, heat_sentence
from dashboard.layers import latency
from dashboard.pages.latency import called, render
from dashboard.view import View
from gatewatch.frames import MINUTE_COUNTS, bucket_of
from gatewatch.privacy import Privacy
from gatewatch.settings import Settings
from gatewatch.store.state import open_state
from tests.alerts.hostile import HOSTILE
from tests.dashboard.operations import add_spans
from tests.dashboard.pages.conftest import find, texts
from tests.dashboard.world import END, fill
from tests.store.builders import minutes, put, requests

ROUTE = "GET /slow"
WHOLE = View(api="tims", stage="prod")


def minute(ago: int, route: str, **given: object) -> dict[str, object]:
    return dict.fromkeys(MINUTE_COUNTS, 0) | {
        "minute": END - timedelta(minutes=ago),
        "account": "1",
        "region": "eu-west-1",
        "api": "tims",
        "stage": "prod",
        "route": route,
        **given,
    }


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """The world, and an API whose times are known to the millisecond."""
    state = open_state(Settings(data_dir=tmp_path_factory.mktemp("latency") / "data"))
    fill(state)
    slow = {
        "n": 10,
        "latency_us": 10 * 400_000,
        "integration_us": 10 * 300_000,
        "authorizer_us": 10 * 60_000,
        "gateway_us": 10 * 40_000,
        "latency_b": [bucket_of(400)],
        "latency_c": [10],
        "integration_b": [bucket_of(300)],
        "integration_c": [10],
    }
    whole = {"n": 5, "latency_us": 5 * 100_000, "latency_b": [bucket_of(100)], "latency_c": [5]}
    late = {"n": 1, "latency_us": 29_000_000, "latency_b": [bucket_of(29_000)], "latency_c": [1], "over_28s": 1}
    dark = minute(4, "GET /dark", n=7)
    rows = [minute(9, ROUTE, **slow), minute(5, "GET /whole", **whole), dark, minute(3, "GET /late", **late)]
    gone = {"at": END - timedelta(minutes=3), "api": "tims", "route": "GET /late", "path": "/late", "status": 504}
    one = {**gone, "latency_ms": 29_000.0, "error_message": "Endpoint request timed out", "request_id": "late-1"}
    put(
        state, source="tims", file="t.log", tables=[("minutes", minutes(rows)), ("requests", requests([one]))], lines=23
    )
    add_spans(state, END)
    yield Reader(lambda: state, lambda: END)
    state.close()


def shown(reader: Reader, view: View) -> str:
    return "\n".join(texts(render(reader, "", view)))


def read(reader: Reader, view: View = WHOLE):  # type: ignore[no-untyped-def]
    window = reader.window(view)
    assert window is not None
    return latency(reader.store(), view, window, Privacy())


def test_layers_add_up_to_the_mean_and_what_is_not_told_apart_is_said_to_be_so(filled: Reader) -> None:
    by_route = {one.key[2]: one for one in read(filled).routes}
    slow = by_route[ROUTE]
    assert dict(slow.ms) == pytest.approx({"gateway": 40, "authorizer": 60, "integration": 300, "not told apart": 0})
    assert slow.mean == pytest.approx(400)
    assert slow.p95 == pytest.approx(400, rel=0.02)
    assert slow.slowest == "integration"
    assert by_route["GET /whole"].ms["not told apart"] == pytest.approx(100)
    assert by_route["GET /whole"].slowest is None
    assert by_route["GET /dark"].timed == 0
    text = shown(filled, WHOLE)
    assert "The latency of 1 route is not logged; of 2 routes only the whole is logged" in text
    assert text.count("not logged") >= 3


def test_the_chart_of_layers_has_a_sentence_and_a_table(filled: Reader) -> None:
    page = render(filled, "", WHOLE)
    [figure] = [one.data for one in find(page, "Store") if one.id == {"type": "figure", "name": "layers"}]
    assert [trace["name"] for trace in figure["data"]] == ["gateway", "authorizer", "integration", "not told apart"]
    assert sum(sum(trace["x"]) for trace in figure["data"]) == pytest.approx(100, abs=0.05)
    assert "of all time" in json.dumps(page, cls=PlotlyJSONEncoder)
    assert "GET /late took 86.6 % of it" in "\n".join(texts(page))


def test_the_heat_map_says_in_words_and_in_a_table_what_it_shows(filled: Reader) -> None:
    found = read(filled).heat
    assert found is not None
    assert sum(map(sum, found.counts)) == 16
    assert "1 took 28 s or more" in heat_sentence(found)
    heads, rows = heat_rows(found)
    assert len(heads) == 4
    assert {len(row) for row in rows} == {4}


def test_a_route_narrows_everything(filled: Reader) -> None:
    view = View(api="tims", stage="prod", q=ROUTE)
    found = read(filled, view)
    assert [one.key[2] for one in found.routes] == [ROUTE]
    assert found.heat is not None
    assert sum(map(sum, found.heat.counts)) == 10
    assert found.n_timeouts == 0
    text = shown(filled, view)
    assert "All routes" in text
    assert "No request took 28 s or more." in text


def test_timeouts_are_listed_with_how_to_ask_for_them(filled: Reader) -> None:
    text = shown(filled, WHOLE)
    assert "Endpoint request timed out" in text
    assert "late-1" in text
    assert "--where 'latency_ms >= 28000'" in text


def test_traces_tell_downstreams_cold_starts_and_one_request(filled: Reader) -> None:
    view = View(api="shop4f2k1")
    found = read(filled, view)
    assert found.traced == 20
    [table] = found.downstreams
    assert (table.name, table.calls) == ("orders-table", 20)
    assert table.mean_ms == pytest.approx((19 * 40 + 900) / 20)
    assert found.cold.all == (4, 20)
    assert found.slowest[0].trace_id == table.trace_id
    text = shown(filled, View(api="shop4f2k1", sel=table.trace_id))
    assert "20 % of 20 ran into a cold start" in text
    assert "97.3 %" in text  # 900 of 925 ms
    assert "This trace is not in this range." in shown(filled, View(api="shop4f2k1", sel="nothing"))
    assert "Downstreams and cold starts are not known." in shown(filled, View(api="login8a2"))


def test_a_latency_finding_is_a_badge_at_its_route(filled: Reader) -> None:
    page = render(filled, "", View(api="shop4f2k1"))
    badges = [one for one in find(page, "Link") if str(getattr(one, "className", "")).startswith("badge")]
    assert badges
    assert badges[0].href.startswith("/findings/")
    assert badges[0].children[1] == "integration"


def test_an_empty_store_says_what_to_do(nothing: Reader) -> None:
    assert "No requests yet" in shown(nothing, View())


def test_it_stays_small_and_plain(tmp_path: Path) -> None:
    state = open_state(Settings(data_dir=tmp_path / "data"))
    fill(state)
    names = [text.encode(errors="replace").decode().replace("\x00", "") or "x" for text in HOSTILE]
    known = {"n": 3, "latency_us": 900_000, "latency_b": [bucket_of(300)], "latency_c": [3]}
    rows = [minute(number % 900, f"{name}{number}", **known) for number, name in enumerate(names * 12)]
    put(state, source="h", file="h.log", tables=[("minutes", minutes(rows))], lines=len(rows))
    for name in names[:10]:
        add_spans(state, END, name[:200])
    page = render(Reader(lambda: state, lambda: END), "", View(range="30d"))
    assert len(json.dumps(page, cls=PlotlyJSONEncoder)) < 300_000
    assert all(char.isprintable() or char == "\n" for char in "".join(texts(page)))
    state.close()


def test_a_request_without_a_path_is_told_by_its_route() -> None:
    assert called({"method": "GET", "path": "/items/7", "route": "GET /items/{id}"}) == "GET /items/7"
    assert called({"method": "GET", "path": None, "route": "GET /items/{id}"}) == "GET /items/{id}"
    assert called({"method": None, "path": None, "route": None}) == ""
