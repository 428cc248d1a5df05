"""Accounts, sessions, tokens and the audit log, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from gatewatch.errors import StoreError, UsageError
from gatewatch.roles import Role, Scope, Via, Who
from gatewatch.store.audit import audit_events, note
from gatewatch.store.sessions import (
    ATTEMPT_LASTS,
    Attempt,
    begin_attempt,
    end_session,
    live_session,
    sessions,
    start_session,
    take_attempt,
    touch,
)
from gatewatch.store.state import State
from gatewatch.store.tokens import add_token, known_token, revoke_token, token_used, tokens
from gatewatch.store.users import (
    User,
    add_user,
    anybody,
    password_of,
    set_disabled,
    set_password,
    set_role,
    user_named,
    users,
    vouched_user,
)

NOW = datetime(2026, 6, 9, 12, 0, tzinfo=UTC)
IDLE = timedelta(minutes=30)
DAY = timedelta(hours=12)


def a_user(state: State, name: str = "alice", role: Role = Role.ADMIN) -> User:
    with state.begin() as session:
        return add_user(session, name, role, "$argon2id$x", now=NOW)


def a_session(state: State, user: User, name: str = "s1", at: datetime = NOW) -> None:
    with state.begin() as session:
        start_session(session, user.id, name, now=at, lasts=DAY, address="192.0.2.1", agent="curl")


def alive(state: State, name: str, at: datetime) -> bool:
    with state.read() as session:
        return live_session(session, name, now=at, idle=IDLE) is not None


def test_a_name_is_spelt_in_one_way_and_taken_once(state: State) -> None:
    with state.read() as session:
        assert not anybody(session)
    user = a_user(state, " Alice@Example.org ")
    assert user.name == "alice@example.org"
    with pytest.raises(UsageError, match="already"), state.begin() as session:
        add_user(session, "ALICE@example.org", Role.VIEWER, "x", now=NOW)
    for wrong in ("", "a b", "-x", "x" * 65, "a\x00b", "ä", "<script>"):
        with pytest.raises(UsageError), state.begin() as session:
            add_user(session, wrong, Role.VIEWER, "x", now=NOW)
    with state.read() as session:
        assert anybody(session)
        assert password_of(session, "alice@example.org") == (user, "$argon2id$x")
        assert password_of(session, "bob") is None


def test_the_last_admin_stays(state: State) -> None:
    alice, bob = a_user(state), a_user(state, "bob", Role.OPERATOR)
    with pytest.raises(UsageError, match="last admin"), state.begin() as session:
        set_role(session, alice.id, Role.VIEWER)
    with pytest.raises(UsageError, match="last admin"), state.begin() as session:
        set_disabled(session, alice.id, True, now=NOW)
    with state.begin() as session:
        set_role(session, bob.id, Role.ADMIN)
        set_disabled(session, alice.id, True, now=NOW)
    with pytest.raises(UsageError, match="last admin"), state.begin() as session:
        set_disabled(session, bob.id, True, now=NOW)
    with state.read() as session:
        assert [(user.name, user.active) for user in users(session)] == [("alice", False), ("bob", True)]


def test_a_session_ends_when_idle_and_in_any_case(state: State) -> None:
    user = a_user(state)
    a_session(state, user)
    assert alive(state, "s1", NOW + IDLE - timedelta(seconds=1))
    assert not alive(state, "s1", NOW + IDLE)
    assert not alive(state, "other", NOW)
    at = NOW
    while at < NOW + DAY - timedelta(minutes=20):
        at += timedelta(minutes=20)
        with state.begin() as session:
            touch(session, "s1", now=at)
    assert alive(state, "s1", NOW + DAY - timedelta(seconds=1))
    assert not alive(state, "s1", NOW + DAY)
    a_session(state, user, "s2", NOW + DAY + timedelta(seconds=1))
    with state.read() as session:
        assert session.execute(text("SELECT id FROM user_session")).scalars().all() == ["s2"]  # the old one is swept


@pytest.mark.parametrize("what", ["disable", "role", "password", "logout"])
def test_what_changes_an_account_ends_its_sessions_at_once(state: State, what: str) -> None:
    a_user(state, "root")
    user = a_user(state, "bob")
    a_session(state, user)
    a_session(state, user, "s2")
    with state.begin() as session:
        if what == "disable":
            set_disabled(session, user.id, True, now=NOW)
        elif what == "role":
            set_role(session, user.id, Role.VIEWER)
        elif what == "password":
            set_password(session, user.id, "new", keep="s2")
        else:
            assert end_session(session, "s1")
            assert not end_session(session, "s1")
    assert not alive(state, "s1", NOW)
    assert alive(state, "s2", NOW) == (what in {"password", "logout"})
    with state.read() as session:
        listed = sessions(session, now=NOW, idle=IDLE, user_id=user.id)
    assert [one.id for one in listed] == (["s2"] if what in {"password", "logout"} else [])


def test_an_account_of_a_provider_is_known_by_issuer_and_subject_not_by_its_name(state: State) -> None:
    local = a_user(state, "alice")

    def come(subject: str, name: str, role: Role) -> User:
        with state.begin() as session:
            return vouched_user(session, "https://idp.example", subject, name, role, now=NOW)

    first = come("1", "alice", Role.VIEWER)
    assert first.id != local.id
    assert first.name != "alice"
    a_session(state, first)
    again = come("1", "Alice B.", Role.VIEWER)
    assert (again.id, again.name) == (first.id, "Alice B.")
    assert alive(state, "s1", NOW)
    assert come("1", "Alice B.", Role.ADMIN).role is Role.ADMIN
    assert not alive(state, "s1", NOW)
    assert come("2", "Alice B.", Role.VIEWER).id != first.id
    with state.read() as session:
        assert user_named(session, "alice") == local
        assert password_of(session, "Alice B.") is None


def test_an_attempt_is_used_once_and_not_for_long(state: State) -> None:
    attempt = Attempt("state", "nonce", "verifier", "/findings")
    for name in ("a", "b"):
        with state.begin() as session:
            begin_attempt(session, name, attempt, now=NOW)
    with state.begin() as session:
        assert take_attempt(session, "a", now=NOW) == attempt
        assert take_attempt(session, "a", now=NOW) is None
        assert take_attempt(session, "b", now=NOW + ATTEMPT_LASTS + timedelta(seconds=1)) is None


def test_a_token_is_usable_until_it_expires_is_revoked_or_its_owner_is_disabled(state: State) -> None:
    a_user(state, "root")
    owner = a_user(state)
    with state.begin() as session:
        token = add_token(
            session,
            "t1",
            "hash",
            name="ci",
            scopes=[Scope.WRITE, Scope.READ],
            owner_id=owner.id,
            created_by="alice",
            now=NOW,
            expires_at=NOW + timedelta(days=90),
        )
        token_used(session, "t1", now=NOW)
    assert token.scopes == {Scope.READ, Scope.WRITE}
    with state.read() as session:
        found = known_token(session, "t1")
        assert found is not None
        assert found[1] == "hash"
        assert found[0].last_used_at == NOW
        assert found[0].usable(NOW + timedelta(days=89))
        assert not found[0].usable(NOW + timedelta(days=90))
        assert known_token(session, "t2") is None
    with state.begin() as session:
        set_disabled(session, owner.id, True, now=NOW)
        assert known_token(session, "t1") is None
        set_disabled(session, owner.id, False, now=NOW)
        revoke_token(session, "t1", now=NOW)
        revoke_token(session, "t1", now=NOW + DAY)
        (kept,) = tokens(session)
    assert kept.revoked_at == NOW
    assert not kept.usable(NOW)


def test_the_audit_log_only_grows(state: State) -> None:
    who = Who("alice", Role.ADMIN, Via.SESSION, id="u1", address="192.0.2.1")
    for number in range(5):
        with state.begin() as session:
            note(session, who, "user.add", f"bob\x00{number}", now=NOW, detail={"role": "viewer"})
    with state.begin() as session:
        note(session, who, "login", now=NOW + DAY, outcome="refused")
    for statement in ("UPDATE audit_event SET actor = 'mallory'", "DELETE FROM audit_event"):
        with pytest.raises((StoreError, DBAPIError), match="append-only"), state.begin() as session:
            session.execute(text(statement))
    with state.read() as session:
        found = audit_events(session, limit=2, action="user.add")
        assert [event.target for event in found] == ["bob\x004", "bob\x003"]
        assert [event.target for event in audit_events(session, before=found[-1].id)] == [
            "bob\x002",
            "bob\x001",
            "bob\x000",
        ]
        (last,) = audit_events(session, since=NOW + DAY)
        assert (last.action, last.outcome, last.detail) == ("login", "refused", {})
        assert audit_events(session, actor="bob") == []
