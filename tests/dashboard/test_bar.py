"""Where the buttons of the top bar lead."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from dash.development.base_component import Component

from dashboard.bar import parts, time_label
from dashboard.data import Scopes
from dashboard.view import View, window_of
from tests.store.builders import AT

STAGES = (("shop", "prod"), ("shop", "test"), ("login", "v1"))


def shown(view: View) -> dict[str, list[Component]]:
    return parts(view, Scopes(window_of(view, AT, AT), window_of(View(), AT, AT).until, STAGES))


def leads(view: View, place: str) -> list[dict[str, Any] | None]:
    """What each button of a place writes into the address; None: it cannot be pressed."""
    found = [
        node for part in shown(view)[place] for node in [part, *part._traverse()] if type(node).__name__ == "Button"
    ]
    return [json.loads(vars(one)["data-set"]) if not getattr(one, "disabled", False) else None for one in found]


def minutes(n: int) -> str:
    return (AT + timedelta(minutes=1 + n)).strftime("%Y-%m-%dT%H:%MZ")


def test_a_range_that_runs_moves_back_and_not_beyond_now() -> None:
    view = View(range="1h")
    (back,) = leads(view, "time-before")
    assert back == {"range": None, "from": minutes(-120), "to": minutes(-60)}
    forward, wider, freeze = leads(view, "time-after")
    assert forward is None
    assert wider == {"range": None, "from": "now-120m", "to": None}
    assert freeze == {"range": None, "from": minutes(-60), "to": minutes(0)}


def test_a_frozen_range_moves_until_it_meets_now_and_then_runs() -> None:
    until = AT + timedelta(minutes=1)
    far = View().between(until - timedelta(hours=4), until - timedelta(hours=3))
    assert leads(far, "time-after")[:2] == [
        {"range": None, "from": minutes(-180), "to": minutes(-120)},
        {"range": None, "from": minutes(-270), "to": minutes(-150)},
    ]
    near = View().between(until - timedelta(hours=2), until - timedelta(hours=1))
    assert leads(near, "time-after")[0] == {"range": "1h", "from": None, "to": None}
    assert leads(near, "time-after")[2] == {"range": "1h", "from": None, "to": None}


def test_nothing_can_be_pressed_in_an_empty_store_but_the_ranges() -> None:
    empty = parts(View(), Scopes())
    assert all(getattr(button, "disabled", False) for button in empty["time-after"])
    assert "no data yet" in json.dumps(empty["time-quick"], default=lambda one: one.to_plotly_json())


def test_stages_are_those_of_the_api() -> None:
    def stages(view: View) -> list[str]:
        return [one["value"] for one in shown(view)["scope"][2].data]  # type: ignore[attr-defined]

    assert stages(View()) == ["prod", "test", "v1"]
    assert stages(View(api="shop")) == ["prod", "test"]
    assert stages(View(api="shop", stage="gone")) == ["gone", "prod", "test"]


def test_the_label_says_the_time_as_short_as_it_can() -> None:
    assert time_label(View(range="7d"), window_of(View(range="7d"), AT, AT)) == "Last 7 days"
    back = View(since="now-90m")
    assert time_label(back, window_of(back, AT, AT)) == "Last 90 min"
    day = View().between(AT.replace(hour=3, minute=0), AT.replace(hour=4, minute=30))
    assert time_label(day, window_of(day, AT, AT)).endswith("03:00 – 04:30")


def test_whole_days_are_told_as_days() -> None:
    midnight = AT.replace(hour=0, minute=0)
    one = View().between(midnight - timedelta(days=1), midnight)
    assert time_label(one, window_of(one, AT, AT)) == "08 Jun"
    two = View().between(midnight - timedelta(days=2), midnight)
    assert time_label(two, window_of(two, AT, AT)) == "07 Jun – 08 Jun"


def test_what_is_live_says_so() -> None:
    (live,) = shown(View())["following"]
    assert "every 1 min" in live.title  # type: ignore[attr-defined]
    (off,) = shown(View(refresh="off"))["following"]
    assert "Not drawn anew" in off.title  # type: ignore[attr-defined]
    assert leads(View(refresh="10s"), "following") == [{"refresh": None}]
