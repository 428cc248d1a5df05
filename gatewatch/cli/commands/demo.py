"""`gatewatch demo`: a world of logs, ingested, evaluated and served."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gatewatch.cli.choose import instant
from gatewatch.cli.root import Command, Ui, pass_ui
from gatewatch.errors import UsageError

if TYPE_CHECKING:
    from gatewatch.demo import World
    from gatewatch.settings import Settings

MARK = ".gatewatch-demo"
"""A folder with this file in it is ours to empty."""


@click.command(
    cls=Command,
    examples=(
        "gatewatch demo                          # open http://127.0.0.1:8080 when it says so; Ctrl-C ends it",
        "gatewatch demo --no-serve               # only make the logs and look for findings",
        "gatewatch scan .demo/logs               # the same logs, as you would scan your own",
    ),
)
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=Path(".demo"), show_default=True)
@click.option("--seed", type=int, default=7, show_default=True, help="Another seed, another world.")
@click.option("--end", help="Last moment of the logs (default: now).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (default: setting port).")
@click.option("--serve/--no-serve", "serving", default=True, help="Serve the dashboard at the end.")
@pass_ui
def command(ui: Ui, folder: Path, seed: int, end: str | None, port: int | None, serving: bool) -> int:
    """Make 26 hours of logs of four APIs with four incidents, ingest them, look for findings, and serve.

    Everything is under --dir; your data directory, database and alert channels are not touched.
    """
    now = instant(end, name="--end") or datetime.now(UTC)
    settings = _settings(ui, folder, port)
    _empty(folder)
    from gatewatch.demo import write_world

    ui.say(f"writing 26 hours of logs to {folder / 'logs'} ...")
    world = write_world(folder, end=now, seed=seed)
    _ingest(ui, settings, world, now)
    if not serving:
        ui.hint(f"GATEWATCH_DATA_DIR={settings.data_dir} gatewatch findings list")
        return 0
    from gatewatch.app import serve

    return serve(settings) or 0


def _settings(ui: Ui, folder: Path, port: int | None) -> Settings:
    """The user's settings, but with data under the demo's folder and no way out to anybody."""
    own = {"data_dir": folder.absolute() / "data", **({} if port is None else {"port": port})}
    closed = {"database_url": None, "smtp_url": None, "slack_webhook_url": None, "email_to": ()}
    return ui.settings().model_copy(update={**own, **closed})


def _empty(folder: Path) -> None:
    """Make the folder, without what an earlier demo left there; a folder that is no demo's is refused."""
    ours = (folder / MARK).is_file() or not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not ours:
        raise UsageError(f"{folder} exists and is no demo's folder; name another with --dir")
    for name in ("logs", "data"):
        shutil.rmtree(folder / name, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()


def _ingest(ui: Ui, settings: Settings, world: World, now: datetime) -> None:
    from gatewatch.cli.documents import accounting_line
    from gatewatch.cli.opened import opened
    from gatewatch.ingesting import ingest_paths
    from gatewatch.jobs import tick
    from ingest.documents import read_inventory

    with opened(settings, create=True) as state:
        with ui.reporter("ingest") as progress:
            result = ingest_paths(
                state,
                [str(world.logs)],
                source="demo",
                inventory=read_inventory(str(world.inventory)),
                progress=progress,
            )
        for text in result.errors:
            ui.warn(text)
        ui.say(accounting_line(result.accounting.to_json()))
        ui.say("looking for findings ...")
        ui.say(str(tick(state, settings, now)))
