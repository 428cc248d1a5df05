"""A visitor whose browser notes when a page has stopped changing, what came in, and what moved."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, Error, Page

from bench.browsing import SHOWN_MS

QUIET_MS = 250
"""A page that has not changed for so long, and waits for nothing, is complete; the time itself is not counted."""

_WATCH = """
(() => {
  const seen = window.seen = { waiting: 0, pages: 0, last: 0, drawn: 0, bytes: [], shifts: [] };
  const real = window.fetch;
  window.fetch = function (what) {
    const address = typeof what === "string" ? what : what.url;
    if (!address.includes("_dash-update-component")) return real.apply(this, arguments);
    const asked = String((arguments[1] || {}).body || "");
    seen.waiting += 1;
    return real.apply(this, arguments).then(answer => {
      if (answer.status === 200 && asked.includes("-drawn.data")) seen.pages += 1;
      return answer;
    }).finally(() => { seen.waiting -= 1; seen.last = performance.now(); });
  };
  new MutationObserver(changes => {
    seen.last = performance.now();
    seen.where = changes[0];  // to write it as text would take as long as much of what is measured
    if (seen.pages && document.querySelector("#main h1, #main .empty") && !document.querySelector("#main .skeleton")) {
      seen.drawn = seen.drawn || seen.last;
    }
  }).observe(document, { childList: true, subtree: true, attributes: true, characterData: true });
  performance.setResourceTimingBufferSize(20000);
  new PerformanceObserver(list => {
    for (const one of list.getEntries()) {
      if (one.name.includes("_dash-update-component")) seen.bytes.push(one.decodedBodySize);
    }
  }).observe({ type: "resource", buffered: true });
  new PerformanceObserver(list => {
    for (const one of list.getEntries()) seen.shifts.push([one.startTime, one.value]);
  }).observe({ type: "layout-shift", buffered: true });
  seen.done = (begin, quiet, most) => new Promise((done, failed) => {
    const look = () => {
      const now = performance.now();
      const whole = seen.waiting === 0 && seen.last >= begin && now - seen.last > quiet && seen.drawn;
      if (!whole && now - begin > most) {
        const { type, target } = seen.where || { type: "nothing", target: document.body };
        const what = type + " of " + (target.outerHTML || target.data || "").slice(0, 120);
        const skeletons = document.querySelectorAll("#main .skeleton").length;
        failed(new Error(`${location.pathname}${location.search} is not complete after ${most} ms: ` +
          `${seen.waiting} answers awaited, ${seen.pages} came with a page, drawn ${Math.round(seen.drawn)}, ` +
          `${skeletons} skeletons, last change ${Math.round(now - seen.last)} ms ago: ${what}`));
        return;
      }
      if (!whole) { setTimeout(look, 20); return; }
      const shift = seen.shifts.filter(one => one[0] > seen.drawn).reduce((sum, one) => sum + one[1], 0);
      done({ took: seen.last - begin, bytes: Math.max(0, ...seen.bytes), shift: shift });
    };
    setTimeout(look, 20);
  });
  seen.act = (act, quiet, most) => {
    seen.bytes = []; seen.shifts = []; seen.drawn = seen.pages = seen.last = 0;
    const begin = performance.now();
    act();
    return seen.done(begin, quiet, most);
  };
})();
"""


@dataclass(slots=True)
class Told:
    """What several turns of one act told."""

    took: list[float] = field(default_factory=list)
    bytes: int = 0
    shift: float = 0.0

    def add(self, one: dict[str, Any]) -> None:
        self.took.append(float(one["took"]))
        self.bytes = max(self.bytes, int(one["bytes"]))
        self.shift = max(self.shift, float(one["shift"]))

    @contextmanager
    def tried(self) -> Iterator[None]:
        """What never becomes complete is told, and took for ever."""
        try:
            yield
        except Error as error:
            print(f"  {error.message.splitlines()[0]}", flush=True)
            self.took.append(math.inf)

    @property
    def median(self) -> float:
        """Infinite when one of them never became complete."""
        return math.inf if math.inf in self.took else statistics.median(self.took)


@dataclass(frozen=True, slots=True)
class Visit:
    page: Page
    address: str

    def opened(self, path: str) -> float:
        """Milliseconds from the first request to a page that is complete."""
        self.page.goto(self.address + path)
        return float(self.page.evaluate(f"window.seen.done(0, {QUIET_MS}, {SHOWN_MS})")["took"])

    def done(self, script: str) -> dict[str, Any]:
        """What came of it: `took` (ms until the page was complete), `bytes` of the largest answer, `shift`."""
        told: dict[str, Any] = self.page.evaluate(f"window.seen.act(() => {{ {script}; }}, {QUIET_MS}, {SHOWN_MS})")
        return told

    def goes(self, path: str) -> None:
        """To be there; who is there already stays."""
        if path != self.page.evaluate("location.pathname"):
            self.done(f"window.gatewatch.go('{path}')")

    def first_paint(self) -> float:
        return float(self.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))


@contextmanager
def visiting(browser: Browser, address: str) -> Iterator[Visit]:
    """Somebody without a cache."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(SHOWN_MS)
    context.add_init_script(_WATCH)
    try:
        yield Visit(context.new_page(), address)
    finally:
        context.close()


def budget(name: str, value: float, most: float, unit: str) -> bool:
    """Prints a figure beside its budget; whether it is met."""
    good = round(value, 3) <= most
    shown = f"{value:.3f}" if unit == "" else f"{value:,.0f} {unit}"
    print(f"  {name:58} {shown:>12}   at most {most:,g} {unit:3} {'' if good else 'MISSED'}", flush=True)
    return good


def at_least(name: str, value: float, least: float, unit: str) -> bool:
    good = value >= least
    print(f"  {name:58} {value:>12,.0f}   at least {least:,g} {unit} {'' if good else 'MISSED'}", flush=True)
    return good
