"""`make bench-ui`: how long people wait for the dashboard over 10 million stored requests, as Chromium sees it.

Each figure stands beside its budget: first paint of a cold visit, changing pages, setting a filter, the largest answer
to one callback, and how far anything jumps after the data have arrived (cumulative layout shift). Every page that the
navigation has is opened three times; the median counts. Exit code 1 when a budget is missed.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from bench.browsing import chromium, entries, serving, settled
from bench.stored import build

FIRST_PAINT_MS = 2000
PAGE_MS = 700
FILTER_MS = 800
ANSWER_BYTES = 300_000
SHIFT = 0.1
"""Budgets; a shift below 0.1 is what Web Vitals call good."""

ROUNDS = 3
_SHIFTS = """
window.shifted = 0;
new PerformanceObserver(list => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifted += one.value;
}).observe({type: "layout-shift", buffered: true});
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000_000)
    parser.add_argument("--findings", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "data" / "ui")
    parser.add_argument("--keep", action="store_true", help="use the store that an earlier run left in --folder")
    asked = parser.parse_args()
    if not (asked.keep and asked.folder.is_dir()):
        shutil.rmtree(asked.folder, ignore_errors=True)
        build(asked.folder, asked.requests, asked.findings, asked.days, until=datetime.now(UTC)).close()
    print(f"{asked.requests:,} requests of {asked.days} days, {asked.findings:,} findings; median of {ROUNDS}")
    with serving({"GATEWATCH_DATA_DIR": str(asked.folder)}) as address, chromium() as browser:
        good = [*first_paint(browser, address), *pages(browser, address), filtering(browser, address)]
    print("all budgets are met" if all(good) else "budgets are MISSED")
    return 0 if all(good) else 1


def told(name: str, value: float, budget: float, unit: str) -> bool:
    good = value <= budget
    shown = f"{value:.3f}" if unit == "" else f"{value:,.0f} {unit}"
    print(f"  {name:44} {shown:>12}   budget {budget:,g} {unit:3} {'' if good else 'MISSED'}", flush=True)
    return good


def fresh(browser: Browser) -> tuple[BrowserContext, Page, list[int]]:
    """A visitor without a cache; the sizes of answers to callbacks gather in the list."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(_SHIFTS)
    page = context.new_page()
    sizes: list[int] = []

    def answered(answer: Any) -> None:
        if "_dash-update-component" in answer.url and answer.ok:
            try:
                sizes.append(len(answer.body()))
            except Exception:  # noqa: BLE001 - the page was left before the body came
                return

    page.on("response", answered)
    return context, page, sizes


def first_paint(browser: Browser, address: str) -> list[bool]:
    paints, wholes = [], []
    for _ in range(ROUNDS):
        context, page, _sizes = fresh(browser)
        begin = time.monotonic()
        page.goto(address)
        settled(page)
        wholes.append((time.monotonic() - begin) * 1000 - 500)  # networkidle waits for half a second of silence
        paints.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        context.close()
    print(f"  {'Overview complete, cold':44} {statistics.median(wholes):>9,.0f} ms")
    return [told("first contentful paint, cold", statistics.median(paints), FIRST_PAINT_MS, "ms")]


def pages(browser: Browser, address: str) -> list[bool]:
    context, page, sizes = fresh(browser)
    page.goto(address)
    settled(page)
    good = []
    times: dict[str, list[float]] = {path: [] for path in entries(page)}
    largest: dict[str, int] = {}
    shifts: dict[str, float] = {}
    for _ in range(ROUNDS):
        for path in times:
            other = "/settings" if path != "/settings" else "/findings"
            page.locator(f"#app-shell nav a.nav[href='{other}']").click()
            settled(page)
            sizes.clear()
            page.evaluate("window.shifted = 0")
            times[path].append(clicked(page, path))
            page.wait_for_load_state("networkidle")
            largest[path] = max(largest.get(path, 0), *sizes, 0)
            shifts[path] = max(shifts.get(path, 0.0), float(page.evaluate("window.shifted")))
    context.close()
    for path, took in times.items():
        good.append(told(f"{path} from another page", statistics.median(took), PAGE_MS, "ms"))
    good.append(told("largest answer to a callback", max(largest.values()), ANSWER_BYTES, "B"))
    good.append(told("largest layout shift of a page", max(shifts.values()), SHIFT, ""))
    return good


def clicked(page: Page, path: str) -> float:
    """Milliseconds from the click in the navigation to the page's content, as the page itself measures."""
    return float(
        page.evaluate(
            """path => new Promise(done => {
              const before = document.querySelector("#main h1");
              const begin = performance.now();
              const look = () => {
                const title = document.querySelector("#main h1");
                const ready = title && title !== before && !document.querySelector("#main .skeleton");
                ready ? done(performance.now() - begin) : requestAnimationFrame(look);
              };
              document.querySelector(`#app-shell nav a.nav[href='${path}']`).click();
              requestAnimationFrame(look);
            })""",
            path,
        )
    )


def filtering(browser: Browser, address: str) -> bool:
    """Typing a search on Findings until the list shows its answer."""
    context, page, _ = fresh(browser)
    page.goto(f"{address}/findings?range=7d")
    settled(page)
    took = []
    for word in ("orders", "search", "billing"):
        with page.expect_response(lambda one: "_dash-update-component" in one.url and one.ok):
            begin = time.monotonic()
            page.goto(f"{address}/findings?range=7d&q={word}")
        page.wait_for_selector("#main h1")
        page.locator("#main .skeleton").first.wait_for(state="detached")
        took.append((time.monotonic() - begin) * 1000)
    context.close()
    return told("findings with another filter, page and all", statistics.median(took), FILTER_MS, "ms")


if __name__ == "__main__":
    sys.exit(main())
