"""Findings as people and programs want them: table, JSON, JSON lines, CSV. One function a format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from alerts.render.json import json_text as json_text
from gatewatch.cells import CSV_COLUMNS, csv_row
from gatewatch.cells import csv_line as csv_line
from gatewatch.cli.terminal import safe
from gatewatch.records import JSON, Blind, Finding, Measured, Severity, iso

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SCHEMA_VERSION = 1

WHOLE_PERCENT = 98.0
"""Coverage below which a stage is named."""

_COLOURS = {
    Severity.INFO: "dim",
    Severity.LOW: "cyan",
    Severity.MEDIUM: "yellow",
    Severity.HIGH: "red",
    Severity.CRITICAL: "bold red",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What a scan found and on what it stands. accounting: outcome counts; errors, passed_over: one line each.

    coverage: lines beside the requests that CloudWatch counted, where metrics were given.
    """

    findings: Sequence[Finding]
    accounting: Mapping[str, JSON]
    blind: Sequence[Blind] = ()
    errors: Sequence[str] = field(default=())
    passed_over: Sequence[str] = field(default=())
    coverage: Sequence[Measured] = ()

    def to_json(self) -> dict[str, JSON]:
        return {
            "schema_version": SCHEMA_VERSION,
            "findings": [finding.to_json() for finding in self.findings],
            "accounting": dict(self.accounting),
            "blind": [blind.to_json() for blind in self.blind],
            "errors": list(self.errors),
            "passed_over": list(self.passed_over),
            "coverage": [one.to_json() for one in self.coverage],
        }


def as_json(report: Report) -> str:
    return json_text(report.to_json(), pretty=True) + "\n"


def as_jsonl(report: Report) -> str:
    """One finding a line, each with the schema's version."""
    rows = ({"schema_version": SCHEMA_VERSION, **finding.to_json()} for finding in report.findings)
    return "".join(json_text(row) + "\n" for row in rows)


def as_csv(report: Report) -> str:
    return csv_line(CSV_COLUMNS) + "".join(csv_line(csv_row(finding)) for finding in report.findings)


def as_table(report: Report, console: Console) -> None:
    """What a person reads: the findings, what could not be judged, and what was read."""
    from rich.text import Text

    for number, finding in enumerate(report.findings):
        if number:
            console.print()
        print_finding(finding, console)
    if not report.findings:
        console.print("no findings")
    if report.blind:
        console.print(Text("\ncould not be judged:", style="bold"))
        for blind in report.blind:
            where = place(blind.account, blind.api, blind.stage, None)
            console.print(Text(safe(f"  {blind.kind.value}  {where}: {blind.reason}")))
    short = [one for one in report.coverage if one.percent < WHOLE_PERCENT]
    if short:
        console.print(Text("\nnot all requests are in the logs:", style="bold"))
        for one in short:
            where = place(one.account, one.api, one.stage, None)
            said = f"  {where}: {one.lines:,} lines of {one.requests:,} requests ({one.percent:.1f} %)"
            console.print(Text(safe(said)))
    console.print(Text(safe("\n" + accounting_line(report.accounting)).replace("\\x0a", "\n")))


def print_finding(finding: Finding, console: Console) -> None:
    """One finding in a few lines: how bad and what, where and when, why we think so, who, and what to do."""
    from rich.text import Text

    head = Text(f"{finding.severity.value.upper():<8} ", style=_COLOURS[finding.severity])
    head.append(safe(finding.title), style="bold")
    console.print(head)
    rows = [
        ("what", f"{_code(finding)}{finding.kind.value} / {finding.subtype}, cause {finding.cause.value}"),
        ("where", place(finding.account, finding.api, finding.stage, finding.route)),
        ("when", f"{span(finding.start, finding.end)}, noticed {iso(finding.detected_at)}"),
        ("why", finding.evidence.sentence),
        ("for it", _factors(finding, "+")),
        ("against", _factors(finding, "-")),
        ("who", who(finding)),
        ("changes", _changes(finding)),
        ("caveat", finding.caveat or ""),
        ("do", finding.remedy),
        ("count", _reproduce(finding)),
        ("id", finding.id),
    ]
    print_pairs([(name, text) for name, text in rows if text], console)


