"""Buttons on a finding: by state and by rights; and what they do, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

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


def test_who_may_only_look_has_no_buttons() -> None:
    assert acts(STORED, None) is None
    assert acts(STORED, replace(LOCAL, role=Role.VIEWER)) is None
    assert acts(STORED, replace(LOCAL, role=Role.OPERATOR)) is not None


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
    made = acts(replace(STORED, state=state), LOCAL)
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


def test_a_responder_takes_it_says_so_and_hides_it(browser: Browser, place: Site) -> None:
    finding = place.findings[Kind.AUTH_FAILURE_SPIKE.value]
    watched = Watched(browser.new_page(), place.address)
    page = watched.open(f"/findings/{finding}")
    page.get_by_role("button", name="Acknowledge").focus()
    page.keyboard.press("Enter")  # without a mouse, too
    expect(page.get_by_role("button", name="Take back")).to_be_visible()

    unfold(page, "Comment")
    page.get_by_label("Comment", exact=True).fill("<img src=x onerror=window.hacked=1>")
    page.get_by_role("button", name="Comment").click()
    expect(page.locator(".history").last).to_contain_text("comment by this machine: <img src=x")

    unfold(page, "Suppress")
    page.get_by_role("button", name="What would it hide?").click()
    expect(page.locator(".toast")).to_contain_text("It would have hidden 1 finding (1 open)")
    page.get_by_label("Why (needed)").fill("the load test of every Friday")
    page.get_by_role("button", name="Suppress", exact=True).click()
    expect(page.get_by_role("button", name="Show again")).to_be_visible()
    one = httpx.get(f"{place.address}/api/v1/findings/{finding}").json()
    assert one["state"] == "suppressed"
    assert one["suppression"]
    watched.check()
    page.close()
