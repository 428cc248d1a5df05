"""`gatewatch db`: the schema of the state, and the files of the lake."""

from __future__ import annotations

import click

from gatewatch.cli.root import Command, Group, Ui, pass_ui
from gatewatch.cli.terminal import safe


@click.group(
    cls=Group,
    examples=("gatewatch db status", "gatewatch db upgrade", "gatewatch db verify", "gatewatch db compact"),
)
def command() -> None:
    """Show or upgrade the schema; check, join and remove the files of the lake."""


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
    """Print the schema of the database and of this program; exit 3 when they differ."""
    from gatewatch.cli.opened import database_revision
    from gatewatch.store.migrate import head_revision

    current, head = database_revision(ui.settings()), head_revision()
    click.echo(f"database {current or 'empty'}, program {head}")
    if current is None or current == head:
        return 0
    ui.hint("gatewatch db upgrade")
    return 3


@command.command("verify", cls=Command, examples=("gatewatch db verify", "gatewatch db verify --quick"))
@click.option("--quick", is_flag=True, help="Sizes only: no checksums, no sums.")
@pass_ui
def verify(ui: Ui, quick: bool) -> int:
    """Hold the lake's files against the manifest: missing, changed, not listed; and rollups against requests.

    May run at any time. Exit 3 when something is not in order; each problem is a line.
    """
    from gatewatch.cli.opened import opened
    from gatewatch.store.verify import verify as verify_store

    with opened(ui.settings()) as state:
        found = verify_store(state, quick=quick)
    for problem in found.problems:
        click.echo(safe(problem))
    ui.say(f"{found.segments:,} segments, {found.rows:,} rows, {found.bytes / 2**20:,.1f} MiB")
    if found.problems:
        ui.warn(f"{len(found.problems):,} problems")
        return 3
    click.echo("in order")
    return 0


@command.command("compact", cls=Command, examples=("gatewatch db compact",))
@pass_ui
def compact(ui: Ui) -> None:
    """Join small files of hours that are over. The worker does so every hour; no answer changes.

    Files that were joined stay for an hour, for those who are reading them.
    """
    from gatewatch.cli.opened import opened
    from gatewatch.store.compact import compact as compact_store

    with opened(ui.settings()) as state:
        done = compact_store(state)
    click.echo(f"{done.before:,} segments became {done.after:,}; {done.swept:,} old files were removed")


@command.command("prune", cls=Command, examples=("gatewatch db prune", "gatewatch db prune --yes"))
@click.option("--yes", is_flag=True, help="Remove; without it only what would go is shown.")
@pass_ui
def prune(ui: Ui, yes: bool) -> None:
    """Remove what is older than keep_requests_days and keep_rollups_days. The worker does so every hour."""
    from datetime import UTC, datetime

    from gatewatch.cli.opened import opened
    from gatewatch.housekeeping import limits
    from gatewatch.store.retention import expired, remove

    settings = ui.settings()
    before = limits(settings, datetime.now(UTC))
    if not before:
        click.echo("everything is kept: neither keep_requests_days nor keep_rollups_days is set")
        return
    with opened(settings) as state:
        gone = expired(state, before)
        for one in gone:
            click.echo(f"{one.kind}: {len(one.paths):,} segments, {one.rows:,} rows, {one.bytes / 2**20:,.1f} MiB")
        if not gone:
            click.echo("nothing is too old")
        elif yes:
            remove(state, gone)
            click.echo("removed; the files go within an hour")
        else:
            ui.hint("gatewatch db prune --yes  removes them")
