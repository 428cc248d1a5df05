from __future__ import annotations

import email.policy
import logging
import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import BytesParser
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword
from pydantic import SecretStr

from alerts.channels.email import Email, Server, address_of, server_of
from alerts.channels.email import email as email_channel
from gatewatch.errors import ChannelError, UsageError
from gatewatch.records import JSON
from gatewatch.settings import Settings
from tests.alerts.builders import NOW, a_payload
from tests.alerts.channels.servers import dripping, free_port, scripted
from tests.alerts.hostile import HOSTILE

CANARY = "c4n4ry-p4ssw0rd"
PEM = Path(__file__).with_name("localhost.pem")
TO = (Address("Ops", "ops", "example.net"), Address("", "sec", "example.net"))

HEADERS = {
    *("Subject", "From", "To", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted"),
    *("X-Auto-Response-Suppress", "Importance", "MIME-Version", "Content-Type"),
}

TAGS = ("html", "head", "meta", "title", "style", "body", "div", "table", "tr", "td", "span", "a")


class Mailbox:
    """Keeps what a real SMTP server took."""

    def __init__(self) -> None:
        self.port = 0
        self.got: list[Envelope] = []
        self.ciphers: list[bool] = []
        self.logins: list[tuple[bytes, bytes]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        self.got.append(envelope)
        self.ciphers.append(session.ssl is not None)
        return "250 taken"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == CANARY.encode(), handled=False)

    def letter(self) -> EmailMessage:
        [envelope] = self.got
        assert isinstance(envelope.content, bytes)
        parsed = BytesParser(policy=email.policy.default).parsebytes(envelope.content)
        assert isinstance(parsed, EmailMessage)
        return parsed


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    return context


@contextmanager
def running(**options: Any) -> Iterator[Mailbox]:
    box = Mailbox()
    box.port = free_port()
    if options.pop("login", False):
        options |= {"authenticator": box.authenticate, "auth_required": True, "auth_require_tls": False}
    controller = Controller(box, hostname="127.0.0.1", port=box.port, **options)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


@pytest.fixture(scope="module")
def shared() -> Iterator[Mailbox]:
    with running() as box:
        yield box


@pytest.fixture
def mailbox(shared: Mailbox) -> Mailbox:
    shared.got.clear()
    return shared


def channel(url: str, **options: Any) -> Email:
    return Email(server_of(SecretStr(url)), Address("gatewatch", "gw", "example.net"), TO, **options)


def send(url: str, payload: dict[str, JSON] | None = None, *, key: str = "0123abcd", **options: Any) -> None:
    channel(url, **options).send(payload or a_payload(), idempotency_key=key, now=NOW)


def parts(letter: EmailMessage) -> tuple[str, str]:
    assert [part.get_content_type() for part in letter.iter_parts()] == ["text/plain", "text/html"]
    plain, html = letter.iter_parts()
    assert isinstance(plain, EmailMessage)
    assert isinstance(html, EmailMessage)
    return plain.get_content(), html.get_content()


def test_the_letter_arrives_in_text_and_html(mailbox: Mailbox) -> None:
    send(f"smtp://127.0.0.1:{mailbox.port}")

    letter = mailbox.letter()
    text, html = parts(letter)
    assert mailbox.got[0].mail_from == "gw@example.net"
    assert mailbox.got[0].rcpt_tos == ["ops@example.net", "sec@example.net"]
    assert letter.get_content_type() == "multipart/alternative"
    assert letter["Subject"] == (
        "[HIGH] auth_failure_spike on orders/prod: 52 times the usual number of refused credentials"
    )
    assert letter["From"] == "gatewatch <gw@example.net>"
    assert letter["To"] == "Ops <ops@example.net>, sec@example.net"
    assert letter["Date"].datetime == NOW
    assert letter["Auto-Submitted"] == "auto-generated"
    for part in (text, html):
        for said in ("41 addresses have tried 390 principals", "203.0.113.9", "36 more", "identity cache switched off"):
            assert said in part
        assert "rate-based WAF rule" in part
        assert "python-requests/2.31.0" in part
        assert str(a_payload()["link"]) in part.replace("&amp;", "&")
        assert str(a_payload()["code"]) in part


def test_the_html_needs_no_image_and_knows_the_dark(mailbox: Mailbox) -> None:
    send(f"smtp://127.0.0.1:{mailbox.port}")

    _, html = parts(mailbox.letter())
    assert "<img" not in html
    assert "url(" not in html
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html
    assert "max-width:600px" in html
    assert "table-layout:fixed;overflow-wrap:anywhere" in html  # a long word of an attacker pushes nothing aside


def test_letters_about_one_finding_make_a_thread_and_repeats_are_one_letter(mailbox: Mailbox) -> None:
    url = f"smtp://127.0.0.1:{mailbox.port}"
    letters = []
    for payload, key in (
        (a_payload(), "k1"),
        (a_payload(), "k1"),
        (a_payload(transition="worse", severity="critical"), "k2"),
        (a_payload(fingerprint="another"), "k3"),
    ):
        mailbox.got.clear()
        send(url, payload, key=key)
        letters.append(mailbox.letter())
    first, again, worse, other = letters

    assert first["Message-ID"] == again["Message-ID"]
    assert len({one["Message-ID"] for one in letters}) == 3
    assert re.fullmatch(r"<[0-9a-f]{32}@example\.net>", first["Message-ID"])
    assert first["References"] == worse["References"] == first["In-Reply-To"]
    assert other["References"] != first["References"]
    assert worse["Subject"].startswith("[CRITICAL] ")


def test_without_an_instant_the_letter_is_dated_by_the_detection(mailbox: Mailbox) -> None:
    channel(f"smtp://127.0.0.1:{mailbox.port}").send(a_payload(), idempotency_key="k")

    assert mailbox.letter()["Date"].datetime.isoformat() == "2026-06-09T12:38:00+00:00"


def test_starttls_is_used_when_it_is_offered() -> None:
    with running(tls_context=server_tls()) as box:
        send(f"smtp://127.0.0.1:{box.port}")
    assert box.ciphers == [True]


def test_smtps_is_tls_from_the_start() -> None:
    with running(ssl_context=server_tls()) as box:
        send(f"smtps://127.0.0.1:{box.port}", tls=ssl.create_default_context(cafile=str(PEM)))
    assert len(box.got) == 1


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_certificate_that_nobody_vouches_for_is_refused(scheme: str) -> None:
    offered = {"tls_context" if scheme == "smtp" else "ssl_context": server_tls()}
    with running(**offered) as box:
        with pytest.raises(ChannelError, match="certificate is not trusted") as caught:
            send(f"{scheme}://127.0.0.1:{box.port}", tls=ssl.create_default_context())
        assert caught.value.retry
    assert box.got == []


# aiosmtpd warns that logins without TLS are a bad idea; on loopback they are what we test.
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
def test_it_logs_in_with_percent_encoded_credentials() -> None:
    with running(login=True) as box:
        send(f"smtp://us%40er:{CANARY}@127.0.0.1:{box.port}")
    assert box.logins == [(b"us@er", CANARY.encode())]
    assert len(box.got) == 1


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
def test_a_refused_login_is_not_tried_again() -> None:
    with running(login=True) as box, pytest.raises(ChannelError, match=r"login refused \(status 535\)") as caught:
        send(f"smtp://user:wrong@127.0.0.1:{box.port}")
    assert not caught.value.retry


def test_a_password_does_not_go_over_the_wire_in_the_clear() -> None:
    # 0.0.0.0 leads to this machine, too, but does not say so.
    with scripted({"EHLO": "250-scripted\r\n250 AUTH PLAIN LOGIN"}) as (port, got):
        with pytest.raises(ChannelError, match="no STARTTLS, so it is not given the password") as caught:
            send(f"smtp://user:{CANARY}@0.0.0.0:{port}", allow=["0.0.0.0"])
        assert not caught.value.retry
    assert not [line for line in got if "AUTH" in line]


@pytest.mark.parametrize(
    ("answers", "greeting", "retry", "said"),
    [
        ({}, "421 busy", True, "the server takes no mail now (status 421)"),
        ({}, "554 go away", True, "the server takes no mail now (status 554)"),
        ({"MAIL": "451 later"}, "220 hi", True, "refused (status 451)"),
        ({"MAIL": "550 never"}, "220 hi", False, "refused (status 550)"),
        ({"RCPT": "550 nobody"}, "220 hi", False, "all receivers were refused (status 550)"),
        ({"RCPT": "450 greylisted"}, "220 hi", True, "all receivers were refused (status 450)"),
        ({"DATA": "DROP"}, "220 hi", True, "the connection failed (SMTPServerDisconnected)"),
        ({".": "DROP"}, "220 hi", True, "the connection failed (SMTPServerDisconnected)"),
        ({".": "552 too big"}, "220 hi", False, "refused (status 552)"),
        ({".": "452 full"}, "220 hi", True, "refused (status 452)"),
        ({"EHLO": "502 what", "HELO": "502 what"}, "220 hi", False, "refused (status 502)"),
    ],
)
def test_each_refusal_says_whether_trying_again_can_help(
    answers: dict[str, str], greeting: str, retry: bool, said: str
) -> None:
    with scripted(answers, greeting=greeting) as (port, _), pytest.raises(ChannelError) as caught:
        send(f"smtp://127.0.0.1:{port}")
    assert str(caught.value) == f"email: {said}"
    assert caught.value.retry is retry


@pytest.mark.parametrize("farewell", ["421 too slow", "DROP"])
def test_a_bad_farewell_does_not_undo_a_delivery(farewell: str) -> None:
    with scripted({"QUIT": farewell}) as (port, got):
        send(f"smtp://127.0.0.1:{port}")
    assert "." in got


def test_one_bad_receiver_does_not_keep_the_letter_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    class Picky(Mailbox):
        async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:
            if address.startswith("sec"):
                return "550 nobody"
            envelope.rcpt_tos.append(address)
            return "250 ok"

    box = Picky()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        send(f"smtp://127.0.0.1:{controller.port}")
    finally:
        controller.stop()
    assert box.got[0].rcpt_tos == ["ops@example.net"]
    assert "some receivers of an alert were refused" in caplog.text


def test_a_server_that_drips_bytes_is_left_at_the_deadline() -> None:
    begin = time.monotonic()
    with dripping() as port, pytest.raises(ChannelError, match=r"^email: not delivered within 0\.5 s$") as caught:
        send(f"smtp://127.0.0.1:{port}", total_s=0.5)
    assert time.monotonic() - begin < 10
    assert caught.value.retry


def test_nobody_there_is_worth_another_try() -> None:
    with pytest.raises(ChannelError, match=r"the connection failed \(ConnectionRefusedError\)") as caught:
        send(f"smtp://127.0.0.1:{free_port()}")
    assert caught.value.retry


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.net", Server("mail.example.net", 25, False)),
        ("smtps://mail.example.net/", Server("mail.example.net", 465, True)),
        ("smtp://u:p@mail.example.net", Server("mail.example.net", 587, False, "u", SecretStr("p"))),
        ("smtp://u:p%2F%23@[::1]:2525", Server("::1", 2525, False, "u", SecretStr("p/#"))),
    ],
)
def test_servers_are_read_from_their_address(url: str, server: Server) -> None:
    assert server_of(SecretStr(url)) == server