def _code(finding: Finding) -> str:
    code = finding.evidence.card.get("code")
    return f"{code} " if isinstance(code, str) else ""


def _changes(finding: Finding) -> str:
    """The candidates with their scores, and whether one is likely."""
    listed = [f"{c.score:.2f} {iso(c.at)} {c.what} by {c.actor} on {c.resource}" for c in finding.changes[:3]]
    cause = finding.evidence.card.get("cause")
    answer = str(cause["changes"]) if isinstance(cause, dict) else ""
    if answer.startswith("likely") or answer == "no changes were given":
        answer = ""
    return "; ".join([*([answer] if answer else []), *listed])


def _factors(finding: Finding, sign: str) -> str:
    found = finding.evidence.card.get("factors")
    listed = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return "; ".join(str(one["what"]) for one in listed if one["sign"] == sign)


def _reproduce(finding: Finding) -> str:
    """The command that writes the counted requests."""
    found = finding.evidence.card.get("reproduce")
    return str(found["gatewatch"]) if isinstance(found, dict) else ""


def print_pairs(rows: Sequence[tuple[str, str]], console: Console) -> None:
    """Names and texts side by side; long texts are folded to the width at hand."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(min_width=9, justify="right", style="dim", no_wrap=True)
    grid.add_column(overflow="fold", ratio=1)
    for name, text in rows:
        grid.add_row(Text(name), Text(safe(text)))
    _print_trimmed(grid, console)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], console: Console) -> None:
    """Columns over rows; the widest columns give way first."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else safe(cell)) for cell in row))
    _print_trimmed(table, console)


def _print_trimmed(table: Table, console: Console) -> None:
    """rich fills each row up with spaces; a pipe and a diff want none at the end."""
    with console.capture() as kept:
        console.print(table)
    console.file.write("".join(f"{line.rstrip()}\n" for line in kept.get().splitlines()))


def place(account: str | None, api: str, stage: str | None, route: str | None) -> str:
    """`123456789012/abc123/prod GET /pets`."""
    path = "/".join(part for part in (account, api, stage) if part)
    return f"{path} {route}" if route else path


def who(finding: Finding) -> str:
    """The first few of each kind of entity, and how many more there are."""
    parts = []
    for name, values in (
        ("ip", finding.entities.ips),
        ("key", finding.entities.api_key_ids),
        ("principal", finding.entities.principals),
        ("as", finding.entities.asns),
    ):
        if values:
            more = f" (+{len(values) - 3})" if len(values) > 3 else ""
            parts.append(f"{name} {', '.join(values[:3])}{more}")
    return "; ".join(parts)


def span(start: datetime, end: datetime | None) -> str:
    """`2026-06-09T12:34:00Z for 1 h 5 min`."""
    if end is None:
        return f"{iso(start)}, still going on"
    minutes = max(round((end - start).total_seconds() / 60), 0)
    hours, rest = divmod(minutes, 60)
    return f"{iso(start)} for {f'{hours} h ' if hours else ''}{rest} min"


def accounting_line(accounting: Mapping[str, JSON]) -> str:
    """`1,000 lines in 3 files: 990 accepted, 4 rejected (not_json 4), 1 blank, 5 duplicate`."""
    counts = {name: value if isinstance(value, int) else 0 for name, value in accounting.items()}
    reasons = accounting.get("reasons")
    listed = ", ".join(f"{name} {n:,}" for name, n in reasons.items()) if isinstance(reasons, Mapping) else ""
    return (
        f"{counts.get('lines', 0):,} lines in {counts.get('files', 0):,} files: "
        f"{counts.get('accepted', 0):,} accepted, "
        f"{counts.get('rejected', 0):,} rejected{f' ({listed})' if listed else ''}, "
        f"{counts.get('blank', 0):,} blank, {counts.get('duplicate', 0):,} duplicate"
    )


TEXT_FORMATS: dict[str, Callable[[Report], str]] = {"json": as_json, "jsonl": as_jsonl, "csv": as_csv}
FORMATS: tuple[str, ...] = ("table", *TEXT_FORMATS)
SUFFIXES: dict[str, str] = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".txt": "table"}
