"""`gatewatch demo`: a simulated world, ingested, evaluated and served."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gatewatch.cli.choose import Finite, world_end
from gatewatch.cli.root import Command, Ui, pass_ui
from gatewatch.errors import UsageError

if TYPE_CHECKING:
    from gatewatch.settings import Settings
    from gatewatch.store.state import State

MARK = ".gatewatch-demo"
"""A folder with this file in it is ours to empty."""

OURS = (
    "logs",
    "data",
    "inventory.json",
    "changes.jsonl",
    "metrics.jsonl",
    "traces.jsonl",
    "asn.csv",
    "labels.json",
    "alerts.yaml",
    "alerts.jsonl",
    "night-desk.jsonl",
)

APIS = 9


@click.command(
    cls=Command,
    examples=(
        "gatewatch demo                          # open http://127.0.0.1:8080 when it says so; Ctrl-C ends it",
        "gatewatch demo --no-serve               # only make the logs and look for findings",
        "gatewatch scan .demo/logs               # the same logs, as you would scan your own",
    ),
)
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=Path(".demo"), show_default=True)
@click.option("--days", type=Finite(0.5, 60), default=7.0, show_default=True, help="How far back it goes.")
@click.option(
    "--rate",
    type=Finite(0, 1000, min_open=True),
    default=1.0,
    show_default=True,
    help="Calls a second of all APIs together.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=7, show_default=True, help="Another seed, another world."
)
@click.option("--end", help="Last moment of the logs (default: now).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (default: setting port).")
@click.option("--serve/--no-serve", "serving", default=True, help="Serve the dashboard at the end.")
@pass_ui
def command(
    ui: Ui, folder: Path, days: float, rate: float, seed: int, end: str | None, port: int | None, serving: bool
) -> int:
    """Simulate a week of nine APIs with incidents, ingest it, look for findings, and serve.

    One incident of each kind still goes on. The charts tell what is really going on (see docs/tour.md). Everything is
    under --dir, alerts go into files there; your data directory, database and alert channels are not touched.
    """
    from gatewatch.demoworld import write

    now = world_end(end, days) or datetime.now(UTC)
    settings = _settings(ui, folder, port)
    _empty(folder)
    with ui.reporter(f"write logs of {days:g} days") as progress:
        lines = write(now, folder, workers=os.cpu_count() or 1, progress=progress, days=days, rate=rate, seed=seed)
    ui.say(f"{lines:,} lines of {APIS} APIs in {folder / 'logs'}; labels.json tells what is in them")
    settings = settings.model_copy(update={"alerts_file": _alerting(folder)})
    _ingest(ui, settings, folder, now)
    if not serving:
        named = {"DATA_DIR": settings.data_dir, "LABELS": settings.labels, "ALERTS_FILE": settings.alerts_file}
        ui.hint(f"{' '.join(f'GATEWATCH_{name}={value}' for name, value in named.items())} gatewatch serve")
        return 0
    from gatewatch.app import serve

    return serve(settings) or 0


def _settings(ui: Ui, folder: Path, port: int | None) -> Settings:
    """The user's settings, but with data under the demo's folder, on loopback, and no way out to anybody."""
    own = {
        "data_dir": folder.absolute() / "data",
        "labels": folder.absolute() / "labels.json",
        **({} if port is None else {"port": port}),
    }
    closed = {"alerts_file": None, "database_url": None, "smtp_url": None, "slack_webhook_url": None, "email_to": ()}
    keyless = {"ingest_key": None, "ingest_key_next": None}
    here = {"host": "127.0.0.1", "login": "auto", "public_url": None, "trusted_proxies": (), "ingest_listen": None}
    alone = {"oidc_issuer": None, "oidc_client_id": None, "oidc_client_secret": None, "oidc_roles": ()}
    return ui.settings().model_copy(update={**own, **closed, **keyless, **here, **alone})


def _empty(folder: Path) -> None:
    """Make the folder, without what an earlier demo left there; a folder that is no demo's is refused."""
    ours = (folder / MARK).is_file() or not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not ours:
        raise UsageError(f"{folder} exists and is no demo's folder; name another with --dir")
    for name in OURS:
        shutil.rmtree(folder / name, ignore_errors=True)
        if (folder / name).is_file():
            (folder / name).unlink()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()


_ALERTS = """\
# Where the demo's alerts go: two files beside this one. Nothing leaves this machine.
channels:
  everybody: {{type: file, path: {folder}/alerts.jsonl}}
  night-desk: {{type: file, path: {folder}/night-desk.jsonl, fallback: everybody}}
owners:
  - {{match: {{api: "*"}}, environment: prod}}
times:
  nights: {{start: "22:00", end: "06:00", zone: UTC}}
route:
  name: all findings
  channels: [everybody]
  group_by: [account, api]
  routes:
    - name: wakes somebody up
      match: {{severity: critical}}
      channels: [night-desk, everybody]
    - name: security
      match: {{kind: [auth_failure_spike, throttling_abuse]}}
      channels: [everybody]
      quiet: [nights]
inhibit:
  - {{source: {{severity: critical}}, target: {{severity: [medium, low]}}, equal: [account, api]}}
maintenance:
  - reason: patch night of the gateway
    match: {{kind: latency_outlier, cause: gateway}}
    windows: [nights]
"""


def _alerting(folder: Path) -> Path:
    """Routes and channels of the demo: files, so that something really goes out and nobody outside hears of it."""
    path = folder.absolute() / "alerts.yaml"
    path.write_text(_ALERTS.format(folder=json.dumps(str(folder.absolute()))[1:-1]), encoding="utf-8")
    return path


def _maintain(state: State, now: datetime) -> None:
    """A silence that holds and one that is planned, as people make them."""
    from gatewatch.roles import Role, Via, Who
    from gatewatch.silencing import add

    hour, who = timedelta(hours=1), Who("demo", Role.ADMIN, Via.CLI)
    with state.begin() as session:
        add(
            session,
            who,
            {"kind": ["data_quality"]},
            reason="The log bucket moves today; gaps are known",
            starts_at=now - hour,
            ends_at=now + 6 * hour,
            now=now,
        )
        add(
            session,
            who,
            {"severity": ["medium", "low"]},
            reason="Load test of the release",
            starts_at=now + 24 * hour,
            ends_at=now + 26 * hour,
            now=now,
        )


def _ingest(ui: Ui, settings: Settings, folder: Path, now: datetime) -> None:
    from gatewatch.cli.documents import accounting_line
    from gatewatch.cli.opened import opened
    from gatewatch.demoworld import read
    from gatewatch.jobs import deliver, tick

    with opened(settings, create=True) as state:
        with ui.reporter("ingest") as progress:
            result = read(state, folder, now, source="demo", progress=progress)
        for text in result.errors:
            ui.warn(text)
        ui.say(accounting_line(result.accounting.to_json()))
        ui.say("looking for findings ...")
        _maintain(state, now)
        ui.say(str(tick(state, settings, now)))
        ui.say(f"{deliver(state, settings, datetime.now(UTC))} alerts written to {folder / 'alerts.jsonl'}")
