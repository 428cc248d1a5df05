"""Calls go to receivers outside, and nowhere else."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest

from alerts import destinations
from alerts.destinations import inside, look_up, transport_to
from alerts.outbound import call, post_json
from gatewatch.errors import ChannelError

CERTIFICATE = Path(__file__).parent / "channels" / "localhost.pem"


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.18.0.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a00:1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::1",
        "2002:a00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "fec0::1",
        "192.0.0.192",
        "192.0.0.9",
        "192.88.99.1",
        "168.63.129.16",
        "::ffff:168.63.129.16",
        "100.100.100.200",
        "::ffff:0:127.0.0.1",
        "::127.0.0.1",
    ],
)
def test_addresses_inside_are_known_in_every_disguise(text: str) -> None:
    assert inside(ip_address(text))


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_addresses_outside_may_be_called(text: str) -> None:
    assert not inside(ip_address(text))


@pytest.fixture
def server() -> Iterator[tuple[int, list[str]]]:
    """A web server on loopback: (port, paths it was asked for)."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if self.path == "/away":
                self.send_response(302)
                self.send_header("Location", f"http://127.0.0.1:{port}/secret")
            else:
                self.send_response(200)
            self.end_headers()
            if self.path == "/big":
                self.wfile.write(b"x" * (1 << 20))

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        port = running.server_address[1]
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield port, asked
        running.shutdown()
        thread.join()


def get(url: str, *allow: str, total_s: float = 5.0) -> int:
    return call("GET", url, headers={}, name="test", transport=lambda: transport_to(allow), total_s=total_s).status


def test_this_machine_is_called_only_by_its_own_name(server: tuple[int, list[str]]) -> None:
    port, asked = server
    for host in ("127.0.0.1", "localhost"):
        assert get(f"http://{host}:{port}/ok") == 200
    assert asked == ["/ok", "/ok"]


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_numbers_in_disguise_are_refused(server: tuple[int, list[str]], host: str) -> None:
    port, asked = server
    with pytest.raises(ChannelError, match=r"private network|no address"):
        get(f"http://{host}:{port}/")
    assert asked == []


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """A resolver of ours: each look-up of a name takes the next answer."""
    names: list[str] = []
    left = list(answers)

    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *rest: Any, **named: Any) -> list[Any]:
        try:
            ip_address(host)
        except ValueError:
            names.append(host)
        else:
            return real(host, port, *rest, **named)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in left.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


def test_a_name_that_leads_inside_is_refused_even_if_only_in_part(
    monkeypatch: pytest.MonkeyPatch, server: tuple[int, list[str]]
) -> None:
    port, asked = server
    for answer in (["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["169.254.169.254"]):
        resolving(monkeypatch, answer)
        with pytest.raises(ChannelError, match="private network") as told:
            get(f"http://hook.example:{port}/secret-path")
        assert "hook.example" not in str(told.value)
        assert "secret-path" not in str(told.value)
    assert asked == []


def test_a_host_that_the_operator_named_is_let_through_and_no_other(
    monkeypatch: pytest.MonkeyPatch, server: tuple[int, list[str]]
) -> None:
    port, asked = server
    resolving(monkeypatch, ["127.0.0.1"], ["127.0.0.1"])
    assert get(f"http://hook.internal:{port}/", "Hook.Internal") == 200
    with pytest.raises(ChannelError):
        get(f"http://other.internal:{port}/", "hook.internal", "internal", "*")
    assert asked == ["/"]


def test_a_name_is_looked_up_once_so_that_it_cannot_change_its_mind(
    monkeypatch: pytest.MonkeyPatch, server: tuple[int, list[str]]
) -> None:
    port, asked = server
    monkeypatch.setattr(destinations, "inside", lambda address: str(address) != "127.0.0.1")  # loopback plays outside
    names = resolving(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    assert get(f"http://hook.example:{port}/") == 200
    assert names == ["hook.example"]
    assert asked == ["/"]


def test_the_second_address_is_tried_when_the_first_is_away(
    monkeypatch: pytest.MonkeyPatch, server: tuple[int, list[str]]
) -> None:
    port, _ = server
    resolving(monkeypatch, ["127.0.0.9", "127.0.0.1"])
    monkeypatch.setattr(destinations, "inside", lambda _: False)
    assert get(f"http://hook.example:{port}/") == 200


def test_tls_is_checked_against_the_name_and_not_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    asked: list[str | None] = []
    context.sni_callback = lambda sock, name, ctx: asked.append(name)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            connection, _ = listener.accept()
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        resolving(monkeypatch, ["127.0.0.1"])
        with pytest.raises(ChannelError, match="cannot connect"):  # nobody we know signed it
            get(f"https://hook.example:{listener.getsockname()[1]}/", "hook.example")
        thread.join()
    assert asked == ["hook.example"]


def test_redirects_are_not_followed_and_answers_are_cut(server: tuple[int, list[str]]) -> None:
    port, asked = server
    assert get(f"http://127.0.0.1:{port}/away") == 302
    assert asked == ["/away"]
    reply = call("GET", f"http://127.0.0.1:{port}/big", headers={}, name="test")
    assert len(reply.body) == 64 << 10


def test_a_look_up_that_takes_too_long_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(10) and [])
    with pytest.raises(Exception, match="too long"):
        look_up("slow.example", 80, 0.1)
    release.set()


def test_proxies_of_the_environment_are_passed_over(
    monkeypatch: pytest.MonkeyPatch, server: tuple[int, list[str]]
) -> None:
    port, _ = server
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    reply = post_json(f"http://127.0.0.1:{port}/", {"a": 1}, headers={}, name="test")
    assert reply.status == 200
    assert isinstance(transport_to(), httpx.HTTPTransport)
