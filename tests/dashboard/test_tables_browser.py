"""A table that is asked for another order comes alone; what a person has open stays open through a refresh."""

from __future__ import annotations

import json

from playwright.sync_api import Page, Response, expect

from tests.dashboard.conftest import Opener

MINUTE = "window.dash_clientside.set_props('minute', {n_intervals: 4711})"


def of_page(answer: Response, name: str) -> bool:
    return "_dash-update-component" in answer.url and f"{name}-drawn.data" in (answer.request.post_data or "")[:80]


def test_another_order_of_a_table_draws_that_table_alone(watch: Opener) -> None:
    page = watch().open("/changes?range=7d")
    shown = page.locator("#table-changes tbody tr")
    rows = shown.count()
    assert rows > 1
    page.evaluate("document.querySelectorAll('#main .card, #main h1').forEach(one => { one.mine = true; })")
    with page.expect_response(lambda one: of_page(one, "changes")) as answered:
        page.evaluate("window.gatewatch.change({t: ['changes.find:nothing like it']})")
    told = json.loads(answered.value.body())["response"]["changes-drawn"]["data"]
    assert set(told) == {"tables", "address"}
    assert set(told["tables"]) == {"changes"}
    expect(shown).to_have_count(0)
    assert page.evaluate("[...document.querySelectorAll('#main .card, #main h1')].every(one => one.mine)")
    page.go_back()
    expect(shown).to_have_count(rows)
    # A refresh of what stands there is of the whole page again.
    with page.expect_response(lambda one: of_page(one, "changes")) as answered:
        page.evaluate(MINUTE)
    assert "page" in json.loads(answered.value.body())["response"]["changes-drawn"]["data"]


def refreshed(page: Page, name: str) -> None:
    with (
        page.expect_response(lambda one: of_page(one, name)),
        page.expect_response(lambda one: "bar-drawn.data" in (one.request.post_data or "")[:80]),
    ):
        page.evaluate(MINUTE)
    page.wait_for_load_state("networkidle")


def test_a_menu_of_the_bar_stays_open_through_a_refresh(watch: Opener) -> None:
    page = watch().open("/")
    page.locator("details.drop summary").first.click()
    menu = page.locator("details.drop[open]")
    expect(menu).to_have_count(1)
    page.evaluate("document.querySelector('details.drop[open]').mine = true")
    refreshed(page, "overview")
    expect(menu).to_have_count(1)
    assert page.evaluate("document.querySelector('details.drop[open]').mine")


def test_a_list_of_choices_stays_open_through_a_refresh(watch: Opener) -> None:
    page = watch().open("/findings")
    page.get_by_placeholder("All APIs", exact=True).click()
    expect(page.get_by_role("option").first).to_be_visible()
    refreshed(page, "findings")
    expect(page.get_by_role("option").first).to_be_visible()