def test_addresses_are_checked() -> None:
    assert str(address_of("Ops Team <ops@example.net>", "email_to")) == "Ops Team <ops@example.net>"
    for bad in ("ops", "ops@", "@example.net", "a@b c", "a@b\nBcc: c@d", "ö@example.net", "", "a@b, c@d", "a@b;c@d"):
        with pytest.raises(UsageError, match="setting 'email_to'"):
            address_of(bad, "email_to")


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
def test_the_password_is_told_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, logger="mail")  # the server's log, in this very process
    texts: list[str] = []
    echo = {"EHLO": "250-scripted\r\n250 AUTH PLAIN", "AUTH": f"535 {CANARY} is wrong"}
    with running(login=True) as box, scripted(echo) as (port, _):
        settings = Settings(
            smtp_url=SecretStr(f"smtp://user:{CANARY}@127.0.0.1:{box.port}"), email_to=("a@example.net",)
        )
        made = email_channel(settings)
        assert made is not None
        made.send(a_payload(), idempotency_key="k", now=NOW)
        texts += [repr(made), repr(vars(made)), repr(settings), str(settings)]
        for other in (port, free_port()):
            with pytest.raises(ChannelError) as caught:
                send(f"smtp://user:{CANARY}@127.0.0.1:{other}")
            error: BaseException | None = caught.value
            while error is not None:
                texts += [str(error), repr(error), repr(error.args)]
                error = error.__context__ or error.__cause__
    texts += [caplog.text, *(repr(vars(record)) for record in caplog.records)]

    assert len(box.got) == 1
    assert not [text for text in texts if CANARY in text]
    assert not [text for text in texts if "AHVzZXIA" in text]  # the same in base64


