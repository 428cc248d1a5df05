"""The Explorer's two promises: from a drawn selection to its ranking, and a live tail that keeps up."""

from __future__ import annotations

import statistics
import threading
import time
from contextlib import closing
from datetime import timedelta

import numpy as np
import pyarrow as pa
from playwright.sync_api import Browser, expect

from bench.browsing import SHOWN_MS
from bench.stored import hour_of_requests, put
from bench.ui_watch import QUIET_MS, Visit, at_least, budget, visiting
from gatewatch.settings import Settings
from gatewatch.store.reading import bounds
from gatewatch.store.state import State, open_state

RANKING_MS = 2000
ROWS_A_SECOND = 200
DELAY_MS = 1000
_SENT_A_SECOND = 240
_EVERY_S = 0.25
_SECONDS = 15

expect.set_options(timeout=SHOWN_MS)

_TAIL = """
(() => {
  const told = window.tailed = [];
  new MutationObserver(list => {
    const now = Date.now();
    for (const change of list) for (const row of change.addedNodes) {
      const stamp = row.querySelector && /^\\/sent\\/(\\d+)$/.exec(row.querySelector(".tail-route").textContent);
      if (stamp) told.push([now, now - Number(stamp[1])]);
    }
  }).observe(document.getElementById("tail-rows"), { childList: true });
})()
"""


def brush(browser: Browser, address: str, rounds: int) -> list[bool]:
    """Drawn with the mouse over what the page shows, until the ranking stands."""
    good = []
    with visiting(browser, address) as visit:
        for path, name in (("/explorer", "a day"), ("/explorer?range=7d", "all")):
            took = []
            for turn in range(rounds):
                visit.opened(path)
                took.append(_drawn(visit, turn))
            good.append(
                budget(f"from a drawn selection to its ranking, {name}", statistics.median(took), RANKING_MS, "ms")
            )
    return good


def _drawn(visit: Visit, turn: int) -> float:
    page = visit.page
    plot = page.locator(".explorer-brush .nsewdrag").first
    expect(plot).to_be_visible()
    for _ in range(5):  # a chart that still finds its place is missed by the mouse
        page.wait_for_timeout(500)
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        assert box is not None
        left = box["x"] + box["width"] * (0.2 + 0.1 * turn)
        page.mouse.move(left, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(left + box["width"] / 8, box["y"] + box["height"] / 2, steps=4)
        begin = float(page.evaluate("window.seen.drawn = window.seen.pages = 0, performance.now()"))
        page.mouse.up()
        if "sel=" in page.evaluate("location.search"):
            took = page.evaluate(f"window.seen.done({begin}, {QUIET_MS}, {SHOWN_MS})")["took"]
            expect(page.locator(".explorer-differences")).to_contain_text("selected, compared with")
            return float(took)
    raise RuntimeError("nothing could be selected on the Explorer's chart")


def tail(browser: Browser, address: str, settings: Settings) -> list[bool]:
    """Requests that are committed all the time, until a row of each stands on the page."""
    with closing(open_state(settings)) as state, visiting(browser, address) as visit:
        visit.opened("/explorer?tab=live")
        expect(visit.page.locator("#tail-said")).to_contain_text("connected")
        time.sleep(1.5)  # the stream has looked once, and so has its mark
        visit.page.evaluate(_TAIL)
        stop, sent = threading.Event(), list[int]()
        thread = threading.Thread(target=_sending, args=(state, stop, sent))
        thread.start()
        time.sleep(_SECONDS)
        stop.set()
        thread.join()
        time.sleep(2)
        told = visit.page.evaluate("window.tailed")
    if not told:
        print("  the live tail showed nothing: MISSED")
        return [False]
    seconds = max(one[0] for one in told) / 1000 - min(one[0] for one in told) / 1000
    print(f"  sent to the live tail: {sum(sent) / _SECONDS:,.0f} rows a second")
    delays = sorted(one[1] for one in told)
    return [
        at_least("live tail, rows a second", len(told) / max(seconds, 1.0), ROWS_A_SECOND, "/s"),
        budget("live tail, delay of 99 of 100 rows", delays[int(len(delays) * 0.99)], DELAY_MS, "ms"),
    ]


def _sending(state: State, stop: threading.Event, sent: list[int]) -> None:
    """Their path tells when they came; they are as old as the newest that are stored, so that ranges stay."""
    known = bounds(state)
    assert known is not None
    begin = known[1] - timedelta(seconds=1)
    rng = np.random.default_rng(int(time.time()))
    due = time.monotonic()
    while not stop.wait(max(0.0, due - time.monotonic())):
        due += _EVERY_S
        rows = hour_of_requests(rng, begin, int(_SENT_A_SECOND * _EVERY_S), seconds=1.0)
        path = pa.array([f"/sent/{time.time_ns() // 1_000_000}"] * len(rows))
        rows = rows.set_column(rows.column_names.index("path"), "path", path)
        rows = rows.set_column(rows.column_names.index("route"), "route", pa.nulls(len(rows), pa.string()))
        put(state, rows, begin, span=timedelta(seconds=1), with_rollups=False)
        sent.append(len(rows))
