"""`gatewatch tick`: one evaluation of the store."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from gatewatch.cli.choose import instant
from gatewatch.cli.root import Command, Ui, pass_ui


@click.command(cls=Command, examples=("gatewatch tick", "gatewatch tick --at 2026-06-09T12:00Z   # as if it were then"))
@click.option("--at", help="The time to take for now.")
@pass_ui
def command(ui: Ui, at: str | None) -> None:
    """Look once at everything new in the store: findings are saved and alerts put into the outbox."""
    from gatewatch.cli.opened import opened
    from gatewatch.jobs import tick

    settings = ui.settings()
    now = instant(at, name="--at") or datetime.now(UTC)
    with opened(settings) as state:
        result = tick(state, settings, now)
    click.echo(str(result))
    ui.hint("gatewatch findings list")
