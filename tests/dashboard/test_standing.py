"""The footer: what is known of gatewatch itself, and that what is not known is said to be so."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

from dashboard.standing import footer, once, standing
from gatewatch.records import Blind, Kind
from gatewatch.settings import Settings
from gatewatch.store.leases import claim_run, finish_run
from gatewatch.store.noise import Noise, noise
from gatewatch.store.spending import Spent, add_spent
from gatewatch.store.state import State, db_now, open_state
from tests.dashboard.world import END, fill


def said(state: State, late: timedelta = timedelta()) -> str:
    lines = [
        one
        for part in footer(standing(state, END + late))
        for one in [json.dumps(part.to_plotly_json(), default=lambda c: c.to_plotly_json())]
    ]
    return " ".join(lines)


def test_nothing_is_known_of_an_empty_store(tmp_path: Path) -> None:
    state = open_state(Settings(data_dir=tmp_path / "data"))
    text = said(state)
    for words in ("none yet", "not known", "no worker has run yet", "no account connected", "All times are UTC"):
        assert words in text
    state.close()


def test_it_tells_lag_coverage_detectors_and_spend(tmp_path: Path) -> None:
    state = open_state(Settings(data_dir=tmp_path / "data"))
    fill(state)
    text = said(state, timedelta(minutes=3))
    assert "3 min ago" in text
    assert "95.8 %" in text  # an hour of the day was not delivered
    assert "2 blind spots" in text
    with state.begin() as session:
        now = db_now(session)
        add_spent(session, [Spent(END.date(), "1", "metrics", "cloudwatch", "GetMetricData", 34, 340_000)])
    assert "$0.00034, 34 calls" in said(state)
    assert claim_run(state, "tick", END, "me")
    finish_run(state, "tick", END, "the lake is <b>gone</b>")
    found = standing(state, now)
    assert found.evaluated is not None
    assert "failed" in said(state)
    assert "the lake is <b>gone</b>" in said(state)
    assert claim_run(state, "tick", END + timedelta(minutes=1), "me")
    finish_run(state, "tick", END + timedelta(minutes=1))
    with state.begin() as session:
        late = db_now(session) + timedelta(hours=1)
    assert "have not looked for" in said(state, late - END)
    state.close()


def test_noise_counts_what_was_raised_lately(tmp_path: Path) -> None:
    state = open_state(Settings(data_dir=tmp_path / "data"))
    found = fill(state)
    with state.read() as session:
        everything = noise(session, END - timedelta(days=365), END + timedelta(days=1))
        nothing = noise(session, END + timedelta(days=1), END + timedelta(days=2))
    assert everything == Noise(raised=len(found), told=0, right=0, wrong=0)
    assert nothing == Noise(0, 0, 0, 0)
    state.close()


def test_a_blind_spot_of_an_api_and_of_its_stage_is_one() -> None:
    why = "no latency is logged"
    spots = [Blind(Kind.LATENCY_OUTLIER, None, None, "a", stage, why) for stage in (None, "prod", "test")]
    alone = Blind(Kind.LATENCY_OUTLIER, None, None, "b", None, why)
    assert once([*spots, alone]) == [*spots[1:], alone]
