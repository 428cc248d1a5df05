"""The Slack app against a receiver that is shaped like Slack's API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr

from alerts.blocks import bot_message, note_message, slack_message, thread_message
from alerts.channels import Attempt
from alerts.channels.slack_bot import SlackBot, Target
from alerts.message import read
from alerts.outbound import direct
from gatewatch.errors import ChannelError
from gatewatch.records import JSON
from tests.alerts.builders import a_payload
from tests.alerts.channels import blockkit
from tests.alerts.hostile import HOSTILE
from tests.receivers import Got, Receiver, receiver

TOKEN = "xoxb-c4n4ry-c4n4ry"
SERIES: list[JSON] = [[f"2026-06-09T12:{minute:02}:00Z", 8.0 + minute, 8.0, 20.0] for minute in range(40)]


@dataclass
class Slack:
    """messages: by ts. refusing: method -> error."""

    server: Receiver
    refusing: dict[str, str] = field(default_factory=dict)
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, got: Got) -> Any:
        method = got.path.rpartition("/")[2]
        if method == "upload":
            assert got.body.startswith(b"\x89PNG")
            return "OK"
        if got.headers.get("authorization") != f"Bearer {TOKEN}":
            return {"ok": False, "error": "invalid_auth"}
        if method in self.refusing:
            return {"ok": False, "error": self.refusing[method]}
        if method == "files.getUploadURLExternal":
            assert int(parse_qs(got.body.decode())["length"][0]) > 100
            return {"ok": True, "upload_url": f"{self.server.url}/upload", "file_id": "F1"}
        body = got.json
        assert body.get("channel", body.get("channel_id")) == "C0123"
        if method == "files.completeUploadExternal":
            self.files.append(body)
            return {"ok": True}
        blockkit.check(body)
        if method == "chat.update":
            if body["ts"] not in self.messages:
                return {"ok": False, "error": "message_not_found"}
            self.messages[body["ts"]] = body
            return {"ok": True, "ts": body["ts"]}
        ts = f"17.{len(self.messages):04}"
        self.messages[ts] = body
        return {"ok": True, "ts": ts, "channel": "C0123"}

    @property
    def channel(self) -> SlackBot:
        return SlackBot(Target(SecretStr(TOKEN), "C0123", True, self.server.url), transport=direct)

    @property
    def asked(self) -> list[str]:
        return [got.path.rpartition("/")[2] for got in self.server.got]

    def pings(self) -> list[dict[str, Any]]:
        """What people are notified of: messages in the channel that are not changes."""
        return [one for one in self.messages.values() if "thread_ts" not in one or one.get("reply_broadcast")]


@contextmanager
def slack() -> Iterator[Slack]:
    with receiver() as server:
        made = Slack(server)
        server.answer = made.answer
        yield made


def send(made: Slack, memory: dict[str, JSON], **changed: JSON) -> Attempt:
    attempt = Attempt(memory=dict(memory))
    made.channel.send(a_payload(**{"series": SERIES, **changed}), idempotency_key="k", attempt=attempt)
    memory.update(attempt.memory)
    return attempt


def buttons(message: dict[str, Any]) -> list[str]:
    return [e["action_id"] for block in message["blocks"] if block["type"] == "actions" for e in block["elements"]]


def test_a_new_group_is_one_message_with_details_and_chart_in_its_thread() -> None:
    memory: dict[str, JSON] = {}
    with slack() as made:
        send(made, memory)
    first, details = made.messages.values()
    assert "thread_ts" not in first
    assert details["thread_ts"] == memory["ts"]
    assert "What to do" in str(details["blocks"])
    assert made.files[0]["thread_ts"] == memory["ts"]
    assert buttons(first) == ["gatewatch.acknowledge", "gatewatch.snooze"]
    assert first["metadata"]["event_payload"] == {"idempotency_key": "k"}


def test_its_message_is_changed_through_its_life_and_the_end_pings_nobody() -> None:
    memory: dict[str, JSON] = {}
    with slack() as made:
        send(made, memory)
        send(made, memory, transition="worse", severity="critical")
        assert len(made.pings()) == 2
        send(made, memory, transition="changed", state="acknowledged", severity="critical")
        send(made, memory, transition="resolved", severity="critical")
        assert len(made.pings()) == 2
    message = made.messages[str(memory["ts"])]
    assert "RESOLVED" in message["text"]
    assert buttons(message) == []
    assert made.asked.count("chat.update") == 3


def test_who_acknowledged_it_needs_no_buttons() -> None:
    assert buttons(bot_message(read(a_payload(state="acknowledged")), buttons=True)) == []
    assert buttons(bot_message(read(a_payload()), buttons=False)) == []


def test_a_message_that_somebody_deleted_is_posted_anew() -> None:
    memory: dict[str, JSON] = {"ts": "1.0"}
    with slack() as made:
        send(made, memory, transition="worse")
    assert memory["ts"] != "1.0"
    assert len(made.pings()) == 1


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal"])
def test_a_chart_that_fails_makes_no_second_alert(method: str) -> None:
    memory: dict[str, JSON] = {}
    with slack() as made:
        made.refusing[method] = "missing_scope"
        send(made, memory)
    assert len(made.pings()) == 1
    assert "ts" in memory


@pytest.mark.parametrize(("error", "retry"), [("ratelimited", True), ("not_in_channel", False), ("a<b>&", False)])
def test_slacks_no_says_whether_trying_again_can_help(error: str, retry: bool) -> None:
    with slack() as made:
        made.refusing["chat.postMessage"] = error
        with pytest.raises(ChannelError) as caught:
            send(made, {})
    assert caught.value.retry is retry
    assert "<" not in str(caught.value)


def test_429_is_waited_for_as_long_as_slack_asks() -> None:
    with slack() as made:
        made.server.mood, made.server.headers = "429", {"Retry-After": "30"}
        with pytest.raises(ChannelError) as caught:
            send(made, {})
    assert (caught.value.retry, caught.value.after_s) == (True, 30.0)


def test_the_token_is_told_to_nobody() -> None:
    with slack() as made:
        attempt = send(made, {})
    assert "chat.postMessage" in str(attempt.wire)
    assert TOKEN not in str(attempt.wire) + repr(made.channel)
    assert "upload" not in str(attempt.wire).replace("an address to upload to", "")


@pytest.mark.parametrize("value", HOSTILE)
def test_every_message_keeps_slacks_limits_whatever_stands_in_it(value: str) -> None:
    findings: list[JSON] = [{"title": value, "severity": value, "state": value, "link": value}] * 30
    message = read(
        a_payload(
            title=value,
            sentence=value,
            api=value,
            route=value,
            remedy=value,
            caveat=value,
            team=value,
            stands_in_for=value,
            entities={"ips": [value] * 5, "userAgents": [value] * 5},
            changes=[{"at": value, "what": value, "actor": value}] * 3,
            group={"findings": findings, "count": 30, "open": 30},
            finding_ids=[value, *(f"f{number:039}" for number in range(60))],
        )
    )
    for made in (slack_message(message), bot_message(message, buttons=True), thread_message(message)):
        blockkit.check(made)
    blockkit.check(note_message(message))
