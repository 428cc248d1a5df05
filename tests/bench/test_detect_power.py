"""Curves keep the false-alarm rate that they name; races count who is later; ages divide the record."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from bench.detect_minutes import Stage
from bench.detect_power import allowed, by_age, failing, power, quiet, race
from bench.detect_tables import Detector, Goal, columns, curves, goal_table, side_by_side
from gatewatch.evaluation.claims import Claim
from gatewatch.evaluation.figures import figures
from gatewatch.evaluation.labels import Place
from gatewatch.evaluation.luck import at_shuffled_times
from gatewatch.evaluation.match import judge
from tests.evaluation.builders import START, a_claim, an_incident, at, labels

EASY = an_incident("easy", level="blatant", hours=100)
HARD = an_incident("hard", level="subtle", hours=200)
TRUTH = labels(EASY, HARD)


def noise(scores: list[float]) -> list[Claim]:
    place = Place("api2", "prod")
    return [
        a_claim(EASY, id=f"n{n}", place=place, start=at(n), end=at(n), detected=at(n), score=score)
        for n, score in enumerate(scores)
    ]


def test_recall_is_compared_where_calm_worlds_have_the_same_false_alarms() -> None:
    ours = judge(TRUTH, [a_claim(EASY, score=9.0), a_claim(HARD, score=4.0)])
    calm = quiet(labels(), noise([8.0, 5.0, 5.0, 3.0]))
    strict, middle, loose = power([ours], [calm], rates=(0.0, 0.3, 0.8))
    assert (strict.recall, strict.overall) == ({"blatant": 1.0, "subtle": 0.0}, 0.5)
    assert strict.score > 8.0
    assert middle.score > 5.0  # 4 API-weeks: one false alarm is allowed, the two at 5.0 would be three
    assert loose.recall == {"blatant": 1.0, "subtle": 1.0}
    (free,) = power([ours], [calm], rates=(1.0,))
    assert free.score == -math.inf


def test_without_calm_worlds_there_is_no_curve() -> None:
    assert power([judge(TRUTH, [])], []) == []
    assert curves({"ours": []}) == "no calm worlds were looked at"


def test_theory_allows_a_part_of_the_incident() -> None:
    """A subtle one carries some 40 nats in its two hours, 11.5 are needed: 35 minutes."""
    lines = {one.level: one for one in allowed([judge(TRUTH, [a_claim(HARD, delay=3600)])])}
    assert lines["subtle"].bound == pytest.approx(120 * 11.52 / 40, rel=0.01)
    assert lines["subtle"].delay == 60.0
    assert lines["blatant"].bound < 4.0
    assert math.isnan(lines["blatant"].delay)
    assert lines["moderate"].incidents == 0


def a_stage(first: float, last: float, share: float) -> Stage:
    count = 14 * 1440
    n, bad = np.full(count, 100.0), np.zeros(count)
    bad[int(first * 60) : int(last * 60)] = 100.0 * share
    covered = np.ones(count, bool)
    return Stage("api1", "prod", int(START // 60), n, bad * 0, bad, bad * 0, covered, np.zeros(count // 5))


def test_the_share_of_failing_requests_is_that_of_the_first_hour() -> None:
    assert failing(EASY, TRUTH, [a_stage(100, 102, 0.02)]) == pytest.approx(0.02)
    assert failing(HARD, TRUTH, [a_stage(100, 102, 0.02)]) == 0.0
    assert failing(replace(EASY, place=Place("elsewhere", "prod")), TRUTH, [a_stage(100, 102, 0.02)]) == 0.0


def test_a_race_counts_who_was_later_and_how_soon_it_was_over() -> None:
    stages = [a_stage(100, 102, 0.02)]
    ours = judge(TRUTH, [a_claim(EASY, delay=120, end=at(102) + 240)])
    theirs = judge(TRUTH, [a_claim(EASY, delay=241)])
    won = race([(ours, theirs, stages)])
    assert (won.incidents, won.both, won.never_later, won.band) == (1, 1, 1.0, 1)
    assert won.ratio == pytest.approx(0.5)
    assert (won.reset, won.reset_in_time) == (4.0, 1.0)
    lost = race([(theirs, ours, stages)])
    assert lost.never_later == 0.0
    alone = race([(ours, judge(TRUTH, []), stages)])
    assert (alone.both, alone.ours_only, alone.theirs_only) == (0, 1, 0)


def test_ages_divide_the_record() -> None:
    young = an_incident("young", hours=30)
    truth = labels(young, HARD)
    lines = by_age([judge(truth, [a_claim(HARD)])], [quiet(truth, noise([1.0] * 10))])
    assert [line.incidents for line in lines] == [1, 0, 1, 0]
    assert lines[0].recall == 0.0
    assert lines[2].recall == 1.0
    assert sum(line.weeks for line in lines) == pytest.approx(truth.api_weeks)
    assert lines[0].false_alarms == pytest.approx(10 / (2 * 2 / 7))
    assert lines[1].false_alarms == 0.0


def test_the_report_puts_values_beside_targets() -> None:
    text = goal_table([Goal("2", "few", 0.2, 0.1, True, "x"), Goal("3", "many", 0.9, 0.8, False, "y")])
    few, many = text.splitlines()[1:]
    assert few.split() == ["2", "few", "0.2", "≤", "0.1", "MISS", "x"]
    assert many.split() == ["3", "many", "0.9", "≥", "0.8", "ok", "y"]
    assert Goal("4", "unknown", math.nan, 1.0, True, "").verdict() == "not measured"
    assert columns([["a", 1], ["long", 20]]) == "a      1\nlong  20"


def test_the_report_has_a_column_for_each_detector() -> None:
    judged = judge(TRUTH, [a_claim(EASY)])
    one = Detector("ours", figures([judged]), figures([quiet(TRUTH, [])]))
    text = side_by_side([one, replace(one, name="peer")], at_shuffled_times([judged], shuffles=2))
    assert text.splitlines()[0].split() == ["ours", "peer", "ours,", "shuffled"]
    assert "  blatant" in text
    assert "blatant" in curves({"ours": power([judged], [quiet(TRUTH, [])])})
