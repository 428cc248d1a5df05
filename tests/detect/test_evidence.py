"""Every number of an evidence card comes back from the raw requests, counted anew by other means."""

from __future__ import annotations

import json
import shlex
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest

from gatewatch.cli import main
from gatewatch.frames.selecting import condition_sql, count_sql
from gatewatch.records import Selection
from tests.incidents import incident_lines


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]], Path]:
    """A folder with logs, what a scan finds in them, and the requests exported from a store."""
    folder = tmp_path_factory.mktemp("evidence")
    (folder / "a.log").write_text("\n".join(incident_lines()) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GATEWATCH_DATA_DIR", str(folder / "data"))
        patch.setenv("GATEWATCH_HASH_KEY", "k")
        patch.chdir(folder)
        assert main(["scan", "a.log", "-o", "out.json"]) == 1
        assert main(["ingest", "a.log"]) == 0
        assert main(["export", "requests", "-o", "requests.parquet"]) == 0
        assert main(["tick"]) == 0
        assert main(["export", "findings", "-o", "findings.jsonl"]) == 0
    findings = json.loads((folder / "out.json").read_text())["findings"]
    return folder, findings, folder / "requests.parquet"


@cache
def database() -> duckdb.DuckDBPyConnection:
    """One for all questions: to make one takes longer than to answer."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def ask(parquet: Path, sql: str) -> Any:
    return database().execute(sql.replace("'requests.parquet'", f"'{parquet}'")).fetchall()[0][0]


def test_every_kind_is_there(found: tuple[Path, list[dict[str, Any]], Path]) -> None:
    kinds = {finding["kind"] for finding in found[1]}
    assert kinds >= {"auth_failure_spike", "throttling_abuse", "dead_api", "latency_outlier"}


def test_observed_is_the_number_of_requests_that_the_card_names(
    found: tuple[Path, list[dict[str, Any]], Path],
) -> None:
    counted = 0
    for finding in found[1]:
        card = finding["evidence"]["card"]
        if "count" not in card:
            assert finding["kind"] == "latency_outlier"
            continue
        counted += 1
        assert ask(found[2], card["reproduce"]["sql"]) == finding["evidence"]["observed"], finding["title"]
        assert card["since"] == card["count"]["since"] == finding["start"]
        assert card["until"] == (finding["end"] or card["until"])
    assert counted >= 3


def test_each_minute_of_the_chart_is_what_was_logged(found: tuple[Path, list[dict[str, Any]], Path]) -> None:
    checked = 0
    for finding in found[1]:
        card = finding["evidence"]["card"]
        if "count" not in card:
            continue
        asked = Selection.from_json(card["count"])
        for point in finding["evidence"]["series"]:
            at = datetime.fromisoformat(point["at"])
            minute = Selection(**{**_fields(asked), "since": at, "until": at + timedelta(minutes=1)})
            assert ask(found[2], count_sql(minute)) == point["observed"]
            checked += 1
    assert checked > 100


def _fields(asked: Selection) -> dict[str, Any]:
    return {name: getattr(asked, name) for name in Selection.__dataclass_fields__}


def test_expected_is_the_sum_of_what_each_minute_expected(found: tuple[Path, list[dict[str, Any]], Path]) -> None:
    for finding in found[1]:
        if finding["kind"] not in {"auth_failure_spike", "throttling_abuse"}:
            continue
        evidence = finding["evidence"]
        since, until = evidence["card"]["since"], evidence["card"]["until"]
        inside = [point for point in evidence["series"] if since <= point["at"] < until]
        assert len(inside) == (datetime.fromisoformat(until) - datetime.fromisoformat(since)) / timedelta(minutes=1)
        assert sum(point["expected"] for point in inside) == pytest.approx(
            evidence["expected"], abs=0.001 * len(inside)
        )
        assert evidence["card"]["band"]["upper"] > evidence["card"]["band"]["expected"]


def test_totals_and_latencies_come_back(found: tuple[Path, list[dict[str, Any]], Path]) -> None:
    for finding in found[1]:
        card = finding["evidence"]["card"]
        for name in ("window", "before"):
            part = card[name]
            place = {"api": finding["api_id"], "stage": finding["stage"]}
            routes = [finding["route"]] if finding["route"] else []
            asked = Selection.from_json({"since": part["since"], "until": part["until"], "routes": routes, **place})
            where = f"FROM 'requests.parquet' WHERE {condition_sql(asked)}"
            assert ask(found[2], f"SELECT count(*) {where}") == part["n"]
            if finding["kind"] != "latency_outlier":
                continue
            for key, quantile in (("p50_ms", 0.5), ("p95_ms", 0.95)):
                exact = ask(found[2], f"SELECT quantile_disc(latency_ms, {quantile}) {where}")
                assert part[key] == pytest.approx(exact, rel=0.011)
            for layer, column in (("latency", "latency_ms"), ("integration", "integration_latency_ms")):
                assert part["mean_ms"][layer] == pytest.approx(ask(found[2], f"SELECT avg({column}) {where}"), abs=0.01)


def test_top_values_and_their_shares_come_back(found: tuple[Path, list[dict[str, Any]], Path]) -> None:
    checked = 0
    for finding in found[1]:
        card = finding["evidence"]["card"]
        if not card.get("count", {}).get("reject_causes"):
            continue
        asked = Selection.from_json(card["count"])
        past = card["before"]
        earlier = Selection.from_json({**card["count"], "since": past["since"], "until": past["until"]})
        for one in card["top"]:
            text = one["value"].replace("'", "''")
            which = f"{one['dimension']} = '{text}'"
            n = ask(found[2], f"{count_sql(asked)} AND {which}")
            before = ask(found[2], f"{count_sql(earlier)} AND {which}")
            assert (one["n"], one["before"]) == (n, before)
            assert one["share"] == pytest.approx(n / finding["evidence"]["observed"], abs=1e-4)
            checked += 1
    assert checked > 10


def test_pinned_requests_are_real_and_belong_to_it(found: tuple[Path, list[dict[str, Any]], Path]) -> None:
    for finding in found[1]:
        card = finding["evidence"]["card"]
        shown = Selection.from_json(card["shown"])
        total = ask(found[2], count_sql(shown))
        assert len(card["requests"]) == min(total, 20) >= 5
        for one in card["requests"]:
            which = f"{condition_sql(shown)} AND extended_request_id = '{one['extended_request_id']}'"
            assert ask(found[2], f"SELECT count(*) FROM 'requests.parquet' WHERE {which}") == 1
        times = [one["at"] for one in card["requests"]]
        assert times == sorted(times)


def test_the_printed_command_gives_the_number_back(
    found: tuple[Path, list[dict[str, Any]], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(found[0] / "data"))
    monkeypatch.setenv("GATEWATCH_HASH_KEY", "k")
    monkeypatch.chdir(tmp_path)
    for finding in found[1]:
        reproduce = finding["evidence"]["card"].get("reproduce")
        if reproduce is None:
            continue
        words = shlex.split(reproduce["gatewatch"])
        assert words[0] == "gatewatch"
        assert main(words[1:]) == 0
        sql = "SELECT count(*) FROM 'requests.parquet'"
        assert ask(tmp_path / "requests.parquet", sql) == finding["evidence"]["observed"]


def test_the_store_says_the_same_as_the_scan(found: tuple[Path, list[dict[str, Any]], Path]) -> None:
    stored = [json.loads(line) for line in (found[0] / "findings.jsonl").read_text().splitlines()]
    cards = {finding["id"]: finding["evidence"] for finding in stored}
    assert len(cards) == len(found[1])
    for finding in found[1]:
        other = cards[finding["id"]]
        assert other["card"] == finding["evidence"]["card"]
        assert other["facts"] == finding["evidence"]["facts"]


def test_factors_have_words_a_sign_and_a_number(found: tuple[Path, list[dict[str, Any]], Path]) -> None:
    (attack,) = [one for one in found[1] if one["kind"] == "auth_failure_spike"]
    told = cast(list[dict[str, Any]], attack["evidence"]["card"]["factors"])
    assert all(one["sign"] in "+-" and one["what"] and isinstance(one["value"], int | float) for one in told)
    assert any("the address 203.0.113.66" in one["what"] for one in told)
    assert attack["evidence"]["card"]["tail_log10"] == -attack["score"]
