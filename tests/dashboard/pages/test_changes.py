from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from plotly.utils import PlotlyJSONEncoder

from dashboard.altered import Changes, altered
from dashboard.data import Reader
from dashboard.pages.changes import render
from dashboard.view import View
from gatewatch.privacy import Privacy
from gatewatch.records import Change, ChangeEvent, Severity
from gatewatch.settings import Settings
from gatewatch.store.changes import save_changes
from gatewatch.store.findings import save_findings
from gatewatch.store.inventories import save_inventory
from gatewatch.store.state import State, open_state
from tests.alerts.hostile import HOSTILE
from tests.dashboard.operations import add_changes, changes, inventory
from tests.dashboard.pages.conftest import find, texts
from tests.dashboard.world import END
from tests.store.builders import a_finding, put, requests

OFF = "UpdateStage replace /webAclArn"


def some_traffic(state: State) -> None:
    put(state, tables=[("requests", requests([{"at": END - timedelta(seconds=5)}]))], lines=1)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    """Three changes, three more whose values before are known, and a finding that suspects one."""
    opened = open_state(Settings(data_dir=tmp_path_factory.mktemp("changes") / "data"))
    some_traffic(opened)
    add_changes(opened, END)

    def patch(ident: str, ago: int, what: str, path: str, value: str) -> ChangeEvent:
        change = Change(END - timedelta(minutes=ago), what, "arn:aws:iam::1:user/ops", "shop4f2k1/prod")
        detail = {"patchOperations": [{"op": "replace", "path": path, "value": value}]}
        return ChangeEvent(ident, change, "apigateway", "UpdateStage", "1", "eu-west-1", "Mozilla/5.0", detail)  # type: ignore[arg-type]

    events = [
        patch("up", 30, "UpdateStage replace /*/*/throttling/rateLimit 5000", "/*/*/throttling/rateLimit", "5000"),
        patch("waf", 100, f"{OFF} acl", "/webAclArn", "arn:aws:wafv2:acl"),
        patch("off", 20, OFF, "/webAclArn", ""),
    ]
    suspected = Change(events[2].change.at, OFF, "ops", "shop4f2k1/prod", 0.9)

    def write(session):  # type: ignore[no-untyped-def]
        save_changes(session, events, source="test", now=END)
        save_inventory(session, inventory(), source="test", now=END - timedelta(hours=3))
        save_inventory(session, inventory("shop-renamed"), source="test", now=END - timedelta(minutes=1))
        found = a_finding("suspects", END - timedelta(minutes=10), api="shop4f2k1", changes=(suspected,))
        save_findings(session, [found], now=END)

    opened.run(write)
    yield opened
    opened.close()


def read(state: State, view: View | None = None, privacy: Privacy | None = None) -> Changes:
    reader = Reader(lambda: state, lambda: END)
    window = reader.window(view or View())
    assert window is not None
    return altered(state, view or View(), window, privacy or Privacy())


def shown(state: State, view: View | None = None) -> str:
    return "\n".join(texts(render(Reader(lambda: state, lambda: END), "", view or View())))


def test_changes_come_newest_first_with_type_tool_and_risk(state: State) -> None:
    found = read(state)
    assert [one.event.id for one in found.changes] == ["off", "up", "e3", "e2", "waf", "e1"]
    off, up, *rest = found.changes
    assert (off.type, off.tool, off.risk) == ("waf", "console", Severity.HIGH)
    assert up.risk is not None  # from 10 to 5000 requests a second
    assert [one.tool for one in rest] == ["Terraform", "Terraform", "console", "Terraform"]
    assert rest[3].risk is None
    assert [one.title for one in off.suspects] == ["One client is throttled on suspects"]


def test_before_comes_from_an_earlier_change_even_of_before_the_range(state: State) -> None:
    by_id = {one.event.id: one for one in read(state, View(range="1h")).changes}
    assert set(by_id) == {"off", "up"}
    assert [(one.before, one.after) for one in by_id["up"].settings] == [(10.0, 5000.0)]
    assert [one.before for one in by_id["off"].settings] == ["arn:aws:wafv2:acl"]
    text = shown(state, View(sel="up"))
    assert "5,000" in text
    assert "Compare the hour after with the hour before" in text
    assert "Mozilla/5.0" in text
    assert "There is no such change" in shown(state, View(sel="nothing"))
    assert "what was before is not known" in shown(state, View(sel="e3"))


def test_conditions_and_text_narrow_and_a_wrong_one_is_said(state: State) -> None:
    assert [one.event.id for one in read(state, View(f=("tool = console", "type = waf", "risk = high"))).changes] == [
        "off"
    ]
    assert {one.event.id for one in read(state, View(f=("actor ~ pipeline",))).changes} == {"e1", "e3"}
    assert {one.event.id for one in read(state, View(f=("risk != none",))).changes} >= {"off", "up"}
    assert [one.event.id for one in read(state, View(q="functioncode")).changes] == ["e3"]
    assert read(state, View(f=("nonsense",))).wrong == ["nonsense"]
    assert "Not understood, so left out: nonsense" in shown(state, View(f=("nonsense",)))
    assert "Take a condition away" in shown(state, View(q="nothing like it"))


def test_the_api_narrows_to_what_touches_it(state: State) -> None:
    assert {one.event.id for one in read(state, View(api="shop4f2k1")).changes} == {"off", "up", "waf", "e1", "e2"}
    assert read(state, View(api="login8a2")).changes == []


def test_the_timeline_has_a_sentence_and_a_table(state: State) -> None:
    page = render(Reader(lambda: state, lambda: END), "", View())
    [figure] = [one.data for one in find(page, "Store") if one.id == {"type": "figure", "name": "changes"}]
    assert sum(len(trace["x"]) for trace in figure["data"]) == 6
    text = "\n".join(texts(page))
    assert "6 changes, most of shop-renamed/prod (5)" in text
    assert "UpdateFunctionCode" in json.dumps(page, cls=PlotlyJSONEncoder)


def test_what_two_inventories_say_otherwise_is_listed(state: State) -> None:
    [drift] = read(state).drift
    assert '/restApis/shop4f2k1/name: "shop" -> "shop-renamed"' in drift.lines
    assert "shop-renamed" in shown(state)


def test_privacy_hides_who(state: State) -> None:
    masked = read(state, privacy=Privacy("hash", lambda: b"k" * 32)).changes
    assert all(one.event.detail is None and one.event.user_agent is None for one in masked)


def test_empty_stores_say_what_to_do(nothing: Reader, tmp_path: Path) -> None:
    assert "No requests yet" in "\n".join(texts(render(nothing, "", View())))
    state = open_state(Settings(data_dir=tmp_path / "other"))
    some_traffic(state)
    assert "Nobody changed anything, or nobody told." in shown(state)
    state.close()


def test_it_stays_small_and_plain(tmp_path: Path) -> None:
    state = open_state(Settings(data_dir=tmp_path / "data"))
    some_traffic(state)
    many = []
    for number, text in enumerate(HOSTILE * 12):
        said = text.encode(errors="replace").decode().replace("\x00", "") or "x"
        for one in changes(END - timedelta(minutes=number), said):
            many.append(replace(one, id=f"{number}-{one.id}", change=replace(one.change, what=said, actor=said)))
    state.run(lambda session: save_changes(session, many, source="test", now=END))
    page = render(Reader(lambda: state, lambda: END), "", View(range="30d", sel=many[0].id))
    assert len(json.dumps(page, cls=PlotlyJSONEncoder)) < 300_000
    assert all(char.isprintable() or char == "\n" for char in "".join(texts(page)))
    state.close()
