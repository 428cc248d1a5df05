"""`make walkthrough`: the pictures of docs/walkthrough.md, always of the same made-up world, as WebP in docs/pictures.

The world is that of `gatewatch demo` with the seed and the end below; it is made under .walkthrough when it is missing.
"""

from __future__ import annotations

import argparse
import base64
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page

from bench.browsing import chromium, serving, settled

SEED, DAYS, RATE, END = "2026", "2.5", "0.5", "2026-06-09T12:00Z"
WIDTH = 1200
QUALITY = 70
MARGIN = 8


@dataclass(frozen=True, slots=True)
class Picture:
    """path: `{kind}` stands for the page of the newest open finding of the kind. first, last: what it begins and ends
    with, as selectors."""

    name: str
    path: str
    first: str
    last: str


SEEN = "#main .main-column > .card:first-child"
CHANGES = "#main .side .card:has(h2:text-is('Changes that may have caused it'))"
PICTURES = (
    Picture("overview", "/?range=24h", "#main .needs-you", "#main .columns"),
    Picture("auth-glance", "{auth_failure_spike}", "#main .finding-head", SEEN),
    Picture("auth-who", "{auth_failure_spike}", "#main .dimensions", "#main .dimensions"),
    Picture("throttling-glance", "{throttling_abuse}", "#main .finding-head", SEEN),
    Picture("throttling-limits", "/limits?range=24h", "#main .what-if", "#main .what-if"),
    Picture("dead-glance", "{dead_api}", "#main .finding-head", SEEN),
    Picture("dead-quiet", "/explorer?range=24h&api={dead_api.api}&tab=counts", ".explorer-split", ".explorer-split"),
    Picture("latency-glance", "{latency_outlier}", "#main .finding-head", SEEN),
    Picture("latency-changes", "{latency_outlier}", CHANGES, CHANGES),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", type=Path, default=Path(".walkthrough"))
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--only", action="append", help="a picture's name; may be repeated")
    asked = parser.parse_args()
    if not (asked.world / "data").is_dir():
        given = ("--seed", SEED, "--days", DAYS, "--rate", RATE, "--end", END, "--dir", str(asked.world))
        subprocess.run([sys.executable, "-m", "gatewatch", "demo", "--no-serve", *given], check=True)
        # The worker of a server would look once more, after the last minutes have closed, while pictures are taken.
        looks = {**os.environ, "GATEWATCH_DATA_DIR": str(asked.world / "data")}
        subprocess.run([sys.executable, "-m", "gatewatch", "tick"], env=looks, check=True, stdout=subprocess.DEVNULL)
    asked.out.mkdir(parents=True, exist_ok=True)
    with serving({"GATEWATCH_DATA_DIR": str(asked.world / "data")}) as address, chromium() as browser:
        places = newest(address)
        total = 0
        for one in PICTURES:
            if not asked.only or one.name in asked.only:
                total += taken(browser, address, one, places, asked.out / f"{one.name}.webp")
    print(f"{total:,} bytes in {asked.out}/")
    return 0


def newest(address: str) -> dict[str, str]:
    """kind -> page of its newest open finding, and `kind.api` -> its API."""
    found: dict[str, str] = {}
    answer = httpx.get(f"{address}/api/v1/findings", params={"state": "open", "limit": 100}, timeout=60)
    for one in answer.raise_for_status().json()["findings"]:
        found.setdefault(one["kind"], f"/findings/{one['id']}")
        found.setdefault(f"{one['kind']}.api", one["api_id"])
    return found


def taken(browser: Browser, address: str, one: Picture, places: Mapping[str, str], out: Path) -> int:
    path = one.path
    for name, place in places.items():
        path = path.replace(f"{{{name}}}", place)
    page = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
    page.goto(address + path)
    settled(page)
    page.set_viewport_size({"width": WIDTH, "height": 4000})  # so that grids and charts draw all they show
    page.wait_for_timeout(800)
    first = page.locator(one.first).first.bounding_box()
    last = page.locator(one.last).first.bounding_box()
    if first is None or last is None:
        raise SystemExit(f"{one.name}: {path} does not show {one.first} and {one.last}")
    box = {
        "x": min(first["x"], last["x"]) - MARGIN,
        "y": first["y"] - MARGIN,
        "width": max(first["width"], last["width"]) + 2 * MARGIN,
        "height": last["y"] + last["height"] - first["y"] + 2 * MARGIN,
    }
    out.write_bytes(webp(page, box))
    page.close()
    size = out.stat().st_size
    print(f"{out.name}: {box['width']:.0f} x {box['height']:.0f}, {size:,} bytes", flush=True)
    return size


def webp(page: Page, box: Mapping[str, float]) -> bytes:
    """Playwright itself writes PNG and JPEG only."""
    session = page.context.new_cdp_session(page)
    clip = {**box, "scale": 1}
    asked = {"format": "webp", "quality": QUALITY, "clip": clip, "captureBeyondViewport": False}
    return base64.b64decode(session.send("Page.captureScreenshot", asked)["data"])


if __name__ == "__main__":
    sys.exit(main())
