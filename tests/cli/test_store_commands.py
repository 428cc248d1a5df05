"""ingest, export, dlq, db, findings, doctor and config, run as a person runs them, on a real store."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import random
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from gatewatch.cli import main
from gatewatch.cli.commands.doctor import data_dir, names

LINE = (
    '{"requestId":"%08d-8f0b-4c58-9d1e-5a1f3f6f2b11","extendedRequestId":"Q%dToAMEVkw=","apiId":"a1","stage":"prod",'
    '"ip":"203.0.113.7","requestTimeEpoch":"%d","httpMethod":"GET","resourcePath":"%s","status":"%d"}\n'
)
START_MS = 1_780_000_000_000


def some_lines(count: int, *, path: str = "/pets", status: int = 200) -> str:
    return "".join(LINE % (number, number, START_MS + number * 1000, path, status) for number in range(count))


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    got = main(arguments)
    out, err = capsys.readouterr()
    assert got == code, err
    assert "Traceback" not in err
    return out


def test_lines_go_in_once_and_come_out_in_every_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "access.log").write_text(some_lines(100))
    run(capsys, "ingest", "access.log")
    run(capsys, "ingest", "access.log")  # nothing new is no failure
    rows = [json.loads(line) for line in run(capsys, "export", "requests").splitlines()]
    assert len(rows) == 100
    assert rows[0]["at"] == "2026-05-28T20:26:40Z"
    assert rows[0]["route"] == "GET /pets"
    listed = list(csv.DictReader(io.StringIO(run(capsys, "export", "requests", "--format", "csv"))))
    assert len({row["request_id"] for row in listed}) == 100
    run(capsys, "export", "requests", "-o", "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 100
    minutes = [json.loads(line) for line in run(capsys, "export", "minutes").splitlines()]
    assert sum(row["n"] for row in minutes) == 100


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_reader_that_goes_away_amid_an_export_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, unbuffered: str
) -> None:
    number = random.Random(1).getrandbits  # nothing packs it: in every form it is more than a pipe holds
    lines = [LINE % (n, number(200), START_MS + n * 1000, "/a", 200) for n in range(10_000)]
    (tmp_path / "access.log").write_text("".join(lines))
    run(capsys, "ingest", "access.log")
    command = [sys.executable, "-m", "gatewatch", "export", "requests", "--format", form]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_since_and_until_cut_an_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "access.log").write_text(some_lines(100))
    run(capsys, "ingest", "access.log")
    out = run(capsys, "export", "requests", "--since", "2026-05-28T20:26:50Z", "--until", "2026-05-28T20:27:00")
    assert len(out.splitlines()) == 10
    assert run(capsys, "export", "requests", "--since", "2027-01-01", "--format", "csv").count("\n") == 1
    run(capsys, "export", "requests", "--since", "tomorrow", code=2)
    run(capsys, "export", "requests", "--since", "2027-01-02", "--until", "2027-01-01", code=2)
    run(capsys, "export", "requests", "-o", "out.xlsx", code=2)


def test_conditions_choose_what_an_export_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "good.log").write_text(some_lines(20))
    (tmp_path / "bad.log").write_text(
        some_lines(5, path="/carts", status=503).replace("-8f0b-", "-8f0c-").replace("ToA", "TpA")
    )
    run(capsys, "ingest", "good.log", "bad.log")
    whole = run(capsys, "export", "requests").splitlines()
    failed = run(capsys, "export", "requests", "--where", "status >= 500", "--where", "route ~ carts").splitlines()
    assert {json.loads(line)["status"] for line in failed} == {503}
    assert 0 < len(failed) < len(whole)
    api = json.loads(whole[0])["api"]
    minutes = [json.loads(line) for line in run(capsys, "export", "minutes", "--where", "route ~ carts").splitlines()]
    assert {row["route"] for row in minutes} == {"GET /carts"}
    assert run(capsys, "export", "minutes", "--api", api).splitlines()
    assert run(capsys, "export", "minutes", "--api", "nobody") == ""
    run(capsys, "export", "minutes", "--where", "status >= 500", code=2)
    run(capsys, "export", "requests", "--where", "colour = red", code=2)


def test_hostile_text_is_harmless_in_every_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "access.log").write_text(some_lines(1, path="/=cmd\\u001b[2J\\u202e"))
    run(capsys, "ingest", "access.log")
    for form in ("jsonl", "csv"):
        out = run(capsys, "export", "requests", "--format", form)
        assert "\x1b" not in out
        assert "\u202e" not in out


def test_a_rejected_line_is_listed_exported_and_retried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = "28/May/2026:20:26:40 +0000|GET /late|200|r-1|203.0.113.9"
    (tmp_path / "access.log").write_text(some_lines(300) + odd + "\n")
    run(capsys, "ingest", "access.log")
    assert "access.log" in run(capsys, "dlq", "list")
    (letter,) = (json.loads(line) for line in run(capsys, "dlq", "export").splitlines())
    assert letter["line"] == 301
    assert letter["body"].rstrip("\n") == odd
    run(capsys, "dlq", "retry")  # still cannot be read: stays
    assert run(capsys, "dlq", "export").count("\n") == 1
    template = "$context.requestTime|$context.routeKey|$context.status|$context.requestId|$context.identity.sourceIp"
    run(capsys, "dlq", "retry", "--log-format", template)
    assert run(capsys, "dlq", "export") == ""
    assert run(capsys, "dlq", "list") == "no rejected lines\n"
    assert len(run(capsys, "export", "requests").splitlines()) == 301


def test_a_retried_line_names_its_secrets_as_other_lines_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    agent = "curl Bearer " + "a1b2" * 30  # far longer than what stands in its place
    read = some_lines(300).replace('"ip"', f'"userAgent":"{agent}","ip"')
    (tmp_path / "access.log").write_text(f"{read}28/May/2026:20:26:40 +0000|GET /late|200|{agent}\n")
    run(capsys, "ingest", "access.log")
    template = "$context.requestTime|$context.routeKey|$context.status|$context.identity.userAgent"
    run(capsys, "dlq", "retry", "--log-format", template)
    assert run(capsys, "dlq", "list") == "no rejected lines\n"
    requests = [json.loads(line) for line in run(capsys, "export", "requests").splitlines()]
    assert len(requests) == 301
    (shown,) = {request["user_agent"] for request in requests}
    assert shown.startswith("curl redacted:")


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text(some_lines(10))
    (tmp_path / "logs" / "b.log").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (tmp_path / "logs" / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert main(["ingest", "logs"]) == 3
    err = capsys.readouterr().err
    assert "gatewatch: logs/b.log: not a log but a PNG picture" in err
    assert "passed over: logs/c.png: not a log but a PNG picture" in err
    assert len(run(capsys, "export", "requests").splitlines()) == 10
    run(capsys, "ingest", "nothing-here", code=3)


def test_following_registers_folders_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text(some_lines(10))
    run(capsys, "ingest", "logs", "--follow", "--source", "shop")
    run(capsys, "ingest", "logs/a.log", "--follow", code=2)
    run(capsys, "ingest", "logs", "--follow", "--log-format", "alb", code=2)


def test_reading_commands_make_no_store(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (("findings", "list"), ("export", "requests"), ("dlq", "list"), ("findings", "show", "x")):
        assert main(command) in (2, 3)
        assert capsys.readouterr().err.startswith("gatewatch: ")
    assert run(capsys, "db", "status").startswith("database empty")
    assert not store.exists()


def test_an_empty_store_has_no_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "access.log").write_text(some_lines(10))
    run(capsys, "ingest", "access.log")
    assert run(capsys, "findings", "list") == "no findings\n"
    assert json.loads(run(capsys, "findings", "list", "--format", "json")) == {"schema_version": 1, "findings": []}
    assert run(capsys, "export", "findings", "--format", "csv").startswith("id,kind,")
    run(capsys, "findings", "show", "no-such-id", code=2)


def test_the_schema_is_told_and_upgraded(capsys: pytest.CaptureFixture[str]) -> None:
    first = run(capsys, "db", "upgrade")
    assert first.startswith("schema empty -> ")
    assert "nothing to do" in run(capsys, "db", "upgrade")
    assert run(capsys, "db", "status").split()[1].rstrip(",") == first.split()[-1]


def test_a_full_disk_is_named_costs_nothing_that_was_kept_and_the_next_run_goes_on(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "first.log").write_text(some_lines(10, path="/first"))
    run(capsys, "ingest", "first.log")
    chance = random.Random(5)
    lines = [line.replace("ToAM", f"{chance.getrandbits(512):0128x}") for line in some_lines(20_000).splitlines(True)]
    (tmp_path / "second.log").write_text("".join(lines))
    limit = 900_000  # bytes a file may have: room for the state, not for the segment
    done = subprocess.run(
        [sys.executable, "-m", "gatewatch", "ingest", "--no-progress", "second.log"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert f"{store}" in done.stderr
    assert "the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(run(capsys, "export", "requests").splitlines()) == 10
    run(capsys, "ingest", "second.log")
    assert len(run(capsys, "export", "requests").splitlines()) == 20_010


def test_a_newer_database_is_refused_by_name_and_left_as_it_is(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "access.log").write_text(some_lines(10))
    run(capsys, "ingest", "access.log")
    [database] = store.glob("*.db")
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for command in (("ingest", "access.log"), ("tick",), ("export", "requests"), ("db", "upgrade")):
        assert main(command) == 3
        err = capsys.readouterr().err
        assert "database schema 9999 is newer than this gatewatch" in err
        assert err.startswith("gatewatch: ")
        assert "Traceback" not in err
    assert run(capsys, "db", "status", code=3).startswith("database 9999, program ")


def test_doctor_finds_clashes_and_full_disks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "doctor")
    (clash,) = names({"gatewatch": ["gatewatch"], "alerts": ["gatewatch", "evil"]})
    assert clash.level == "fail"
    assert "evil" in clash.text
    assert [check.level for check in data_dir(tmp_path, lambda _: (100, 96, 4))] == ["ok", "fail"]
    (tmp_path / "file").touch()
    assert next(iter(data_dir(tmp_path / "file" / "data"))).level == "fail"


def test_settings_are_checked_and_shown_with_their_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gatewatch.toml").write_text('port = 9000\nslack_webhook_url = "https://hooks.example/secret"\n')
    run(capsys, "config", "check")
    monkeypatch.setenv("COLUMNS", "300")
    out = run(capsys, "config", "show", "--origin")
    shown = {line.split()[0]: line for line in out.splitlines()}
    assert "gatewatch.toml" in shown["port"]
    assert "9000" in shown["port"]
    assert "GATEWATCH_DATA_DIR" in out
    assert "default" in shown["host"]
    assert "hooks.example" not in out
    (tmp_path / "gatewatch.toml").write_text("prot = 9000\n")
    assert main(["config", "check"]) == 2
    assert "did you mean 'port'" in capsys.readouterr().err
    run(capsys, "config", "check", "--config", "absent.toml", code=2)


def test_the_lake_is_checked_joined_and_pruned(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, begin in (("a.log", 0), ("b.log", 50)):
        lines = [LINE % (n, n, START_MS + n * 1000, "/a", 200) for n in range(begin, begin + 50)]
        (tmp_path / name).write_text("".join(lines))
        run(capsys, "ingest", name)
    assert run(capsys, "db", "verify") == "in order\n"
    assert run(capsys, "db", "compact").startswith("4 segments became 2;")
    assert run(capsys, "db", "verify", "--quick") == "in order\n"
    assert len(run(capsys, "export", "requests").splitlines()) == 100
    assert "everything is kept" in run(capsys, "db", "prune")
    monkeypatch.setenv("GATEWATCH_KEEP_REQUESTS_DAYS", "1")
    shown = "requests: 1 segments, 100 rows, 0.0 MiB\n"
    assert run(capsys, "db", "prune") == shown
    assert len(run(capsys, "export", "requests").splitlines()) == 100
    assert run(capsys, "db", "prune", "--yes") == f"{shown}removed; the files go within an hour\n"
    assert run(capsys, "export", "requests") == ""
    assert len(run(capsys, "export", "minutes").splitlines()) == 3
    assert run(capsys, "db", "prune", "--yes") == "nothing is too old\n"
    for file in (store / "lake" / "minutes").rglob("*.parquet"):  # one is in use, the others wait to be removed
        file.unlink()
    assert "missing" in run(capsys, "db", "verify", code=3)
