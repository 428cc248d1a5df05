"""The pages in a real Chromium: mouse and keyboard, wide and narrow, light and dark, attackers' text in them."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from gatewatch.ingesting import ingest_paths
from gatewatch.jobs import tick
from gatewatch.records import Kind
from gatewatch.settings import Settings
from gatewatch.store.state import open_state
from ingest.documents import read_inventory
from tests.conftest import SMALL_END, SmallWorld
from tests.dashboard.conftest import Opener, Running, Site, Watched

SAMPLE = Path(__file__).parents[2] / "sample_logs" / "apigw_json" / "apigw-rest-json.log"


def test_the_chart_follows_the_theme_and_says_in_words_what_it_shows(watch: Opener, site: Site) -> None:
    page = watch(scheme="dark").open(f"/findings/{site.findings[Kind.AUTH_FAILURE_SPIKE.value]}")
    tick = page.locator(".js-plotly-plot .xtick text").first
    expect(tick).to_be_visible()
    dark = tick.evaluate("node => getComputedStyle(node).fill")
    page.keyboard.press("d")
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "light")
    expect(tick).not_to_have_css("fill", dark)
    chart = page.get_by_role("img", name="The highest value was 326 rejections/min")
    expect(chart).to_be_visible()
    page.get_by_text("Show as table").first.click()
    expect(page.get_by_role("cell", name="2026-06-09 10:12 UTC")).to_be_visible()


def test_a_chosen_theme_is_kept_and_a_link_can_name_one(watch: Opener) -> None:
    watched = watch(scheme="light")
    page = watched.open("/?theme=dark")
    assert page.evaluate("document.documentElement.dataset.mantineColorScheme") == "dark"
    page = watched.open("/findings")
    assert page.evaluate("document.documentElement.dataset.mantineColorScheme") == "dark"


def test_filters_stand_in_the_address_and_the_back_button_undoes_them(watch: Opener) -> None:
    page = watch().open("/findings")
    rows = page.locator(".ag-center-cols-container .ag-row")
    expect(rows).to_have_count(4)
    page.locator(".filters summary").get_by_text("Severity").click()
    page.get_by_role("button", name="Critical 1").click()
    expect(rows).to_have_count(1)
    assert "f=severity+%3D+critical" in page.url
    page.go_back()
    expect(rows).to_have_count(4)
    assert "severity" not in page.url
    page.locator(".filters summary").get_by_text("Severity").click()
    page.get_by_role("button", name="Without severity Critical").click()
    expect(rows).to_have_count(3)
    page.get_by_role("button", name="Take away: Severity: not Critical").click()
    expect(rows).to_have_count(4)
    page.keyboard.press("/")
    page.keyboard.type("latency")
    expect(rows).to_have_count(1)
    assert "q=latency" in page.url
    page.get_by_role("link", name="Clear").click()
    expect(rows).to_have_count(4)


def test_an_opened_link_shows_the_same_picture(watch: Opener) -> None:
    page = watch().open("/findings?severity=high&state=open&range=7d&q=latency")
    expect(page.locator(".ag-center-cols-container .ag-row")).to_have_count(1)
    expect(page.get_by_label("Search findings")).to_have_value("latency")
    expect(page.locator("#time-face")).to_have_text("Last 7 days")


def test_a_row_opens_its_finding_and_back_leads_to_the_list(watch: Opener, site: Site) -> None:
    page = watch().open("/findings?severity=critical")
    page.locator(".ag-center-cols-container .ag-row .ag-cell[col-id='state']").first.click()
    expect(page.locator("h1")).to_contain_text("Credential stuffing against <img src=x")
    assert page.url.split("?")[0].endswith(site.findings[Kind.AUTH_FAILURE_SPIKE.value])
    page.go_back()
    expect(page.locator("h1")).to_have_text("Findings")
    expect(page.locator(".ag-center-cols-container .ag-row")).to_have_count(1)


def test_enter_on_a_row_opens_its_finding(watch: Opener) -> None:
    page = watch().open("/findings?severity=critical")
    page.locator(".ag-center-cols-container .ag-row .ag-cell[col-id='state']").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("Credential stuffing")


def test_tables_are_ordered_filtered_and_grouped_by_mouse_and_keys_and_the_address_says_so(watch: Opener) -> None:
    page = watch().open("/latency")
    cells = page.locator("table[data-table='timed-routes'] tbody tr td:first-child")
    expect(cells).to_have_count(3)
    page.get_by_role("button", name="Requests", exact=True).click()
    expect(page.locator("th[aria-sort='descending']")).to_contain_text("Requests")
    assert "timed-routes.sort%3A-requests" in page.url
    worst = cells.first.inner_text()
    page.keyboard.press("Enter")  # the head has the focus again, and turns around
    expect(page.locator("th[aria-sort='ascending']")).to_contain_text("Requests")
    expect(cells.first).not_to_have_text(worst)
    tools = page.get_by_label("Order and filter of this table").first
    tools.get_by_label("Filter rows of this table").fill("api = login8a2")
    page.keyboard.press("Enter")
    expect(cells).to_have_count(1)
    expect(tools).to_contain_text("1 route of 3")
    tools.get_by_label("Filter rows of this table").fill("")
    page.keyboard.press("Enter")
    expect(cells).to_have_count(3)
    tools.get_by_label("Group").select_option("stage")
    page.get_by_role("button", name="v1", exact=True).click()
    expect(cells).to_have_count(1)
    page.go_back()
    expect(page.get_by_role("button", name="v1", exact=True)).to_be_visible()


def test_keys_lead_from_page_to_page(watch: Opener) -> None:
    page = watch().open("/?range=7d")
    page.keyboard.press("g")
    page.keyboard.press("f")
    expect(page.locator("h1")).to_have_text("Findings")
    assert page.url.endswith("/findings?range=7d")
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page.locator("h1")).to_have_text("Overview")


def test_the_overview_leads_from_each_mark_to_what_is_behind_it_and_does_not_jump(watch: Opener) -> None:
    page = watch().open("/")
    expect(page.locator("#footer")).to_contain_text("All times are UTC")
    shifted = page.evaluate(
        """new Promise(done => {
            let sum = 0;
            const seen = list => list.getEntries().forEach(one => { sum += one.value });
            new PerformanceObserver(seen).observe({type: "layout-shift", buffered: true});
            setTimeout(() => done(sum), 300);
        })"""
    )
    assert shifted < 0.05
    lane = page.locator(".lane-row")
    expect(lane).to_have_count(4)
    page.get_by_role("button", name="Deployments").click()
    expect(lane).to_have_count(3)
    assert "notes=deployment" in page.url
    page.go_back()
    expect(lane).to_have_count(4)
    page.locator(".tile", has_text="Auth rejections").locator(".ribbon-run").click()
    expect(page.locator("h1")).to_have_text("Findings")
    assert "kind=auth_failure_spike" in page.url
    assert "from=2026-06-09T10" in page.url
    page.go_back()
    line = page.locator(".tile .brush").first
    expect(line).to_be_visible()
    box = line.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 12, steps=3)
    page.mouse.up()
    page.wait_for_url("**from=2026-06-08T18*")
    expect(page.locator(".delta").first).to_be_visible()  # now there is a time before to compare with
    page.get_by_label("Compare (key c)").click()
    page.get_by_role("button", name="With same time last week").click()
    page.wait_for_url("**cmp=week*")


def test_the_palette_and_the_keys_lead_everywhere_without_a_mouse(watch: Opener) -> None:
    page = watch().open("/?range=7d&refresh=off")
    page.keyboard.press("Control+k")
    page.keyboard.type("find")
    expect(page.get_by_role("option").first).to_contain_text("Findings")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Findings")
    assert page.url.endswith("/findings?range=7d&refresh=off")
    page.keyboard.press("Control+k")
    page.keyboard.type("legacy9")
    expect(page.get_by_role("option").first).to_contain_text("Only this API")
    page.keyboard.press("Enter")
    page.wait_for_url("**api=legacy9*")
    page.go_back()
    expect(page).not_to_have_url(re.compile("legacy9"))
    page.keyboard.press("Control+k")
    page.keyboard.type("credential")
    expect(page.get_by_role("option").first).to_contain_text("credential")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=credential*")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Freeze the time")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_have_count(0)
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page.locator("h1")).to_have_text("Overview")
    expect(page.locator(".short-list li").first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator(".short-list li").nth(1).locator("a")).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("Credential stuffing")


def test_a_number_of_the_matrix_leads_to_its_findings(watch: Opener) -> None:
    page = watch().open("/")
    page.get_by_title("1 open, Latency, high").click()
    expect(page.locator("h1")).to_have_text("Findings")
    expect(page.locator(".ag-center-cols-container .ag-row")).to_have_count(1)


def test_the_scope_changes_what_is_shown(watch: Opener) -> None:
    page = watch().open("/")
    everything = page.locator(".tile-value").first.inner_text()
    choose(page, "All APIs", "legacy9")
    expect(page.locator(".tile-value").first).not_to_have_text(everything)
    assert "api=legacy9" in page.url
    choose(page, "All stages", "v1")
    page.wait_for_url("**stage=v1*")
    choose(page, "All APIs", "login8a2", label="API")
    page.wait_for_url(lambda url: "api=login8a2" in url and "stage" not in url)


def test_the_time_is_chosen_typed_moved_and_frozen_by_mouse_and_keys(watch: Opener) -> None:
    page = watch().open("/?range=1h")
    face, shown = page.locator("#time-face"), page.locator(".page-head .subtitle")
    expect(shown).to_have_text("2026-06-09 11:00 UTC to 2026-06-09 12:00 UTC")
    page.get_by_label("Time range").click()
    page.get_by_role("button", name="Last 6 h").click()
    expect(face).to_have_text("Last 6 h")
    expect(page.locator("#time-menu")).not_to_have_attribute("open", "")
    page.keyboard.press("[")
    expect(shown).to_have_text("2026-06-09 00:00 UTC to 2026-06-09 06:00 UTC")
    assert "from=2026-06-09T00" in page.url
    page.keyboard.press("]")
    expect(face).to_have_text("Last 6 h")
    page.keyboard.press("-")
    expect(face).to_have_text("Last 12 h")
    page.keyboard.press("t")
    page.keyboard.press("a")
    expect(page.get_by_label("The time is frozen; let it run again")).to_be_visible()
    assert "from=2026-06-09T00%3A00Z&to=2026-06-09T12%3A00Z" in page.url
    page.go_back()
    expect(face).to_have_text("Last 12 h")
    page.get_by_label("Time range").click()
    page.get_by_label("Any time").fill("the day before yesterday")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="is no time: write now-6h")).to_be_visible()
    page.get_by_label("Any time").fill("2026-06-09 03:00 to 2026-06-09 04:30")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(shown).to_have_text("2026-06-09 03:00 UTC to 2026-06-09 04:30 UTC")
    page.keyboard.press("c")
    page.get_by_role("button", name="With previous period").press("Enter")
    page.wait_for_url("**cmp=prev*")
    page.keyboard.press("l")
    page.wait_for_url("**refresh=10s*")
    expect(face).to_have_text("Last 90 min")
    page.keyboard.press("c")
    page.get_by_label("Compare with the time from").fill("2026-06-01 03:00")
    page.locator("#compare-apply").click()
    page.wait_for_url("**cmp=2026-06-01T03*")
    expect(page.get_by_label("Compare (key c)")).to_contain_text("Other time")
    page.get_by_label("Time range").click()
    days = page.locator(".calendar td button:visible")
    days.filter(has_text=re.compile("^1$")).click()
    days.filter(has_text=re.compile("^2$")).click()
    page.wait_for_url(re.compile(r"from=\d{4}-\d\d-01T00%3A00Z&to=\d{4}-\d\d-03T00%3A00Z"))
    expect(face).to_contain_text(re.compile(r"^01 \w{3}.* – 02 \w{3}$"))


def test_days_are_days_of_the_clock_that_was_chosen(watch: Opener) -> None:
    page = watch().open("/?tz=Asia/Tokyo")
    page.get_by_label("Time range").click()
    expect(page.locator(".days-of")).to_contain_text("(Asia/Tokyo)")
    days = page.locator(".calendar td button:visible").filter(has_text=re.compile("^10$"))
    days.click()
    days.click()
    page.wait_for_url(re.compile(r"from=\d{4}-\d\d-09T15%3A00Z&to=\d{4}-\d\d-10T15%3A00Z"))
    expect(page.locator("#time-menu")).not_to_have_attribute("open", "")


def test_a_small_screen_has_cards_and_a_menu(watch: Opener) -> None:
    page = watch(390).open("/findings")
    expect(page.locator(".cards li").first).to_be_visible()
    expect(page.locator("#findings-grid")).to_be_hidden()
    page.get_by_label("Navigation").click()
    page.get_by_role("link", name="Overview").click()
    expect(page.locator("h1")).to_have_text("Overview")


def test_requests_behind_a_finding_are_listed(watch: Opener, site: Site) -> None:
    page = watch().open(f"/findings/{site.findings[Kind.AUTH_FAILURE_SPIKE.value]}")
    expect(page.locator("#requests-grid .ag-center-cols-container .ag-row").first).to_contain_text("POST")
    page.locator(".head-buttons summary").get_by_text("Export").click()
    link = page.get_by_role("link", name="JSON", exact=True).get_attribute("href")
    answer = page.request.get(site.address + (link or ""))
    assert answer.json()["kind"] == Kind.AUTH_FAILURE_SPIKE.value


def test_a_finding_that_is_not_there_says_so(watch: Opener) -> None:
    page = watch().open("/findings/nothing")
    expect(page.get_by_text("There is no such finding")).to_be_visible()


def test_an_empty_store_says_how_to_begin_and_takes_a_dropped_log(watch: Opener, empty_site: Site) -> None:
    watched = watch(address=empty_site.address)
    page = watched.open("/findings")
    page.get_by_role("link", name="Begin here").click()
    expect(page.get_by_text("No requests yet")).to_be_visible()
    expect(page.get_by_text("gatewatch ingest logs/ --follow")).to_be_visible()
    expect(page.get_by_text("gatewatch demo")).to_be_visible()
    with page.expect_file_chooser() as nothing:
        page.get_by_role("button", name="Choose a file").click()
    nothing.value.set_files({"name": "<img src=x>.txt", "mimeType": "text/plain", "buffer": b"no log at all\n"})
    expect(page.locator(".drop-said")).to_contain_text("Nothing could be read")
    with page.expect_file_chooser() as chosen:
        page.get_by_role("button", name="Choose a file").click()
    chosen.value.set_files(SAMPLE)
    expect(page.locator(".toast")).to_contain_text(f"lines of {SAMPLE.name} were read")
    expect(page.locator(".tiles")).to_be_visible()


def choose(page: Page, placeholder: str, option: str, *, label: str | None = None) -> None:
    """Pick an option of a select."""
    box = page.locator(f"input[aria-label='{label}']") if label else page.get_by_placeholder(placeholder, exact=True)
    box.click()
    page.get_by_role("option", name=option, exact=True).click()


def test_a_limit_is_tried_with_the_arrow_keys(watch: Opener) -> None:
    page = watch().open("/limits?api=login8a2&range=1h&sel=caller")
    answer = page.locator(".what-if .sentence")
    before = answer.inner_text()
    assert "(each caller)" in before
    slider = page.get_by_role("slider", name="Rate, calls a second")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(answer).not_to_have_text(before)
    assert "(each caller)" in answer.inner_text()


def test_labels_of_a_simulated_world_are_switched_off_in_the_address(
    browser: Browser, small_world: SmallWorld, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path / "data", labels=small_world.folder / "labels.json")
    state = open_state(settings)
    ingest_paths(state, [str(small_world.logs)], workers=1, inventory=read_inventory(str(small_world.inventory)))
    tick(state, settings, SMALL_END)
    state.close()
    with Running(settings) as address:
        watched = Watched(browser.new_context(viewport={"width": 390, "height": 900}).new_page(), address)
        page = watched.open("/?range=24h")
        table = page.locator(".labels")
        expect(table).to_contain_text("credential stuffing")
        page.get_by_label("Labels of the simulated world").get_by_text("Hidden").click()
        expect(table).to_have_count(0)
        assert "labels=off" in page.url
        page.go_back()
        expect(table).to_contain_text("credential stuffing")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        watched.check()
        page.context.close()
