import gzip
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.scan import ScanResult, scan_paths
from tests.ingest.lines import a_clf_line, a_line


def scan(folder: Path, *texts: str | bytes, workers: int = 1, log_format: str | None = None) -> ScanResult:
    for number, text in enumerate(texts):
        (folder / f"{number}.log").write_bytes(text if isinstance(text, bytes) else text.encode())
    return scan_paths([str(folder)], workers=workers, log_format=log_format)


def outcomes(result: ScanResult) -> dict[str, int]:
    told = result.accounting
    assert told.accepted + told.rejected + told.blank + told.duplicate == told.lines
    assert sum(told.reasons.values()) == told.rejected
    assert sum(result.minutes.column("n").to_pylist()) == told.accepted
    return {
        "accepted": told.accepted,
        "rejected": told.rejected,
        "blank": told.blank,
        "duplicate": told.duplicate,
    }


def lines(of: Sequence[str]) -> str:
    return "".join(line + "\n" for line in of)


def test_good_lines_become_minutes(tmp_path: Path) -> None:
    result = scan(tmp_path, lines([a_line(number) for number in range(90)]))
    assert outcomes(result) == {"accepted": 90, "rejected": 0, "blank": 0, "duplicate": 0}
    assert result.errors == []
    minutes = result.minutes.to_pylist()
    assert [row["n"] for row in minutes] == [60, 30]
    assert {row["route"] for row in minutes} == {"GET /pets/{id}"}
    assert {row["api"] for row in minutes} == {"a1b2c3d4e5"}
    assert sum(minutes[0]["latency_c"]) == 60
    assert result.guessed


def test_every_broken_line_costs_only_itself(tmp_path: Path) -> None:
    texts = [a_line(number) for number in range(50)]
    texts[3] = texts[3][:70]
    texts[10] = ""
    texts[20] = "   "
    texts[30] = "not a log line"
    texts[31] = '{"some":"other","json":"object"}'
    texts[40] = a_line(40, status=9999)
    texts[41] = json.dumps({**json.loads(a_line(41)), "requestTimeEpoch": "yesterday"})
    result = scan(tmp_path, lines(texts))
    assert outcomes(result) == {"accepted": 43, "rejected": 5, "blank": 2, "duplicate": 0}
    assert set(result.accounting.reasons) >= {"bad_status", "bad_time"}


def test_bare_dashes_and_broken_quotes_are_read(tmp_path: Path) -> None:
    texts = [a_line(number) for number in range(300)]
    for number in range(0, 300, 3):
        texts[number] = texts[number].replace('"5"', "-").replace(f'"{5 + number % 50}"', "-")
    texts[100] = texts[100].replace("curl/8.0", 'say "hi"')
    result = scan(tmp_path, lines(texts))
    assert outcomes(result)["accepted"] == 300


def test_several_formats_in_one_file_are_sorted_out(tmp_path: Path) -> None:
    other = [
        json.dumps(
            {
                "request_id": f"r{number}=",
                "extended_request_id": f"E{number:09d}=",
                "http": {"method": "POST", "route_key": "POST /orders", "status": 201},
                "request_time_epoch": 1781006400000 + number,
                "api_id": "zzzzzzzzz1",
                "stage": "$default",
            }
        )
        for number in range(120)
    ]
    mixed = [a_line(number) for number in range(120)] + other + [a_clf_line(number) for number in range(120)]
    order = np.random.default_rng(7).permutation(len(mixed))
    result = scan(tmp_path, lines([mixed[place] for place in order]))
    assert outcomes(result) == {"accepted": 360, "rejected": 0, "blank": 0, "duplicate": 0}
    assert {row["route"] for row in result.minutes.to_pylist()} == {"GET /pets/{id}", "POST /orders", "GET /pets"}


