from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from dashboard.data import Reader
from dashboard.pages.settings import render
from dashboard.view import View
from gatewatch.access.current import LOCAL, set_current
from gatewatch.access.tokens import create_token
from gatewatch.roles import Role, Scope, Via, Who
from gatewatch.settings import Settings
from gatewatch.store.sessions import start_session
from gatewatch.store.state import State, open_state
from tests.alerts.hostile import HOSTILE
from tests.dashboard.pages.conftest import texts
from tests.people import add_people

NOW = datetime.now(UTC)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = open_state(Settings(data_dir=tmp_path / "data"))
    yield opened
    opened.close()
    set_current(None)


def shown(state: State, who: Who | None) -> str:
    set_current(who)
    return "\n".join(texts(render(Reader(lambda: state, lambda: NOW), "", View())))


def test_without_a_login_it_says_how_to_turn_it_on(state: State) -> None:
    for who in (LOCAL, None):
        text = shown(state, who)
        assert "There is no login" in text
        assert "gatewatch users add NAME --role admin" in text


def test_everybody_sees_their_own_and_admins_all(state: State) -> None:
    people = add_people(state)
    for role, user in people.items():
        with state.begin() as session:
            start_session(
                session,
                user.id,
                f"s-{role}",
                now=NOW,
                lasts=timedelta(hours=1),
                address="192.0.2.1",
                agent=f"of {role}",
            )
    with state.begin() as session:
        create_token(session, Who("x", None, Via.CLI), "grafana", [Scope.READ], now=NOW)
    for role, user in people.items():
        text = shown(state, Who(user.name, role, Via.SESSION, id=user.id, session=f"s-{role}"))
        assert f"of {role}" in text
        assert ("grafana" in text) == (role is Role.ADMIN)
        assert ("token.create" in text) == (role is Role.ADMIN)
        assert ("of viewer" in text) == (role in {Role.VIEWER, Role.ADMIN})
        assert "Change password" in text
    assert "You came with a token" in shown(state, Who("token x", Role.VIEWER, Via.TOKEN, id="t1"))


def test_hostile_names_are_shown_as_text(state: State) -> None:
    admin = add_people(state)[Role.ADMIN]
    who = Who(admin.name, Role.ADMIN, Via.SESSION, id=admin.id)
    for number, text in enumerate(HOSTILE):
        with state.begin() as session:
            start_session(
                session, admin.id, f"s{number}", now=NOW, lasts=timedelta(hours=1), address=text[:50], agent=text
            )
    page = shown(state, who)
    assert "<script>alert(1)</script>" in page
    assert all(char.isprintable() or char == "\n" for char in page.replace("\ufffd", ""))


def test_who_may_do_everything_sees_what_is_set_and_no_secret(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", ingest_key=SecretStr("x" * 40), keep_requests_days=17)
    opened = open_state(settings)
    text = shown(opened, LOCAL)
    opened.close()
    set_current(None)
    assert "ingest_key" in text
    assert "set, and never shown" in text
    assert "x" * 40 not in text
    assert "17 days" in text
