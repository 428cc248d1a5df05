"""`gatewatch serve`: web and worker in one command."""

from __future__ import annotations

import click

from gatewatch.cli.root import Command, Ui, pass_ui


@click.command(
    cls=Command, examples=("gatewatch serve", "GATEWATCH_DATA_DIR=/srv/gatewatch gatewatch serve --port 9000")
)
@click.option("--host", help="Address to listen on (default: setting host).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (default: setting port).")
@click.option("--ingest-listen", metavar="HOST:PORT", help="A second address that takes data, for ingest tokens only.")
@pass_ui
def command(ui: Ui, host: str | None, port: int | None, ingest_listen: str | None) -> int:
    """Serve the dashboard and the API, and run the worker beside them. Stop with Ctrl-C."""
    from gatewatch.app import serve

    settings = ui.settings(host=host, port=port, ingest_listen=ingest_listen)
    return serve(settings) or 0
