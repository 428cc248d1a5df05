"""A page that is drawn anew by itself stays where it is, and keeps its data when no answer comes."""

from __future__ import annotations

import re

from playwright.sync_api import Route, expect

from gatewatch.records import Kind
from tests.dashboard.conftest import Opener, Site

ANSWERED = "_dash-update-component"
ANSWERED_URL = re.compile(ANSWERED)


def test_a_redraw_keeps_scroll_menus_typed_text_and_the_very_elements(watch: Opener, site: Site) -> None:
    watched = watch()
    watched.page.set_viewport_size({"width": 1200, "height": 500})
    page = watched.open(f"/findings/{site.findings[Kind.AUTH_FAILURE_SPIKE.value]}?range=7d")
    page.locator(".js-plotly-plot .xtick text").first.wait_for()
    page.get_by_text("Show as table").first.click()
    page.locator("details.pop > summary", has_text="Comment").click()
    comment = page.locator("textarea[name='note']:visible")
    comment.fill("half a thought")
    page.evaluate("window.scrollTo({top: 250, behavior: 'instant'})")
    page.evaluate(
        "document.querySelectorAll('#main .card, #main .js-plotly-plot').forEach(one => { one.mine = true; })"
    )
    scrolled = page.evaluate("window.scrollY")
    page.evaluate(
        "new MutationObserver(() => { document.body.dataset.seen = 'yes'; })"
        ".observe(document.getElementById('footer'), {childList: true, subtree: true})"
    )
    with page.expect_response(lambda one: ANSWERED in one.url and "finding-drawn" in (one.request.post_data or "")):
        page.evaluate("window.dash_clientside.set_props('minute', {n_intervals: 4711})")
    expect(page.locator("body[data-seen]")).to_have_count(1)  # the footer comes with the answer
    page.wait_for_load_state("networkidle")
    assert page.evaluate("[...document.querySelectorAll('#main .card, #main .js-plotly-plot')].every(one => one.mine)")
    assert page.evaluate("window.scrollY") == scrolled
    expect(comment).to_have_value("half a thought")
    expect(page.locator("details.twin").first).to_have_attribute("open", "")


def test_old_data_stay_when_no_answer_comes_and_can_be_asked_for_again(watch: Opener) -> None:
    watched = watch()
    page = watched.open("/")
    expect(page.locator(".tile-value").first).to_be_visible()
    shown = page.locator(".tile-value").first.inner_text()
    line = page.locator("#banner")

    def fails(route: Route) -> None:
        route.fulfill(status=503, body="gone")

    def cut(route: Route) -> None:
        route.abort("connectionrefused")

    for trouble in (fails, cut):
        page.route(ANSWERED_URL, trouble)
        page.locator("#refresh").click()
        expect(line).to_contain_text("gatewatch does not answer, so what stands here may be old.")
        assert page.locator(".tile-value").first.inner_text() == shown
        page.unroute(ANSWERED_URL)
        line.get_by_role("button", name="Try again").click()
        expect(line).to_be_empty()
        assert page.locator(".tile-value").first.inner_text() == shown
    # The browser itself tells of both; nothing else went wrong.
    assert watched.wrong
    assert all(ANSWERED in one or "Failed to load resource" in one or "Callback" in one for one in watched.wrong)
    watched.wrong.clear()


def test_a_changed_number_is_set_into_the_page_that_stands(watch: Opener) -> None:
    watched = watch()
    page = watched.open("/")
    value = page.locator(".tile-value").first
    shown = value.inner_text()

    def other(route: Route) -> None:
        answer = route.fetch()
        text = answer.text()
        route.fulfill(response=answer, body=text.replace(f'"{shown}"', '"4,711"') if "overview-drawn" in text else text)

    page.evaluate("document.querySelector('#main .tile').mine = true")
    page.route(ANSWERED_URL, other)
    page.locator("#refresh").click()
    expect(value).to_have_text("4,711")
    assert page.evaluate("document.querySelector('#main .tile').mine")
    page.unroute(ANSWERED_URL)
