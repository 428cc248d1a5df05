"""Settings: who may come in, with what, and who did what. The page reads; its buttons call the API."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from platform import python_version
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, html
from dash.development.base_component import Component

from alerts.render.inforce import in_force
from alerts.render.text import plain
from dashboard import words
from dashboard.changing import action, choice, form
from dashboard.charting import copies
from dashboard.components import card, command, empty, table
from dashboard.data import Reader
from dashboard.exported_rows import AUDIT, audited
from dashboard.exports import export_button
from dashboard.frame import Nav, add_page
from dashboard.people import People
from dashboard.sheets import Shown, sheet_table
from dashboard.tables import Table
from dashboard.view import View
from gatewatch.access.current import current
from gatewatch.records import JSON
from gatewatch.roles import Role, Scope, Via
from gatewatch.settings import Settings
from gatewatch.store.audit import AuditEvent
from gatewatch.store.sessions import LoginSession
from gatewatch.store.tokens import Token
from gatewatch.store.users import User

HANDLE = 16  # of a session's id, as the API shows it

NAV = Nav(order=140, key="s", icon="settings")


def register(dash: Dash, reader: Reader) -> None:
    add_page(
        dash,
        reader,
        "settings",
        title="Settings",
        render=render,
        path="/settings",
        heights=(48, 200, 320),
        nav=NAV,
        every_minute=False,
        tables=(AUDIT_TABLE,),
    )


def render(reader: Reader, rest: str, view: View) -> Component:  # noqa: ARG001
    who = current()
    head = html.Div(html.H1("Settings"), className="page-head")
    if who is None or who.via is Via.NOBODY:
        parts: list[Any] = [head, card(None, no_login())]
        if who is not None:  # who is at this machine may do everything
            parts += [told(reader.store().settings), about(reader.store().settings)]
        return html.Div(parts, className="settings")
    found = reader.people(who)
    parts = [head, you(found), sessions(found)]
    if found.admin:
        known = reader.store().settings
        parts += [accounts(found), tokens(found), told(known), about(known), log(reader, found, view)]
    return html.Div(parts, className="settings")


def no_login() -> Component:
    return empty(
        "There is no login",
        "gatewatch listens on this machine only, and everybody on it may see and change everything.",
        html.Span(["The first account turns the login on: ", command("gatewatch users add NAME --role admin"), "."]),
        "Then accounts, tokens and the audit log are here, and other addresses than loopback are possible.",
    )


def you(found: People) -> Component:
    who, account = found.who, found.account
    role = who.role.value if who.role else "none"
    if account is None:
        return card("You", html.P(f"You came with a token, and have the role {role}."))
    if account.issuer is not None:
        said = (
            f"{plain(who.name, 100)}, {role}. Your password and your groups are kept by {plain(account.issuer, 200)}."
        )
        return card("You", html.P(said))
    return card(
        "You",
        html.P(f"{plain(who.name, 100)}, {role}. A new password ends your other sessions."),
        form(
            "POST",
            "/api/v1/me/password",
            [
                dmc.PasswordInput(name="old", label="Old password", autoComplete="current-password"),
                dmc.PasswordInput(
                    name="new", label="New password (15 or more characters)", autoComplete="new-password"
                ),
            ],
            "Change password",
            done="You have a new password.",
        ),
    )


def sessions(found: People) -> Component:
    def line(one: LoginSession) -> list[Any]:
        mine = one.id == found.who.session
        end: Any = (
            html.Span("this one", className="small")
            if mine
            else action("End", "DELETE", f"/api/v1/sessions/{one.id[:HANDLE]}", done="The session has ended.")
        )
        return [
            plain(one.user_name, 80),
            plain(one.address, 60) or words.NONE,
            plain(one.agent, 90) or words.NONE,
            words.at(one.created_at),
            words.at(one.seen_at),
            end,
        ]

    heads = ("Who", "Address", "Program", "Since", "Last seen", "Action")
    note = "of everybody" if found.admin else "yours"
    rows = [line(one) for one in found.sessions]
    return card("Sessions", table(heads, rows, caption="Sessions that go on", name="stack one"), note=note)


def accounts(found: People) -> Component:
    def line(user: User) -> list[Any]:
        return [
            named(plain(user.name, 80), "" if user.active else "disabled"),
            user.role.value,
            plain(user.issuer, 80) or "local",
            words.at(user.last_login_at) if user.last_login_at else "never",
            change(user, mine=user.id == found.who.id),
        ]

    heads = ("Name", "Role", "From", "Last login", "Action")
    return card(
        "Accounts",
        table(heads, [line(user) for user in found.users], caption="Accounts", name="stack one"),
        form(
            "POST",
            "/api/v1/users",
            [
                dmc.TextInput(name="name", label="Name", autoComplete="off"),
                choice("role", "Role", [role.value for role in Role], Role.VIEWER.value),
                dmc.PasswordInput(
                    name="password", label="Password (15 or more characters)", autoComplete="new-password"
                ),
            ],
            "Add account",
            done="The account is made.",
        ),
        note=words.plural(len(found.users), "account"),
    )


def change(user: User, *, mine: bool) -> Component | str:
    """What an admin may do with an account; nobody changes their own, and a provider keeps the roles of its people."""
    if mine:
        return html.Span("you", className="small")
    path = f"/api/v1/users/{user.id}"
    buttons: list[Any] = []
    if user.issuer is None:
        buttons += [
            action(f"Make {role.value}", "PATCH", path, {"role": role.value}, done="The role is changed.", sure="Sure?")
            for role in Role
            if role is not user.role
        ]
    word = "Disable" if user.active else "Enable"
    buttons.append(action(word, "PATCH", path, {"disabled": user.active}, done=f"{word}d.", sure="Sure?"))
    inside: list[Any] = [html.Summary(f"Change {plain(user.name, 40)}"), html.Div(buttons, className="actions")]
    if user.issuer is None:
        new = dmc.PasswordInput(name="password", label="New password", autoComplete="new-password")
        inside.append(form("PATCH", path, [new], "Set password", done="The password is set."))
    return html.Details(inside, className="change")


def tokens(found: People) -> Component:
    def line(token: Token) -> list[Any]:
        state = "revoked" if token.revoked_at else "expired" if found.now >= token.expires_at else "active"
        revoke = (
            action("Revoke", "DELETE", f"/api/v1/tokens/{token.id}", done="The token is refused now.", sure="Sure?")
            if state == "active"
            else ""
        )
        return [
            named(plain(token.name, 80), "" if state == "active" else state),
            token.id,
            " ".join(sorted(token.scopes)),
            plain(token.created_by, 80),
            words.at(token.expires_at),
            words.at(token.last_used_at) if token.last_used_at else "never",
            revoke,
        ]

    heads = ("For", "Id", "May", "Made by", "Expires", "Last used", "Action")
    inside: Component = (
        table(heads, [line(token) for token in found.tokens], caption="API tokens", name="stack one")
        if found.tokens
        else html.P("None yet. A program sends its token as Authorization: Bearer gw_…")
    )
    return card(
        "API tokens",
        inside,
        form(
            "POST",
            "/api/v1/tokens",
            [
                dmc.TextInput(name="name", label="What it is for", autoComplete="off"),
                choice("scopes", "It may", [scope.value for scope in Scope], Scope.READ.value),
                choice("days", "Days", ["30", "90", "365"], "90"),
            ],
            "Make token",
            lists="scopes",
            numbers="days",
        ),
        note="shown once, when they are made",
    )


def log(reader: Reader, found: People, view: View) -> Component:
    return card(
        "Audit log",
        AUDIT_TABLE.placed(reader, view, found.audit, found.every_audit, lambda: audited(reader, "", view)),
        html.Div(export_button("audit"), className="rule"),
        note=html.Span(["newest first; the same with ", command("gatewatch audit list")]),
    )


def audit_table(reader: Reader, view: View, listed: Shown[AuditEvent]) -> Component:  # noqa: ARG001
    def line(event: AuditEvent) -> list[Any]:
        return [
            words.second(event.at),
            plain(event.actor, 80),
            named(event.action, "" if event.outcome == "done" else event.outcome),
            plain(event.target, 80) or words.NONE,
            plain(event.address, 60) or words.NONE,
            plain(", ".join(f"{name} {value}" for name, value in event.detail.items()), 160),
        ]

    heads = (
        ("When", "at"),
        ("Who", "actor"),
        ("What", "action"),
        ("Target", "target"),
        ("Address", "address"),
        ("Detail", "detail"),
    )
    caption = "Who did what, newest first"
    return sheet_table(listed, view, heads, line, caption=caption, name="stack one log", one="line")


AUDIT_TABLE = Table(AUDIT, audit_table)


def told(settings: Settings) -> Component:
    """What is set, and below what is as it comes. They are changed in the configuration, not here."""

    def line(one: Mapping[str, JSON]) -> list[Any]:
        value = one["value"]
        if one["secret"]:
            said = "set, and never shown" if one["set"] else "not set"
        elif isinstance(value, list):
            said = ", ".join(str(part) for part in value) or "none"
        elif isinstance(value, dict):
            said = ", ".join(f"{name} {part}" for name, part in value.items()) or "none"
        else:
            said = "not set" if value is None else ("on" if value else "off") if isinstance(value, bool) else str(value)
        return [html.Code(str(one["name"])), plain(said, 200), plain(one["means"], 300)]

    heads = ("Setting", "Value", "What it does")
    rows = in_force(settings)
    changed = [line(one) for one in rows if one["set"]]
    others = [line(one) for one in rows if not one["set"]]
    caption = "Settings that differ from their defaults"
    shown = (
        table(heads, changed, caption=caption, name="stack one") if changed else html.P("All are at their defaults.")
    )
    rest = html.Details(
        [
            html.Summary(f"{len(others)} more, at their defaults"),
            table(heads, others, caption="Settings with their defaults", name="stack one"),
        ],
        className="twin",
    )
    note = html.Span(["where each comes from: ", command("gatewatch config show --origin")])
    calls = copies(api="GET /api/v1/settings", cli="gatewatch config show --origin")
    return card("What is set", shown, rest, calls, note=note)


def about(settings: Settings) -> Component:
    kept = settings.keep_requests_days
    store = "PostgreSQL" if settings.database_url is not None else "SQLite"
    pairs = (
        ("gatewatch", version("gatewatch")),
        ("Python", python_version()),
        ("Data", str(settings.data_dir)),
        ("Database", store),
        ("Requests kept", "for ever" if kept is None else f"{words.count(kept)} days"),
    )
    rows = [html.Div([html.Dt(name), html.Dd(plain(text, 200))]) for name, text in pairs]
    return card("About", html.Dl(rows, className="pairs"))


def named(name: str, mark: str) -> Component:
    """A name, and a word that marks it when it is not as usual."""
    return html.Span([html.Span(name, className="api-name"), html.Span(mark, className="chip")])
