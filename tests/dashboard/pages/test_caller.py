from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from dashboard.data import Reader
from dashboard.pages import caller
from dashboard.view import View
from gatewatch.privacy import Privacy
from tests.dashboard.pages.conftest import find, texts
from tests.dashboard.world import END

ADDRESS = "203.0.113.7"
DAY = View().between(END - timedelta(hours=24), END)


def test_a_caller_is_shown_from_each_side_and_every_number_leads_to_its_rows(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.leads.has_page", lambda _: True)
    page = caller.render(reader, "", replace(DAY, sel=f"ip:{ADDRESS}"))
    said = texts(page)
    assert ADDRESS in said
    assert {"APIs that it calls", "Routes that it calls", "Why it was refused", "Addresses", "User agents"} <= set(said)
    assert "unknown API key" in said
    assert any(text.startswith("Credential stuffing against") for text in said)  # a finding that names it
    (chart,) = find(page, "Graph")
    assert chart.mathjax is False
    numbers = [one.href for one in find(page, "Link") if one.href.startswith("/explorer")]
    assert len(numbers) > 8
    assert all("client_ip+%3D+203.0.113.7" in href for href in numbers)


@pytest.mark.parametrize("sel", [None, "", "ip", "ip:", "nothing:x", "status:200"])
def test_an_address_without_a_caller_says_how_to_name_one(reader: Reader, sel: str | None) -> None:
    assert "Which caller?" in texts(caller.render(reader, "", replace(DAY, sel=sel)))


def test_who_did_not_call_in_this_range_is_no_error(reader: Reader) -> None:
    said = texts(caller.render(reader, "", replace(DAY, sel="principal:<script>nobody")))
    assert {"principal", "<script>nobody", "No request of it in this range"} <= set(said)


def test_masked_people_have_no_page(reader: Reader) -> None:
    masked = Reader(reader.store, reader.now, privacy=Privacy("hash", lambda: b"key"))
    said = texts(caller.render(masked, "", replace(DAY, sel=f"ip:{ADDRESS}")))
    assert "Not shown" in said
    assert ADDRESS not in " ".join(said)


def test_an_empty_store_says_so(nothing: Reader) -> None:
    assert "No requests yet" in texts(caller.render(nothing, "", View(sel="ip:192.0.2.1")))
