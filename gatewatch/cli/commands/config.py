"""`gatewatch config`: is it right, and where does each value come from."""

from __future__ import annotations

import sys

import click
from pydantic import SecretStr

from gatewatch.cli.root import Command, Group, Ui, pass_ui


@click.group(cls=Group, examples=("gatewatch config check", "gatewatch config show --origin"))
def command() -> None:
    """Check or show the settings. Order: flags, environment (GATEWATCH_…), configuration file, defaults."""


@command.command("check", cls=Command, examples=("gatewatch config check && gatewatch serve",))
@pass_ui
def check(ui: Ui) -> None:
    """Exit 0 when the settings are right, else 2 with what is wrong. Touches neither network nor data."""
    from gatewatch.settings import config_file

    ui.settings()
    click.echo(f"the settings are right ({config_file(ui.config) or 'no configuration file'})")


@command.command("show", cls=Command, examples=("gatewatch config show --origin",))
@click.option("--origin", is_flag=True, help="Also where each value comes from.")
@pass_ui
def show(ui: Ui, origin: bool) -> None:
    """Print every setting; secrets are not shown."""
    from gatewatch.cli.documents import print_table
    from gatewatch.cli.terminal import console
    from gatewatch.settings import Settings, origins

    settings = ui.settings()
    where = origins(ui.config)
    rows = []
    for name in Settings.model_fields:
        value = getattr(settings, name)
        text = "(secret)" if isinstance(value, SecretStr) else "" if value is None else value
        text = ", ".join(value) if isinstance(value, tuple) else str(text)
        rows.append((name, text, where[name]) if origin else (name, text))
    heads = ("setting", "value", "origin") if origin else ("setting", "value")
    print_table(heads, rows, console(sys.stdout, colour=ui.colour))
