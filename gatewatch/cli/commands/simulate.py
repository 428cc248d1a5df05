"""`gatewatch simulate`: a labelled world of gateways, as AWS would deliver it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from gatewatch.cli.choose import Finite, world_end
from gatewatch.cli.root import Command, Ui, pass_ui
from gatewatch.errors import UsageError


@click.command(
    cls=Command,
    examples=(
        "gatewatch simulate world                          # a week of twelve APIs, incidents and their labels",
        "gatewatch simulate calm --scenario none --seed 3  # the same without any incident",
        "gatewatch simulate one --days 2 --scenario flash_crowd",
        "gatewatch scan world/logs --inventory world/inventory.json --asn world/asn.csv",
    ),
)
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--days", type=Finite(0, 400, min_open=True), default=7.0, show_default=True)
@click.option(
    "--apis", type=click.IntRange(1, 500), default=12, show_default=True, help="How many, a few of them busy."
)
@click.option(
    "--rate",
    type=Finite(0, 100_000, min_open=True),
    default=4.0,
    show_default=True,
    help="Calls a second of all APIs together.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=7, show_default=True, help="Another seed, another world."
)
@click.option("--scenario", "scenarios", metavar="NAME", multiple=True, help="Only this one (repeatable), or none.")
@click.option("--end", help="Last moment of the world (default: the last full hour).")
@click.option("--ongoing", is_flag=True, help="Let an incident of each kind still go on at the end.")
@click.option("--workers", type=click.IntRange(0, 256), default=0, help="Processes (default: one a core).")
@pass_ui
def command(
    ui: Ui,
    out: Path,
    days: float,
    apis: int,
    rate: float,
    seed: int,
    scenarios: tuple[str, ...],
    end: str | None,
    ongoing: bool,
    workers: int,
) -> int:
    """Write a world of gateways under OUT: access logs, inventory, changes, metrics, traces, networks, and labels.

    The same settings and --end give the same bytes, for any number of --workers. labels.json says what is really going
    on: incidents that must be found, and happenings that must not be alarmed. docs/simulate.md describes the world.
    """
    from gatewatch.simulate.model import MINUTE_MS, Settings
    from gatewatch.simulate.scenarios import SCENARIOS
    from gatewatch.simulate.write import write_world

    unknown = [name for name in scenarios if name not in SCENARIOS and name != "none"]
    if unknown:
        raise UsageError(f"no scenario is called {unknown[0]!r}; there are: {', '.join(SCENARIOS)}, none")
    if "none" in scenarios and len(scenarios) > 1:
        raise UsageError("--scenario none stands alone")
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty")
    last = world_end(end, days) or datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    settings = Settings(
        seed=seed,
        days=days,
        apis=apis,
        rate_rps=rate,
        end_ms=int(last.timestamp() * 1000) // MINUTE_MS * MINUTE_MS,
        scenarios=() if "none" in scenarios else scenarios,
        plant="none" not in scenarios,
        ongoing=ongoing,
    )
    with ui.reporter("simulate") as progress:
        written = write_world(settings, out, workers=workers or os.cpu_count() or 1, progress=progress)
    for name in written.left_out if scenarios else ():
        ui.warn(f"{name} is not in this world: no API can show it, or it needs more --days, --apis or --rate")
    ui.say(f"{written.lines:,} lines in {written.files:,} files, {sum(written.requests.values()):,} calls")
    beside = {"inventory": "json", "changes": "jsonl", "metrics": "jsonl", "traces": "jsonl", "asn": "csv"}
    options = " ".join(f"--{name} {out / name}.{suffix}" for name, suffix in beside.items())
    ui.hint(f"gatewatch scan {out / 'logs'} {options}")
    return 0
