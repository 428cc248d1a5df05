"""A customer whose key is used no more is missed; where nobody can tell who called, nobody is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from detect.consumers import MARK, Consumers, Seen, consumers_of
from detect.detectors.dead_api import DeadApi
from detect.model import Context, minute_at
from detect.run import cut, detect, frames_of
from gatewatch.frames import SKETCH_SIZE
from gatewatch.frames.callers import key_hashes
from gatewatch.records import Finding
from ingest.scan import scan_paths
from tests.detect.world import World, a_world

LEFT = 4 * 1440 - 300
"""Minute of the world from which on the customer calls no more."""

INVENTORY: dict[str, Any] = {"apiKeys": [{"id": "k1", "name": "acme"}, {"id": "k2", "name": "other"}, {"id": ""}, 3]}


def called_by(world: World, callers: list[list[int]]) -> None:
    """Who called in each minute of the world, on every route."""
    at = np.asarray(world.minutes.column("minute").cast(pa.int64())) // 60_000_000 - world.start
    lists = pa.array([sorted(callers[minute]) for minute in at.tolist()], pa.list_(pa.uint32()))
    place = world.minutes.schema.get_field_index("clients_k")
    world.minutes = world.minutes.set_column(place, "clients_k", lists)


def two_customers(others: int = 0) -> World:
    """Both call all the time, the first until LEFT; besides them so many callers with small hashes."""
    world = a_world(116, apis=1, days=4, incidents=False, benign=False, gap=False)
    one, two = key_hashes(["k1", "k2"])
    both = [*range(others), one, two]
    minutes = world.minutes.num_rows and 4 * 1440
    called_by(
        world, [sorted(both)[:SKETCH_SIZE] if m < LEFT else [*range(others), two][:SKETCH_SIZE] for m in range(minutes)]
    )
    return world


def gone(world: World, inventory: dict[str, Any] | None) -> list[Finding]:
    found = detect(world.minutes, world.clients, world.coverage, Context(inventory=inventory), only={"dead_api"})
    return [one for one in found.findings if one.subtype == "no_longer_called"]


def test_the_hash_of_a_key_is_that_of_its_calls(tmp_path: Path) -> None:
    line = {"requestTimeEpoch": 1781000000000, "apiId": "a1", "stage": "prod", "status": "200", "apiKeyId": "k1"}
    (tmp_path / "a.log").write_text(json.dumps({**line, "ip": "192.0.2.1"}) + "\n")
    template = json.dumps(
        {name: f"$context.{name}" for name in line if name != "apiKeyId"}
        | {"apiKeyId": "$context.identity.apiKeyId", "ip": "$context.identity.sourceIp"}
    )
    minutes = scan_paths([str(tmp_path)], log_format=template, workers=1).minutes
    assert minutes.column("clients_k").to_pylist() == [key_hashes(["k1"])]
    assert consumers_of(INVENTORY) == Consumers(
        dict(zip(["k1", "k2"], key_hashes(["k1", "k2"]), strict=True)), {"k1": "acme", "k2": "other"}
    )


def test_a_customer_who_leaves_is_told_by_name() -> None:
    world = two_customers()
    (told,) = gone(world, INVENTORY)
    assert told.entities.api_key_ids == ("k1",)
    assert "acme" in told.title
    assert told.route is None
    assert told.start == minute_at(world.start + LEFT)
    assert told.end is None


def test_keys_that_nobody_declares_are_not_missed() -> None:
    world = two_customers()
    assert gone(world, None) == []
    assert gone(world, {"apiKeys": [{"id": "k2"}]}) == []


def test_where_more_called_than_are_kept_nobody_is_missed() -> None:
    assert gone(two_customers(others=SKETCH_SIZE), INVENTORY) == []


def test_who_called_is_told_by_the_routes_and_their_limits() -> None:
    world = two_customers(others=SKETCH_SIZE - 2)
    block = frames_of(world.minutes, world.clients, world.coverage, world.start + LEFT - 5, world.start + LEFT + 5)
    seen = Seen(block.route_grid, consumers_of(INVENTORY), block.minutes)
    there = {(key[4] or "").removeprefix(MARK): line.tolist() for key, line in zip(seen.keys, seen.there, strict=True)}
    assert there["k1"] == [True] * 5 + [False] * 5
    known = {key: seen.known((*seen.keys[0][:4], MARK + key), block.minutes) for key in ("k1", "k2", "k3")}
    least, most = sorted(["k1", "k2"], key=lambda key: key_hashes([key])[0])
    assert known[most][:5].all()
    assert known["k1"][5:].all()  # one fewer than fit: whoever is not there did not call
    assert known[least].any()
    assert not known["k3"].any()


def test_a_cut_changes_nothing() -> None:
    world = two_customers()
    block = frames_of(world.minutes, world.clients, world.coverage, world.start, world.start + 4 * 1440)
    context, dumps = Context(inventory=INVENTORY), []
    for every in (10**6, 1111):
        state: Any = None
        for part in cut(block, every=every):
            state, _, _ = DeadApi().step(state, part, context)
        dumps.append(json.dumps(state))
    assert dumps[0] == dumps[1]
