"""`make fuzz-api`: Schemathesis with all of its checks over the OpenAPI document of a server that has data in it.

A small world is simulated and evaluated, the server started with a login, and every operation asked with valid and
broken input. Then each operation is asked again without a token, with a wrong one and with one that may do nothing of
the kind. Exit 0: no server error, no answer that the document does not tell, nothing given to strangers.

    python -m bench.fuzz_api --examples 50 --seed 1
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SCENARIOS = ("credential_stuffing", "outage_silence", "retry_storm", "latency_step")
METHODS = ("get", "post", "put", "patch", "delete")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=50, help="cases of an operation and phase, at most")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gatewatch-fuzz-") as name:
        folder = Path(name)
        server = Server(folder)
        try:
            document = server.document()
            code = fuzzed(server, folder, asked.examples, asked.seed)
            open_to_strangers = strangers(server, document)
        finally:
            server.stop()
        errors = [line for line in server.log() if "Traceback" in line or " ERROR " in line]
        if code:
            print((folder / "schemathesis.log").read_text())
    print(f"strangers: {len(open_to_strangers)} operations answered without the right token")
    print("\n".join(open_to_strangers))
    print(f"server: {len(errors)} errors in its log")
    print("\n".join(errors[:20]))
    return 1 if code or open_to_strangers or errors else 0


class Server:
    """A gatewatch with four incidents and one administrator, on a free port of loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "GATEWATCH_DATA_DIR": str(folder / "data"),
            "GATEWATCH_REQUESTS_PER_SECOND": "100000",
        }
        world = str(folder / "world")
        some = [word for name in SCENARIOS for word in ("--scenario", name)]
        self._run("simulate", world, "--days", "1", "--apis", "3", "--rate", "0.5", "--seed", "3", *some)
        self._run("ingest", f"{world}/logs")
        self._run("tick")
        self._run("users", "add", "fuzz", "--role", "admin", given=secrets.token_urlsafe(24) + "\n")
        self.token = self._run("tokens", "create", "all", "--scope", "read", "--scope", "write", "--scope", "admin")
        self.ingest_token = self._run("tokens", "create", "data", "--scope", "ingest")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        with (folder / "server.log").open("wb") as log:
            command = [sys.executable, "-m", "gatewatch", "serve", "--port", str(port)]
            self._process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        for _ in range(300):
            if self.status("GET", "/readyz", None) == 200:
                return
            time.sleep(0.1)
        self.stop()
        raise SystemExit("the server did not start:\n" + "\n".join(self.log()))

    def _run(self, *words: str, given: str | None = None) -> str:
        command = [sys.executable, "-m", "gatewatch", *words, "--quiet"]
        done = subprocess.run(command, env=self.environment, input=given, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def status(self, method: str, path: str, token: str | None) -> int:
        """0: no answer."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        body = b"{}" if method not in {"GET", "DELETE"} else None
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def document(self) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}/api/openapi.json", headers={"Authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            body = answer.read()
        (self.folder / "openapi.json").write_bytes(body)
        found: dict[str, Any] = json.loads(body)
        return found

    def log(self) -> list[str]:
        return (self.folder / "server.log").read_text(errors="replace").splitlines()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=30)


def fuzzed(server: Server, folder: Path, examples: int, seed: int) -> int:
    """Schemathesis' exit code; its last lines are printed."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run"),
        *("--no-color", "--url", server.url, "--header", f"Authorization: Bearer {server.token}", "--checks", "all"),
        *("--max-examples", str(examples), "--seed", str(seed), "--suppress-health-check", "all"),
        *("--continue-on-failure", "--generation-database", "none", str(folder / "openapi.json")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    (folder / "schemathesis.log").write_text(done.stdout + done.stderr)
    summary = done.stdout.partition("= SUMMARY =")[2] or done.stdout + done.stderr
    print(summary.strip(" =\n"))
    return done.returncode


def strangers(server: Server, document: dict[str, Any]) -> list[str]:
    """The operations that need a role and give something else than a refusal to who has none."""
    found = []
    wrong = server.token[:-4] + ("aaaa" if not server.token.endswith("aaaa") else "bbbb")
    for path, operations in document["paths"].items():
        for method in METHODS:
            if method not in operations or "security" not in operations[method]:
                continue
            place = path.replace("{", "").replace("}", "")
            for what, token, expected in (
                ("no token", None, {401}),
                ("a wrong token", wrong, {401}),
                ("an ingest token", server.ingest_token, {401, 403}),
            ):
                status = server.status(method.upper(), place, token)
                if status not in expected:
                    found.append(f"{method.upper()} {path} with {what}: {status}")
    return found


if __name__ == "__main__":
    sys.exit(main())
