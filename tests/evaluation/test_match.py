"""The rules of docs/evaluation.md, one by one: what is a hit, a double, a symptom, and what is none of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gatewatch.evaluation.claims import Claim
from gatewatch.evaluation.labels import Benign, Labels, Place
from gatewatch.evaluation.match import Fate, assign, judge
from gatewatch.evaluation.people import People
from tests.evaluation.builders import HOUR, a_claim, an_incident, at, labels

ONE = an_incident()


def fates(truth: Labels, *claims: Claim) -> list[Fate]:
    return list(judge(truth, claims).fates)


def test_a_finding_of_the_right_kind_place_and_time_is_a_hit_and_its_delay_counts_from_the_onset() -> None:
    judged = judge(labels(ONE), [a_claim(ONE, delay=180)])
    assert judged.fates == (Fate.HIT,)
    assert judged.outcomes[0].delay_s == 180
    assert judged.outcomes[0].findings == 1


@pytest.mark.parametrize(
    ("detected", "fate"),
    [
        (ONE.start, Fate.HIT),
        (ONE.start - 1, Fate.EARLY),
        (at(102) + 1800, Fate.HIT),
        (at(102) + 1801, Fate.LATE),
    ],
)
def test_it_must_be_detected_between_onset_and_end_with_grace(detected: float, fate: Fate) -> None:
    assert fates(labels(ONE), a_claim(ONE, detected=detected)) == [fate]


def test_an_ongoing_incident_lasts_to_the_end_of_the_record() -> None:
    ongoing = an_incident(lasts=None)
    assert fates(labels(ongoing), a_claim(ongoing, detected=at(335))) == [Fate.HIT]


def test_a_state_from_the_start_has_no_delay() -> None:
    state = an_incident(hours=0, lasts=None, kind="dead_api", subtypes=("unused",), route="GET /old")
    judged = judge(labels(state), [a_claim(state, detected=at(200))])
    assert judged.fates == (Fate.HIT,)
    assert judged.outcomes[0].delay_s is None


def test_another_kind_is_a_symptom_and_no_hit() -> None:
    judged = judge(labels(ONE), [a_claim(ONE, kind="latency_outlier", delay=60)])
    assert judged.fates == (Fate.SYMPTOM,)
    assert judged.outcomes[0].found is None
    assert judged.outcomes[0].findings == 1


def test_a_symptom_must_come_soon_and_have_an_onset_to_follow() -> None:
    long = an_incident(lasts=100)
    late = a_claim(long, kind="dead_api", start=at(129), end=at(131), detected=at(130))
    assert fates(labels(long), late) == [Fate.STRAY]
    state = an_incident(hours=0, lasts=None)
    assert fates(labels(state), a_claim(state, kind="dead_api", start=at(1), detected=at(2))) != [Fate.SYMPTOM]


def test_further_findings_on_it_are_doubles() -> None:
    judged = judge(labels(ONE), [a_claim(ONE, delay=600), a_claim(ONE, delay=60), a_claim(ONE, delay=900)])
    assert judged.fates == (Fate.DOUBLE, Fate.HIT, Fate.DOUBLE)
    assert judged.outcomes[0].findings == 3


@pytest.mark.parametrize(
    ("mine", "said", "agree"),
    [
        (Place("api1", "prod"), Place("api1", "prod"), True),
        (Place("api1", "prod"), Place("api1"), True),
        (Place("api1", "prod"), Place("api1", "prod", "GET /a"), True),
        (Place("api1", "prod", "GET /a"), Place("api1", "prod"), True),
        (Place("api1", "prod", "GET /a"), Place("api1", "prod", "GET /b"), False),
        (Place("api1", "prod"), Place("api1", "dev"), False),
        (Place("api1", "prod"), Place("api2", "prod"), False),
        (Place("api1", "prod"), None, False),
    ],
)
def test_a_finding_may_name_less_or_more_but_no_other_place(mine: Place, said: Place | None, agree: bool) -> None:
    incident = replace(ONE, place=mine, scope=(mine,))
    assert (fates(labels(incident), a_claim(incident, place=said)) == [Fate.HIT]) is agree


def test_dead_must_name_the_very_thing() -> None:
    route = an_incident(kind="dead_api", subtypes=("unused",), route="GET /old", people=People())
    assert fates(labels(route), a_claim(route, place=Place("api1", "prod"))) == [Fate.STRAY]
    key = an_incident(kind="dead_api", subtypes=("unused_key",), people=People({"apiKeyIds": ("k1",)}))
    assert fates(labels(key), a_claim(key, people=People({"apiKeyIds": ("k2",)}))) == [Fate.STRAY]
    assert fates(labels(key), a_claim(key)) == [Fate.HIT]


def test_any_place_of_the_scope_will_do() -> None:
    campaign = replace(ONE, scope=(Place("api1", "prod"), Place("api2", "prod")))
    judged = judge(labels(campaign), [a_claim(campaign), a_claim(campaign, place=Place("api2", "prod"), delay=5)])
    assert judged.fates == (Fate.HIT, Fate.DOUBLE)


def test_one_finding_counts_for_one_incident() -> None:
    both = labels(ONE, an_incident("i2", hours=101))
    judged = judge(both, [a_claim(ONE, detected=at(101.5))])
    assert sorted(outcome.found is not None for outcome in judged.outcomes) == [False, True]


def test_as_many_incidents_as_possible_are_paired() -> None:
    first, second = an_incident(), an_incident("i2", hours=101)
    late, early = a_claim(first, detected=at(101.5)), a_claim(first, detected=at(100.5))
    judged = judge(labels(first, second), [late, early])
    assert [outcome.found for outcome in judged.outcomes] == [1, 0]


def test_a_finding_that_spans_a_large_part_of_the_record_hits_nothing() -> None:
    wide = a_claim(ONE, start=at(0), end=None)
    assert fates(labels(ONE), wide) == [Fate.BLANKET]
    ongoing = an_incident(hours=40, lasts=None)
    assert fates(labels(ongoing), a_claim(ongoing, delay=60)) == [Fate.HIT]


def test_a_finding_that_is_left_open_for_a_while_still_counts() -> None:
    assert fates(labels(ONE), a_claim(ONE, end=at(150))) == [Fate.HIT]
    assert fates(labels(ONE), a_claim(ONE, end=None)) == [Fate.BLANKET]


def test_a_finding_without_an_api_is_a_blanket() -> None:
    assert fates(labels(ONE), a_claim(ONE, place=None)) == [Fate.BLANKET]


def test_where_findings_rain_away_from_incidents_none_is_a_hit() -> None:
    """One an hour on this API: a finding within an hour of the onset is what chance gives."""
    hourly = [a_claim(ONE, start=at(h), end=at(h), detected=at(h) + 60) for h in range(336)]
    judged = judge(labels(ONE), hourly)
    assert set(judged.fates) == {Fate.FLOOD, Fate.STRAY, Fate.LATE, Fate.EARLY} & set(judged.fates)
    assert judged.outcomes[0].flooded
    assert judged.outcomes[0].found is None


def test_a_few_false_alarms_take_no_hit_away() -> None:
    few = [a_claim(ONE, start=at(h), end=at(h), detected=at(h)) for h in range(0, 90, 12)]
    assert fates(labels(ONE), *few, a_claim(ONE, delay=120))[-1] is Fate.HIT


def test_a_flood_elsewhere_takes_no_hit_away() -> None:
    noise = [
        a_claim(ONE, place=Place("api2", "prod"), start=at(h / 10), end=at(h / 10), detected=at(h / 10))
        for h in range(3000)
    ]
    assert fates(labels(ONE), *noise, a_claim(ONE))[-1] is Fate.HIT


def test_rain_on_a_state_that_fills_the_record_is_a_flood() -> None:
    state = an_incident(hours=0, lasts=None, kind="dead_api", people=People())
    rain = [a_claim(state, start=at(m / 60), end=at(m / 60 + 0.01), detected=at(m / 60)) for m in range(1, 20000)]
    judged = judge(labels(state), rain)
    assert set(judged.fates) == {Fate.FLOOD}


def test_notes_and_later_kinds_are_no_alarms() -> None:
    claims = [
        a_claim(ONE, severity="info"),
        a_claim(ONE, kind="data_quality"),
        a_claim(ONE, kind="config_change", place=None),
    ]
    judged = judge(labels(ONE), claims)
    assert judged.fates == (Fate.NOTE, Fate.OTHER_KIND, Fate.OTHER_KIND)
    assert judged.outcomes[0].found is None


def test_a_later_kind_is_judged_where_labels_have_it() -> None:
    late = an_incident(kind="data_quality")
    assert fates(labels(late), a_claim(late)) == [Fate.HIT]


def test_an_alarm_in_a_benign_window_is_false_and_the_window_is_named() -> None:
    crowd = Benign("b1", "flash_crowd", Place("api1", "prod"), at(50), at(51))
    night = Benign("b2", "nightly_batch", Place("api1", "prod"), at(40), at(60))
    judged = judge(labels(ONE, benign=(night, crowd)), [a_claim(ONE, start=at(50), end=at(51), detected=at(50.5))])
    assert judged.fates == (Fate.BENIGN,)
    assert judged.tempted == (1,)


def test_an_incident_inside_a_benign_window_is_still_an_incident() -> None:
    crowd = Benign("b1", "flash_crowd", Place("api1", "prod"), at(99), at(103))
    judged = judge(labels(ONE, benign=(crowd,)), [a_claim(ONE)])
    assert judged.fates == (Fate.HIT,)
    assert judged.tempted == (None,)


def test_no_findings_and_no_incidents_are_fine() -> None:
    assert judge(labels(ONE), []).outcomes[0].found is None
    assert judge(labels(), []).outcomes == ()
    assert fates(labels(), a_claim(ONE, end=at(102))) == [Fate.STRAY]


def test_pairs_are_the_best_there_are() -> None:
    """Against all possibilities, on small random cases."""
    rng = np.random.default_rng(5)
    for _ in range(300):
        incidents, findings = int(rng.integers(1, 5)), int(rng.integers(0, 6))
        opens = np.sort(rng.uniform(0, 50, incidents))
        detected = rng.uniform(50, 100, findings)
        order = np.argsort(detected)
        linked = rng.random((incidents, findings)) < 0.5
        edges = [[int(i) for i in order if linked[number, i]] for number in range(incidents)]
        got = assign(edges, detected, opens)
        used = [index for index in got if index is not None]
        assert len(used) == len(set(used))
        assert all(index is None or index in edges[number] for number, index in enumerate(got))
        pairs = [(number, index) for number, index in enumerate(got) if index is not None]
        assert (len(pairs), -sum(detected[i] - opens[n] for n, i in pairs)) == pytest.approx(
            _best(edges, detected, opens)
        )


def _best(edges: list[list[int]], detected: np.ndarray, opens: np.ndarray) -> tuple[int, float]:
    def tried(number: int, used: frozenset[int]) -> tuple[int, float]:
        if number == len(edges):
            return 0, 0.0
        best = tried(number + 1, used)
        for index in edges[number]:
            if index not in used:
                pairs, delay = tried(number + 1, used | {index})
                best = max(best, (pairs + 1, delay - (detected[index] - opens[number])))
        return best

    return tried(0, frozenset())


def test_hours_away_from_incidents_are_counted_once() -> None:
    """Two incidents at one time on one API: their common hours are taken off once."""
    twins = labels(ONE, an_incident("i2", hours=101))
    noise = [a_claim(ONE, start=at(h), end=at(h), detected=at(h)) for h in range(0, 96, 2)]
    judged = judge(twins, [*noise, a_claim(ONE, delay=HOUR / 60)])
    assert judged.fates[-1] is Fate.HIT
