"""`make screenshots`: every page of a served world at 1440 and 390 px, light and dark, whole, as PNG.

By default of the demo's world in .demo (`gatewatch demo --no-serve` makes it, and is called when it is missing).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Literal

import httpx
from playwright.sync_api import Browser

from bench.browsing import chromium, entries, serving, settled

WIDTHS = (1440, 390)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
KINDS = ("auth_failure_spike", "throttling_abuse", "dead_api", "latency_outlier")
HIGHEST = 8000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", type=Path, default=Path(".demo"), help="a folder that `gatewatch demo` made")
    parser.add_argument("--out", type=Path, default=Path("screenshots"))
    parser.add_argument("--range", default="24h")
    asked = parser.parse_args()
    if not (asked.world / "data").is_dir():
        subprocess.run([sys.executable, "-m", "gatewatch", "demo", "--no-serve", "--dir", str(asked.world)], check=True)
    asked.out.mkdir(parents=True, exist_ok=True)
    with serving({"GATEWATCH_DATA_DIR": str(asked.world / "data")}) as address, chromium() as browser:
        pages = listed(browser, address)
        for width in WIDTHS:
            for scheme in SCHEMES:
                taken(browser, address, pages, width, scheme, asked.out, asked.range)
    print(f"{len(pages) * len(WIDTHS) * len(SCHEMES)} pictures in {asked.out}/")
    return 0


def listed(browser: Browser, address: str) -> dict[str, str]:
    """Name -> path: what the navigation leads to, the busiest API with its tabs, and the worst finding of each kind."""
    page = browser.new_page()
    page.goto(address)
    settled(page)
    found = {(path.strip("/") or "overview"): path for path in entries(page)}
    page.close()
    for kind in KINDS:
        answer = httpx.get(f"{address}/api/v1/findings", params={"kind": kind, "limit": 1}, timeout=60)
        for one in answer.raise_for_status().json()["findings"]:
            found[f"finding-{kind}"] = f"/findings/{one['id']}"
            if one.get("api_id"):
                found.setdefault("api", f"/apis/{one['api_id']}")
    return found


def taken(
    browser: Browser,
    address: str,
    pages: dict[str, str],
    width: int,
    scheme: Literal["light", "dark"],
    out: Path,
    span: str,
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    for name, path in pages.items():
        page.goto(f"{address}{path}?range={span}")
        settled(page)
        # The whole page: what scrolls inside the frame is given its height first, so that grids draw all they show.
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": width, "height": min(max(height, 900), HIGHEST)})
        page.wait_for_timeout(500)
        page.screenshot(path=out / f"{name}-{width}-{scheme}.png")
        page.set_viewport_size({"width": width, "height": 900})
        print(f"{name}-{width}-{scheme}.png", flush=True)
    context.close()


if __name__ == "__main__":
    sys.exit(main())
