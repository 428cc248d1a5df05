"""Where the tests keep their files, and simulated worlds that several rooms share."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis
import orjson
import pytest

from gatewatch.cli import main
from gatewatch.ingesting import ingest_paths
from gatewatch.settings import Settings as StoreSettings
from gatewatch.simulate.model import Settings
from gatewatch.simulate.write import Written, write_world
from gatewatch.store.state import open_state
from tests import once

# How long an example takes says more about the machine's other work than about ours.
# The same examples each time, so that a run tells about the change; `make properties` draws new ones.
# The same ones again find nothing more: half of what hypothesis would take is enough there.
NEW = "NEW_EXAMPLES" in os.environ
hypothesis.settings.register_profile("gatewatch", deadline=None, derandomize=not NEW, max_examples=100 if NEW else 50)
hypothesis.settings.load_profile("gatewatch")

# Nor may the window, the account or the settings of the person who runs them: a test sets what it needs itself.
for _name in list(os.environ):
    if _name in {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"} or _name.startswith(("GATEWATCH_", "AWS_")):
        del os.environ[_name]

ROOM = 4 << 30
"""Bytes that a run of all tests may need for its files at a time."""


def in_memory(folder: str = "/dev/shm") -> str | None:
    """The folder when files there are kept in memory, with room for ours, and programs in it may be run."""
    try:
        free = shutil.disk_usage(folder).free
        rights = os.statvfs(folder).f_flag
        available = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
    except OSError:
        return None
    fits = available is not None and min(free, int(available[1]) << 10) > ROOM and os.access(folder, os.W_OK)
    return folder if fits and not rights & (os.ST_NOEXEC | os.ST_RDONLY) else None


# A store waits for the disk at each commit, and nothing here cuts the power: a quarter of the time was that wait.
# TMPDIR chooses another folder.
if "TMPDIR" not in os.environ and (_memory := in_memory()) is not None:
    os.environ["TMPDIR"] = _memory
    tempfile.tempdir = None
# What a program compiles of its own source is kept: the next that a test starts need not do it again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

SLOW = """
dashboard/test_every_page dashboard/test_tasks_browser dashboard/test_browser dashboard/test_hostile_everywhere
dashboard/test_settings_browser test_app test_wheel test_evaluating dashboard/test_login_browser test_surroundings
dashboard/test_explorer_browser dashboard/test_redraw_browser following/test_world dashboard/test_acts cli/test_scan
cli/test_demo_command dashboard/test_bulk_browser store/test_compact app/test_oidc api/routes/test_access
test_backtesting test_jobs cli/test_doctor_aws ingest/aws/test_faults
""".split()
"""Files that take longest, longest first: whoever begins one of them last would let the other workers wait."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: pages, streams and time-outs are waited for."""
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    order = {here / f"{name}.py": number for number, name in enumerate(SLOW)}
    items.sort(key=lambda item: order.get(item.path, len(SLOW)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Why a test was run again: what failed once is not to be forgotten because it passed the next time."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.write_line(f"why again: {report.nodeid} ({report.when}, {report.duration:.0f} s)")
        for line in report.longreprtext.splitlines()[-6:]:
            terminalreporter.write_line(f"    {line[:200]}")


SMALL_END = datetime(2026, 6, 9, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SmallWorld:
    """A day and a bit of five APIs up to SMALL_END, 88,000 lines; an incident of each kind is over, one goes on."""

    folder: Path
    written: Written
    labels: Any

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory.json"

    @property
    def changes(self) -> Path:
        return self.folder / "changes.jsonl"


@pytest.fixture(scope="session", autouse=True)
def paid_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with once.migrated_once(tmp_path_factory.mktemp("template")), once.cheap_hashes():
        yield


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> SmallWorld:
    def make(folder: Path) -> SmallWorld:
        settings = Settings(
            seed=7,
            days=1.1,
            apis=5,
            rate_rps=0.7,
            end_ms=int(SMALL_END.timestamp()) * 1000,
            scenarios=("credential_stuffing", "retry_storm", "outage_silence", "latency_step"),
            ongoing=True,
        )
        written = write_world(settings, folder)
        return SmallWorld(folder, written, orjson.loads((folder / "labels.json").read_bytes()))

    return once.shared(tmp_path_factory, "small_world", make)


@pytest.fixture(scope="session")
def small_store(small_world: SmallWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the logs of the small world in it and nothing else; tests work on copies."""

    def make(folder: Path) -> Path:
        state = open_state(StoreSettings(data_dir=folder / "data"))
        result = ingest_paths(state, [str(small_world.logs)], workers=1)
        state.close()
        assert result.accounting.accepted > 0
        return folder / "data"

    return once.shared(tmp_path_factory, "small_store", make)


BESIDE = {"inventory": "inventory.json", **{name: f"{name}.jsonl" for name in ("changes", "metrics", "traces")}}
"""The files that stand beside a world's logs, by the option of `scan` that takes them."""


@dataclass(frozen=True, slots=True)
class TinyWorld:
    """Ten hours of four APIs up to SMALL_END, 28,000 lines, and what `scan` says of it with the files beside it."""

    folder: Path
    scanned: Any


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> TinyWorld:
    def make(folder: Path) -> TinyWorld:
        end_ms = int(SMALL_END.timestamp()) * 1000
        write_world(Settings(seed=7, days=0.4, apis=4, rate_rps=0.5, end_ms=end_ms, ongoing=True), folder)
        options = [text for name, file in BESIDE.items() for text in (f"--{name}", str(folder / file))]
        out = folder / "scan.json"
        scan = ["scan", str(folder / "logs"), *options, "-o", str(out), "--exit-zero", "--no-progress", "--workers"]
        assert main([*scan, "1"]) == 0
        return TinyWorld(folder, orjson.loads(out.read_bytes()))

    return once.shared(tmp_path_factory, "tiny_world", make)
