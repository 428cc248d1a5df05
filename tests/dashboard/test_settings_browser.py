"""The Settings page and what its buttons do, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from gatewatch.records import Kind
from gatewatch.settings import Settings
from gatewatch.store.state import open_state
from tests.dashboard.conftest import Running
from tests.dashboard.operations import ALERTS
from tests.dashboard.test_login_browser import complaints, enter
from tests.dashboard.world import fill
from tests.people import add_people

WAIT = 30_000


class Place:
    """A site, and the windows in which somebody is logged in already, by name and width."""

    def __init__(self, address: str, attacked: str) -> None:
        self.address = address
        self.attacked = attacked
        self.windows: dict[tuple[str, int], tuple[Page, list[str]]] = {}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("settings")
    (folder / "alerts.yaml").write_text(ALERTS)
    settings = Settings(data_dir=folder / "data", privacy="truncate", alerts_file=folder / "alerts.yaml")
    state = open_state(settings)
    found = fill(state)
    add_people(state)
    state.close()
    attacked = next(one.id for one in found if one.kind is Kind.AUTH_FAILURE_SPIKE)
    with Running(settings) as running:
        opened = Place(running, attacked)
        yield opened
        for page, _ in opened.windows.values():
            page.context.close()


@contextmanager
def as_(browser: Browser, place: Place, name: str, path: str, width: int = 1440) -> Iterator[Page]:
    """A page as somebody sees it. Who was there before comes in with the session of then, and files that are cached."""
    known = place.windows.pop((name, width), None)
    page, said = known or window(browser, width)
    page.goto(place.address + path)
    if known is None:
        enter(page, name)
    page.wait_for_selector("#main h1", timeout=WAIT)
    page.wait_for_load_state("networkidle")
    yield page
    assert [line for line in said if "409" not in line and "403" not in line] == []
    assert page.evaluate("window.hacked") is None
    page.goto("about:blank")  # whatever it still asks for is asked for by nobody
    said.clear()
    place.windows[name, width] = page, said


def window(browser: Browser, width: int) -> tuple[Page, list[str]]:
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="dark").new_page()
    said = complaints(page)
    page.on("dialog", lambda dialog: said.append(dialog.message))
    return page, said


@pytest.mark.parametrize("width", [1440, 390])
def test_an_admin_sees_all_of_it_and_it_fits(browser: Browser, place: Place, width: int) -> None:
    with as_(browser, place, "alice", "/settings", width) as page:
        for title in ("You", "Sessions", "Accounts", "API tokens", "Audit log"):
            expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        expect(page.get_by_text("Change vera")).to_be_visible()


def test_a_token_is_made_shown_once_works_and_is_revoked(browser: Browser, place: Place) -> None:
    with as_(browser, place, "alice", "/settings") as page:
        page.get_by_label("What it is for").fill("<img src=x onerror=window.hacked=1>")
        page.get_by_role("button", name="Make token").click()
        token = page.locator(".toast code").inner_text(timeout=WAIT)
        row = page.get_by_role("table", name="API tokens").get_by_role("row", name="<img src=x")
        expect(row).to_be_visible(timeout=WAIT)
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{place.address}/api/v1/findings", headers=headers).status_code == 200
        page.reload()
        expect(row).to_be_visible(timeout=WAIT)
        assert token not in page.content()
        row.get_by_role("button", name="Revoke").click()
        row.get_by_role("button", name="Sure?").click()
        expect(row).to_contain_text("revoked", timeout=WAIT)
        assert httpx.get(f"{place.address}/api/v1/findings", headers=headers).status_code == 401


def test_an_account_is_made_changed_and_disabled(browser: Browser, place: Place) -> None:
    with as_(browser, place, "alice", "/settings") as page:
        form = page.locator("form.send-form", has=page.get_by_role("button", name="Add account"))
        form.get_by_label("Name").fill("carl")
        form.get_by_label("Password").fill("short")
        form.get_by_role("button", name="Add account").click()
        expect(page.get_by_role("alert")).to_contain_text("at least 15 characters", timeout=WAIT)
        form.get_by_label("Password").fill("a long enough password xq")
        form.get_by_label("Password").press("Enter")
        row = page.get_by_role("table", name="Accounts").get_by_role("row", name="carl")
        expect(row).to_contain_text("viewer", timeout=WAIT)
        row.get_by_text("Change carl").click()
        row.get_by_role("button", name="Make operator").click()
        row.get_by_role("button", name="Sure?").click()
        expect(row).to_contain_text("operator", timeout=WAIT)
        row.get_by_text("Change carl").click()
        row.get_by_role("button", name="Disable").click()
        row.get_by_role("button", name="Sure?").click()
        expect(row).to_contain_text("disabled", timeout=WAIT)
        expect(page.get_by_role("table", name="Who did what")).to_contain_text("user.disable", timeout=WAIT)
        assert "password xq" not in page.content()


def test_a_viewer_sees_only_their_own(browser: Browser, place: Place) -> None:
    with as_(browser, place, "vera", "/settings") as page:
        expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
        for title in ("Accounts", "API tokens", "Audit log"):
            expect(page.get_by_role("heading", name=title, exact=True)).to_have_count(0)
        page.get_by_label("Old password").fill("wrong wrong wrong")
        page.get_by_label("New password").fill("a long enough password xq")
        page.get_by_role("button", name="Change password").click()
        expect(page.get_by_role("alert")).to_contain_text("old password is wrong", timeout=WAIT)


def test_who_is_behind_a_finding_is_shown_to_operators_after_a_second_thought(browser: Browser, place: Place) -> None:
    with as_(browser, place, "otto", f"/findings/{place.attacked}") as page:
        assert "203.0.113.1" not in page.locator("#main").inner_text().replace("203.0.113.0/24", "")
        page.get_by_role("button", name="Show who").click()
        page.get_by_role("button", name="This is written in the audit log").click()
        toast = page.locator(".toast")
        expect(toast).to_contain_text("203.0.113.1", timeout=WAIT)
        assert "<img src=x onerror" in toast.inner_text()
        assert toast.locator("img, script, a").count() == 0
        assert "\u202e" not in toast.inner_text()
    with as_(browser, place, "vera", f"/findings/{place.attacked}") as page:
        expect(page.get_by_role("button", name="Show who")).to_have_count(0)


def test_keys_lead_to_the_settings(browser: Browser, place: Place) -> None:
    with as_(browser, place, "vera", "/") as page:
        page.keyboard.press("g")
        page.keyboard.press("s")
        expect(page.locator("#main h1")).to_have_text("Settings", timeout=WAIT)


def test_a_silence_is_planned_and_ended_and_a_channel_that_fails_says_how(browser: Browser, place: Place) -> None:
    with as_(browser, place, "alice", "/alerts?tab=silences", 390) as page:
        page.get_by_label("fits").fill("<img src=x onerror=window.hacked=1>*")
        page.get_by_label("From (UTC, empty: now)").fill("soon")
        page.get_by_label("Why (needed)").fill("load test")
        page.get_by_role("button", name="Silence", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("this is no time: soon", timeout=WAIT)
        page.get_by_label("From (UTC, empty: now)").fill("2030-01-02 22:00")
        page.get_by_role("button", name="Silence", exact=True).click()
        row = page.get_by_role("row", name="load test")
        expect(row).to_contain_text("2030-01-03 00:00 UTC", timeout=WAIT)
        row.get_by_role("button", name="End now").click()
        row.get_by_role("button", name="Sure?").click()
        expect(row).to_have_count(0, timeout=WAIT)
        page.get_by_role("link", name="Channels").click()
        send = page.get_by_role("row", name="pager").get_by_role("button", name="Send test")
        send.click()
        page.get_by_role("row", name="pager").get_by_role("button", name="Really send?").click()
        expect(page.get_by_role("alert")).to_contain_text("It was not delivered", timeout=WAIT)
        expect(page.locator(".toast pre")).to_contain_text("request", timeout=WAIT)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    with as_(browser, place, "vera", "/alerts?tab=channels") as page:
        expect(page.get_by_text("for operators").first).to_be_visible()
        expect(page.get_by_role("button", name="Send test")).to_have_count(0)
