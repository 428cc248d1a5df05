"""`gatewatch ingest`: log files into the store, exactly once."""

from __future__ import annotations

import os

import click

from gatewatch.cli.choose import partial
from gatewatch.cli.inputs import tell_passed_over
from gatewatch.cli.root import Command, Ui, pass_ui
from gatewatch.errors import UsageError


@click.command(
    cls=Command,
    examples=(
        "gatewatch ingest logs/                           # every file once; run it again for what is new",
        "gatewatch ingest logs/ --follow                  # ... and let the worker look for new files",
        "gatewatch ingest 'archive/*.gz' --source shop    # under a name of its own",
    ),
)
@click.argument("paths", metavar="PATH…", nargs=-1, required=True)
@click.option(
    "--source", metavar="NAME", default="files", show_default=True, help="Name that the lines are kept under."
)
@click.option("--follow", is_flag=True, help="Register the folders: the worker ingests what appears in them.")
@click.option("--inventory", metavar="FILE", help="APIs and stages as one JSON document.")
@click.option("--log-format", metavar="FORMAT", help="A $context template or a format's name (default: found out).")
@click.option("--workers", type=click.IntRange(0, 256), default=0, help="Processes (default: one a core).")
@pass_ui
def command(
    ui: Ui,
    paths: tuple[str, ...],
    source: str,
    follow: bool,
    inventory: str | None,
    log_format: str | None,
    workers: int,
) -> int:
    """Read access logs into the data directory. Files that were read before are passed over; grown ones go on.

    It may be stopped or killed at any moment and run again: nothing is lost and nothing counts twice. Exit 3 when a
    file could not be read or more than 1 % of the lines were rejected.
    """
    from gatewatch.cli.documents import accounting_line
    from gatewatch.cli.opened import opened
    from gatewatch.ingesting import ingest_paths
    from ingest.documents import read_inventory

    if follow:
        _check_follow(paths, log_format, inventory)
    settings = ui.settings()
    document = read_inventory(inventory) if inventory else None
    with opened(settings, create=True) as state:
        if follow:
            from gatewatch.store.sources import register_source

            for number, path in enumerate(paths):
                name = source if number == 0 else f"{source}-{number + 1}"
                register_source(state, name, "files", os.path.abspath(path), follow=True)
        with ui.reporter("ingest") as progress:
            result = ingest_paths(
                state,
                paths,
                source=source,
                log_format=log_format,
                inventory=document,
                workers=workers,
                progress=progress,
                exclude=[inventory] if inventory else [],
            )
    accounting = result.accounting.to_json()
    for text in result.guessed:
        ui.say(f"format: {text}")
    tell_passed_over(ui, result.no_logs)
    for text in result.errors:
        ui.warn(text)
    passed = f"; {result.passed_over:,} files were read before" if result.passed_over else ""
    ui.say(f"{accounting_line(accounting)}; {result.batches:,} batches{passed}")
    if result.accounting.rejected:
        ui.hint("gatewatch dlq list  shows rejected lines with their reasons")
    ui.hint("gatewatch tick  looks for findings; gatewatch serve  does so every minute and shows them")
    nothing_new = result.passed_over and not result.accounting.files
    why = partial(accounting, result.errors) if result.errors or not nothing_new else None
    if why is not None:
        ui.warn(f"the data are partial: {why}")
        return 3
    return 0


def _check_follow(paths: tuple[str, ...], log_format: str | None, inventory: str | None) -> None:
    if log_format is not None or inventory is not None:
        raise UsageError("--follow finds formats out by itself; --log-format and --inventory do not go with it")
    for path in paths:
        if not os.path.isdir(path):
            raise UsageError(f"--follow: {path} is no folder")
