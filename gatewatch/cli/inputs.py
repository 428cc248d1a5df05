"""Options for the documents that people bring beside the logs, and reading them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gatewatch.cli.choose import MAX_REJECTED_SHARE
from gatewatch.records import JSON, Change, ChangeEvent

if TYPE_CHECKING:
    import pyarrow as pa

    from detect.model import Context
    from gatewatch.cli.root import Ui
    from gatewatch.settings import Settings
    from gatewatch.store.state import State
    from gatewatch.surroundings import Kept
    from ingest.documents import Network
    from ingest.jsonstream import Rejects

F = TypeVar("F", bound=Callable[..., Any])

SHOWN = 20
"""Files that were passed over, named on stderr; the JSON names all."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What the documents beside the logs say. counts: records of each kind. files: where the documents stand.

    errors: of metrics or traces more was no record than may be passed over (MAX_REJECTED_SHARE).
    """

    inventory: Mapping[str, JSON] | None = None
    events: Sequence[ChangeEvent] = ()
    networks: Sequence[Network] = ()
    counts: dict[str, JSON] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    points: pa.Table | None = None
    spans: pa.Table | None = None
    executions: pa.Table | None = None

    @property
    def changes(self) -> list[Change]:
        return [event.change for event in self.events]

    def context(self, settings: Settings) -> Context:
        """All of it, for the detectors."""
        from detect.configuration import version_of
        from detect.model import Context

        return Context(
            self.inventory,
            self.changes,
            self.networks,
            self.metrics,
            self.spans,
            settings,
            events=self.events,
            versions=[] if self.inventory is None else [version_of(self.inventory, None)],
            executions=self.executions,
        )

    @property
    def metrics(self) -> pa.Table | None:
        """METRICS of the points."""
        from gatewatch.frames.points import metrics_of

        return None if self.points is None else metrics_of(self.points)


def kept_options(function: F) -> F:
    """--inventory, --changes, --metrics, --traces, --executions: what the store has a place for."""
    options = (
        click.option("--inventory", metavar="FILE", help="APIs and stages as one JSON document."),
        click.option(
            "--changes", metavar="FILE", multiple=True, help="CloudTrail records, JSON lines or {Records:[]}."
        ),
        click.option("--metrics", metavar="FILE", multiple=True, help="CloudWatch metrics, JSON lines."),
        click.option("--traces", metavar="FILE", multiple=True, help="X-Ray traces or spans, JSON lines."),
        click.option("--executions", metavar="FILE", multiple=True, help="Execution logs of stages, JSON lines."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def document_options(function: F) -> F:
    """--inventory, --changes, --metrics, --traces, --executions, --asn."""
    asn = click.option("--asn", metavar="FILE", help="Networks as CSV: network,asn[,name].")
    return kept_options(asn(function))


def read_beside(options: Mapping[str, Any]) -> Beside:
    """Read and check every document; UsageError names file, line and what is wrong, before any log is read."""
    from ingest.changes import read_changes
    from ingest.documents import read_inventory, read_networks

    counts: dict[str, JSON] = {}
    inventory = read_inventory(options["inventory"]) if options["inventory"] else None
    events = read_changes(options["changes"])
    networks = read_networks(options["asn"]) if options.get("asn") else []
    if options["changes"]:
        counts["changes"] = len(events)
    if options.get("asn"):
        counts["networks"] = len(networks)
    single = [options[name] for name in ("inventory", "asn") if options.get(name)]
    files = (*single, *options["changes"], *options["metrics"], *options["traces"], *(options.get("executions") or ()))
    beside = Beside(inventory, events, networks, counts, (), files)
    if options["metrics"]:
        beside = _with_metrics(beside, options["metrics"])
    if options["traces"]:
        beside = _with_traces(beside, options["traces"])
    if options.get("executions"):
        beside = _with_executions(beside, options["executions"])
    return beside


def keep_beside(state: State, beside: Beside, *, source: str, now: datetime) -> Kept:
    """Put what the documents say into the store."""
    from gatewatch.surroundings import keep

    return keep(
        state,
        now=now,
        source=source,
        inventory=beside.inventory,
        events=beside.events,
        points=beside.points,
        spans=beside.spans,
        executions=beside.executions,
    )


def _with_metrics(beside: Beside, paths: Sequence[str]) -> Beside:
    from ingest.metrics import read_metrics

    found = read_metrics(paths)
    note = (
        f"metrics: {found.records:,} records, {found.kept:,} of them Count (WebSocket: ConnectCount) of an API or stage"
    )
    return replace(_with(beside, "metrics", found.records, found.rejects, note), points=found.points)


def _with_traces(beside: Beside, paths: Sequence[str]) -> Beside:
    from ingest.traces import read_traces

    found = read_traces(paths)
    note = f"traces: {found.records:,} records, {found.traced:,} requests through a stage"
    if found.elsewhere:
        note += f", {found.elsewhere:,} traces without one (HTTP APIs are not traced)"
    if found.thinned > 1:
        note += f"; one trace in {found.thinned} was kept"
    return replace(_with(beside, "traces", found.records, found.rejects, note), spans=found.table)


def _with_executions(beside: Beside, paths: Sequence[str]) -> Beside:
    from ingest.executions import read_executions

    found = read_executions(paths)
    note = f"executions: {found.records:,} lines, {found.refused:,} refused requests with a cause"
    return replace(_with(beside, "executions", found.records, found.rejects, note), executions=found.table)


def _with(beside: Beside, name: str, records: int, rejects: Rejects, note: str) -> Beside:
    """The counts and what to say of one kind of document; see Beside.errors."""
    counts: dict[str, JSON] = {**beside.counts, name: records}
    if not rejects.count:
        return replace(beside, counts=counts, notes=(*beside.notes, note))
    counts[f"{name}_rejected"] = rejects.count
    named = [f"{name}: {text}" for text in rejects.named]
    if rejects.count > len(rejects.named):
        named.append(f"{name}: ... and {rejects.count - len(rejects.named):,} more that are no record")
    if rejects.count > MAX_REJECTED_SHARE * (records + rejects.count):
        return replace(beside, counts=counts, notes=(*beside.notes, note), errors=(*beside.errors, *named))
    return replace(beside, counts=counts, notes=(*beside.notes, note, *named))


def tell_passed_over(ui: Ui, no_logs: Sequence[str]) -> None:
    """On stderr: which files were taken for something else than logs, and for what."""
    for text in no_logs[:SHOWN]:
        ui.say(f"passed over: {text}")
    if len(no_logs) > SHOWN:
        ui.say(f"passed over: {len(no_logs) - SHOWN:,} more files that are no logs")
