from __future__ import annotations

import json
import math

import pytest
from pydantic import SecretStr

from alerts.channels import CHANNELS, configured_channels
from alerts.model import alert_of
from alerts.payload import code_of, link_to, payload_of
from gatewatch.errors import UsageError
from gatewatch.records import Change, Entities, Evidence
from gatewatch.settings import Settings
from tests.alerts.builders import ONSET, a_finding, settings
from tests.alerts.hostile import HOSTILE

BOTH = ["email", "slack"]
TIME = "from=2026-06-09T12:04:00Z&to=2026-06-09T13:08:00Z"
"""Half an hour around the finding, as instants."""


def test_the_payload_has_all_that_a_message_needs() -> None:
    payload = payload_of(alert_of("new", a_finding()), settings())

    assert json.loads(json.dumps(payload, allow_nan=False)) == payload
    assert payload["severity"] == "high"
    assert payload["start"] == "2026-06-09T12:34:00Z"
    assert payload["observed"] == 418.2
    assert payload["link"] == f"https://gatewatch.example.net/findings/{a_finding().id}?{TIME}"
    assert payload["entities"] == {
        "ips": [f"203.0.113.{n}" for n in range(9, 14)],
        "apiKeyIds": [],
        "principals": ["alice@example.com", "bob@example.com"],
        "userAgents": ["python-requests/2.31.0"],
        "asns": ["AS64500 Example Hosting"],
    }
    assert isinstance(payload["more"], dict)
    assert payload["more"]["ips"] == 36


def test_numbers_that_json_does_not_know_are_absent() -> None:
    evidence = Evidence(observed=math.inf, expected=math.nan, unit="ms", sentence="x")
    payload = payload_of(alert_of("new", a_finding(evidence=evidence)), settings())

    assert payload["observed"] is None
    assert payload["expected"] is None


@pytest.mark.parametrize("value", HOSTILE)
def test_the_payload_is_bounded_whatever_stands_in_the_finding(value: str) -> None:
    finding = a_finding(
        title=value,
        api=value,
        stage=value,
        route=value,
        subtype=value,
        remedy=value,
        caveat=value,
        layer=value,
        entities=Entities(*[(value,) * 50] * 5),
        evidence=Evidence(observed=1.0, expected=1.0, unit=value, sentence=value),
        changes=(Change(ONSET, value, value, value),) * 20,
    )
    payload = payload_of(alert_of("new", finding), settings())

    text = json.dumps(payload, ensure_ascii=False, allow_nan=False)
    assert len(text) < 16 << 10
    assert text.isprintable()


def test_secrets_in_requests_do_not_reach_the_outbox() -> None:
    finding = a_finding(
        route="GET /a?access_token=hunter2hunter2", entities=Entities(user_agents=("Bearer abc123def456",))
    )
    text = json.dumps(payload_of(alert_of("new", finding), settings()))

    assert "hunter2" not in text
    assert "abc123def456" not in text


def test_a_token_is_taken_out_before_the_text_is_cut() -> None:
    finding = a_finding(title="x" * 190 + " eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl")

    assert "eyJ" not in json.dumps(payload_of(alert_of("new", finding), settings()))


def test_links_lead_to_the_public_address_or_to_this_machine() -> None:
    finding = a_finding(id="a/b?c")

    assert link_to(finding, settings()) == "https://gatewatch.example.net/findings/a%2Fb%3Fc?" + TIME
    assert link_to(a_finding(id="ab"), Settings(port=9000)) == "http://127.0.0.1:9000/findings/ab?" + TIME
    assert link_to(a_finding(id="ab"), Settings(host="::1")) == "http://[::1]:8080/findings/ab?" + TIME
    assert (
        link_to(a_finding(id="ab"), Settings(public_url="https://x.example/gw/"))
        == "https://x.example/gw/findings/ab?" + TIME
    )


def test_the_code_is_the_same_for_a_repeat_and_another_for_other_news() -> None:
    keyed = settings(hash_key="k")
    new, worse = alert_of("new", a_finding()), alert_of("worse", a_finding())

    assert code_of(new, keyed) == code_of(alert_of("new", a_finding()), keyed)
    assert (
        len(
            {code_of(new, keyed), code_of(worse, keyed), code_of(new, settings()), code_of(new, settings(hash_key="q"))}
        )
        == 4
    )
    assert len(code_of(new, keyed)) == 9


def test_channels_are_there_when_they_are_configured() -> None:
    assert list(CHANNELS) == ["email", "slack"]
    assert configured_channels(Settings()) == {}
    made = configured_channels(
        Settings(
            smtp_url=SecretStr("smtp://127.0.0.1:2525"),
            email_to=("ops@example.net",),
            slack_webhook_url=SecretStr("https://hooks.example.net/services/T0/B0/x"),
        )
    )
    assert list(made) == ["email", "slack"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"smtp_url": "http://user:c4nary@mail.example.net", "email_to": ("ops@example.net",)},
        {"smtp_url": "smtp://user:c4nary@mail.example.net:port", "email_to": ("ops@example.net",)},
        {"smtp_url": "smtp://user:c4n/ary#@mail.example.net", "email_to": ("ops@example.net",)},
        {"smtp_url": "smtp://c4nary@mail.example.net", "email_to": ("ops@example.net",)},
        {"smtp_url": "smtp://[::1", "email_to": ("ops@example.net",)},
        {"smtp_url": "smtp://user:c4nary@mail.example.net"},
        {"smtp_url": "smtp://mail.example.net", "email_to": ("nobody",)},
        {"smtp_url": "smtp://mail.example.net", "email_to": ("a@example.net\r\nBcc: b@example.net",)},
        {"smtp_url": "smtp://mail.example.net", "email_to": ("a@example.net",), "email_from": ""},
        {"slack_webhook_url": "http://hooks.example.net/c4nary"},
        {"slack_webhook_url": "http://127.evil.example/c4nary"},
        {"slack_webhook_url": "https://"},
        {"slack_webhook_url": "c4nary"},
        {"slack_webhook_url": "https://[c4nary"},
    ],
)
def test_a_wrong_setting_is_named_without_its_value(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"setting '(smtp_url|email_to|email_from|slack_webhook_url)'") as caught:
        configured_channels(Settings(**wrong))  # type: ignore[arg-type]
    assert "c4n" not in str(caught.value)
    assert caught.value.__context__ is None
