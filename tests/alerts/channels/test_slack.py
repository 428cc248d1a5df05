from __future__ import annotations

import json
import logging
import re
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from alerts.blocks import slack_message
from alerts.channels.slack import Slack
from alerts.message import read
from gatewatch.errors import ChannelError, UsageError
from gatewatch.records import JSON
from gatewatch.settings import Settings
from tests.alerts.builders import a_payload
from tests.alerts.hostile import HOSTILE

CANARY = "T0CANARY/B0CANARY/c4n4ryc4n4ryc4n4ry"
PEM = Path(__file__).with_name("localhost.pem")


@dataclass
class Receiver:
    """A Slack-shaped receiver: answers with `status` and `body`, and keeps what it got."""

    status: int = 200
    body: bytes = b"OK."
    headers: dict[str, str] = field(default_factory=dict)
    drip_s: float = 0.0
    got: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    yield from _served(Receiver(), None)


@pytest.fixture
def tls_receiver() -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    yield from _served(Receiver(), context)


def _served(it: Receiver, context: ssl.SSLContext | None) -> Iterator[Receiver]:
    stopping = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            it.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, json.loads(raw)))
            if it.drip_s:
                try:
                    while not stopping.wait(it.drip_s):
                        self.wfile.write(b"H")
                except OSError:
                    return
            self.send_response(it.status)
            for name, value in it.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(it.body)))
            self.end_headers()
            try:
                self.wfile.write(it.body)
            except OSError:
                return

        def do_GET(self) -> None:
            it.got.append((self.path, {}, None))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    it.url = f"http{'s' if context else ''}://127.0.0.1:{server.server_port}/services/{CANARY}"
    yield it
    stopping.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_message_arrives_as_block_kit(receiver: Receiver) -> None:
    Slack(SecretStr(receiver.url)).send(a_payload(), idempotency_key="0123abcd")

    [(path, headers, body)] = receiver.got
    assert path == f"/services/{CANARY}"
    assert headers["idempotency-key"] == "0123abcd"
    assert headers["content-type"] == "application/json"
    assert body["text"].startswith("🟠 [HIGH] auth_failure_spike on orders/prod: 52 times")
    assert [block["type"] for block in body["blocks"]][:3] == ["header", "section", "section"]
    assert {"type": "mrkdwn", "text": "*Observed*\n418 refused requests/min", "verbatim": True} in body["blocks"][2][
        "fields"
    ]
    link = str(a_payload()["link"]).replace("&", "&amp;")  # a control character in every text of Slack
    assert body["blocks"][-1]["elements"][0]["text"] == f"<{link}|Open the finding>"
    assert a_payload()["code"] in body["blocks"][-1]["elements"][1]["text"]


def test_a_repeat_is_the_same_message_with_the_same_key(receiver: Receiver) -> None:
    slack = Slack(SecretStr(receiver.url))
    for _ in range(2):
        slack.send(a_payload(), idempotency_key="0123abcd")

    assert receiver.got[0] == receiver.got[1]


@pytest.mark.parametrize(
    ("status", "retry"),
    [(400, False), (403, False), (404, False), (410, False), (429, True), (500, True), (503, True)],
)
def test_only_some_answers_are_worth_another_try(receiver: Receiver, status: int, retry: bool) -> None:
    receiver.status = status
    with pytest.raises(ChannelError, match=f"^slack: status {status}$") as caught:
        Slack(SecretStr(receiver.url)).send(a_payload(), idempotency_key="k")
    assert caught.value.retry is retry


@pytest.mark.parametrize("status", [200, 201, 204])
def test_any_success_is_one(receiver: Receiver, status: int) -> None:
    receiver.status, receiver.body = status, b""
    Slack(SecretStr(receiver.url)).send(a_payload(), idempotency_key="k")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(receiver: Receiver, status: int) -> None:
    receiver.status, receiver.headers = status, {"location": receiver.url + "/elsewhere"}
    with pytest.raises(ChannelError, match="redirects are not followed") as caught:
        Slack(SecretStr(receiver.url)).send(a_payload(), idempotency_key="k")
    assert not caught.value.retry
    assert len(receiver.got) == 1


def test_slacks_own_reason_is_told_and_no_other(receiver: Receiver) -> None:
    receiver.status, receiver.body = 400, b"invalid_blocks"
    with pytest.raises(ChannelError, match=r"^slack: status 400 \(invalid_blocks\)$"):
        Slack(SecretStr(receiver.url)).send(a_payload(), idempotency_key="k")
    receiver.body = f"cannot post to {receiver.url}".encode()
    with pytest.raises(ChannelError, match=r"^slack: status 400$"):
        Slack(SecretStr(receiver.url)).send(a_payload(), idempotency_key="k")


def test_a_receiver_that_drips_bytes_is_left_at_the_deadline(receiver: Receiver) -> None:
    receiver.drip_s = 0.05
    begin = time.monotonic()
    with pytest.raises(ChannelError, match=r"^slack: no answer within 0\.5 s$") as caught:
        Slack(SecretStr(receiver.url), total_s=0.5).send(a_payload(), idempotency_key="k")
    assert time.monotonic() - begin < 10
    assert caught.value.retry


