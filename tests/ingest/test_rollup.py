from pathlib import Path

import pytest

from ingest import rollup
from ingest.scan import scan_paths
from tests.ingest.lines import a_line


def test_a_flood_of_routes_keeps_the_totals_and_the_busiest_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup, "SERIES_LIMIT", 20)
    lines = [a_line(number, resourcePath=f"/made/up/{number}") for number in range(100)]
    lines += [a_line(number, resourcePath="/pets") for number in range(100, 150)]
    (tmp_path / "a.log").write_text("\n".join(lines) + "\n")
    result = scan_paths([str(tmp_path)], workers=1)
    rows = result.minutes.to_pylist()
    assert sum(row["n"] for row in rows) == result.accounting.accepted == 150
    by_route: dict[str, int] = {}
    for row in rows:
        by_route[row["route"]] = by_route.get(row["route"], 0) + row["n"]
    assert len(by_route) <= 11
    assert by_route["GET /pets"] == 50
    assert by_route["GET (other)" if "GET (other)" in by_route else "(other)"] >= 90


def test_a_flood_of_refused_callers_keeps_the_totals_and_the_most_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup, "CLIENT_LIMIT", 20)
    refused = {"status": 403, "errorType": "ACCESS_DENIED", "second": 1.0}
    lines = [
        a_line(number, ip=f"198.51.100.{number}", userAgent=f"agent {number}", **refused)  # type: ignore[arg-type]
        for number in range(100)
    ]
    lines += [a_line(number, ip="203.0.113.9", **refused) for number in range(100, 150)]  # type: ignore[arg-type]
    (tmp_path / "a.log").write_text("\n".join(lines) + "\n")
    clients = scan_paths([str(tmp_path)], workers=1).clients.to_pylist()
    assert sum(row["n"] for row in clients) == 150
    assert len(clients) <= 20
    assert max(clients, key=lambda row: row["n"] if row["client_ip"] else 0)["client_ip"] == "203.0.113.9"
    assert {row["seconds"] for row in clients} == {1 << 1}


def test_who_was_refused_keeps_the_seconds_of_the_minute(tmp_path: Path) -> None:
    lines = [
        a_line(number, ip="198.51.100.1", status=429, errorType="THROTTLED", second=float(second))
        for number, second in enumerate((0, 0, 3, 59, 60))
    ]
    (tmp_path / "a.log").write_text("\n".join(lines) + "\n")
    clients = scan_paths([str(tmp_path)], workers=1).clients.to_pylist()
    assert [(row["n"], row["seconds"]) for row in clients] == [(4, 1 | 1 << 3 | 1 << 59), (1, 1)]


def test_the_time_in_waf_is_told_apart_from_the_gateways_own(tmp_path: Path) -> None:
    lines = [
        a_line(0, responseLatency="50", integrationLatency="20", wafLatency="7"),
        a_line(1, responseLatency="50", integrationLatency="20", wafLatency="3"),
        a_line(2, responseLatency="50", integrationLatency="20", wafLatency="-"),
    ]
    (tmp_path / "a.log").write_text("\n".join(lines) + "\n")
    (row,) = scan_paths([str(tmp_path)], workers=1).minutes.to_pylist()
    assert (row["waf_us"], row["waf_n"]) == (10_000, 2)
    assert row["gateway_us"] == 23_000 + 27_000 + 30_000
