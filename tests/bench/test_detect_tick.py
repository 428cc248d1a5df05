from pathlib import Path

from bench.detect_tick import measure


def test_ticks_over_a_small_fleet_are_timed(tmp_path: Path) -> None:
    told = measure(tmp_path / "data", apis=2, routes=3, rate=20.0, hours=0.5, ticks=1)
    assert told["series"] == 6
    assert told["tick_s"] > 0
