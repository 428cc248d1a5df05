from __future__ import annotations

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
