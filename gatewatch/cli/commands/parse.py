"""`gatewatch parse`: every line with its outcome and what was read from it."""

from __future__ import annotations

import secrets
import sys

import click

from gatewatch.cli.root import Command, Ui, pass_ui


@click.command(
    cls=Command,
    examples=(
        "gatewatch parse access.log | head                # how the lines are read",
        """gatewatch parse logs/ | grep '"rejected"'          # what is not, and why""",
        "zcat a.gz | gatewatch parse - --log-format apigw-rest-json",
    ),
)
@click.argument("paths", metavar="PATH…", nargs=-1, required=True)
@click.option("--inventory", metavar="FILE", help="APIs and stages as one JSON document.")
@click.option("--log-format", metavar="FORMAT", help="A $context template or a format's name (default: found out).")
@pass_ui
def command(ui: Ui, paths: tuple[str, ...], inventory: str | None, log_format: str | None) -> int:
    """Print one JSON object a line of input: file, line (from 1), outcome, reason, and the fields that were read.

    Outcomes are accepted, rejected, blank and duplicate. Secrets are replaced by a hash; with the setting hash_key the
    same secret gives the same hash in every run. Exit 3 when a file could not be read or nothing was accepted.
    """
    from gatewatch.cli.documents import json_text
    from ingest.documents import read_inventory
    from ingest.parse import parse_paths

    settings = ui.settings()
    document = read_inventory(inventory) if inventory else None
    failures: list[str] = []

    def failed(text: str) -> None:
        failures.append(text)
        ui.warn(text)

    counts: dict[str, int] = {}
    for record in parse_paths(
        paths,
        log_format=log_format,
        inventory=document,
        exclude=[inventory] if inventory else [],
        hash_key=settings.hash_key.get_secret_value().encode() if settings.hash_key else secrets.token_bytes(16),
        guessed=lambda text: ui.say(f"format: {text}"),
        failed=failed,
        passed=lambda text: ui.say(f"passed over: {text}"),
    ):
        outcome = str(record["outcome"])
        counts[outcome] = counts.get(outcome, 0) + 1
        sys.stdout.write(json_text(record) + "\n")
    ui.say(", ".join(f"{count:,} {outcome}" for outcome, count in sorted(counts.items())) or "no lines")
    if not counts and not failures:
        ui.warn("there was not one line to read")
    read = counts.get("accepted", 0) + counts.get("duplicate", 0)
    return 3 if failures or not read else 0
