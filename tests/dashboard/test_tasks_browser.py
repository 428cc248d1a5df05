"""The ten main tasks of a responder, each with the mouse, and again with keys only.

One server and one browser window a way; a task leaves what it changed as it was, so that each can be run alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from gatewatch.records import Kind
from gatewatch.settings import Settings
from gatewatch.store.state import open_state
from tests.dashboard.conftest import Running, Watched
from tests.dashboard.operations import add_changes
from tests.dashboard.world import END, fill
from tests.receivers import Receiver, receiver

MOST_TABS = 300
CHANNEL = """
channels:
  desk: {{type: webhook, url: "{url}/desk", secret: "whatever-it-is-it-is-long-enough"}}
route: {{channels: [desk]}}
"""


@dataclass
class Desk:
    """A gatewatch whose findings may be changed, and the receiver of its alerts."""

    address: str
    attack: str
    slow: str
    got: Receiver

    def now(self, finding: str) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.address}/api/v1/findings/{finding}").json()
        return found


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    with receiver() as got:
        (folder / "alerts.yaml").write_text(CHANNEL.format(url=got.url))
        settings = Settings(data_dir=folder / "data", alerts_file=folder / "alerts.yaml", outbound_allow=("127.0.0.1",))
        state = open_state(settings)
        found = {one.kind: one.id for one in fill(state)}
        add_changes(state, END)
        state.close()
        with Running(settings) as address:
            yield Desk(address, found[Kind.AUTH_FAILURE_SPIKE], found[Kind.LATENCY_OUTLIER], got)


class Hands:
    """Presses and writes: with the mouse, or with Tab, Enter and letters."""

    def __init__(self, watched: Watched, *, mouse: bool) -> None:
        self.watched, self.page, self.mouse = watched, watched.page, mouse

    def open(self, path: str) -> None:
        self.watched.open(path)

    def press(self, control: Locator, key: str = "") -> None:
        """key: what presses it from anywhere on the page."""
        if self.mouse:
            control.click()
        elif key:
            expect(control).to_be_visible()
            for one in key.split():
                self.page.keyboard.press(one)
        else:
            self.reach(control)
            self.page.keyboard.press("Enter")

    def write(self, field: Locator, text: str) -> None:
        if self.mouse:
            field.click()
        else:
            self.reach(field)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)

    def reach(self, control: Locator) -> None:
        """Tab until it has the focus: what Tab does not lead to does not exist for a keyboard."""
        expect(control).to_be_visible()
        for _ in range(MOST_TABS):
            if control.evaluate("node => node === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not lead to {control}")

    def row(self, text: str) -> None:
        """Open the row with this text: by a click on it, or j until it has the focus, and Enter."""
        link = self.page.locator("#main a[href]", has_text=text).first
        if self.mouse:
            link.click()
            return
        expect(link).to_be_visible()
        for _ in range(MOST_TABS):
            self.page.keyboard.press("j")
            if text in self.page.evaluate("document.activeElement.textContent"):
                self.page.keyboard.press("Enter")
                return
        raise AssertionError(f"j does not lead to {text}")

    def toast(self) -> Locator:
        return self.page.locator(".toast")

    def panel(self, name: str, key: str = "") -> Locator:
        """Open the panel of a button of the finding."""
        acts = self.page.get_by_role("toolbar", name="What you can do")
        made = acts.locator("details.pop").filter(has=self.page.locator("summary", has_text=name))
        self.press(made.locator("summary"), key)
        expect(made.locator(".pop-panel")).to_be_visible()
        return made


@pytest.fixture(scope="module", params=[True, False], ids=["mouse", "keys"])
def hands(request: pytest.FixtureRequest, browser: Browser, desk: Desk) -> Iterator[Hands]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=desk.address)
    yield Hands(Watched(context.new_page(), desk.address), mouse=request.param)
    context.close()


@pytest.fixture(autouse=True)
def nothing_goes_wrong(hands: Hands) -> Iterator[None]:
    """No complaint in the console, no failed request, none to another host."""
    hands.watched.wrong.clear()
    yield
    hands.watched.check()


def state(hands: Hands) -> Locator:
    return hands.page.locator("#main .finding-head .state")


def test_what_is_wrong_now_since_when_for_whom_and_whose_fault(hands: Hands, desk: Desk) -> None:
    hands.open("/")
    worst = hands.page.locator(".short-list li").first
    expect(worst.locator(".severity")).to_have_text("Critical")
    hands.row("Credential stuffing")
    page = hands.page
    expect(page.locator("h1")).to_contain_text("Credential stuffing")
    said = page.locator(".glance")
    for words in ("Since2026-06-09 10:0", "Who250 addresses", "Probable causeclient", "Do nextBlock the addresses"):
        expect(said).to_contain_text(words, ignore_case=True)
    box = said.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 900  # seen without scrolling
    slider = page.get_by_role("slider", name="Score that a finding needs")
    if hands.mouse:
        page.locator(".threshold .mantine-Slider-trackContainer").click(position={"x": 200, "y": 5})
    else:
        hands.reach(slider)
        page.keyboard.press("ArrowRight")
    expect(page.locator(".card:has(.threshold)")).to_contain_text("From a score of 48.3 on")


def test_from_a_number_to_its_rows_and_each_of_their_fields(hands: Hands) -> None:
    hands.open("/")
    page = hands.page
    hands.press(page.get_by_title("1 open, Auth failures, critical"))
    rows = page.locator("#findings-grid .ag-center-cols-container .ag-row")
    expect(page.locator("h1")).to_have_text("Findings")
    expect(rows).to_have_count(1)
    hands.row("Credential stuffing")
    request = page.locator("#requests-grid .ag-center-cols-container .ag-row").first
    expect(request).to_contain_text("POST")
    cell = request.locator(".ag-cell").first
    if hands.mouse:
        cell.click()
    else:
        hands.reach(page.locator("#requests-grid .ag-header-cell").first)
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
    drawer = page.locator("#request-drawer")
    expect(drawer).to_contain_text("203.0.113.")
    expect(drawer).to_contain_text("unknown API key")
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()


def test_only_one_api_and_back_again(hands: Hands) -> None:
    hands.open("/findings?range=24h")
    page = hands.page
    count = page.locator(".pager")
    expect(count).to_contain_text("4 findings")
    hands.press(page.locator("input[aria-label='API']"))
    if not hands.mouse:
        page.keyboard.type("shop")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
    else:
        page.get_by_role("option", name="shop4f2k1").click()
    expect(count).to_contain_text("2 findings")
    assert "api=shop4f2k1" in page.url
    page.go_back()  # by the browser's own button or key, which a Chromium without a window does not have
    expect(count).to_contain_text("4 findings")
    assert "api=" not in page.url


def test_acknowledge_and_take_it_back(hands: Hands, desk: Desk) -> None:
    hands.open(f"/findings/{desk.attack}")
    acts = hands.page.get_by_role("toolbar", name="What you can do")
    hands.press(acts.get_by_role("button", name="Acknowledge"), "a")
    expect(hands.toast()).to_contain_text("Acknowledged")
    expect(state(hands)).to_have_text("Acknowledged")
    assert desk.now(desk.attack)["state"] == "acknowledged"
    hands.press(hands.toast().get_by_role("button", name="Undo"), "u")
    expect(hands.toast()).to_contain_text("Undone.")
    expect(state(hands)).to_have_text("Ongoing")


def test_snooze_and_undo(hands: Hands, desk: Desk) -> None:
    hands.open(f"/findings/{desk.attack}")
    panel = hands.panel("Snooze", "s")
    hands.press(panel.get_by_role("button", name="Snooze"))
    expect(hands.toast()).to_contain_text("Snoozed")
    expect(state(hands)).to_have_text("Snoozed")
    assert desk.now(desk.attack)["state"] == "snoozed"
    hands.press(hands.toast().get_by_role("button", name="Undo"), "u")
    expect(hands.toast()).to_contain_text("Undone.")
    expect(state(hands)).to_have_text("Ongoing")


def test_suppress_after_seeing_what_that_hides(hands: Hands, desk: Desk) -> None:
    hands.open(f"/findings/{desk.attack}")
    panel = hands.panel("Suppress", "m")
    expect(panel.locator(".ahead")).to_contain_text("it would have hidden 1 finding (1 open)")
    hands.write(panel.get_by_label("Why (needed)"), "a planned test")
    hands.press(panel.get_by_role("button", name="Suppress"))
    expect(state(hands)).to_have_text("Suppressed")
    assert desk.now(desk.attack)["state"] == "suppressed"
    acts = hands.page.get_by_role("toolbar", name="What you can do")
    hands.press(acts.get_by_role("button", name="Show again"), "m")
    expect(state(hands)).to_have_text("Ongoing")


def test_take_it_over_and_say_so(hands: Hands, desk: Desk) -> None:
    hands.open(f"/findings/{desk.slow}")
    said = f"the release is rolled back ({'mouse' if hands.mouse else 'keys'})"
    name = "robin" if hands.mouse else "kim"
    panel = hands.panel("Assign")
    hands.write(panel.get_by_label("To"), name)
    hands.press(panel.get_by_role("button", name="Assign", exact=True))
    expect(hands.page.locator(".finding-head")).to_contain_text(f"Assigned to {name}.")
    panel = hands.panel("Comment")
    hands.write(panel.locator("textarea"), said)
    hands.press(panel.get_by_role("button", name="Comment"))
    expect(hands.page.locator(".side")).to_contain_text(said)
    assert desk.now(desk.slow)["assignee"] == name


def test_silence_what_is_worked_on_and_end_it(hands: Hands, desk: Desk) -> None:
    hands.open("/alerts?tab=silences")
    page = hands.page
    form = page.locator("form.send-form")
    hands.write(form.get_by_label("fits"), "shop*")
    hands.write(form.get_by_label("Why (needed)"), "rolled back, watching")
    hands.press(form.get_by_role("button", name="Silence"))
    line = page.locator("#main table tbody tr", has_text="rolled back, watching").first
    expect(line).to_contain_text("holds")
    assert len(httpx.get(f"{desk.address}/api/v1/silences").json()["silences"]) == 1
    end = line.get_by_role("button")
    hands.press(end)
    expect(end).to_have_text("Sure?")
    hands.press(end)
    expect(page.locator("#main")).to_contain_text("Nothing is silenced.")


def test_which_change_is_behind_it(hands: Hands, desk: Desk) -> None:
    hands.open(f"/findings/{desk.attack}")
    page = hands.page
    hands.press(page.get_by_title("Changes of the hour around it").first)
    expect(page.locator("h1")).to_have_text("Changes")
    expect(page.locator("#time-face")).to_contain_text("09 Jun")
    row = page.locator("#main table tbody a[href*='sel=']").first
    hands.press(row)
    hands.press(page.get_by_role("link", name="Compare the hour after with the hour before"))
    expect(page.locator("h1")).to_have_text("Overview")
    expect(page.locator(".delta").first).to_be_visible()
    assert "cmp=prev" in page.url


def test_from_a_part_of_the_picture_to_what_differs_and_its_rows_as_a_file(hands: Hands) -> None:
    hands.open("/explorer?range=1h")
    page = hands.page
    if hands.mouse:
        plot = page.locator(".explorer-brush .nsewdrag").first
        expect(plot).to_be_visible()
        box = plot.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] - 2, steps=3)
        page.mouse.up()
    else:
        hands.write(page.get_by_label("From (UTC)"), "2026-06-09 11:30")
        hands.press(page.locator(".selection-form").get_by_role("button", name="Select"))
    expect(page).to_have_url(re.compile("sel="))
    expect(page.locator(".explorer-differences .lead")).to_contain_text("selected, compared with the other")
    with page.expect_download() as begun:
        hands.press(page.locator(".explorer-raw").get_by_role("link", name="CSV"))
    lines = Path(begun.value.path()).read_text("utf-8").splitlines()
    assert lines[0].startswith("#")
    assert sum("login8a2" in one for one in lines) > 100


def test_hand_it_over_as_a_link_and_as_a_file(hands: Hands, browser: Browser, desk: Desk) -> None:
    hands.open(f"/findings/{desk.attack}?range=6h")
    page = hands.page
    hands.press(page.get_by_label("Copy a link to this page and these very minutes"))
    expect(hands.toast()).to_contain_text("Copied.")
    link = page.evaluate("navigator.clipboard.readText()")
    assert "from=2026-06-09T06" in link
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    other = Watched(context.new_page(), desk.address)
    other.open(link.removeprefix(desk.address))
    expect(other.page.locator("h1")).to_contain_text("Credential stuffing")
    expect(other.page.get_by_label("The time is frozen; let it run again")).to_be_visible()
    other.check()
    context.close()
    export = page.locator(".head-buttons details.pop").filter(has=page.locator("summary", has_text="Export"))
    hands.press(export.locator("summary"))
    with page.expect_download() as begun:
        hands.press(export.get_by_role("link", name="JSON", exact=True))
    assert Path(begun.value.path()).stat().st_size > 1000


def test_send_a_test_alert_and_see_what_came_back(hands: Hands, desk: Desk) -> None:
    hands.open("/")
    page = hands.page
    hands.press(page.locator("a.nav[data-go='n']"), "g n")
    expect(page.locator("h1")).to_have_text("Alerts")
    hands.press(page.get_by_role("link", name="Channels"))
    before = len(desk.got.got)
    send = page.locator("#main table tbody tr", has_text="desk").get_by_role("button").first
    expect(send).to_have_text("Send test")
    hands.press(send)
    expect(send).to_have_text("Really send?")
    hands.press(send)
    expect(hands.toast()).to_contain_text("200")
    assert len(desk.got.got) == before + 1


def test_the_time_and_the_next_page_without_leaving_the_keys_or_the_mouse(hands: Hands) -> None:
    hands.open("/?range=1h")
    page: Page = hands.page
    face = page.locator("#time-face")
    hands.press(page.locator(".to-back"), "[")
    expect(face).to_contain_text("09 Jun 10:00")
    hands.press(page.locator(".palette-button"), "Control+k")
    page.keyboard.type("latency")
    option = page.get_by_role("option").first
    expect(option).to_contain_text("Latency")
    if hands.mouse:
        option.click()
    else:
        page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Latency")
    expect(face).to_contain_text("09 Jun 10:00")
