"""Secrets by reference, and a canary that must be seen nowhere."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from gatewatch.cli import main
from gatewatch.errors import UsageError
from gatewatch.secretrefs import dereferenced
from gatewatch.settings import Settings, load_settings, with_set

CANARY = "canary-8f2e1c77"
SECRETS = sorted(name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def kept_in(home: Path, text: str = CANARY, mode: int = 0o600) -> Path:
    path = home / "secret"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_may_be_a_reference(name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kept_in(home, f"{CANARY}\n")
    monkeypatch.setenv("MY_SECRET", CANARY)
    for value in (f"file:{path}", "env:MY_SECRET", CANARY):
        (home / "gatewatch.toml").write_text(f'{name} = "{value}"\n')
        found = getattr(load_settings(), name)
        assert isinstance(found, SecretStr)
        assert found.get_secret_value() == CANARY
        set_later = getattr(with_set(Settings(), [f"{name}={value}"]), name)
        assert set_later.get_secret_value() == CANARY


def test_there_are_secrets_to_test() -> None:
    assert {"database_url", "hash_key", "oidc_client_secret", "slack_webhook_url", "smtp_url"} <= set(SECRETS)


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("env:NOT_SET_ANYWHERE", "is not set"),
        ("env:", "is not set"),
        ("file:/nowhere/at/all", "No such file"),
        ("file:/tmp", "Is a directory"),
        ("file:/dev/null", "is no file"),
    ],
)
def test_a_reference_that_leads_nowhere_is_one_line(reference: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as told:
        dereferenced("smtp_url", reference)
    assert str(told.value).startswith("setting 'smtp_url': ")


@pytest.mark.parametrize(("text", "mode"), [("", 0o600), ("\n", 0o600), ("x" * 70_000, 0o600), (CANARY, 0o644)])
def test_an_empty_large_or_open_file_is_refused(home: Path, text: str, mode: int) -> None:
    with pytest.raises(UsageError) as told:
        dereferenced("smtp_url", f"file:{kept_in(home, text, mode)}")
    assert CANARY not in str(told.value)


def test_what_a_secret_looks_like_after_it_was_read_does_not_matter(home: Path) -> None:
    assert dereferenced("hash_key", f"file:{kept_in(home, 'env:PATH')}") == "env:PATH"


def test_the_canary_is_shown_by_no_command(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = kept_in(home)
    (home / "gatewatch.toml").write_text(
        "".join(f'{name} = "file:{path}"\n' for name in SECRETS if name not in {"database_url", "smtp_url"})
    )
    for command in (
        ["config", "show", "--origin"],
        ["config", "check"],
        ["-vv", "doctor"],
        ["tick"],
        ["demo", "--bad"],
    ):
        main(command)
    out, err = capsys.readouterr()
    assert CANARY not in out + err
    assert CANARY not in repr(load_settings())


def test_the_canary_leaves_no_trace_while_it_serves(home: Path) -> None:
    environment = {
        **os.environ,
        "GATEWATCH_DATA_DIR": str(home / "data"),
        "HOOK": f"https://127.0.0.1:9/{CANARY}",
        "GATEWATCH_SLACK_WEBHOOK_URL": "env:HOOK",
        "GATEWATCH_HASH_KEY": f"file:{kept_in(home)}",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "gatewatch", "serve", "--port", "0"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        seen = "".join(
            httpx.get(address + path).text
            for path in (
                "/",
                "/_dash-layout",
                "/api/openapi.json",
                "/api/v1/me",
                "/api/v1/audit",
                "/readyz",
                "/api/none",
            )
        )
        children = [
            pid
            for pid in Path("/proc").iterdir()
            if pid.name.isdigit() and f"PPid:\t{process.pid}\n" in _read(pid / "status")
        ]
        assert len(children) == 2
        for child in children:
            seen += _read(child / "cmdline") + _read(child / "environ")
            assert "Max core file size        0                    0" in _read(child / "limits")
        time.sleep(1)
    finally:
        process.terminate()
        out, err = process.communicate(timeout=30)
    assert CANARY not in seen + out + err


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""
