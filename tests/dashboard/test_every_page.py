"""Every page, light and dark, wide and narrow: no complaint, nothing that lives of attackers' text, no grave fault.

A page is opened once a scheme, since that is what costs: axe-core looks at what the other checks have looked at.
"""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlencode

import dash
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from gatewatch.records import Kind
from tests.dashboard.conftest import Opener, Site
from tests.dashboard.world import HOSTILE

GRAVE = {"serious", "critical"}
OF_COLOURS = ["color-contrast", "link-in-text-block"]
"""Rules that the colours decide; all others say the same of a dark page as of a light one."""

# A link to our own pages may carry a text as a condition; none leads to where the text says.
LEADING_OUT = ("a[href*='evil']:not([href^='/'])", "a[href^='//']")


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


def led_to(page: Page) -> list[str]:
    """Where the navigation leads."""
    links: list[str] = page.locator("#app-shell nav a.nav").evaluate_all(
        "links => links.map(link => link.getAttribute('href'))"
    )
    return links


def places(site: Site) -> dict[str, bool]:
    """Every page, and whether it shows what no other of them does, so that axe has to look at it."""
    plain = sorted(one["path"] for one in dash.page_registry.values() if not one["path_template"])
    address, name = (
        f"/caller?{urlencode({'sel': f'{kind}:{one}'})}"
        for kind, one in (("ip", "203.0.113.7"), ("principal", HOSTILE[0]))
    )
    attacked = site.findings[Kind.AUTH_FAILURE_SPIKE.value]
    alike = [f"/findings/{one}" for one in site.findings.values() if one != attacked]
    looked_at = [*plain, f"/findings/{attacked}", "/apis/login8a2", address]
    return dict.fromkeys(looked_at, True) | dict.fromkeys(["/apis/login8a2?tab=consumers", name, *alike], False)


@pytest.mark.timeout(400)  # many pages
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_every_page_opens_without_a_complaint_fits_and_shows_attackers_text_as_text(
    watch: Opener, site: Site, width: int, scheme: Literal["light", "dark"]
) -> None:
    watched = watch(width, scheme)
    attacked = f"/findings/{site.findings[Kind.AUTH_FAILURE_SPIKE.value]}"
    wrong = []
    for path, looked_at in places(site).items():
        watched.open(path)
        page = watched.whole()
        assert page.locator(".skeleton").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        assert page.evaluate("document.documentElement.dataset.mantineColorScheme") == scheme
        if path in {"/", "/findings", attacked}:
            assert "<img src=x onerror" in page.locator("#main").inner_text()
        for selector in ("#main img[src='x']", "#main script", "a[href^='javascript']", "iframe", *LEADING_OUT):
            assert page.locator(selector).count() == 0, (path, selector)
        watched.check()
        if looked_at:
            page.set_viewport_size({"width": 1440, "height": 900})  # what a narrow window leaves out is looked at, too
            wrong += [f"{path} {fault}" for fault in faults(page, scheme)]
            page.set_viewport_size({"width": width, "height": 900})
    assert len(led_to(watched.page)) > 10
    assert {one.split("?")[0] for one in led_to(watched.page)} <= places(site).keys()
    assert wrong == []
