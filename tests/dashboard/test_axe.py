"""axe-core looks at every page, light and dark: nothing serious or critical keeps anybody from using it."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from gatewatch.records import Kind
from tests.dashboard.conftest import Site, Watched

GRAVE = {"serious", "critical"}
OF_COLOURS = ["color-contrast", "link-in-text-block"]
"""Rules that the colours decide; all others say the same of a dark page as of a light one."""


def faults(page: Page, scheme: str) -> list[str]:
    """What axe finds grave, one text an element."""
    rules = {"runOnly": {"type": "rule", "values": OF_COLOURS}} if scheme == "dark" else None
    found: list[dict[str, Any]] = Axe().run(page, options=rules).response["violations"]
    return [
        f"{one['id']}: {node['target']} {node['html'][:160]} {node['failureSummary'][:300]}"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]


def shown(page: Page) -> list[str]:
    """Where the navigation leads."""
    links: list[str] = page.locator("#app-shell nav a.nav").evaluate_all(
        "links => links.map(link => link.getAttribute('href'))"
    )
    return links


@pytest.mark.timeout(400)  # a busy machine takes its time over twenty-eight pages
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_grave_fault(browser: Browser, site: Site, scheme: Literal["light", "dark"]) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
    watched = Watched(context.new_page(), site.address)
    page = watched.open("/")
    places = [*shown(page), f"/findings/{site.findings[Kind.AUTH_FAILURE_SPIKE.value]}", "/apis/login8a2"]
    places.append("/caller?sel=ip%3A203.0.113.7")
    assert len(places) > 10
    wrong = []
    for place in places:
        page = watched.open(place)
        expect(page.locator("#main .skeleton")).to_have_count(0)
        wrong += [f"{place} {fault}" for fault in faults(page, scheme)]
    context.close()
    assert wrong == []
