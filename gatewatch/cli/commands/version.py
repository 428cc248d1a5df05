"""`gatewatch version`."""

from __future__ import annotations

import platform

import click

from gatewatch import __version__
from gatewatch.cli.root import Command, Ui, pass_ui


@click.command(cls=Command, examples=("gatewatch version",))
@pass_ui
def command(ui: Ui) -> None:
    """Print the version of gatewatch and of the Python it runs on."""
    del ui
    click.echo(f"gatewatch {__version__} (Python {platform.python_version()})")
