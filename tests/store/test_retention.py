"""What is older than it should be goes as a whole hour, from the manifest first; the rest stays and answers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gatewatch.errors import UsageError
from gatewatch.housekeeping import keep_house, limits
from gatewatch.settings import Settings
from gatewatch.store.reading import read_minutes, stream_requests
from gatewatch.store.retention import cutoffs, expired, remove
from gatewatch.store.retired import sweep_retired
from gatewatch.store.state import State
from gatewatch.store.verify import verify
from tests.store.builders import AT, minutes, put, requests


def a_day(state: State, day: int, source: str = "files") -> None:
    at = AT + timedelta(days=day)
    tables = [("requests", requests([{"at": at}])), ("minutes", minutes([{"minute": at}]))]
    put(state, tables=tables, source=source, file=f"{source}{day}")


def counts(state: State) -> tuple[int, int]:
    """Requests and minutes that readers get."""
    return sum(batch.num_rows for batch in stream_requests(state)), read_minutes(state).num_rows


def test_requests_go_and_rollups_stay(state: State) -> None:
    for day in range(10):
        a_day(state, day)
    settings = state.settings.model_copy(update={"keep_requests_days": 4.0})
    now = AT + timedelta(days=9, hours=1)
    keep_house(state, settings, now)
    assert counts(state) == (4, 10)
    assert verify(state).problems == []
    assert sweep_retired(state, timedelta(0)) == 6
    assert verify(state).problems == []
    keep_house(state, settings, now)
    assert counts(state) == (4, 10)


def test_an_hour_goes_as_a_whole_and_each_source_by_itself(state: State) -> None:
    late = [("requests", requests([{"at": AT + timedelta(minutes=m)}])) for m in (5, 50)]
    put(state, tables=late)
    put(state, tables=[("requests", requests([{}]))], source="other")
    (gone,) = expired(state, {"requests": AT + timedelta(minutes=30)})
    assert (len(gone.paths), gone.rows) == (1, 1)
    remove(state, [gone])
    assert counts(state)[0] == 2
    assert expired(state, {"requests": AT + timedelta(minutes=30)}) == []
    (gone,) = expired(state, {"requests": AT + timedelta(hours=1)})
    assert (gone.rows, gone.until) == (2, AT + timedelta(minutes=50))


def test_without_a_setting_everything_is_kept() -> None:
    assert cutoffs(Settings(), AT) == {}
    both = Settings(keep_requests_days=30, keep_rollups_days=400)
    assert cutoffs(both, AT)["spans"] == AT - timedelta(days=30)
    assert cutoffs(both, AT)["clients"] == AT - timedelta(days=400)


def test_detectors_keep_their_history() -> None:
    with pytest.raises(UsageError, match="detectors look back 181 days"):
        limits(Settings(keep_rollups_days=90, dead_after_days=120), AT)
    assert limits(Settings(keep_rollups_days=90), AT)
    with pytest.raises(ValueError, match="greater than or equal to 60"):
        Settings(keep_rollups_days=1)
