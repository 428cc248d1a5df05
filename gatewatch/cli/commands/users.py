"""`gatewatch users`: who may log in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gatewatch.cli.root import Command, Group, Ui, pass_ui
from gatewatch.errors import UsageError
from gatewatch.records import JSON, iso

if TYPE_CHECKING:
    from gatewatch.store.state import Session
    from gatewatch.store.users import User

_ROLES = ("viewer", "operator", "admin")


@click.group(
    cls=Group,
    examples=(
        "gatewatch users add alice --role admin           # asks for the password; the login is on from now on",
        "gatewatch users add bob < password.txt           # a viewer, its password as one line on stdin",
        "gatewatch users disable bob                      # ends bob's sessions and refuses bob's tokens at once",
    ),
)
def command() -> None:
    """Add, list or disable accounts. The first admin is made here; there is no default account."""


@command.command("add", cls=Command, examples=("gatewatch users add alice --role admin",))
@click.argument("name")
@click.option("--role", type=click.Choice(_ROLES), default="viewer", show_default=True, help="What the user may do.")
@pass_ui
def add(ui: Ui, name: str, role: str) -> None:
    """Make a local account. The password is asked for, or read from stdin."""
    from gatewatch.access.passwords import hashed
    from gatewatch.cli.opened import opened
    from gatewatch.cli.people import new_password, now, operator
    from gatewatch.roles import Role
    from gatewatch.store import audit
    from gatewatch.store.users import add_user, user_name

    name = user_name(name)
    with opened(ui.settings(), create=True) as state:
        kept = hashed(new_password(name, state.settings.breached_passwords))
        with state.begin() as session:
            user = add_user(session, name, Role(role), kept, now=now())
            audit.note(session, operator(), "user.add", user.name, now=now(), detail={"role": role})
    ui.say(f"{user.name} may log in, with the role {role}")


@command.command("list", cls=Command, examples=("gatewatch users list --format json",))
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@pass_ui
def list_(ui: Ui, form: str) -> None:
    """Print the accounts."""
    from gatewatch.cli.documents import SCHEMA_VERSION, json_text, print_table
    from gatewatch.cli.opened import opened
    from gatewatch.cli.terminal import console
    from gatewatch.store.users import users

    with opened(ui.settings()) as state, state.read() as session:
        found = users(session)
    if form == "json":
        rows: list[JSON] = [_json(user) for user in found]
        sys.stdout.write(json_text({"schema_version": SCHEMA_VERSION, "users": rows}, pretty=True) + "\n")
        return
    if not found:
        sys.stdout.write("no users: gatewatch listens on loopback only, and without a login\n")
        return
    cells = [
        (
            user.name,
            user.role.value,
            "active" if user.active else "disabled",
            user.issuer or "local",
            iso(user.last_login_at) if user.last_login_at else "never",
        )
        for user in found
    ]
    print_table(("name", "role", "state", "from", "last login"), cells, console(sys.stdout, colour=ui.colour))


@command.command("disable", cls=Command, examples=("gatewatch users disable bob",))
@click.argument("name")
@pass_ui
def disable(ui: Ui, name: str) -> None:
    """Close an account: its sessions end and its tokens are refused at once. The last admin stays."""
    _set_disabled(ui, name, disabled=True)


@command.command("enable", cls=Command, examples=("gatewatch users enable bob",))
@click.argument("name")
@pass_ui
def enable(ui: Ui, name: str) -> None:
    """Open a closed account again."""
    _set_disabled(ui, name, disabled=False)


@command.command("role", cls=Command, examples=("gatewatch users role bob operator",))
@click.argument("name")
@click.argument("role", type=click.Choice(_ROLES))
@pass_ui
def role_(ui: Ui, name: str, role: str) -> None:
    """Give an account another role; its sessions end. Roles of OIDC accounts come from their provider."""
    from gatewatch.cli.opened import opened
    from gatewatch.cli.people import now, operator
    from gatewatch.roles import Role
    from gatewatch.store import audit
    from gatewatch.store.users import set_role

    with opened(ui.settings()) as state, state.begin() as session:
        user = _user(session, name)
        if user.issuer is not None:
            raise UsageError(f"the role of {user.name!r} comes from {user.issuer}")
        set_role(session, user.id, Role(role))
        audit.note(session, operator(), "user.role", user.name, now=now(), detail={"from": user.role, "to": role})
    ui.say(f"{user.name} has the role {role}")


@command.command("password", cls=Command, examples=("gatewatch users password alice",))
@click.argument("name")
@pass_ui
def password_(ui: Ui, name: str) -> None:
    """Set a new password, asked for or read from stdin; the account's sessions end."""
    from gatewatch.access.passwords import hashed
    from gatewatch.cli.opened import opened
    from gatewatch.cli.people import new_password, now, operator
    from gatewatch.store import audit
    from gatewatch.store.users import set_password

    with opened(ui.settings()) as state:
        with state.read() as session:
            user = _user(session, name)
        if user.issuer is not None:
            raise UsageError(f"{user.name!r} logs in at {user.issuer} and has no password here")
        kept = hashed(new_password(user.name, state.settings.breached_passwords))
        with state.begin() as session:
            set_password(session, user.id, kept)
            audit.note(session, operator(), "user.password", user.name, now=now())
    ui.say(f"{user.name} has a new password")


def _set_disabled(ui: Ui, name: str, *, disabled: bool) -> None:
    from gatewatch.cli.opened import opened
    from gatewatch.cli.people import now, operator
    from gatewatch.store import audit
    from gatewatch.store.users import set_disabled

    with opened(ui.settings()) as state, state.begin() as session:
        user = _user(session, name)
        set_disabled(session, user.id, disabled, now=now())
        audit.note(session, operator(), "user.disable" if disabled else "user.enable", user.name, now=now())
    ui.say(f"{user.name} is {'disabled' if disabled else 'active'}")


def _user(session: Session, name: str) -> User:
    from gatewatch.store.users import user_named

    found = user_named(session, name.strip()) or user_named(session, name.strip().lower())
    if found is None:
        raise UsageError(f"there is no user {name!r}")
    return found


def _json(user: User) -> dict[str, JSON]:
    return {
        "name": user.name,
        "role": user.role.value,
        "issuer": user.issuer,
        "disabled": not user.active,
        "created_at": iso(user.created_at),
        "last_login_at": iso(user.last_login_at) if user.last_login_at else None,
    }
