"""users and audit, run as a person runs them."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from gatewatch.cli import main
from gatewatch.settings import load_settings
from gatewatch.store.state import open_state
from gatewatch.store.users import password_of

PASSWORD = "tangerine kettle moon"


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def run(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *arguments: str,
    stdin: str = f"{PASSWORD}\n",
    code: int = 0,
) -> str:
    monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
    capsys.readouterr()
    got = main(arguments)
    out, err = capsys.readouterr()
    assert got == code, err
    assert "Traceback" not in err
    assert PASSWORD not in out + err
    return out if code == 0 else err


def test_the_first_admin_is_made_by_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, capsys, "users", "add", "Alice", "--role", "admin")
    run(monkeypatch, capsys, "users", "add", "bob")
    listed = json.loads(run(monkeypatch, capsys, "users", "list", "--format", "json"))
    assert [(one["name"], one["role"], one["disabled"]) for one in listed["users"]] == [
        ("alice", "admin", False),
        ("bob", "viewer", False),
    ]
    assert "alice" in run(monkeypatch, capsys, "users", "list")
    state = open_state(load_settings())
    with state.read() as session:
        found = password_of(session, "alice")
    state.close()
    assert found is not None
    assert found[1].startswith("$argon2id$")


def test_weak_passwords_wrong_names_and_missing_users_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, capsys, "users", "add", "alice", stdin="short\n", code=2)
    run(monkeypatch, capsys, "users", "add", "alice", stdin="", code=2)
    run(monkeypatch, capsys, "users", "add", "a b", code=2)
    run(monkeypatch, capsys, "users", "add", "alice", "--role", "root", code=2)
    assert run(monkeypatch, capsys, "users", "list").startswith("no users")
    run(monkeypatch, capsys, "users", "add", "alice", "--role", "admin")
    assert "already" in run(monkeypatch, capsys, "users", "add", "alice", code=2)
    for command in (("disable",), ("enable",), ("password",), ("role",)):
        arguments = (*command, "nobody", *(("viewer",) if command == ("role",) else ()))
        assert "no user 'nobody'" in run(monkeypatch, capsys, "users", *arguments, code=2)
    assert "last admin" in run(monkeypatch, capsys, "users", "disable", "alice", code=2)
    assert "last admin" in run(monkeypatch, capsys, "users", "role", "alice", "viewer", code=2)


def test_changes_are_written_in_the_audit_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, capsys, "users", "add", "alice", "--role", "admin")
    run(monkeypatch, capsys, "users", "add", "bob")
    run(monkeypatch, capsys, "users", "role", "bob", "operator")
    run(monkeypatch, capsys, "users", "password", "bob", stdin="another long password xq\n")
    run(monkeypatch, capsys, "users", "disable", "bob")
    run(monkeypatch, capsys, "users", "enable", "bob")
    lines = [json.loads(line) for line in run(monkeypatch, capsys, "audit", "list", "--format", "jsonl").splitlines()]
    assert [(line["action"], line["target"]) for line in lines] == [
        ("user.enable", "bob"),
        ("user.disable", "bob"),
        ("user.password", "bob"),
        ("user.role", "bob"),
        ("user.add", "bob"),
        ("user.add", "alice"),
    ]
    assert lines[3]["detail"] == {"from": "viewer", "to": "operator"}
    assert {line["via"] for line in lines} == {"cli"}
    assert len(run(monkeypatch, capsys, "audit", "list", "--limit", "2", "--format", "jsonl").splitlines()) == 2
    assert "user.role" in run(monkeypatch, capsys, "audit", "list", "--action", "user.role")
    assert run(monkeypatch, capsys, "audit", "list", "--actor", "mallory") == "nothing in the audit log\n"


def test_a_token_is_printed_once_and_revoked_by_its_id_or_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token = run(monkeypatch, capsys, "tokens", "create", "firehose", "--scope", "ingest", "--days", "365").strip()
    second = run(monkeypatch, capsys, "tokens", "create", "ci", "--scope", "read", "--scope", "write").strip()
    assert token.startswith("gw_")
    listed = run(monkeypatch, capsys, "tokens", "list", "--format", "json")
    assert token.split("_", 2)[2] not in listed
    rows = {row["name"]: row for row in json.loads(listed)["tokens"]}
    assert (rows["firehose"]["scopes"], rows["ci"]["scopes"]) == (["ingest"], ["read", "write"])
    assert "firehose" in run(monkeypatch, capsys, "tokens", "list")
    run(monkeypatch, capsys, "tokens", "revoke", token.split("_")[1])
    run(monkeypatch, capsys, "tokens", "revoke", second)
    run(monkeypatch, capsys, "tokens", "revoke", "nothing", code=2)
    run(monkeypatch, capsys, "tokens", "create", "x", "--scope", "ingest", "--scope", "read", code=2)
    run(monkeypatch, capsys, "tokens", "create", "x", code=2)
    states = {
        row["state"] for row in json.loads(run(monkeypatch, capsys, "tokens", "list", "--format", "json"))["tokens"]
    }
    assert states == {"revoked"}
    made = run(monkeypatch, capsys, "audit", "list", "--action", "token.create")
    assert "firehose" in made
    assert token.split("_", 2)[2] not in made


def test_at_a_terminal_the_password_is_asked_for_twice_and_not_shown(data: Path) -> None:
    lead, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gatewatch", "users", "add", "alice"],
        stdin=end,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "GATEWATCH_DATA_DIR": str(data)},
        start_new_session=True,
    )
    os.close(end)
    assert process.stderr is not None
    said = b""
    for asked in (b"Password: ", b"Once more: "):
        while not said.endswith(asked):  # what is typed before is thrown away
            part = os.read(process.stderr.fileno(), 1)
            assert part, said
            said += part
        os.write(lead, f"{PASSWORD}\n".encode())
    said += process.communicate(timeout=60)[1]
    os.close(lead)
    assert process.returncode == 0, said
    assert b"alice may log in" in said
    assert PASSWORD.encode() not in said
