"""`gatewatch db`: the schema of the state."""

from __future__ import annotations

import click

from gatewatch.cli.root import Command, Group, Ui, pass_ui


@click.group(cls=Group, examples=("gatewatch db status", "gatewatch db upgrade"))
def command() -> None:
    """Show or upgrade the database schema."""


@command.command("upgrade", cls=Command, examples=("gatewatch db upgrade",))
@pass_ui
def upgrade(ui: Ui) -> None:
    """Bring the database to this program's schema. A newer one is refused."""
    from gatewatch.store.migrate import upgrade as upgrade_schema

    before, after = upgrade_schema(ui.settings())
    click.echo(f"schema {after}, nothing to do" if before == after else f"schema {before or 'empty'} -> {after}")


@command.command("status", cls=Command, examples=("gatewatch db status",))
@pass_ui
def status(ui: Ui) -> int:
    """Print the schema of the database and of this program; exit 2 when they differ."""
    from gatewatch.cli.opened import database_revision
    from gatewatch.store.migrate import head_revision

    current, head = database_revision(ui.settings()), head_revision()
    click.echo(f"database {current or 'empty'}, program {head}")
    if current is None or current == head:
        return 0
    ui.hint("gatewatch db upgrade")
    return 2