def test_a_long_answer_is_not_read_to_its_end(receiver: Receiver) -> None:
    receiver.body = b"x" * (32 << 20)
    Slack(SecretStr(receiver.url)).send(a_payload(), idempotency_key="k")


def test_nobody_there_is_worth_another_try() -> None:
    with pytest.raises(ChannelError, match=r"^slack: cannot connect$") as caught:
        Slack(SecretStr(f"http://127.0.0.1:9/services/{CANARY}")).send(a_payload(), idempotency_key="k")
    assert caught.value.retry


def test_proxies_of_the_environment_are_ignored(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    Slack(SecretStr(receiver.url)).send(a_payload(), idempotency_key="k")
    assert len(receiver.got) == 1


def test_the_certificate_is_checked(tls_receiver: Receiver) -> None:
    with pytest.raises(ChannelError, match=r"^slack: cannot connect$"):
        Slack(SecretStr(tls_receiver.url)).send(a_payload(), idempotency_key="k")
    assert tls_receiver.got == []


def test_a_trusted_certificate_is_enough(tls_receiver: Receiver) -> None:
    def trusting() -> httpx.BaseTransport:
        return httpx.HTTPTransport(verify=ssl.create_default_context(cafile=str(PEM)), trust_env=False)

    Slack(SecretStr(tls_receiver.url), transport=trusting).send(a_payload(), idempotency_key="k")
    tls_receiver.drip_s = 0.05
    with pytest.raises(ChannelError, match="no answer within"):
        Slack(SecretStr(tls_receiver.url), transport=trusting, total_s=0.5).send(a_payload(), idempotency_key="k")


def test_http_is_for_this_machine_only() -> None:
    for url in ("http://127.0.0.1:1/x", "http://[::1]:1/x", "http://localhost:1/x", "https://hooks.example.net/x"):
        Slack(SecretStr(url))
    for url in ("http://hooks.example.net/x", "http://127.0.0.1.evil.example/x", "ftp://127.0.0.1/x"):
        with pytest.raises(UsageError):
            Slack(SecretStr(url))


def test_the_address_is_told_to_nobody(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []
    settings = Settings(slack_webhook_url=SecretStr(receiver.url))
    slack = Slack(SecretStr(receiver.url))
    slack.send(a_payload(), idempotency_key="k")
    for status, url in ((500, receiver.url), (403, receiver.url), (0, f"http://127.0.0.1:9/services/{CANARY}")):
        receiver.status, receiver.body = status, receiver.url.encode()
        with pytest.raises(ChannelError) as caught:
            Slack(SecretStr(url)).send(a_payload(), idempotency_key="k")
        error: BaseException | None = caught.value
        while error is not None:
            texts += [str(error), repr(error), repr(error.args)]
            error = error.__context__ or error.__cause__
    texts += [repr(slack), str(slack), repr(vars(slack)), repr(settings), str(settings), caplog.text]
    texts += [repr(vars(record)) for record in caplog.records]

    assert [record.name for record in caplog.records if record.name.startswith("httpcore")]
    assert not [text for text in texts if "CANARY" in text or "c4n4ry" in text]


def _texts(node: JSON) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if isinstance(node.get("text"), str) and "type" in node:
            yield node
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)


def _all_fields(value: str) -> dict[str, JSON]:
    names = (
        "title",
        "sentence",
        "api",
        "stage",
        "route",
        "subtype",
        "kind",
        "unit",
        "remedy",
        "caveat",
        "code",
        "account",
    )
    payload = a_payload(**dict.fromkeys(names, value), link=value, transition=value, severity=value)
    payload["entities"] = {name: [value] * 50 for name in ("ips", "apiKeyIds", "principals", "userAgents", "asns")}
    payload["changes"] = [{"at": value, "what": value, "actor": value, "resource": value}] * 50
    return payload


@pytest.mark.parametrize("value", HOSTILE)
def test_nothing_hostile_is_live_in_slack_and_all_stays_within_its_limits(receiver: Receiver, value: str) -> None:
    Slack(SecretStr(receiver.url)).send(_all_fields(value), idempotency_key="k")

    [(_, _, body)] = receiver.got
    assert len(json.dumps(body, ensure_ascii=False).encode()) < 64 << 10
    assert 1 <= len(body["blocks"]) <= 50
    assert 1 <= len(body["text"]) <= 3000
    assert not set("<>") & set(body["text"])
    for block in body["blocks"]:
        assert len(block.get("fields", [])) <= 10
        assert len(block.get("elements", [])) <= 10
        most = 150 if block["type"] == "header" else 2000 if "fields" in block else 3000
        for text in _texts(block):
            assert 1 <= len(text["text"].encode("utf-16-le")) // 2 <= most
            assert not set("<>\r\x00\x1b\u202e") & set(text["text"])
            assert not re.search(r"&(?!amp;|lt;|gt;)", text["text"])
            if text["type"] == "mrkdwn":
                assert text["verbatim"] is True
            else:
                assert text["emoji"] is False
    assert body["unfurl_links"] is False


def test_line_breaks_in_slack_texts_are_ours() -> None:
    body = slack_message(read(_all_fields("a\nb\r\nc\u2028d")))

    texts = [text["text"] for text in _texts(body["blocks"])]
    assert all(line for text in texts for line in text.split("\n"))
    assert not any("a\nb" in text for text in texts)
