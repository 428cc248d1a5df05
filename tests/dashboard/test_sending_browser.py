from __future__ import annotations

from playwright.sync_api import expect

from gatewatch.records import Kind
from tests.dashboard.conftest import Opener, Site


def test_a_comment_is_sent_from_its_field_by_the_keys_that_send_everywhere(watch: Opener, site: Site) -> None:
    page = watch().open(f"/findings/{site.findings[Kind.LATENCY_OUTLIER.value]}")
    page.locator("details.pop > summary", has_text="Comment").click()
    note = page.locator("textarea[name='note']:visible")
    note.fill("first line")
    note.press("Enter")
    note.type("second line")
    expect(note).to_have_value("first line\nsecond line")
    note.press("Control+Enter")
    expect(page.locator("details.pop[open]")).to_have_count(0)
    expect(page.locator("#main")).to_contain_text("second line")
