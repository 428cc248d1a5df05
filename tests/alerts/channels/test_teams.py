from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from alerts.channels.teams import MOST_BYTES, Teams, teams_message
from alerts.message import read
from alerts.outbound import direct
from gatewatch.records import JSON
from tests.alerts.builders import a_payload
from tests.alerts.hostile import HOSTILE
from tests.receivers import receiver


def card(**changed: JSON) -> Any:
    message: Any = teams_message(read(a_payload(**changed)))
    return message["attachments"][0]["content"]


def objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from objects(one)
    elif isinstance(value, list):
        for one in value:
            yield from objects(one)


def text(value: Any) -> str:
    return "\n".join(one["text"] for one in objects(value) if one.get("type") == "TextRun")


def test_the_card_says_all_that_a_responder_asks() -> None:
    said = text(card())
    for part in ("New · HIGH · orders/prod", "52 times the usual", "418 refused requests/min", "2026-06-09 12:34 UTC"):
        assert part in said
    for part in ("203.0.113.9", "UpdateAuthorizer", "rate-based WAF rule", "12 % of the requests"):
        assert part in said
    assert card()["actions"][0]["url"].startswith("https://gatewatch.example.net/findings/")


def test_a_series_becomes_a_chart_that_old_programs_may_leave_out() -> None:
    series: list[JSON] = [[f"2026-06-09T12:{minute:02}:00Z", 8.0 + minute, 8.0, None] for minute in range(60)]
    [chart] = [one for one in objects(card(series=series)) if one.get("type") == "Chart.Line"]
    assert chart["fallback"] == "drop"
    assert len(chart["data"][0]["values"]) == 60


@pytest.mark.parametrize("value", HOSTILE)
def test_nothing_hostile_is_read_as_markdown_and_the_card_keeps_its_size(value: str) -> None:
    findings: list[JSON] = [{"title": value, "severity": "high", "state": value, "link": value}] * 50
    many: list[JSON] = [["2026-06-09T12:00:00Z", 1.0, 1.0, 1.0]] * 5000
    made = card(title=value, sentence=value, api=value, remedy=value, series=many, group={"findings": findings})
    assert not [one for one in objects(made) if one.get("type") in ("TextBlock", "FactSet")]
    assert "{{" not in text(made)
    body = teams_message(read(a_payload(title=value, sentence=value, remedy=value, series=many)))
    assert len(json.dumps(body, ensure_ascii=False).encode(errors="replace")) <= MOST_BYTES


def test_it_is_posted_as_a_message_with_one_card() -> None:
    with receiver(mood="202") as flow:
        Teams(SecretStr(flow.url), transport=direct).send(a_payload(), idempotency_key="k")
    [got] = flow.got
    assert got.json["type"] == "message"
    [one] = got.json["attachments"]
    assert one["contentType"] == "application/vnd.microsoft.card.adaptive"
