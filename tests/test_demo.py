"""The demo's world: the same seed and end give the same bytes, and the incidents are in them."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gatewatch.demo import World, write_world
from gatewatch.demo.world import CHAT, GREEDY_KEY, LEGACY, LOGIN, SHOP
from ingest.changes import read_changes
from ingest.documents import read_inventory

END = datetime(2026, 6, 9, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(tmp_path_factory.mktemp("demo"), end=END, scale=0.2)


def lines_of(world: World, api: str) -> list[str]:
    found: list[str] = []
    for path in sorted((world.logs / api).rglob("*.log*")):
        raw = path.read_bytes()
        found += (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode().splitlines()
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_seed_and_end_give_the_same_bytes(world: World, tmp_path: Path) -> None:
    again = write_world(tmp_path, end=END, scale=0.2)
    assert contents(tmp_path) == contents(world.logs.parent)
    assert again.lines == world.lines
    other = write_world(tmp_path / "other", end=END, scale=0.2, seed=8)
    assert other.lines != world.lines


def test_every_line_that_was_counted_is_in_a_file(world: World) -> None:
    assert sum(len(lines_of(world, api)) for api in (SHOP, LOGIN, CHAT, LEGACY)) == world.lines


def test_no_call_lies_outside_of_the_world(world: World) -> None:
    times = [int(json.loads(line)["requestTimeEpoch"]) for line in lines_of(world, SHOP)]
    assert times == sorted(times)
    assert END.timestamp() * 1000 - 26 * 3_600_000 <= times[0] < times[-1] < END.timestamp() * 1000


def test_logins_are_stuffed_from_many_addresses(world: World) -> None:
    refused = [line for line in map(json.loads, lines_of(world, LOGIN)) if line["status"] == "401"]
    assert len({line["identity"]["sourceIp"] for line in refused}) >= 240
    assert {line["integration"]["status"] for line in refused} == {"401"}


def test_one_key_storms_above_its_plan(world: World) -> None:
    throttled = Counter(line["apiKeyId"] for line in map(json.loads, lines_of(world, SHOP)) if line["status"] == "429")
    assert set(throttled) == {GREEDY_KEY}
    assert throttled[GREEDY_KEY] > 1000


def test_the_orders_become_slow_in_the_integration(world: World) -> None:
    start = next(i.start for i in world.incidents if i.kind == "latency_outlier").timestamp() * 1000
    before: list[int] = []
    after: list[int] = []
    for line in map(json.loads, lines_of(world, SHOP)):
        if line["resourcePath"] == "/orders/{id}":
            (after if int(line["requestTimeEpoch"]) >= start else before).append(int(line["integrationLatency"]))
    assert sorted(after)[len(after) // 2] > 4 * sorted(before)[len(before) // 2]


def test_the_legacy_api_fails_and_then_is_silent(world: World) -> None:
    lines = lines_of(world, LEGACY)
    assert '" 502 ' in lines[-1]
    assert "[09/Jun/2026:10:5" in lines[-1]


def test_inventory_and_changes_can_be_read(world: World) -> None:
    inventory = read_inventory(str(world.inventory))
    assert inventory["accountId"] == "123456789012"
    (change,) = read_changes(str(world.changes))
    assert change.resource == SHOP
