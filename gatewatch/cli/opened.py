"""The store, opened for one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatewatch.settings import Settings
    from gatewatch.store.state import State


@contextmanager
def opened(settings: Settings, *, create: bool = False) -> Iterator[State]:
    """The state and lake of the settings; create: make an empty store when there is none."""
    from gatewatch.store.state import open_state

    state = open_state(settings, create=create)
    try:
        yield state
    finally:
        state.close()


def database_revision(settings: Settings) -> str | None:
    """The schema that the database has; None when there is no database, or nothing in it. Makes nothing."""
    from gatewatch.store.engine import make_engine, told
    from gatewatch.store.migrate import current_revision

    if settings.database_url is None and not (settings.data_dir / "state.db").exists():
        return None
    engine = make_engine(settings.state_url)
    try:
        with told(str(settings.data_dir)), engine.connect() as connection:
            return current_revision(connection)
    finally:
        engine.dispose()
