"""What each test would pay for, paid once: migrations, costly hashes, worlds that all workers share."""

from __future__ import annotations

import contextlib
import fcntl
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from argon2 import PasswordHasher, Type
from sqlalchemy import Engine

from gatewatch.access import passwords
from gatewatch.settings import Settings
from gatewatch.store import migrate, state

T = TypeVar("T")

COSTLY = passwords._HASHER
"""What gatewatch hashes passwords with."""

CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=4, type=Type.ID)
"""The same hash of a thousandth of the memory, for tests that do not ask how hard it is to guess."""


@contextlib.contextmanager
def cheap_hashes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", CHEAP)
        yield


@contextlib.contextmanager
def migrated_once(folder: Path) -> Iterator[None]:
    """A new SQLite store begins as a copy of one that the migrations made. tests/store/test_state.py does without."""
    template = folder / "data" / "state.db"
    state.open_state(Settings(data_dir=template.parent)).close()

    def prepare(engine: Engine, settings: Settings) -> None:
        file = settings.data_dir / "state.db"
        if settings.database_url is None and file.stat().st_size == 0:
            shutil.copyfile(template, file)
        migrate.prepare(engine, settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state, "prepare", prepare)
        yield


def shared(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], T]) -> T:
    """What `make` makes in an empty folder, made by the first worker that asks for it; the others wait and read it."""
    base = factory.getbasetemp()
    root = (base.parent if base.name.startswith("popen-") else base) / "shared"
    root.mkdir(exist_ok=True)
    folder, made = root / name, root / f"{name}.pickle"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that ended in the middle of it
            folder.mkdir()
            made.write_bytes(pickle.dumps(make(folder)))
    found: T = pickle.loads(made.read_bytes())
    return found