def test_glued_records_and_envelopes_are_read(tmp_path: Path) -> None:
    glued = "".join(a_line(number) for number in range(100))
    events = [{"id": str(number), "timestamp": 1781006400000, "message": a_line(number)} for number in range(100, 150)]
    envelope = json.dumps(
        {
            "messageType": "DATA_MESSAGE",
            "owner": "123456789012",
            "logGroup": "g",
            "logStream": "s",
            "subscriptionFilters": [],
            "logEvents": events,
        }
    )
    control = json.dumps({"messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logEvents": []})
    result = scan(tmp_path, glued, gzip.compress(envelope.encode()) + gzip.compress(control.encode()))
    assert outcomes(result) == {"accepted": 150, "rejected": 0, "blank": 0, "duplicate": 0}


def test_repeated_lines_count_once(tmp_path: Path) -> None:
    texts = [a_line(number) for number in range(100)]
    result = scan(tmp_path, lines(texts + texts[:10]), lines(texts[50:]))
    assert outcomes(result) == {"accepted": 100, "rejected": 0, "blank": 0, "duplicate": 60}


def test_a_reused_request_id_is_no_repetition(tmp_path: Path) -> None:
    texts = [a_line(number, requestId="00000000-0000-4000-8000-000000000000") for number in range(100)]
    assert outcomes(scan(tmp_path, lines(texts)))["accepted"] == 100


def test_a_caller_is_the_same_from_any_port(tmp_path: Path) -> None:
    callers = (
        "192.0.2.1:50000",
        "192.0.2.1:50001",
        "192.0.2.1",
        "192.0.2.1, 198.51.100.2",
        "[2001:db8::1]:9",
        "2001:db8::1",
    )
    result = scan(tmp_path, lines([a_line(number, ip=ip, status=403) for number, ip in enumerate(callers)]))
    assert {row["client_ip"] for row in result.clients.to_pylist()} == {"192.0.2.1", "2001:db8::1"}
    assert len(result.minutes.to_pylist()[0]["clients_k"]) == 2


def test_the_folder_names_the_api_of_lines_that_do_not(tmp_path: Path) -> None:
    (tmp_path / "orders" / "prod").mkdir(parents=True)
    (tmp_path / "orders" / "prod" / "2026-06-09.log").write_text(a_clf_line(1) + "\n")
    row = scan_paths([str(tmp_path)], workers=1).minutes.to_pylist()[0]
    assert (row["api"], row["stage"]) == ("orders", "prod")


def test_equal_lines_of_one_second_without_an_id_both_count(tmp_path: Path) -> None:
    line = '192.0.2.1 - - [09/Jun/2026:12:00:00 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl/8.0"'
    assert outcomes(scan(tmp_path, lines([line, line, line])))["accepted"] == 3


def test_a_line_over_the_limit_is_rejected(tmp_path: Path) -> None:
    huge = a_line(1, userAgent="x" * (1 << 20))
    result = scan(tmp_path, lines([a_line(0), huge, a_line(2)]))
    assert outcomes(result) == {"accepted": 2, "rejected": 1, "blank": 0, "duplicate": 0}
    assert result.accounting.reasons == {"too_long": 1}


def test_a_cut_gzip_and_a_picture_cost_only_themselves(tmp_path: Path) -> None:
    good = lines([a_line(number) for number in range(10)])
    result = scan(tmp_path, good, gzip.compress(lines([a_line(50)]).encode())[:-9], b"\x89PNG\r\n\x1a\n")
    assert outcomes(result)["accepted"] == 10
    assert sorted(error.rpartition("/")[2].partition(":")[0] for error in result.errors) == ["1.log", "2.log"]


