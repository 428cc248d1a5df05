"""`gatewatch evaluate`: findings against the labels of a simulated world."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from gatewatch.cli.choose import Finite
from gatewatch.cli.root import Command, Ui, pass_ui
from gatewatch.errors import UsageError

_FINDINGS = "give what `gatewatch scan --format json` prints"


@click.command(
    cls=Command,
    examples=(
        "gatewatch scan world/logs --inventory world/inventory.json -o found.json",
        "gatewatch evaluate world/labels.json found.json           # how good are they?",
        "gatewatch scan world/logs --format json | gatewatch evaluate world/labels.json -",
        "gatewatch evaluate world/labels.json found.json --list    # ... each miss and each false alarm",
    ),
)
@click.argument("labels", metavar="LABELS")
@click.argument("findings", metavar="FINDINGS")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--list", "listed", is_flag=True, help="List each missed incident and each false alarm, too.")
@click.option(
    "--grace",
    type=Finite(0, 1440),
    default=30.0,
    show_default=True,
    help="Minutes after its end in which an incident may still be reported.",
)
@click.option("--shuffles", type=click.IntRange(1, 1000), default=20, show_default=True, help="Rounds of chance.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the shuffled times.")
@pass_ui
def command(
    ui: Ui, labels: str, findings: str, form: str, listed: bool, grace: float, shuffles: int, seed: int
) -> None:
    """Judge FINDINGS (JSON of `gatewatch scan`, a file or `-`) by LABELS (labels.json of `gatewatch simulate`).

    Recall, precision, delay, false alarms an API and week, culprits, subtypes and causes; by kind, level, traffic and
    subtype; beside them the same for the same findings at shuffled times. Findings of severity info alert nobody and
    are left out. The rules are in docs/evaluation.md.

    Exit: 0 judged, however bad; 2 a document is wrong.
    """
    from gatewatch.cli.documents import json_text
    from gatewatch.cli.evaluated import print_evaluation, print_list
    from gatewatch.cli.terminal import console
    from gatewatch.evaluation.claims import findings_in, read_claims
    from gatewatch.evaluation.figures import figures
    from gatewatch.evaluation.labels import read_labels
    from gatewatch.evaluation.luck import at_shuffled_times
    from gatewatch.evaluation.match import Rules, judge
    from gatewatch.evaluation.report import document
    from ingest.documents import read_text

    if labels == "-":
        raise UsageError("LABELS cannot be `-`: only the findings come from a pipe")
    truth = read_labels(_parsed(read_text(labels), labels), labels)
    name = "stdin" if findings == "-" else findings
    text = sys.stdin.buffer.read().decode(errors="replace") if findings == "-" else read_text(findings)
    claims = read_claims(findings_in(_document(text, name), name), name)
    rules = Rules(grace_s=grace * 60)
    judgement = judge(truth, claims, rules)
    counted = figures([judgement])
    luck = at_shuffled_times([judgement], rules, shuffles=shuffles, seed=seed)
    if form == "json":
        sys.stdout.write(json_text(document([judgement], counted, luck, rules), pretty=True) + "\n")
        return
    screen = console(sys.stdout, colour=ui.colour)
    print_evaluation(counted, luck, screen)
    if listed:
        print_list(judgement, screen)


def _parsed(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{name}: line {error.lineno}: not JSON: {error.msg}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{name}: not JSON that can be read (too deep, or a number too long)") from None


def _document(text: str, name: str) -> Any:
    """One document, or JSON lines: a finding each."""
    if not text.strip():
        if name.endswith((".jsonl", ".ndjson")):
            return []
        raise UsageError(f"{name}: is empty; {_FINDINGS}")
    first = text.strip().splitlines()[0]
    try:
        alone = json.loads(first)
    except (ValueError, RecursionError):
        return _parsed(text, name)
    if isinstance(alone, dict) and "findings" not in alone:
        return [_line(line, number, name) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    return _parsed(text, name)


def _line(line: str, number: int, name: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise UsageError(f"{name}: line {number}: not JSON; {_FINDINGS}") from None
