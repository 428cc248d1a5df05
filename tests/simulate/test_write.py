"""A whole small world: the same bytes for any number of workers, and every line of it can be read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gatewatch.simulate.model import HOUR_MS, Settings
from gatewatch.simulate.write import Written, write_world
from ingest.documents import read_inventory, read_networks
from ingest.scan import ScanResult, scan_paths

SETTINGS = Settings(seed=5, days=0.5, apis=13, rate_rps=2.0, end_ms=1_780_000_000_000 // HOUR_MS * HOUR_MS)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write_world(SETTINGS, tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def labels(world: Written) -> Any:
    return json.loads((world.out / "labels.json").read_text())


@pytest.fixture(scope="module")
def scanned(world: Written) -> ScanResult:
    inventory = read_inventory(str(world.out / "inventory.json"))
    return scan_paths([str(world.out / "logs")], inventory=inventory, workers=1, hash_key=b"k" * 16)


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()


def test_the_number_of_workers_changes_not_a_byte(world: Written, tmp_path: Path) -> None:
    again = write_world(SETTINGS, tmp_path, workers=3)
    assert (again.lines, again.requests) == (world.lines, world.requests)
    assert dict(_files(tmp_path)) == dict(_files(world.out))


def test_another_seed_is_another_world(world: Written, tmp_path: Path) -> None:
    other = Settings(**{**{f: getattr(SETTINGS, f) for f in SETTINGS.__slots__}, "seed": 6, "days": 0.1})
    write_world(other, tmp_path)
    assert set(dict(_files(tmp_path / "logs"))).isdisjoint(dict(_files(world.out / "logs")))


def test_every_line_that_was_written_whole_is_read(world: Written, labels: Any, scanned: ScanResult) -> None:
    read = scanned.accounting
    assert not scanned.errors
    assert read.files == world.files
    assert read.lines == world.lines == labels["lines"]["written"]
    assert read.duplicate <= world.twice
    assert read.accepted >= world.lines - world.twice - world.broken
    assert sum(world.requests.values()) == world.lines - world.twice + world.lost


def test_every_call_is_told_of_the_right_api_and_stage(world: Written, labels: Any, scanned: ScanResult) -> None:
    counts = scanned.minutes.select(["api", "stage", "n"]).group_by(["api", "stage"]).aggregate([("n", "sum")])
    read = {(row["api"], row["stage"]): row["n_sum"] for row in counts.to_pylist()}
    written = {(api["api_id"], api["stage"]): api["requests"] for api in labels["apis"]}
    assert {api for api, _ in read} == {api for api, _ in written}
    gaps = {one["api_id"] for one in labels["benign"] if one["scenario"] in ("lost_lines", "delivery_gap")}
    for (api, stage), calls in written.items():
        seen = sum(n for (other, _), n in read.items() if other == api)
        lost = world.lost if api in gaps else 0
        assert -3 - calls // 1000 <= calls - seen <= lost + 3 + calls // 1000, (api, stage)


def test_a_few_apis_are_busy_and_most_are_not(labels: Any) -> None:
    rates = sorted((api["rate_rps"] for api in labels["apis"]), reverse=True)
    assert sum(rates) == pytest.approx(SETTINGS.rate_rps, rel=1e-3)
    assert sum(rates[:3]) > 0.5 * sum(rates)


def test_networks_name_the_asn_of_callers(world: Written) -> None:
    networks = read_networks(str(world.out / "asn.csv"))
    assert len(networks) >= 10
    assert len({network.asn for network in networks}) == len(networks)
