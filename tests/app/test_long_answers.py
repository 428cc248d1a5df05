"""Live streams go on for minutes: whoever is shut out meanwhile hears no more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from gatewatch.access.tokens import create_token
from gatewatch.api import live
from gatewatch.roles import Role, Scope, Via, Who
from gatewatch.settings import Settings
from gatewatch.store.sessions import end_session, sessions
from gatewatch.store.state import Session, State, open_state
from gatewatch.store.tokens import revoke_token
from gatewatch.store.users import set_disabled, set_role, users
from tests.dashboard.conftest import Running
from tests.people import PASSWORD, add_people


@contextmanager
def listening(address: str, path: str, headers: dict[str, str]) -> Iterator[Iterator[str]]:
    """Lines of a stream that has looked once."""
    with httpx.stream("GET", f"{address}/api/v1/events/{path}?seconds=100", headers=headers, timeout=90) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        while not next(lines).startswith(": beat"):
            pass
        yield lines


def cookie_of(address: str, name: str) -> dict[str, str]:
    with httpx.Client(base_url=address) as client:
        found = re.search(r'name="token" value="([^"]+)"', client.get("/login").text)
        assert found is not None
        client.post("/login", data={"token": found[1], "name": name, "password": PASSWORD})
        return {"Cookie": f"gw={client.cookies['gw']}"}


def no_session(session: Session, user: str) -> None:
    for one in sessions(session, now=datetime.now(UTC), idle=timedelta(hours=1), user_id=user):
        end_session(session, one.id)


def disabled(session: Session, user: str) -> None:
    set_disabled(session, user, True, now=datetime.now(UTC))


def another_role(session: Session, user: str) -> None:
    set_role(session, user, Role.VIEWER)


def ends(lines: Iterator[str]) -> bool:
    """Whether a stream says that it is over, and is."""
    return "not let in any more" in list(lines)[-2]


@pytest.mark.parametrize("shut_out", [no_session, disabled, another_role])
def test_a_session_that_is_over_hears_no_more(
    settings: Settings, state: State, monkeypatch: pytest.MonkeyPatch, shut_out: Callable[[Session, str], None]
) -> None:
    monkeypatch.setattr(live, "CHECK_S", 0.1)
    with state.read() as session:
        otto = next(one.id for one in users(session) if one.name == "otto")
    with Running(settings) as address, listening(address, "findings", cookie_of(address, "otto")) as lines:
        with state.begin() as session:
            shut_out(session, otto)
        assert ends(lines)


def test_a_revoked_token_hears_no_more(settings: Settings, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "CHECK_S", 0.1)
    maker = Who("alice", Role.ADMIN, Via.CLI)
    with state.begin() as session:
        token, new = create_token(session, maker, "t", [Scope.READ], now=datetime.now(UTC))
    asked = {"Authorization": f"Bearer {new.text}"}
    with Running(settings) as address, listening(address, "requests", asked) as lines:
        with state.begin() as session:
            revoke_token(session, token.id, now=datetime.now(UTC))
        assert ends(lines)


def test_nobody_listens_on_when_the_login_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "CHECK_S", 0.1)
    settings = Settings(data_dir=tmp_path / "data")
    state = open_state(settings)
    with Running(settings) as address, listening(address, "findings", {}) as lines:
        add_people(state)
        assert ends(lines)
    state.close()
