"""The list of findings in a real Chromium: rows by key, several at once, all that fit, and back again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from gatewatch.records import Kind, Severity
from gatewatch.settings import Settings
from gatewatch.store.findings import save_findings
from gatewatch.store.state import open_state
from tests.dashboard.conftest import Running, Site, Watched
from tests.dashboard.world import END, HOSTILE
from tests.store.builders import a_finding, minutes, put

MANY = 130
pytestmark = pytest.mark.timeout(300)  # a busy machine is no failure


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    settings = Settings(data_dir=tmp_path / "data")
    state = open_state(settings)
    put(state, tables=[("minutes", minutes([{"minute": END}]))])
    found = [
        a_finding(
            id=f"f{n:03}",
            fingerprint=f"p{n}",
            title=f"{n:03} {HOSTILE[n % len(HOSTILE)]}",
            kind=Kind.DEAD_API if n % 2 else Kind.LATENCY_OUTLIER,
            severity=Severity.HIGH,
            start=END - timedelta(minutes=n),
            end=None,
        )
        for n in range(MANY)
    ]
    with state.begin() as session:
        save_findings(session, found, now=END)
    state.close()
    with Running(settings) as address:
        yield Site(address)


def states(place: Site) -> dict[str, int]:
    found = httpx.get(f"{place.address}/api/v1/findings/facets?state=all&fields=state").json()
    return {one["value"]: one["count"] for one in found["facets"]["state"]}


def test_a_responder_sorts_a_list_out_by_keys_and_in_bulk(browser: Browser, place: Site) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    watched = Watched(context.new_page(), place.address)
    page = watched.open("/findings")
    rows = page.locator(".ag-center-cols-container .ag-row")
    state = rows.first.locator(".state")
    bulk = page.locator(".bulk-count")

    expect(rows.first).to_contain_text("000")
    for many in (1, 2):  # a grid that still draws takes keys one after the other
        page.keyboard.press("j")
        page.keyboard.press("x")
        expect(bulk).to_have_text(f"{many} selected")
    page.keyboard.press("a")
    expect(page.locator(".toast")).to_contain_text("2 findings: Acknowledged.")
    assert states(place) == {"acknowledged": 2, "new": MANY - 2}
    page.keyboard.press("u")
    expect(page.locator(".toast")).to_contain_text("Undone.")
    assert states(place) == {"ongoing": 2, "new": MANY - 2}
    expect(state).to_have_text("Ongoing")  # the list is drawn anew

    page.locator(".filters summary").get_by_text("Detector").click()
    page.get_by_role("button", name="Dead API 65").click()
    expect(page.locator(".pager")).to_contain_text("65 findings")
    page.get_by_role("button", name="Next", exact=False).first.click()
    page.keyboard.press("x")
    page.get_by_role("button", name="All 65 that fit").click()
    expect(bulk).to_have_text("All that fit")
    page.keyboard.press("r")
    expect(page.locator(".toast")).to_contain_text("65 findings: Resolved.")
    assert states(place)["resolved"] == 65
    expect(state).to_have_text("Resolved")
    page.locator(".toast .undo").click()
    expect(page.locator(".toast")).to_contain_text("Undone.")
    assert "resolved" not in states(place)
    expect(state).to_have_text("Ongoing")

    watched.check()
    context.close()


def test_a_responder_hides_all_that_fit_groups_and_exports(browser: Browser, place: Site) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    watched = Watched(context.new_page(), place.address)
    page = watched.open("/findings?f=kind+%3D+dead_api")
    rows = page.locator(".ag-center-cols-container .ag-row")
    expect(rows.first).to_contain_text("001")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.get_by_role("button", name="All 65 that fit").click()
    page.keyboard.press("m")
    expect(page.locator(".bulk .ahead")).to_contain_text("it would have hidden 65 findings (65 open)")
    page.locator(".bulk .pop[open]").get_by_label("Why (needed)").fill("being removed")
    page.locator(".bulk .pop[open]").get_by_role("button", name="Suppress", exact=True).click()
    expect(page.locator(".toast")).to_contain_text("65 findings: Suppressed.")
    assert states(place)["suppressed"] == 65
    expect(rows).to_have_count(0)
    page.locator(".toast .undo").click()
    expect(page.locator(".toast")).to_contain_text("Undone.")
    assert "suppressed" not in states(place)
    expect(rows.first).to_contain_text("Ongoing")

    page.get_by_role("link", name="Clear").click()
    expect(page.locator(".pager")).to_contain_text(f"of {MANY} findings")  # or what is drawn then would close the menu
    page.locator(".filters summary").get_by_text("Arrange").click()
    page.get_by_role("button", name="By detector").click()
    page.locator(".grouped").get_by_role("button", name="Latency").click()
    expect(page.locator(".pager")).to_contain_text("65 findings")
    page.locator(".head-buttons summary").get_by_text("Export").click()
    with page.expect_download() as begun:
        page.get_by_role("link", name="JSON lines").click()
    assert len(Path(begun.value.path()).read_text().splitlines()) == 65 + 1

    page.goto(f"{place.address}/findings")
    page.get_by_role("link", name="Next page").click()
    expect(rows.first).to_contain_text("060")
    page.keyboard.press("j")
    expect(rows.first.locator(".ag-cell-focus")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("060 ")
    watched.check()
    context.close()
