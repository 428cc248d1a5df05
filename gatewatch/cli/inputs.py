"""Options for the documents that people bring beside the logs, and reading them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gatewatch.records import JSON, Change

if TYPE_CHECKING:
    from ingest.documents import Network

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Beside:
    """What the documents beside the logs say. counts: records of each kind. files: where the documents stand."""

    inventory: Mapping[str, JSON] | None = None
    changes: Sequence[Change] = ()
    networks: Sequence[Network] = ()
    counts: dict[str, JSON] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def document_options(function: F) -> F:
    """--inventory, --changes, --metrics, --traces, --asn."""
    options = (
        click.option("--inventory", metavar="FILE", help="APIs and stages as one JSON document."),
        click.option(
            "--changes", metavar="FILE", multiple=True, help="CloudTrail records, JSON lines or {Records:[]}."
        ),
        click.option("--metrics", metavar="FILE", multiple=True, help="CloudWatch metrics, JSON lines."),
        click.option("--traces", metavar="FILE", multiple=True, help="X-Ray traces or spans, JSON lines."),
        click.option("--asn", metavar="FILE", help="Networks as CSV: network,asn[,name]."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def read_beside(options: Mapping[str, Any]) -> Beside:
    """Read and check every document; UsageError names file, line and what is wrong, before any log is read."""
    from ingest.changes import read_changes
    from ingest.documents import count_metrics, count_traces, read_inventory, read_networks

    counts: dict[str, JSON] = {}
    notes = []
    inventory = read_inventory(options["inventory"]) if options["inventory"] else None
    changes = sorted(
        (change for path in options["changes"] for change in read_changes(path)), key=lambda change: change.at
    )
    networks = read_networks(options["asn"]) if options["asn"] else []
    if options["changes"]:
        counts["changes"] = len(changes)
    if options["asn"]:
        counts["networks"] = len(networks)
    for name, count in (("metrics", count_metrics), ("traces", count_traces)):
        if options[name]:
            records = sum(count(path) for path in options[name])
            counts[name] = records
            notes.append(f"{name}: {records:,} records are in order; no detector uses them yet")
    single = [options[name] for name in ("inventory", "asn") if options[name]]
    files = (*single, *options["changes"], *options["metrics"], *options["traces"])
    return Beside(inventory, changes, networks, counts, tuple(notes), files)
