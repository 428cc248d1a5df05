"""`gatewatch tokens`: what programs show instead of logging in."""

from __future__ import annotations

import sys

import click

from gatewatch.cli.root import Command, Group, Ui, pass_ui
from gatewatch.errors import UsageError
from gatewatch.records import JSON

_SCOPES = ("read", "write", "ingest", "admin")


@click.group(
    cls=Group,
    examples=(
        "gatewatch tokens create grafana --scope read     # prints the token, once",
        "gatewatch tokens create firehose --scope ingest --days 365",
        "gatewatch tokens revoke k3m9x2ab7q",
    ),
)
def command() -> None:
    """Make, list or revoke API tokens. A token is sent as `Authorization: Bearer gw_…`."""


@command.command("create", cls=Command, examples=("gatewatch tokens create ci --scope read --days 30",))
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(_SCOPES), required=True, help="May be repeated.")
@click.option("--days", type=click.IntRange(1, 3650), default=90, show_default=True, help="Until it expires.")
@pass_ui
def create(ui: Ui, name: str, scopes: tuple[str, ...], days: int) -> None:
    """Make a token and print it on stdout. It is shown this once; only its hash is kept."""
    from gatewatch.access.tokens import create_token
    from gatewatch.cli.opened import opened
    from gatewatch.cli.people import now, operator
    from gatewatch.roles import Scope

    with opened(ui.settings(), create=True) as state, state.begin() as session:
        token, made = create_token(session, operator(), name, [Scope(scope) for scope in scopes], days=days, now=now())
    sys.stdout.write(made.text + "\n")
    ui.say(
        f"token {token.id} for {token.name}: keep it now, it is not shown again; expires {token.expires_at:%Y-%m-%d}"
    )


@command.command("list", cls=Command, examples=("gatewatch tokens list --format json",))
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@pass_ui
def list_(ui: Ui, form: str) -> None:
    """Print all tokens, without their secrets."""
    from gatewatch.access.tokens import to_json
    from gatewatch.cli.documents import SCHEMA_VERSION, json_text, print_table
    from gatewatch.cli.opened import opened
    from gatewatch.cli.people import now
    from gatewatch.cli.terminal import console
    from gatewatch.store.tokens import tokens

    with opened(ui.settings()) as state, state.read() as session:
        found = tokens(session)
    rows = [to_json(token, now()) for token in found]
    if form == "json":
        listed: list[JSON] = [*rows]
        sys.stdout.write(json_text({"schema_version": SCHEMA_VERSION, "tokens": listed}, pretty=True) + "\n")
        return
    if not rows:
        sys.stdout.write("no tokens\n")
        return
    cells = [
        (
            row["id"],
            row["name"],
            " ".join(sorted(token.scopes)),
            row["state"],
            row["created_by"],
            row["expires_at"],
            row["last_used_at"] or "never",
        )
        for row, token in zip(rows, found, strict=True)
    ]
    heads = ("id", "name", "scopes", "state", "made by", "expires", "last used")
    print_table(heads, cells, console(sys.stdout, colour=ui.colour))


@command.command("revoke", cls=Command, examples=("gatewatch tokens revoke k3m9x2ab7q",))
@click.argument("token")
@pass_ui
def revoke_(ui: Ui, token: str) -> None:
    """Refuse a token from now on. TOKEN is its id, or the whole token."""
    from gatewatch.access.credentials import parse_token
    from gatewatch.access.tokens import revoke
    from gatewatch.cli.opened import opened
    from gatewatch.cli.people import now, operator

    parsed = parse_token(token)
    identity = parsed[0] if parsed else token
    with opened(ui.settings()) as state, state.begin() as session:
        found = revoke(session, operator(), identity, now=now())
    if found is None:
        raise UsageError("there is no token with this id")
    ui.say(f"token {found.id} ({found.name}) is refused from now on")
