"""A `gatewatch serve` of its own and a real Chromium before it, for benchmarks and pictures."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

SHOWN_MS = 60_000
SYSTEM = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@contextmanager
def serving(environment: Mapping[str, str]) -> Iterator[str]:
    """The address of a server on a free port; environment: settings, GATEWATCH_DATA_DIR among them."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gatewatch", "serve", "--port", "0"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if ":" not in line:
            raise RuntimeError(f"gatewatch serve did not come up: {line!r}")
        yield "http://127.0.0.1:" + line.rsplit(":", 1)[1].strip().strip("/")
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, else Playwright's own."""
    system = next(filter(None, map(shutil.which, SYSTEM)), None)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=system, args=ARGUMENTS)
        try:
            yield opened
        finally:
            opened.close()


def settled(page: Page) -> None:
    """Wait until the page shows its content, and its charts and grids are drawn."""
    page.wait_for_selector("#main h1, #main .empty", timeout=SHOWN_MS)
    # No wait_for_function: it evaluates text in the page again and again, which the page's own policy forbids.
    page.locator("#main .skeleton").first.wait_for(state="detached", timeout=SHOWN_MS)
    page.evaluate("window.gatewatch.everything()")
    page.wait_for_load_state("networkidle", timeout=SHOWN_MS)


def entries(page: Page) -> list[str]:
    """Where the navigation leads."""
    links: list[str] = page.locator("#app-shell nav a.nav").evaluate_all(
        "links => links.map(link => link.getAttribute('href'))"
    )
    return links