def test_two_processes_and_one_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ingest import files

    monkeypatch.setattr(files, "BLOCK_BYTES", 10_000)
    monkeypatch.setattr("ingest.scan.BLOCK_BYTES", 10_000)
    texts = [a_line(number, status=403 if number % 9 == 0 else 200, errorType="ACCESS_DENIED") for number in range(400)]
    one = scan(tmp_path, lines(texts), lines(texts[:50]), workers=1)
    two = scan_paths([str(tmp_path)], workers=2)
    assert outcomes(one) == outcomes(two) == {"accepted": 400, "rejected": 0, "blank": 0, "duplicate": 50}
    assert two.minutes.equals(one.minutes)
    assert two.clients.equals(one.clients)
    assert one.clients.num_rows > 0


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 59), max_size=4, unique=True), st.integers(0, 1000))
def test_any_split_in_any_order_gives_the_same_answer(tmp_path: Path, cuts: list[int], seed: int) -> None:
    texts = [a_line(number, status=401 if number % 5 == 0 else 200) for number in range(60)]
    (tmp_path / "whole").mkdir(exist_ok=True)
    whole = scan(tmp_path / "whole", lines(texts))
    shuffled = [texts[place] for place in np.random.default_rng(seed).permutation(60)]
    folder = tmp_path / f"{seed}-{'-'.join(map(str, cuts))}"
    folder.mkdir(exist_ok=True)
    edges = [0, *sorted(cuts), 60]
    parts = scan(folder, *[lines(shuffled[low:high]) for low, high in pairwise(edges)])
    assert parts.minutes.equals(whole.minutes)
    assert parts.clients.equals(whole.clients)
    assert outcomes(parts) == outcomes(whole)


def test_a_file_of_which_nothing_can_be_read_is_named(tmp_path: Path) -> None:
    result = scan(tmp_path, lines([a_line(0)]), "Lorem ipsum\ndolor sit amet\n")
    assert len(result.errors) == 1
    assert "1.log: none of its 2 lines could be read" in result.errors[0]


def test_a_wrong_template_is_told(tmp_path: Path) -> None:
    result = scan(tmp_path, lines([a_line(0)]), log_format='{"t":"$context.requestTimeEpoch","s":"$context.status"}')
    assert outcomes(result)["rejected"] == 1
    assert "none of its 1 lines" in result.errors[0]


CSV_HEAD = "requestTimeEpoch,sourceIp,httpMethod,path,status,userAgent,extendedRequestId\n"


def a_csv_row(number: int) -> str:
    return f'{1781006400000 + number},192.0.2.1,GET,/a,200,"say ""hi"", ok",E{number}=\n'


def test_the_head_of_a_csv_file_is_no_rejected_line(tmp_path: Path) -> None:
    result = scan(tmp_path, CSV_HEAD + "".join(map(a_csv_row, range(5))) + "# the end\n")
    assert outcomes(result) == {"accepted": 5, "rejected": 0, "blank": 2, "duplicate": 0}


@pytest.mark.parametrize("packed", [False, True])
def test_every_piece_of_a_csv_file_knows_its_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    from ingest import files, reading

    for module in (files, reading):
        monkeypatch.setattr(module, "BLOCK_BYTES", 1000)
    text = (CSV_HEAD + "".join(map(a_csv_row, range(200)))).encode()
    assert outcomes(scan(tmp_path, gzip.compress(text) if packed else text)) == {
        "accepted": 200,
        "rejected": 0,
        "blank": 1,
        "duplicate": 0,
    }


def test_short_logs_beside_a_long_file_that_is_none_are_read_as_if_they_were_alone(tmp_path: Path) -> None:
    (tmp_path / "a-notes.txt").write_text(
        lines([f"step {number} of the deployment went well" for number in range(900)])
    )
    agent = '"-" "curl/8.0"'
    (tmp_path / "b-proxy.log").write_text(
        lines(
            [
                f'192.0.2.7 - - [09/Jun/2026:10:00:{number:02} +0000] "GET /pets HTTP/1.1" 200 12 {agent} {number} '
                '"pets@docker" "http://192.0.2.1:80" 3ms'
                for number in range(7)
            ]
        )
    )
    (tmp_path / "c-export.csv").write_text(
        "requestTimeEpoch,apiId,stage,httpMethod,resourcePath,status\n"
        + lines([f"178099920{number},a1b2c3d4e5,prod,GET,/pets,200" for number in range(6)])
    )
    (tmp_path / "d-api.json").write_text(lines([a_line(number) for number in range(5)]))
    (tmp_path / "e-notes.txt").write_text(lines([f"and step {number} as well" for number in range(900)]))
    result = scan_paths([str(tmp_path)], workers=1)
    assert result.accounting.accepted == 7 + 6 + 5, result.accounting.to_json()
    told = result.accounting
    assert told.lines == told.accepted + told.rejected + told.blank + told.duplicate
