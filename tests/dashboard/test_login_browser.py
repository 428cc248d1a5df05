"""Logging in and out in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from gatewatch.settings import Settings
from gatewatch.store.state import open_state
from tests.dashboard.conftest import Running
from tests.dashboard.world import fill
from tests.people import PASSWORD, add_people


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("people") / "data")
    state = open_state(settings)
    fill(state)
    add_people(state)
    state.close()
    with Running(settings) as running:
        yield running


def enter(page: Page, name: str = "vera", password: str = PASSWORD) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def heading(page: Page, text: str) -> None:
    expect(page.locator("#main h1")).to_have_text(text, timeout=90_000)


def complaints(page: Page) -> list[str]:
    """Whatever the browser says against our pages, such as violations of the policy."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_login_works_without_scripts_and_in_the_dark(
    browser: Browser, address: str, width: int, scripts: bool
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark", java_script_enabled=scripts
    )
    page = context.new_page()
    said = complaints(page)
    page.goto(f"{address}/findings?range=7d")
    assert page.url == f"{address}/login?next=%2Ffindings%3Frange%3D7d"
    shown = page.get_by_role("heading", name="Log in")
    expect(shown).to_be_visible()
    if scripts:
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert dark == "rgb(13, 17, 23)"
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert said == []
    enter(page, password="something else entirely")
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    enter(page)
    page.wait_for_url(f"{address}/findings?range=7d", wait_until="commit")  # that pages work is seen elsewhere
    context.close()


def test_who_is_in_sees_so_and_can_leave(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    said = complaints(page)
    page.goto(address)
    enter(page)
    heading(page, "Overview")
    expect(page.locator("#who")).to_contain_text("vera")
    page.get_by_role("link", name="Findings", exact=True).click()
    heading(page, "Findings")
    assert said == []
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(f"{address}/login?out")
    expect(page.get_by_role("status")).to_have_text("You are logged out.")
    page.goto(f"{address}/findings")
    assert "/login?next=" in page.url
    context.close()


def test_a_page_whose_session_is_over_leads_to_the_login_and_back(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(address)
    enter(page)
    heading(page, "Overview")
    context.clear_cookies()
    page.get_by_role("link", name="Findings", exact=True).click()
    page.wait_for_url("**/login?next=%2Ffindings*")
    enter(page)
    heading(page, "Findings")
    context.close()


def test_without_a_login_every_page_says_so(browser: Browser, tmp_path: Path) -> None:
    with Running(Settings(data_dir=tmp_path / "data")) as open_to_all:
        page = browser.new_page()
        page.goto(open_to_all)
        expect(page.get_by_role("note")).to_contain_text("No login: everybody on this machine sees this")
        expect(page.get_by_role("button", name="Log out")).to_have_count(0)
        page.close()
