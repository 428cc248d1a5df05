"""`gatewatch detectors`: what is looked for and how, offline."""

from __future__ import annotations

import sys

import click

from gatewatch.cli.root import Command, Group, Ui, pass_ui
from gatewatch.errors import UsageError
from gatewatch.records import JSON


@click.group(
    cls=Group,
    examples=("gatewatch detectors list", "gatewatch detectors explain AUTH-004"),
)
def command() -> None:
    """List what the detectors look for, or explain one."""


@command.command("list", cls=Command, examples=("gatewatch detectors list --format json | jq '.detectors[].code'",))
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@pass_ui
def list_(ui: Ui, form: str) -> None:
    """Every code with its kind, name and meaning."""
    from detect.catalog import CODES, to_json
    from gatewatch.cli.documents import SCHEMA_VERSION, json_text, print_table
    from gatewatch.cli.terminal import console

    if form == "json":
        listed: list[JSON] = [to_json(one) for one in CODES]
        sys.stdout.write(json_text({"schema_version": SCHEMA_VERSION, "detectors": listed}, pretty=True) + "\n")
        return
    rows = [(one.code, one.kind.value, one.slug, one.means) for one in CODES]
    print_table(("code", "kind", "name", "means"), rows, console(sys.stdout, colour=ui.colour))
    ui.hint(f"gatewatch detectors explain {CODES[0].code}")


@command.command(
    "explain",
    cls=Command,
    examples=("gatewatch detectors explain AUTH-004", "gatewatch detectors explain credential-stuffing"),
)
@click.argument("code")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@pass_ui
def explain(ui: Ui, code: str, form: str) -> None:
    """What a detector means, its maths, the fields it needs, its tuning and known false positives; needs no network.

    CODE is a code (AUTH-004), a name (credential-stuffing) or a kind (dead_api), which explains all of its codes.
    """
    from difflib import get_close_matches

    from detect.catalog import CODES, Code, family_of, found, needs, to_json
    from gatewatch.cli.documents import SCHEMA_VERSION, json_text, print_pairs
    from gatewatch.cli.terminal import console

    codes = found(code)
    if not codes:
        names = [name for one in CODES for name in (one.code, one.slug, one.kind.value)]
        close = get_close_matches(code, [*names, *(name.lower() for name in names)], n=1)
        hint = f"; did you mean {close[0]}?" if close else "; see gatewatch detectors list"
        raise UsageError(f"no detector is called {code!r}{hint}")
    if form == "json":
        listed: list[JSON] = [to_json(one) for one in codes]
        sys.stdout.write(json_text({"schema_version": SCHEMA_VERSION, "detectors": listed}, pretty=True) + "\n")
        return
    screen = console(sys.stdout, colour=ui.colour)

    def show(one: Code) -> None:
        family = family_of(one.kind)
        fields = "; ".join(f"{variable} ({why})" for variable, why in needs(one)) or "none of its own"
        settings = ", ".join(family.settings)
        rows = [
            (one.code, f"{one.slug}: {one.means}"),
            ("kind", f"{family.title} ({one.kind.value})"),
            ("looks at", family.looks),
            ("apart", one.apart),
            ("maths", f"{family.maths} Source: {family.source}"),
            ("needs", fields),
            ("tuning", f"{one.tune}{f' Settings: {settings}.' if settings else ''}"),
            ("errs", one.errs),
            ("silent", family.benign),
        ]
        print_pairs(rows, screen)

    for number, one in enumerate(codes):
        if number:
            screen.print()
        show(one)
