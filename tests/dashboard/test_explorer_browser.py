"""The Explorer in a real browser: draw, rank, include, look at a request, and follow what comes in."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from gatewatch.api.live import MOST_ROWS, ROWS
from gatewatch.settings import Settings
from gatewatch.store.state import State, open_state
from tests.dashboard.conftest import Running, Watched
from tests.store.builders import put, requests

KEPT = 500  # rows of the live tail that a page keeps
NOW = datetime.now(UTC).replace(second=0, microsecond=0)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[State, str]]:
    settings = Settings(data_dir=tmp_path / "data")
    state = open_state(settings)
    rows = [
        {
            "at": NOW - timedelta(minutes=59) + timedelta(seconds=3 * n),
            "route": "POST /pay" if n % 9 == 0 else "GET /list",
            "status": 502 if n % 9 == 0 else 200,
            "latency_ms": 2000.0 if n % 9 == 0 else 20.0 + n % 30,
            "user_agent": "<img src=x onerror=window.hacked=1>",
            "api_key_id": f"k{n % 5}",
        }
        for n in range(1100)
    ]
    put(state, tables=[("requests", requests(rows))], lines=1)
    with Running(settings) as address:
        yield state, address
    state.close()


def test_from_a_picture_to_the_cause_and_the_live_tail(browser: Browser, place: tuple[State, str]) -> None:
    state, address = place
    watched = Watched(browser.new_page(viewport={"width": 1440, "height": 900}), address)
    page = watched.page
    page.goto(f"{address}/explorer?range=1h&f=method+is+empty")
    plot = page.locator(".explorer-brush .nsewdrag").first
    expect(plot).to_be_visible()
    page.get_by_role("button", name="Latency", exact=True).last.click()
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.4, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"sel=%7E%7E\d"))
    expect(page.locator(".explorer-differences")).to_contain_text("selected, compared with the other")
    expect(page.locator(".explorer-differences")).to_contain_text("POST /pay")
    page.get_by_role("button", name="Only route = POST /pay").click()
    expect(page.locator(".condition")).to_have_count(2)
    page.get_by_role("button", name="Clear selection").click()
    expect(page).not_to_have_url(re.compile("sel="))
    expect(page.get_by_role("button", name="Clear selection")).to_have_count(0)
    typed = page.get_by_label("Condition: field op value")
    for _ in range(20):  # what is drawn without the selection may take the field away while it is typed into
        typed.fill("status >= 500")
        typed.press("Enter")
        with contextlib.suppress(PlaywrightTimeoutError):
            page.wait_for_url(re.compile("status"), timeout=5_000)
            break
    expect(page.locator(".condition")).to_have_count(3)
    page.locator(".row-open").first.click()
    drawer = page.locator("#explorer-drawer")
    expect(drawer).to_contain_text("<img src=x onerror=window.hacked=1>")
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    page.get_by_role("button", name="Live tail").click()
    expect(page.locator("#tail-said")).to_contain_text("connected")
    page.wait_for_timeout(1500)  # the stream has looked once, and so has its mark
    late = [{"at": NOW, "status": 503, "route": "POST /pay", "latency_ms": 9.0, "user_agent": "x"} for _ in range(700)]
    put(state, tables=[("requests", requests(late))], lines=1, file="late.log")
    said = page.locator("#tail-said")
    expect(said).to_contain_text(re.compile(r"showing \d+ of 700"))
    told = re.search(r"showing (\d+) of", said.inner_text())
    assert told is not None
    shown = int(told[1])  # more than ROWS only where the look came late
    assert ROWS <= shown <= MOST_ROWS
    expect(page.locator(".tail-row")).to_have_count(min(shown, KEPT))
    page.get_by_role("button", name="Pause (key p)").click()
    put(state, tables=[("requests", requests(late[:7]))], lines=1, file="later.log")
    expect(page.locator("#tail-said")).to_contain_text("paused, 7 wait")
    page.keyboard.press("p")
    expect(page.locator(".tail-row")).to_have_count(min(shown + 7, KEPT))
    by_utc = page.locator(".tail-at").first.inner_text()
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}", by_utc)
    page.locator(".tail-row").first.click()
    expect(drawer).to_contain_text("POST /pay")
    watched.check()
    page.close()
