"""Logging in with a name and a password, and being known again by the cookie that it gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gatewatch.access import passwords
from gatewatch.access.credentials import new_session_secret, parse_token, same, session_id
from gatewatch.access.limits import neighbours
from gatewatch.roles import Role, Scope, Via, Who
from gatewatch.settings import Settings
from gatewatch.store import audit
from gatewatch.store.guesses import guess, guess_name, guessed_right
from gatewatch.store.sessions import TOUCH_EVERY, end_session, live_session, start_session, touch
from gatewatch.store.state import Session, State
from gatewatch.store.tokens import known_token, token_used
from gatewatch.store.users import User, anybody, logged_in, password_of, rehashed


@dataclass(frozen=True, slots=True)
class Begun:
    """A session that has just begun. secret: for the cookie, and for nothing else."""

    who: Who
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Client:
    """Where a login comes from: the address, and what the program calls itself."""

    address: str
    agent: str = ""


def slowed(state: State, name: str, client: Client, *, now: datetime) -> float:
    """Counts one try of an address at a name: 0 when it may be made, else the seconds to wait."""
    where = neighbours(client.address)

    def counted(session: Session) -> timedelta | None:
        wait = guess(session, "address", where, now=now)
        if wait is None:
            wait = guess_name(session, _plain(name), now=now)
        return wait

    wait = state.run(counted)
    return 0.0 if wait is None else wait.total_seconds()


def log_in(state: State, name: str, password: str, client: Client, *, now: datetime) -> Begun | None:
    """Begin a session; None when name or password is wrong, or the account is disabled: it is not said which."""
    name = _plain(name)
    with state.read() as session:
        found = password_of(session, name)
    # A name that does not exist takes as long as one that does.
    right = passwords.matches(password, found[1] if found else None)
    if not right or found is None or not found[0].active:
        refused = Who(name, None, Via.SESSION, address=client.address)
        with state.begin() as session:
            audit.note(session, refused, "login", now=now, outcome="refused", detail={"how": "password"})
        return None
    newer = passwords.hashed(password) if passwords.outdated(found[1]) else None
    state.run(lambda session: guessed_right(session, "address", neighbours(client.address), now=now))
    return begin_session(state, found[0], client, now=now, how="password", newer_hash=newer)


def _plain(name: str) -> str:
    return name.strip().lower()[:64]


def begin_session(
    state: State, user: User, client: Client, *, now: datetime, how: str, newer_hash: str | None = None
) -> Begun:
    """A session with a new id for an account whose owner has shown who they are."""
    secret = new_session_secret()
    identity = session_id(secret)
    assert identity is not None
    who = Who(user.name, user.role, Via.SESSION, id=user.id, address=client.address, session=identity)
    with state.begin() as session:
        if newer_hash is not None:
            rehashed(session, user.id, newer_hash)
        start_session(
            session,
            user.id,
            identity,
            now=now,
            lasts=timedelta(hours=state.settings.session_hours),
            address=client.address,
            agent=client.agent,
        )
        logged_in(session, user.id, now=now)
        audit.note(session, who, "login", now=now, detail={"how": how})
    return Begun(who, secret)


def known(state: State, secret: str, *, now: datetime, address: str = "") -> Who | None:
    """Who has the session of this cookie; None when it is over."""
    identity = session_id(secret)
    if identity is None:
        return None
    with state.read() as session:
        found = live_session(session, identity, now=now, idle=idle_after(state.settings))
    if found is None:
        return None
    login, user = found
    if user.issuer is None and not state.settings.local_accounts:
        return None
    if now - login.seen_at >= TOUCH_EVERY:
        state.run(lambda session: touch(session, identity, now=now))
    return Who(user.name, user.role, Via.SESSION, id=user.id, address=address, session=identity)


def log_out(state: State, who: Who, *, now: datetime) -> None:
    if who.session is None:
        return
    identity = who.session
    with state.begin() as session:
        if end_session(session, identity):
            audit.note(session, who, "logout", now=now)


def token_holder(state: State, text: str, *, now: datetime, address: str = "") -> Who | None:
    """Who shows this token; None when it is wrong, expired or revoked, or its owner is disabled."""
    parsed = parse_token(text)
    if parsed is None:
        return None
    token_id, shown = parsed
    with state.read() as session:
        found = known_token(session, token_id)
    # Compared also when there is no such token, so that ids cannot be told by the time it takes.
    if not same(shown, found[1] if found else "0" * 64) or found is None or not found[0].usable(now):
        return None
    token = found[0]
    if token.last_used_at is None or now - token.last_used_at >= TOUCH_EVERY:
        state.run(lambda session: token_used(session, token_id, now=now))
    return Who(
        f"token {token.name}",
        token.role,
        Via.TOKEN,
        id=token.id,
        ingest=Scope.INGEST in token.scopes,
        address=address,
    )


def still_in(state: State, who: Who, *, now: datetime) -> bool:
    """Whether who was let in would be so again: for answers that go on for long."""
    with state.read() as session:
        if who.via is Via.TOKEN:
            found = known_token(session, who.id)
            role = found[0].role if found is not None and found[0].usable(now) else None
        elif who.session is not None:
            login = live_session(session, who.session, now=now, idle=idle_after(state.settings))
            role = None if login is None else login[1].role
        else:
            return not anybody(session)
    return role is not None and who.role is not None and role.rank >= Role.VIEWER.rank


def idle_after(settings: Settings) -> timedelta:
    return timedelta(minutes=settings.session_idle_minutes)
