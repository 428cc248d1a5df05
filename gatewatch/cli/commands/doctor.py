"""`gatewatch doctor`: is this installation fit to run."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gatewatch.cli.checks import Check
from gatewatch.cli.choose import Finite
from gatewatch.cli.root import Command, Ui, pass_ui
from gatewatch.cli.signal import lines
from gatewatch.cli.terminal import safe
from gatewatch.errors import GatewatchError, UsageError
from gatewatch.patches import FORMS, patch

if TYPE_CHECKING:
    from gatewatch.diagnosing import Diagnosis
    from gatewatch.settings import Settings

NAMES = ("gatewatch", "ingest", "detect", "alerts", "dashboard")
"""Top-level packages that are ours."""

LOW_SHARE = 0.15
FULL_SHARE = 0.05
ROOM = 4 << 30
"""Free disk: below the first share a warning, below the second ingest refuses; neither with so many bytes free."""


@click.command(
    cls=Command,
    examples=(
        "gatewatch doctor                                        # this installation, and what each stage lets us see",
        "gatewatch doctor --inventory inventory.json             # the stages of a file",
        "gatewatch doctor --stage a1b2c3d4e5/prod --patch cli    # the change that lets every detector see",
    ),
)
@click.option("--inventory", metavar="FILE", help="Stages of this document instead of the store's.")
@click.option("--stage", metavar="API/STAGE", help="Only this stage.")
@click.option("--patch", "form", type=click.Choice(FORMS), help="Print the recommended log format as a change.")
@click.option("--requests-per-month", type=Finite(min=0), help="For the cost; default: what the store saw.")
@click.option("--offline", is_flag=True, help="Ask AWS nothing: neither rights nor sources are tried.")
@click.option("--format", "out", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_ui
def command(
    ui: Ui,
    inventory: str | None,
    stage: str | None,
    form: str | None,
    requests_per_month: float | None,
    offline: bool,
    out: str,
) -> int:
    """Check this installation, and say of each stage what its access log lets every detector see.

    Each right of the AWS connections and sources is tried, and their lag, silence and cost are told. Exit 3 when
    something will not work.
    """
    settings = ui.settings()
    checks = [*names(importlib.metadata.packages_distributions()), *data_dir(settings.data_dir), *schema(settings)]
    failed = any(check.level == "fail" for check in checks)
    if form is None and not failed and not offline:
        from gatewatch.cli.awsdoctor import aws_checks

        checks += aws_checks(settings, datetime.now(UTC))
    if form is None and out == "text":
        for check in checks:
            click.echo(safe(f"{check.level:<5} {check.text}"))
            if check.hint:
                ui.hint(check.hint)
    found = [] if failed and inventory is None else _stages(settings, inventory, requests_per_month)
    if stage is not None:
        found = [one for one in found if stage in {f"{one.log.api}/{one.log.stage}", f"{one.log.name}/{one.log.stage}"}]
        if not found:
            raise UsageError(f"no stage {stage} is known; write API/STAGE as `gatewatch doctor` lists them")
    if form is not None:
        for one in found:
            for line in patch(form, one.log, one.template).split("\n"):
                click.echo(safe(line))
    elif out == "json":
        told = [{"level": check.level, "text": check.text, "hint": check.hint} for check in checks]
        click.echo(
            json.dumps({"schema_version": 1, "checks": told, "stages": [one.to_json() for one in found]}, indent=2)
        )
    else:
        for one in found:
            click.echo()
            for line in lines(one):
                click.echo(safe(line))
    return 3 if any(check.level == "fail" for check in checks) else 0


def _stages(settings: Settings, path: str | None, requests: float | None) -> list[Diagnosis]:
    from gatewatch.cli.opened import opened
    from gatewatch.diagnosing import diagnoses, known_stages

    known: tuple[Any, Any, Any] = ({}, {}, {})
    if settings.database_url is not None or (settings.data_dir / "state.db").exists():
        with opened(settings) as state:
            known = known_stages(state)
    document, rates, coverage = known
    if path is not None:
        from ingest.documents import read_inventory

        document = read_inventory(path)
    return diagnoses(document, rates=rates, coverage=coverage, requests=requests)


def names(owners: Mapping[str, Sequence[str]]) -> Iterator[Check]:
    """Another distribution with one of our names: pip overwrites in silence, and the wrong code runs."""
    clashes = {
        name: sorted({owner for owner in owners.get(name, ()) if owner.lower() != "gatewatch"}) for name in NAMES
    }
    for name, others in clashes.items():
        if others:
            text = f"the package {name!r} is also installed by {', '.join(others)}"
            yield Check("fail", text, "install gatewatch alone: pipx, uv tool install, or an environment of its own")
    if not any(clashes.values()):
        yield Check("ok", f"nobody else claims {', '.join(NAMES)}")


def data_dir(path: Path, usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage) -> Iterator[Check]:
    """The data directory can be written, is private, and its disk has room."""
    there = path if path.exists() else next(parent for parent in path.absolute().parents if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield Check("fail", f"data directory {path} cannot be written", "set GATEWATCH_DATA_DIR to a folder of yours")
    else:
        yield Check("ok", f"data directory {path}{'' if path.exists() else ' (will be made)'}")
    if path.is_dir() and path.stat().st_mode & 0o077:
        yield Check("warn", f"data directory {path} can be read by others", f"chmod 700 {path}")
    total, _, free = usage(there)
    share = free / total if total else 0.0
    text = f"{free / 2**30:.1f} GiB free ({100 * share:.0f} %) on the disk of {path}"
    level = "ok" if share >= LOW_SHARE or free >= ROOM else "warn" if share >= FULL_SHARE else "fail"
    yield Check(level, text, "" if level == "ok" else "free some space or move the data directory")


def schema(settings: Settings) -> Iterator[Check]:
    """The database's schema is this program's, or there is none yet."""
    from gatewatch.cli.opened import database_revision
    from gatewatch.store.migrate import head_revision

    if settings.database_url is None and not (settings.data_dir / "state.db").exists():
        yield Check("ok", "no database yet; the first ingest makes it")
        return
    try:
        current, head = database_revision(settings), head_revision()
    except GatewatchError as error:
        yield Check("fail", str(error))
        return
    if current == head or current is None:
        yield Check("ok", f"database schema {current or 'empty'}")
    else:
        yield Check("fail", f"database schema {current}, this program's is {head}", "gatewatch db upgrade")
