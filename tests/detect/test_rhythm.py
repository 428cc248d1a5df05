"""Knocking again at once, waiting longer each time, and a batch that is too large are told apart by their seconds."""

from __future__ import annotations

from detect.rhythm import Rhythm


def heard(*minutes: tuple[list[int], int]) -> Rhythm:
    rhythm = Rhythm()
    for seconds, n in minutes:
        rhythm.add(sum(1 << second for second in set(seconds)), n)
    return rhythm


def test_a_storm_knocks_several_times_a_second_without_a_pause() -> None:
    storm = heard(([3, 4, 5, 6, 7], 75), ([11, 12, 13, 14, 15], 90))
    assert storm.knocks
    assert not storm.waits(10)
    short = heard(*[([3, 4, 5], 300), ([11, 12], 190)] * 5)
    assert short.knocks, "a hundred a second, a few seconds long"


def test_a_client_that_backs_off_leaves_few_refusals_seconds_apart_and_then_none() -> None:
    polite = heard(([16, 17, 19, 23], 17), ([7, 8, 11], 12))
    assert polite.waits(11)
    assert not polite.knocks
    assert not polite.waits(3), "every minute is no back-off"


def test_a_batch_beyond_the_limit_is_neither() -> None:
    batch = heard(*[([33], 20)] * 5)
    assert not batch.knocks
    assert not batch.waits(60)


def test_without_seconds_nothing_is_said() -> None:
    blind = Rhythm()
    blind.add(0, 500)
    assert not blind.knocks
    assert not blind.waits(60)
