"""An address shows its page: by a link, by the back button, and also one that leads nowhere."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from gatewatch.records import Kind
from tests.dashboard.conftest import Opener, Site

ANSWERS = "**/_dash-update-component**"


def test_pages_change_in_the_browser_and_back(watch: Opener, site: Site) -> None:
    page = watch().open("/")
    expect(page).to_have_title("Overview · gatewatch")
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.post_data or "") if "_dash-update" in one.url else None)
    page.locator("nav a.nav", has_text="Findings").click()
    expect(page.locator("#main h1")).to_have_text("Findings")
    expect(page).to_have_title("Findings · gatewatch")
    page.wait_for_load_state("networkidle")
    assert sum("findings-drawn.data" in one[:60] for one in asked) == 1
    assert not any("overview-drawn.data" in one[:60] for one in asked)  # who is left asks for nothing
    page.evaluate(f"window.gatewatch.go('/findings/{site.findings[Kind.AUTH_FAILURE_SPIKE.value]}')")
    expect(page).to_have_title("Finding · gatewatch")
    page.go_back()
    expect(page.locator("#main h1")).to_have_text("Findings")
    page.go_back()
    expect(page.locator("#main h1")).to_have_text("Overview")


@pytest.mark.parametrize("path", ["/nowhere", "/findings-of-mine", "/auth/more", "/apis/"])
def test_an_address_that_leads_nowhere_says_so(watch: Opener, path: str) -> None:
    watched = watch()
    page = watched.open(path)
    if path == "/apis/":  # as without its last stroke
        expect(page.locator("#main h1")).to_have_text("APIs")
        return
    expect(page.locator("#main .empty")).to_contain_text("No such page")
    page.locator("#main .empty a").click()
    expect(page.locator("#main h1")).to_have_text("Overview")


def _away_from_findings(watch: Opener) -> tuple[Page, Locator, list[Route]]:
    """Somebody who went on to the Overview; what asks for the list of findings again waits among the routes."""
    page = watch().open("/findings")
    rows = page.locator(".ag-center-cols-container .ag-row")
    expect(rows).to_have_count(4)
    page.locator("nav a.nav", has_text="Overview").click()
    expect(page.locator("#main h1")).to_have_text("Overview")
    page.wait_for_load_state("networkidle")
    held: list[Route] = []

    def hold(route: Route) -> None:
        if "findings-drawn.data" in (route.request.post_data or "")[:60]:
            held.append(route)
        else:
            route.continue_()

    page.route(ANSWERS, hold)
    return page, rows, held


def test_who_comes_back_sees_at_once_what_stood_there(watch: Opener) -> None:
    page, rows, held = _away_from_findings(watch)
    page.go_back()
    expect(page.locator("#main h1")).to_have_text("Findings")
    expect(rows).to_have_count(4)
    assert len(held) == 1  # asked, and not yet answered
    held[0].continue_()
    page.unroute(ANSWERS)
    page.wait_for_load_state("networkidle")
    expect(rows).to_have_count(4)
    expect(page.locator("#banner")).to_be_empty()


def test_what_was_changed_is_not_shown_as_it_was_before(watch: Opener) -> None:
    """A page that stood there before a change is not shown again: one waits for the answer."""
    page, rows, held = _away_from_findings(watch)
    page.evaluate("window.gatewatch.again()")  # as each change ends
    page.go_back()
    expect(page.locator("#main .skeleton").first).to_be_visible()
    assert rows.count() == 0
    for route in held:
        route.continue_()
    page.unroute(ANSWERS)
    expect(rows).to_have_count(4)
