"""`gatewatch audit`: who did what."""

from __future__ import annotations

import sys

import click

from gatewatch.cli.choose import instant
from gatewatch.cli.root import Command, Group, Ui, pass_ui
from gatewatch.records import iso


@click.group(
    cls=Group, examples=("gatewatch audit list --since 24h", "gatewatch audit list --action login --format jsonl")
)
def command() -> None:
    """Read the audit log. It is written by gatewatch, and the database refuses to change it."""


@command.command("list", cls=Command, examples=("gatewatch audit list --since 7d --actor alice",))
@click.option("--since", help="Only at or after: 2026-06-09T12:00Z, 2026-06-09 or 24h.")
@click.option("--actor", help="Only what this user did.")
@click.option("--action", help="Only this, e.g. login, user.add, token.create.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most, newest first.")
@click.option("--format", "form", type=click.Choice(["table", "jsonl"]), default="table")
@pass_ui
def list_(ui: Ui, since: str | None, actor: str | None, action: str | None, limit: int, form: str) -> None:
    """Print the log, newest first."""
    from gatewatch.cli.documents import json_text, print_table
    from gatewatch.cli.opened import opened
    from gatewatch.cli.terminal import console
    from gatewatch.store.audit import AuditEvent, audit_events, to_json

    start = instant(since)
    found: list[AuditEvent] = []
    with opened(ui.settings()) as state:
        while len(found) < limit:
            with state.read() as session:
                page = audit_events(
                    session,
                    limit=limit - len(found),
                    before=found[-1].id if found else None,
                    since=start,
                    actor=actor,
                    action=action,
                )
            if not page:
                break
            found += page
    if form == "jsonl":
        sys.stdout.writelines(json_text(to_json(event)) + "\n" for event in found)
        return
    if not found:
        sys.stdout.write("nothing in the audit log\n")
        return
    cells = [
        (
            iso(event.at),
            event.actor,
            event.action,
            event.target,
            event.outcome,
            event.address,
            " ".join(f"{name}={value}" for name, value in event.detail.items()),
        )
        for event in found
    ]
    heads = ("at", "who", "what", "target", "outcome", "address", "detail")
    print_table(heads, cells, console(sys.stdout, colour=ui.colour))
