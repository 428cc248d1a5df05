"""Where gatewatch may listen."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from gatewatch.app import serve
from gatewatch.app.binding import check_binding
from gatewatch.cli.root import root as command_line
from gatewatch.errors import UsageError
from gatewatch.roles import Role
from gatewatch.settings import Settings
from gatewatch.store.state import open_state
from gatewatch.store.users import add_user

CERTIFICATE = Path(__file__).parent.parent / "alerts" / "channels" / "localhost.pem"


def with_a_user(settings: Settings) -> Settings:
    state = open_state(settings)
    with state.begin() as session:
        add_user(session, "alice", Role.ADMIN, "x", now=datetime.now(UTC))
    state.close()
    return settings


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost"])
def test_loopback_needs_no_login(tmp_path: Path, host: str) -> None:
    assert check_binding(Settings(data_dir=tmp_path / "data", host=host)) == []
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "gw.example"])
def test_another_address_needs_a_user_first(tmp_path: Path, host: str) -> None:
    settings = Settings(data_dir=tmp_path / "data", host=host, login="on")
    with pytest.raises(UsageError, match="no login yet") as told:
        serve(settings)
    assert told.value.exit_code == 2
    assert "\n" not in str(told.value)
    with_a_user(settings)
    (warning,) = check_binding(settings)
    assert "not encrypted" in warning
    assert check_binding(settings.model_copy(update={"public_url": "https://gw.example"})) == []


def test_without_login_only_loopback(tmp_path: Path) -> None:
    settings = with_a_user(Settings(data_dir=tmp_path / "data", host="0.0.0.0", login="off"))
    with pytest.raises(UsageError, match="login off"):
        check_binding(settings)


def test_a_proxy_in_front_of_no_login_is_refused(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", trusted_proxies=("10.0.0.0/8",))
    with pytest.raises(UsageError, match="trusted_proxies"):
        check_binding(settings)
    with_a_user(settings)
    assert check_binding(settings) == []
    with pytest.raises(UsageError, match=r"trusted_proxies.*10\.0\.0"):
        check_binding(settings.model_copy(update={"trusted_proxies": ("10.0.0",)}))


def test_a_certificate_that_cannot_be_used_is_said_before_anything_starts(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", tls_certificate=CERTIFICATE)
    with pytest.raises(UsageError, match="both or none"):
        check_binding(settings)
    for key, reason in ((tmp_path / "none.pem", "No such file"), (Path(__file__), "cannot be used")):
        with pytest.raises(UsageError, match=reason):
            check_binding(settings.model_copy(update={"tls_key": key}))
    assert check_binding(settings.model_copy(update={"tls_key": CERTIFICATE})) == []


def test_a_login_that_nobody_can_pass_is_said(tmp_path: Path) -> None:
    (warning,) = check_binding(Settings(data_dir=tmp_path / "data", login="on"))
    assert "nobody can log in" in warning


OPEN = {"GATEWATCH_HOST": "0.0.0.0"}
OIDC = {"GATEWATCH_OIDC_ISSUER": "https://id.example", "GATEWATCH_OIDC_CLIENT_ID": "x"}
ROLES = {"GATEWATCH_OIDC_ROLES": '["all=viewer"]'}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (OPEN, "no login yet"),
        (OPEN | {"GATEWATCH_LOGIN": "on"}, "no login yet"),
        (OPEN | {"GATEWATCH_LOGIN": "off"}, "with login off"),
        (OPEN | {"GATEWATCH_PLAIN_HTTP": "true"}, "no login yet"),
        (OPEN | {"GATEWATCH_PUBLIC_URL": "https://gw.example"}, "no login yet"),
        ({"GATEWATCH_HOST": "127.0.0.2"}, "no login yet"),
        ({"GATEWATCH_LOGIN": "maybe"}, "login"),
        ({"GATEWATCH_TRUSTED_PROXIES": '["10.0.0.0/8"]'}, "there is no login yet"),
        ({"GATEWATCH_TRUSTED_PROXIES": '["ten"]'}, "trusted_proxies"),
        ({"GATEWATCH_TLS_KEY": "key.pem"}, "both or none"),
        ({"GATEWATCH_TLS_KEY": "key.pem", "GATEWATCH_TLS_CERTIFICATE": "no.pem"}, "cannot be used"),
        (OIDC, "oidc_roles"),
        (ROLES, "need oidc_issuer"),
        (OIDC | ROLES | {"GATEWATCH_OIDC_ISSUER": "http://id.example"}, "by https"),
        (OIDC | {"GATEWATCH_OIDC_ROLES": '["all=root"]'}, "group=viewer"),
        (OIDC | ROLES | OPEN, "public_url"),
        ({"GATEWATCH_INGEST_LISTEN": "anywhere"}, "HOST:PORT"),
        ({"GATEWATCH_HASH_KEY": "env:NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE"),
        ({"GATEWATCH_INGEST_KEY": "file:/no/such/file"}, "/no/such/file"),
        ({"GATEWATCH_ALERTS_FILE": "/no/such/file.yaml"}, "/no/such/file.yaml"),
        ({"GATEWATCH_LOGINS": "off"}, "did you mean GATEWATCH_LOGIN"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, dict) else "",
)
def test_serve_does_not_start_and_says_why_in_one_line(tmp_path: Path, given: dict[str, str], reason: str) -> None:
    environment = {"GATEWATCH_DATA_DIR": str(tmp_path / "data"), **given}
    done = CliRunner().invoke(command_line, ["serve", "--port", "0"], env=environment)
    said = done.stderr or str(done.exception)
    assert reason in said
    assert done.exit_code == 2 or getattr(done.exception, "exit_code", None) == 2, said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "data" / "state.db").exists()
