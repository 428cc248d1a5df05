"""Buttons on a finding: by state and by rights; and what they do, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from dashboard.acts import acts
from gatewatch.access.current import LOCAL
from gatewatch.records import Kind, State
from gatewatch.roles import Role
from gatewatch.settings import Settings
from gatewatch.store.findings import StoredFinding
from gatewatch.store.state import open_state
from tests.dashboard.conftest import Running, Site, Watched
from tests.dashboard.pages.conftest import texts
from tests.dashboard.world import END, fill
from tests.store.builders import a_finding

STORED = StoredFinding(a_finding(), State.NEW, END, END, 1)
pytestmark = pytest.mark.timeout(300)  # a busy machine is no failure


def test_who_may_only_look_has_no_buttons() -> None:
    assert acts(STORED, None, None, END) is None
    assert acts(STORED, replace(LOCAL, role=Role.VIEWER), None, END) is None
    assert acts(STORED, replace(LOCAL, role=Role.OPERATOR), None, END) is not None


@pytest.mark.parametrize(
    ("state", "there", "not_there"),
    [
        (State.NEW, {"Acknowledge", "Resolve", "Snooze", "Suppress"}, {"Reopen", "End snooze", "Take back"}),
        (State.SNOOZED, {"End snooze", "Acknowledge"}, {"Reopen"}),
        (State.SUPPRESSED, {"Show again"}, {"Acknowledge", "Snooze", "Resolve"}),
        (State.RESOLVED, {"Reopen"}, {"Acknowledge", "Snooze", "Resolve"}),
    ],
)
def test_buttons_are_those_that_the_state_allows(state: State, there: set[str], not_there: set[str]) -> None:
    made = acts(replace(STORED, state=state), LOCAL, None, END)
    assert made is not None
    said = set(texts(made))
    assert there | {"Assign", "Comment"} <= said
    assert not said & not_there


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    settings = Settings(data_dir=tmp_path / "data")
    state = open_state(settings)
    found = fill(state)
    state.close()
    with Running(settings) as address:
        yield Site(address, {one.kind.value: one.id for one in found})


def unfold(page: Page, title: str) -> None:
    page.locator(".acts summary").get_by_text(title, exact=True).click()


def undone(page: Page) -> None:
    page.locator(".toast .undo").click()
    expect(page.locator(".toast")).to_contain_text("Undone.")


def state_of(page: Page) -> Locator:
    return page.locator(".finding-head .state")


def test_a_responder_does_everything_to_a_finding_and_takes_it_back(browser: Browser, place: Site) -> None:
    finding = place.findings[Kind.AUTH_FAILURE_SPIKE.value]
    path = f"{place.address}/api/v1/findings/{finding}"
    watched = Watched(browser.new_page(), place.address)
    page = watched.open(f"/findings/{finding}")

    page.keyboard.press("a")  # without a mouse, too
    expect(state_of(page)).to_have_text("Acknowledged")
    page.keyboard.press("u")
    expect(state_of(page)).to_have_text("Ongoing")

    page.keyboard.press("s")
    page.get_by_label("Keep quiet").select_option("for 3 more episodes")
    page.get_by_label("Keep quiet").press("Enter")
    page.get_by_role("button", name="Snooze", exact=True).press("Enter")
    expect(state_of(page)).to_have_text("Snoozed")
    assert httpx.get(path).json()["snooze_count"] == 3
    undone(page)
    expect(state_of(page)).to_have_text("Ongoing")

    page.keyboard.press("r")
    expect(state_of(page)).to_have_text("Resolved")
    page.get_by_role("button", name="Reopen").click()
    expect(state_of(page)).to_have_text("Ongoing")

    unfold(page, "Assign")
    page.get_by_role("button", name="To me").click()
    expect(page.locator(".standing")).to_contain_text("Assigned to this machine.")
    undone(page)
    expect(page.locator(".standing")).to_contain_text("Nobody has it yet.")

    unfold(page, "Comment")
    page.get_by_label("Comment", exact=True).fill("<img src=x onerror=window.hacked=1>")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator(".activity")).to_contain_text("Comment by this machine: <img src=x")

    unfold(page, "Right?")
    page.get_by_label("A false alarm").check()
    expect(page.locator(".effect")).not_to_be_empty()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".acts summary").last).to_contain_text("False alarm")
    undone(page)
    expect(page.locator(".acts summary").last).to_contain_text("Right?")

    page.keyboard.press("m")
    expect(page.locator(".ahead")).to_contain_text("it would have hidden 1 finding (1 open) of 1 problem.")
    expect(page.locator(".ahead")).to_contain_text("Credential stuffing against <img src=x")
    page.keyboard.press("Escape")
    expect(page.locator(".ahead")).to_be_hidden()
    page.keyboard.press("m")
    page.get_by_label("Why (needed)").fill("the load test of every Friday")
    page.get_by_role("button", name="Suppress", exact=True).click()
    expect(page.get_by_role("button", name="Show again")).to_be_visible()
    one = httpx.get(path).json()
    assert (one["state"], bool(one["suppression"])) == ("suppressed", True)
    undone(page)
    expect(state_of(page)).to_have_text("Ongoing")
    watched.check()
    page.close()


def test_a_responder_looks_at_requests_and_hands_it_on(browser: Browser, place: Site) -> None:
    finding = place.findings[Kind.AUTH_FAILURE_SPIKE.value]
    context = browser.new_context(viewport={"width": 390, "height": 844}, accept_downloads=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    watched = Watched(context.new_page(), place.address)
    page = watched.open(f"/findings/{finding}")
    drawer = page.locator("#request-drawer")

    page.locator("#requests-grid .ag-row .ag-cell").first.click()
    expect(drawer).to_contain_text("Request 1 of 100")
    expect(drawer).to_contain_text("unknown API key")
    page.keyboard.press("j")
    expect(drawer).to_contain_text("Request 2 of 100")
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    page.locator("#requests-grid .ag-row[row-index='2'] .ag-cell").first.focus()
    page.keyboard.press("Enter")
    expect(drawer).to_contain_text("Request 3 of 100")
    assert page.evaluate("document.querySelector('#request-drawer img, #request-drawer a') === null")
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Requests without").click()
    expect(page.locator(".requests-filter")).to_contain_text('Not "><script>')
    page.get_by_role("button", name="Show all again").click()
    expect(page.locator(".requests-filter")).to_be_empty()

    page.locator(".head-buttons summary").get_by_text("Share").click()
    page.get_by_role("button", name="Copy link").click()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{place.address}/findings/{finding}?from=2026-06-09T09")
    page.goto(link)
    expect(page.locator("h1")).to_contain_text("Credential stuffing")

    page.locator(".head-buttons summary").get_by_text("Export").click()
    with page.expect_download() as begun:
        page.get_by_role("link", name="CSV").click()
    assert begun.value.suggested_filename == f"requests-{finding}.csv"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    watched.check()
    context.close()
