"""A real server on a free port, and a real Chromium that watches for everything a good page does not do."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, expect, sync_playwright

from gatewatch.app import build_app
from gatewatch.settings import Settings
from gatewatch.store.state import open_state
from tests.dashboard.world import fill

Scheme = Literal["light", "dark"]

expect.set_options(timeout=90_000)  # a busy machine is no failure

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@dataclass
class Site:
    """A running gatewatch: its address, and the ids of its findings by kind."""

    address: str
    findings: dict[str, str] = field(default_factory=dict)


class Running:
    def __init__(self, settings: Settings) -> None:
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(64)
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        config = uvicorn.Config(build_app(settings), log_level="warning", ws="none", lifespan="on")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})

    def __enter__(self) -> str:
        self.thread.start()
        while not self.server.started:
            time.sleep(0.02)
        assert httpx.get(f"{self.address}/healthz").status_code == 200
        return self.address

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join(15)
        self.socket.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A day of traffic and findings full of attackers' text."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("site") / "data")
    state = open_state(settings)
    findings = fill(state)
    state.close()
    with Running(settings) as address:
        yield Site(address, {finding.kind.value: finding.id for finding in findings})


@pytest.fixture
def empty_site(tmp_path: Path) -> Iterator[Site]:
    with Running(Settings(data_dir=tmp_path / "data")) as address:
        yield Site(address)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium (without windows where it is there), else Playwright's own; a machine without either fails,
    it does not skip."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    system = next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=system, args=ARGUMENTS)
        yield opened
        opened.close()


class Watched:
    """A page and the list of what went wrong on it."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.wrong: list[str] = []
        page.set_default_timeout(90_000)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.wrong.append(f"script: {error}"))
        page.on("requestfailed", lambda request: self._failed(request.url, request.failure))
        page.on("response", self._answer)
        page.on("request", lambda request: self._where(request.url))
        page.on("dialog", lambda dialog: self.wrong.append(f"dialog: {dialog.message}"))
        page.on("websocket", lambda one: self.wrong.append(f"websocket: {one.url}"))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.wrong.append(f"console {message.type}: {message.text}")

    def _failed(self, url: str, failure: str | None) -> None:
        if failure != "net::ERR_ABORTED":  # the page was left while it loaded
            self.wrong.append(f"request: {url} {failure}")

    def _answer(self, answer: Response) -> None:
        if answer.status >= 400:
            self.wrong.append(f"answer: {answer.status} {answer.url}")

    def _where(self, url: str) -> None:
        if not url.startswith((self.address, "data:", "blob:")):
            self.wrong.append(f"another host: {url}")

    def open(self, path: str) -> Page:
        self.page.goto(self.address + path)
        self.page.wait_for_selector("#main h1, #main .empty", timeout=90_000)
        self.page.wait_for_load_state("networkidle")
        return self.page

    def whole(self) -> Page:
        """What lies below the window is drawn, too."""
        self.page.evaluate("window.gatewatch.everything()")
        self.page.wait_for_load_state("networkidle")
        return self.page

    def check(self) -> None:
        assert self.wrong == []
        assert self.page.evaluate("window.hacked") is None

    def forget(self) -> None:
        """As if the page had never been open: nothing kept by the browser, nothing seen to go wrong."""
        session = self.page.context.new_cdp_session(self.page)
        session.send("Storage.clearDataForOrigin", {"origin": self.address, "storageTypes": KEPT})
        session.detach()
        self.page.goto("about:blank")
        self.wrong.clear()


KEPT = "cookies,local_storage,indexeddb,service_workers,websql"
"""What sites keep in a browser, but for files: to fetch and to compile these anew is half of what a page costs."""

Opener = Callable[..., Watched]


class Windows:
    """Windows of a browser that tests have one after the other, by width and scheme."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.free: dict[tuple[int, Scheme], Watched] = {}

    def take(self, width: int, scheme: Scheme, address: str) -> Watched:
        found = self.free.pop((width, scheme), None)
        if found is not None and found.address == address:
            return found
        if found is not None:
            found.page.context.close()
        context = self.browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        return Watched(context.new_page(), address)

    def give(self, width: int, scheme: Scheme, watched: Watched) -> None:
        watched.forget()
        watched.page.set_viewport_size({"width": width, "height": 900})
        before = self.free.pop((width, scheme), None)
        if before is not None:
            before.page.context.close()
        self.free[width, scheme] = watched


@pytest.fixture(scope="session")
def windows(browser: Browser) -> Windows:
    return Windows(browser)


@pytest.fixture
def watch(windows: Windows, site: Site) -> Iterator[Opener]:
    """Opens watched pages, and fails the test for whatever went wrong on one of them."""
    opened: list[tuple[int, Scheme, Watched]] = []

    def new(width: int = 1440, scheme: Scheme = "light", address: str | None = None) -> Watched:
        watched = windows.take(width, scheme, address or site.address)
        opened.append((width, scheme, watched))
        return watched

    yield new
    try:
        for _, _, one in opened:
            one.check()
    except BaseException:
        for _, _, one in opened:
            one.page.context.close()  # whatever state they are in
        raise
    for width, scheme, one in opened:
        windows.give(width, scheme, one)