class _Live(HTMLParser):
    """What a mail program could run, fetch or follow."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str | None] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value for name, value in attrs if name in ("href", "src")}


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
    payload = a_payload(**dict.fromkeys(names, value), transition=value, severity=value, fingerprint=value)
    payload["entities"] = {name: [value] * 50 for name in ("ips", "apiKeyIds", "principals", "userAgents", "asns")}
    payload["changes"] = [{"at": value, "what": value, "actor": value, "resource": value}] * 50
    return payload


@pytest.mark.parametrize("value", HOSTILE)
def test_nothing_hostile_is_live_in_a_letter(mailbox: Mailbox, value: str) -> None:
    send(f"smtp://127.0.0.1:{mailbox.port}", _all_fields(value), key=value)

    letter = mailbox.letter()
    text, html = parts(letter)
    assert mailbox.got[0].rcpt_tos == ["ops@example.net", "sec@example.net"]
    assert set(letter.keys()) == HEADERS
    assert len(letter.keys()) == len(HEADERS)
    assert letter["Subject"].isprintable()
    assert len(letter["Subject"]) <= 200
    assert len(mailbox.got[0].content or b"") < 256 << 10
    live = _Live()
    live.feed(html)
    live.close()
    assert live.tags == set(TAGS)
    assert live.links == {a_payload()["link"]}
    assert not [name for name in live.attributes if name.startswith("on")]
    ours = str(a_payload()["link"])
    for part in (text, html):
        rest = part.replace(ours, "").replace(ours.replace("&", "&amp;"), "")
        assert not re.search(r"https?://|javascript:|data:|www\.[a-z]+\.|evil\.example", rest)
        assert not set("\x00\x1b\u202e\u2066\u200b\ufeff\r") & set(part.replace("\r\n", "\n"))


@pytest.mark.parametrize("url", ["smtp://mail.example.net:{}", "smtps://mail.example.net:{}"])
def test_a_server_on_a_private_network_must_be_allowed(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    real = socket.getaddrinfo

    def inside(host: str, *rest: Any, **named: Any) -> list[Any]:
        return real("127.0.0.1" if host == "mail.example.net" else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", inside)
    address = url.format(mailbox.port)
    with pytest.raises(ChannelError, match=r"private network.*outbound_allow"):
        send(address)
    with pytest.raises(ChannelError, match="private network"):
        send("smtp://169.254.169.254", allow=["mail.example.net"])
    assert mailbox.got == []
    if address.startswith("smtp:"):
        send(address, allow=["Mail.example.net"])
        assert len(mailbox.got) == 1
