"""What a responder does with a finding, from the Overview to a link for others: by mouse, and by keys only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from gatewatch.records import Kind
from gatewatch.settings import Settings
from gatewatch.store.state import open_state
from tests.dashboard.conftest import Running, Site, Watched
from tests.dashboard.world import fill

MOST_TABS = 250


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    """A site whose findings may be changed."""
    settings = Settings(data_dir=tmp_path / "data")
    state = open_state(settings)
    findings = fill(state)
    state.close()
    with Running(settings) as address:
        yield Site(address, {finding.kind.value: finding.id for finding in findings})


class Hands:
    """Presses and writes, with the mouse or with Tab, Enter and letters."""

    def __init__(self, page: Page, *, mouse: bool) -> None:
        self.page, self.mouse = page, mouse

    def press(self, control: Locator) -> None:
        if self.mouse:
            control.click()
            return
        self._reach(control)
        self.page.keyboard.press("Enter")

    def write(self, field: Locator, text: str) -> None:
        if self.mouse:
            field.click()
        else:
            self._reach(field)
        self.page.keyboard.type(text)

    def _reach(self, control: Locator) -> None:
        expect(control).to_be_visible()
        for _ in range(MOST_TABS):
            if control.evaluate("node => node === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not lead to {control}")


@pytest.mark.timeout(400)  # thirty steps, each of which may wait on a busy machine
@pytest.mark.parametrize("mouse", [True, False], ids=["mouse", "keys"])
def test_a_finding_is_understood_worked_on_and_handed_over(browser: Browser, place: Site, *, mouse: bool) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    watched = Watched(context.new_page(), place.address)
    page = watched.open("/")
    hands = Hands(page, mouse=mouse)
    finding = place.findings[Kind.AUTH_FAILURE_SPIKE.value]

    def now() -> dict[str, object]:
        found: dict[str, object] = httpx.get(f"{place.address}/api/v1/findings/{finding}").json()
        return found

    # The worst is the first, and says who, since when and whose fault.
    if mouse:
        page.locator(".short-list a.finding-link", has_text="Credential stuffing").first.click()
    else:
        page.keyboard.press("j")
        while "Credential stuffing" not in page.evaluate("document.activeElement.textContent"):
            page.keyboard.press("j")
        page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("Credential stuffing")
    expect(page.locator("#main")).to_contain_text("203.0.113.")
    expect(page.locator("#main")).to_contain_text("2026-06-09 10:0")
    expect(page.locator("#requests-grid .ag-center-cols-container .ag-row").first).to_contain_text("POST")

    toast, state = page.locator(".toast"), page.locator("#main .state").first
    acts = page.get_by_role("toolbar", name="What you can do")

    def opened(name: str, key: str) -> Locator:
        """The panel of a button."""
        panel = acts.locator("details.pop").filter(has=page.locator("summary", has_text=name))
        if mouse:
            panel.locator("summary").click()
        elif key:
            page.keyboard.press(key)
        else:
            hands.press(panel.locator("summary"))
        expect(panel.locator(".pop-panel")).to_be_visible()
        return panel

    if mouse:
        acts.get_by_role("button", name="Acknowledge").click()
    else:
        page.keyboard.press("a")
    expect(toast).to_contain_text("Acknowledged")
    expect(state).to_have_text("Acknowledged")

    panel = opened("Comment", "")
    hands.write(panel.locator("textarea"), "the partner rotates its keys")
    hands.press(panel.get_by_role("button", name="Comment"))
    expect(page.locator("#main")).to_contain_text("the partner rotates its keys")

    panel = opened("Snooze", "s")
    hands.press(panel.get_by_role("button", name="Snooze"))
    expect(toast).to_contain_text("Snoozed")
    expect(state).to_have_text("Snoozed")
    assert now()["state"] == "snoozed"
    if mouse:
        toast.get_by_role("button", name="Undo").click()
    else:
        page.keyboard.press("u")
    expect(toast).to_contain_text("Undone.")
    expect(state).to_have_text("Acknowledged")
    assert now()["state"] == "acknowledged"

    panel = opened("Suppress", "m")
    expect(panel.locator(".ahead")).not_to_have_text("…")  # what it would have hidden
    hands.write(panel.get_by_label("Why (needed)"), "a planned test")
    hands.press(panel.get_by_role("button", name="Suppress"))
    expect(toast).to_contain_text("Suppressed")
    expect(state).to_have_text("Suppressed")
    assert now()["state"] == "suppressed"

    # A link keeps what is seen, for whoever opens it.
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=place.address)
    hands.press(page.get_by_label("Copy a link to this page and these very minutes"))
    expect(toast).to_contain_text("Copied.")
    link = page.evaluate("navigator.clipboard.readText()")
    assert "from=2026-06-0" in link
    other = Watched(browser.new_page(), place.address)
    other.open(link.removeprefix(place.address))
    expect(other.page.locator("h1")).to_contain_text("Credential stuffing")
    expect(other.page.get_by_label("The time is frozen; let it run again")).to_be_visible()
    other.check()
    other.page.close()

    # The palette leads on.
    page.keyboard.press("Escape")
    if mouse:
        page.locator(".palette-button").first.click()
    else:
        page.keyboard.press("Control+k")
    page.keyboard.type("latency")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Latency")
    watched.check()
    context.close()
