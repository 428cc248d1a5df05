"""The wheel, installed in a fresh environment from the lock, runs from another folder: what users get is complete."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

SAMPLE = (
    '{"requestId":"3f1c0e0a-8f0b-4c58-9d1e-5a1f3f6f2b11","extendedRequestId":"Qx0yFHzToAMEVkw=","apiId":"a1",'
    '"stage":"prod","ip":"203.0.113.7","requestTime":"09/Jun/2026:12:34:56 +0000","httpMethod":"GET",'
    '"resourcePath":"/pets/{id}","status":"200","protocol":"HTTP/1.1","responseLength":"412"}\n'
)


def run(*command: str, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GATEWATCH_", "PYTHON"))}
    environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "GATEWATCH_DATA_DIR": str(cwd / "data")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out), cwd=ROOT)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_all_rooms_and_data_folders(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for part in ("gatewatch/cli/", "gatewatch/migrations/", "gatewatch/sample_logs/", "ingest/", "detect/", "alerts/"):
        assert any(name.startswith(part) for name in names), part
    assert not any(name.startswith(("tests/", "bench/")) for name in names)
    assert ("ingest/_cut.so" in names) == (shutil.which("cc") is not None)


@pytest.mark.timeout(300)
def test_it_runs_in_a_fresh_environment_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "venv", tmp_path / "elsewhere"
    elsewhere.mkdir()
    venv.create(home)
    install = (sys.executable, "-m", "pip", "--python", str(home), "install", "--quiet", "--no-compile")
    run(*install, "--require-hashes", "-r", str(ROOT / "requirements.lock"), cwd=elsewhere)
    run(*install, "--no-deps", str(wheel), cwd=elsewhere)
    gatewatch = str(home / "bin" / "gatewatch")
    assert run(gatewatch, "version", cwd=elsewhere).startswith("gatewatch ")
    (elsewhere / "access.log").write_text(SAMPLE)
    report = json.loads(run(gatewatch, "scan", "access.log", "--format", "json", cwd=elsewhere))
    assert report["accounting"]["accepted"] == 1
    run(gatewatch, "ingest", "access.log", cwd=elsewhere)
    exported = run(gatewatch, "export", "requests", cwd=elsewhere)
    assert json.loads(exported)["route"] == "GET /pets/{id}"
    assert "ok" in run(gatewatch, "doctor", cwd=elsewhere)
