from __future__ import annotations

import socket
from typing import Any

import pytest
from pydantic import SecretStr

from alerts.channels import Attempt
from alerts.channels.other import Other
from gatewatch.errors import ChannelError, UsageError
from tests.alerts.builders import a_payload
from tests.receivers import receiver

# Apprise imports a module of the standard library that is on its way out, and fills its place itself when it is gone.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def test_apprise_delivers_the_text() -> None:
    with receiver() as service:
        url = service.url.replace("http://", "json://") + "/secret"
        attempt = Attempt()
        Other(SecretStr(url)).send(a_payload(), idempotency_key="k", attempt=attempt)
    [got] = service.got
    assert got.json["title"].startswith("[HIGH] auth_failure_spike on orders/prod")
    assert "418 refused requests/min" in got.json["message"]
    assert got.json["type"] == "failure"
    assert "secret" not in str(attempt.wire)


def test_a_service_that_fails_is_tried_again() -> None:
    with receiver(mood="500") as service, pytest.raises(ChannelError) as caught:
        Other(SecretStr(service.url.replace("http", "json"))).send(a_payload(), idempotency_key="k")
    assert caught.value.retry


def test_an_address_within_the_house_is_not_called() -> None:
    with pytest.raises(ChannelError, match="private network"):
        Other(SecretStr("json://169.254.169.254/latest")).send(a_payload(), idempotency_key="k")


def test_what_apprise_does_not_know_is_refused_without_the_address() -> None:
    with pytest.raises(UsageError) as caught:
        Other(SecretStr("pigeon://s3cret"))
    assert "s3cret" not in str(caught.value)


def test_a_name_that_changes_its_mind_and_a_redirect_do_not_lead_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = socket.getaddrinfo, []

    def rebound(host: str, port: int, *rest: Any, **named: Any) -> Any:
        asked.append(host)
        if host == "hooks.example":
            outside = len(asked) == 1
            return real("93.184.216.34" if outside else "127.0.0.1", port, *rest, **named)
        return real(host, port, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    with receiver() as service:
        port = service.url.rsplit(":", 1)[1].strip("/")
        assert socket.getaddrinfo("hooks.example", int(port))[0][4][0] == "93.184.216.34"
        with pytest.raises(ChannelError, match="private network"):
            Other(SecretStr(f"json://hooks.example:{port}/")).send(a_payload(), idempotency_key="k")
        assert asked.count("hooks.example") >= 2
        assert service.got == []
        Other(SecretStr(f"json://hooks.example:{port}/"), ["hooks.example"]).send(a_payload(), idempotency_key="k")
        assert len(service.got) == 1
        service.mood, service.headers = "307", {"Location": f"http://hooks.example:{port}/inside"}
        with pytest.raises(ChannelError, match="private network"):
            Other(SecretStr(service.url.replace("http://", "json://"))).send(a_payload(), idempotency_key="k")
        assert [one.path for one in service.got].count("/inside") == 0
    assert socket.getaddrinfo is rebound


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "[::ffff:127.0.0.1]", "metadata"])
def test_numbers_in_disguise_are_not_called(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda h, *a, **k: real("169.254.169.254" if h == "metadata" else h, *a, **k)
    )
    with receiver() as service:
        port = service.url.rsplit(":", 1)[1].strip("/")
        with pytest.raises((ChannelError, UsageError)):
            Other(SecretStr(f"json://{host}:{port}/")).send(a_payload(), idempotency_key="k")
    assert service.got == []
