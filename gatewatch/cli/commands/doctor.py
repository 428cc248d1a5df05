"""`gatewatch doctor`: is this installation fit to run."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gatewatch.cli.root import Command, Ui, pass_ui
from gatewatch.cli.terminal import safe
from gatewatch.errors import GatewatchError

if TYPE_CHECKING:
    from gatewatch.settings import Settings

NAMES = ("gatewatch", "ingest", "detect", "alerts", "dashboard")
"""Top-level packages that are ours."""

LOW_SHARE = 0.15
FULL_SHARE = 0.05
ROOM = 4 << 30
"""Free disk: below the first share a warning, below the second ingest refuses; neither with so many bytes free."""


@dataclass(frozen=True, slots=True)
class Check:
    """level: ok, warn or fail. hint: what to do."""

    level: str
    text: str
    hint: str = ""


@click.command(cls=Command, examples=("gatewatch doctor",))
@pass_ui
def command(ui: Ui) -> int:
    """Check names, settings, data directory, disk space and schema. Exit 3 when something will not work."""
    settings = ui.settings()
    checks = [*names(importlib.metadata.packages_distributions()), *data_dir(settings.data_dir), *schema(settings)]
    for check in checks:
        click.echo(safe(f"{check.level:<5} {check.text}"))
        if check.hint:
            ui.hint(check.hint)
    return 3 if any(check.level == "fail" for check in checks) else 0


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
