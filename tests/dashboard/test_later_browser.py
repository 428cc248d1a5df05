"""Charts and grids are drawn near the window, or when the browser rests; never where nobody sees them."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Opener

LATE = """
(() => { window.requestIdleCallback = () => 0; })();
"""
"""A browser that never rests."""


def drawn(page: Page) -> int:
    return page.locator("#main .js-plotly-plot .main-svg").count()


def test_a_chart_below_the_window_is_drawn_when_it_comes_near(watch: Opener) -> None:
    watched = watch()
    watched.page.set_viewport_size({"width": 1200, "height": 200})
    watched.page.goto(watched.address + "/auth")
    page = watched.page
    expect(page.locator("#main h1")).to_be_visible()
    page.evaluate(LATE)
    page.wait_for_load_state("networkidle")
    boxes = page.locator("#main [role='img']").count()
    before, height = drawn(page), page.evaluate("document.documentElement.scrollHeight")
    assert boxes > before
    page.evaluate("window.scrollTo({top: document.documentElement.scrollHeight, behavior: 'instant'})")
    last = page.locator("#main [role='img']").last
    last.scroll_into_view_if_needed()
    expect(last.locator(".main-svg").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollHeight") == height  # its room was kept


def test_a_browser_that_rests_draws_the_others(watch: Opener) -> None:
    watched = watch()
    watched.page.set_viewport_size({"width": 1200, "height": 200})
    page = watched.open("/auth")
    for chart in page.locator("#main [role='img']").all():
        expect(chart.locator(".main-svg").first).to_be_attached()


def test_the_grid_of_a_wide_screen_is_not_made_on_a_telephone(watch: Opener) -> None:
    page = watch(390).open("/apis")
    expect(page.locator("#main .narrow-only .cards > li").first).to_be_visible()
    page.wait_for_timeout(2500)  # longer than until the browser rests
    assert page.locator("#main .ag-root").count() == 0
    page.set_viewport_size({"width": 1200, "height": 900})
    expect(page.locator("#main .ag-root .ag-row").first).to_be_visible()


def test_a_browser_that_rests_reads_the_library_of_charts_before_the_first_one(watch: Opener) -> None:
    page = watch().open("/settings")
    assert page.locator("#main [role='img']").count() == 0
    expect(page.locator("script[src*='plotly']")).to_have_count(1)
    for _ in range(300):  # it is large: on a busy machine it takes a while until it has been run
        if page.evaluate("typeof window.Plotly") == "object":
            break
        page.wait_for_timeout(100)
    assert page.evaluate("typeof window.Plotly") == "object"
    page.evaluate("window.gatewatch.go('/auth')")
    expect(page.locator("#main [role='img'] .main-svg").first).to_be_visible()
    expect(page.locator("script[src*='plotly']")).to_have_count(1)  # not read twice
