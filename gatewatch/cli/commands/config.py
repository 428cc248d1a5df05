"""`gatewatch config`: is it right, and where does each value come from."""

from __future__ import annotations

import sys

import click
from pydantic import SecretStr

from gatewatch.cli.root import Command, Group, Ui, pass_ui


@click.group(
    cls=Group, examples=("gatewatch config check", "gatewatch config show --origin", "gatewatch config schema")
)
def command() -> None:
    """Check or show the settings. Order: flags, environment (GATEWATCH_…), configuration file, defaults."""


@command.command("check", cls=Command, examples=("gatewatch config check && gatewatch serve",))
@pass_ui
def check(ui: Ui) -> None:
    """Exit 0 when settings and alerts file are right, else 2 with what is wrong. Touches neither network nor data."""
    from alerts.channels import configured
    from gatewatch.settings import config_file

    settings = ui.settings()
    channels = ", ".join(sorted(configured(settings))) or "none"
    files = [str(one) for one in (config_file(ui.config), settings.alerts_file) if one is not None]
    click.echo(f"the settings are right ({', '.join(files) or 'no configuration file'}); channels: {channels}")


@command.command("schema", cls=Command, examples=("gatewatch config schema > alerts.schema.json",))
@pass_ui
def schema(ui: Ui) -> None:
    """Print the JSON Schema of the alerts file, for editors and other checks."""
    del ui
    from alerts.channels import schema as made
    from gatewatch.cli.documents import json_text

    sys.stdout.write(json_text(made(), pretty=True) + "\n")


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
