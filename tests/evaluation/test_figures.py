"""An oracle gets 1.0 everywhere, cheats get nothing, and no order of findings matters."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gatewatch.evaluation.claims import Claim
from gatewatch.evaluation.figures import Figures, figures, quantile
from gatewatch.evaluation.labels import Labels, Place
from gatewatch.evaluation.luck import at_shuffled_times, beyond_luck
from gatewatch.evaluation.match import KINDS, Fate, judge
from gatewatch.evaluation.people import CAP, People, culprits, read_people
from gatewatch.evaluation.rates import poisson_rate, share_interval
from gatewatch.evaluation.reading import Node
from tests.evaluation.builders import a_claim, an_incident, flood, labels, oracle

NAMES = st.lists(st.integers(1, 40).map(lambda n: f"198.51.100.{n}"), max_size=6, unique=True).map(tuple)


@st.composite
def worlds(draw: st.DrawFn, *, longest: float = 30.0) -> Labels:
    """Up to 12 incidents of any kind on three APIs in 4 to 14 days, no two of a kind beginning together anywhere."""
    days = draw(st.integers(4, 14))
    onsets = draw(st.lists(st.integers(1, days * 24 * 60 - 60), min_size=1, max_size=12, unique=True))
    made = []
    for number, minute in enumerate(onsets):
        kind = draw(st.sampled_from(KINDS))
        lasts = min(draw(st.floats(0.05, longest)), days * 24 - minute / 60)
        ips = () if kind == "dead_api" else draw(NAMES)
        made.append(
            an_incident(
                f"i{number}",
                hours=minute / 60,
                lasts=lasts,
                kind=kind,
                api=f"api{draw(st.integers(1, 3))}",
                route=draw(st.sampled_from([None, "GET /a", "GET /b"])),
                subtypes=(draw(st.sampled_from(["one", "two"])),),
                causes=(draw(st.sampled_from(["client", "gateway"])),),
                layer=draw(st.sampled_from([None, "authorizer"])),
                level=draw(st.sampled_from(["blatant", "moderate", "subtle"])),
                people=People({"ips": ips} if ips else {}),
            )
        )
    return labels(*made, days=days, apis=3)


def counted(truth: Labels, claims: list[Claim]) -> Figures:
    return figures([judge(truth, claims)])


@given(truth=worlds())
@settings(max_examples=60, deadline=None)
def test_an_oracle_scores_one_everywhere(truth: Labels) -> None:
    got = counted(truth, oracle(truth))
    groups = [got.everything, *(one for part in got.by.values() for one in part.values())]
    for one in groups:
        assert one.recall == one.subtype == one.cause == one.single == one.findings == 1.0
        assert one.delay_median == one.delay_p90 == 0.0
        for share in (one.layer, one.precision, one.culprit_recall, one.f1, one.top):
            assert share == 1.0 or math.isnan(share)
        assert one.blamed == 0.0 or math.isnan(one.blamed)
    assert got.precision == 1.0
    assert got.false_alarms.count == 0
    assert got.fates == {"hit": len(truth.incidents)}


@given(truth=worlds(longest=10.0), when=st.floats(0, 1), kind=st.sampled_from(KINDS), open_=st.booleans())
@settings(max_examples=60, deadline=None)
def test_one_finding_an_api_that_spans_everything_scores_nothing(
    truth: Labels, when: float, kind: str, open_: bool
) -> None:
    moment = truth.start + when * (truth.end - truth.start)
    end = None if open_ else truth.end
    claims = [Claim(api, kind, Place(api), truth.start, end, moment) for api in truth.apis]
    got = counted(truth, claims)
    assert got.everything.recall == got.precision == 0.0
    assert got.false_alarms.count == len(claims)


@given(truth=worlds(longest=5.0), every=st.sampled_from([600.0, 1800.0]))
@settings(max_examples=10, deadline=None, phases=[Phase.generate])
def test_a_flood_of_findings_scores_nothing(truth: Labels, every: float) -> None:
    """Incidents of a kind fill at most 2.5 of at least 4 days, so there is enough time to see that it is a flood."""
    got = counted(truth, list(flood(truth, every)))
    assert got.everything.recall == got.precision == 0.0
    assert set(got.fates) <= {"stray", "flood", "early", "late"}


def test_a_finding_a_minute_on_each_api_scores_nothing() -> None:
    truth = labels(an_incident(hours=30), an_incident("i2", hours=40, kind="dead_api", people=People()), days=2, apis=1)
    got = counted(truth, list(flood(truth, 60.0)))
    assert got.everything.recall == got.precision == 0.0
    assert got.everything.flooded == 2


@given(truth=worlds())
@settings(max_examples=30, deadline=None)
def test_who_looks_ahead_or_names_no_api_finds_nothing(truth: Labels) -> None:
    ahead = [replace(claim, start=claim.start - 120, detected=claim.detected - 60) for claim in oracle(truth)]
    assert all(
        outcome.found is None or outcome.incident.id != judged.claims[outcome.found].id.removeprefix("f-")
        for judged in [judge(truth, ahead)]
        for outcome in judged.outcomes
    )
    nowhere = [replace(claim, place=None) for claim in oracle(truth)]
    assert counted(truth, nowhere).everything.recall == 0.0


def test_incidents_open_at_once_each_get_the_finding_that_came_after_them() -> None:
    """Any exchange among them has the same total delay, and other culprits."""
    people = [People({"ips": (f"198.51.100.{n}",)}) for n in range(4)]
    truth = labels(*(an_incident(f"i{n}", hours=24 + n / 60, people=people[n]) for n in range(4)))
    claims = oracle(truth)
    for order in (claims, claims[::-1], claims[2:] + claims[:2]):
        assert counted(truth, order).everything.precision == 1.0


@given(truth=worlds(), data=st.data())
@settings(max_examples=40, deadline=None)
def test_the_order_of_findings_does_not_matter(truth: Labels, data: st.DataObject) -> None:
    claims = [*oracle(truth), *(a_claim(one, delay=300, id=f"late {one.id}") for one in truth.incidents)]
    shuffled = data.draw(st.permutations(claims))
    assert repr(counted(truth, shuffled)) == repr(counted(truth, claims))


@given(truth=worlds(), copies=st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_saying_it_again_changes_neither_recall_nor_false_alarms(truth: Labels, copies: int) -> None:
    once, again = counted(truth, oracle(truth)), counted(truth, oracle(truth) * (copies + 1))
    assert again.everything.recall == 1.0
    assert again.false_alarms == once.false_alarms
    assert again.fates["double"] == copies * len(truth.incidents)
    assert again.everything.single == 0.0


@given(
    truth=worlds(), extra=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(KINDS), st.floats(0, 1)), max_size=30)
)
@settings(max_examples=40, deadline=None)
def test_every_finding_and_every_incident_gets_one_verdict(truth: Labels, extra: list[tuple[int, str, float]]) -> None:
    noise = []
    for number, (api, kind, when) in enumerate(extra):
        moment = truth.start + when * (truth.end - truth.start)
        noise.append(Claim(f"n{number}", kind, Place(f"api{api}", "prod"), moment, moment + 60, moment + 60))
    judged = judge(truth, [*oracle(truth), *noise])
    hits = [index for index, fate in enumerate(judged.fates) if fate is Fate.HIT]
    found = [outcome.found for outcome in judged.outcomes if outcome.found is not None]
    assert sorted(found) == hits
    assert len(judged.fates) == len(judged.owners) == len(judged.claims)
    owned = [owner for owner in judged.owners if owner is not None]
    assert len(owned) == sum(outcome.findings for outcome in judged.outcomes)
    explained = sum(fate in {Fate.HIT, Fate.DOUBLE, Fate.SYMPTOM} for fate in judged.fates)
    assert len(owned) == explained


def test_naming_everybody_is_imprecise_and_naming_nobody_is_wrong() -> None:
    right = People({"ips": ("203.0.113.7",)})
    everybody = People({"ips": tuple(f"203.0.113.{n}" for n in range(50))})
    loud, silent = culprits(right, everybody), culprits(right, People())
    assert loud is not None
    assert silent is not None
    assert (loud.precision, loud.recall) == (1 / 50, 1.0)
    assert loud.f1 < 0.05
    assert loud.top == 0.0
    assert silent.f1 == 0.0


def test_fifty_of_five_hundred_is_all_that_a_finding_need_name() -> None:
    names = tuple(f"203.0.{n // 250}.{n % 250}" for n in range(500))
    got = culprits(People({"ips": names}), People({"ips": names[:CAP]}))
    assert got is not None
    assert got.f1 == 1.0


def test_callers_are_judged_by_what_names_them() -> None:
    """The agent is told apart only where nothing else names the callers; nobody to name: nothing to judge."""
    key_and_agent = People({"apiKeyIds": ("k",), "userAgents": ("bot/1",)})
    got = culprits(key_and_agent, People({"apiKeyIds": ("k",)}))
    assert got is not None
    assert got.f1 == 1.0
    agent = People({"userAgents": ("bot/1",)})
    assert culprits(agent, agent) is not None
    assert culprits(People(), agent) is None


def test_who_blames_somebody_for_an_outage_is_counted() -> None:
    outage = an_incident(kind="dead_api", people=People())
    blaming = a_claim(outage, people=People({"ips": ("192.0.2.1",)}))
    assert counted(labels(outage), [blaming]).everything.blamed == 1.0
    assert counted(labels(outage), [a_claim(outage)]).everything.blamed == 0.0


@pytest.mark.parametrize(
    ("kind", "one", "two"), [("asns", "AS64500", "64500"), ("ips", "2001:DB8:0::1", "2001:db8::1"), ("ips", "x", "x")]
)
def test_one_entity_has_one_spelling(kind: str, one: str, two: str) -> None:
    assert read_people(Node({kind: [one]}, "x", "")) == read_people(Node({kind: [two]}, "x", ""))


def test_by_level_and_kind_only_their_own_incidents_count() -> None:
    easy = an_incident("easy", level="blatant")
    hard = an_incident("hard", level="subtle", hours=200, kind="latency_outlier")
    got = counted(labels(easy, hard), [a_claim(easy, delay=120)])
    assert (got.by["level"]["blatant"].recall, got.by["level"]["subtle"].recall) == (1.0, 0.0)
    assert got.by["kind"]["latency_outlier"].incidents == 1
    assert got.everything.recall == 0.5
    assert got.by["level"]["blatant"].delay_median == 2.0


def test_several_worlds_add_up() -> None:
    one = an_incident()
    both = figures([judge(labels(one), oracle(labels(one))), judge(labels(one), [])])
    assert both.everything.incidents == 2
    assert both.everything.recall == 0.5
    assert both.false_alarms.exposure == 8.0


def test_delays_are_quantiles_that_occur() -> None:
    values = [float(n) for n in range(1, 11)]
    assert quantile(values, 0.5) == 5.0
    assert quantile(values, 0.9) == 9.0
    assert math.isnan(quantile([], 0.5))


@pytest.mark.parametrize(("count", "low", "high"), [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (10, 4.7954, 18.3904)])
def test_the_interval_of_a_count_is_that_of_the_tables(count: int, low: float, high: float) -> None:
    """Pearson and Hartley, Biometrika Tables, limits of the expectation of a Poisson variable, 95 %."""
    rate = poisson_rate(count, 1.0)
    assert [rate.low, rate.high] == pytest.approx([low, high], abs=1e-3)


def test_a_share_has_an_exact_interval() -> None:
    assert list(share_interval(0, 10)) == pytest.approx([0.0, 0.3085], abs=1e-4)
    assert share_interval(0, 0) == (0.0, 1.0)


@given(truth=worlds(longest=3.0), seed=st.integers(0, 5))
@settings(max_examples=15, deadline=None)
def test_luck_is_the_same_for_the_same_seed_and_poor_for_an_oracle(truth: Labels, seed: int) -> None:
    judged = [judge(truth, oracle(truth))]
    luck = at_shuffled_times(judged, shuffles=5, seed=seed)
    assert repr(luck) == repr(at_shuffled_times(judged, shuffles=5, seed=seed))
    assert luck.recall < 0.6
    assert luck.precision < 1.0


def test_shuffled_findings_keep_their_length_and_stay_in_the_record() -> None:
    """A finding that is everywhere at once gains nothing by moving; one of two incidents' length hits by chance."""
    incidents = [an_incident(f"i{n}", hours=24.0 * n, lasts=6.0) for n in range(1, 13)]
    truth = labels(*incidents)
    luck = at_shuffled_times([judge(truth, oracle(truth))], shuffles=200, seed=3)
    # 12 findings on 12 windows of 6.5 h in 336 h: a window stays empty with (1 - 6.5/336)^12, less what is paired twice
    expected = 1 - (1 - 6.5 / 336) ** 12
    assert luck.recall == pytest.approx(expected, abs=0.03)


def test_beyond_luck_runs_from_nothing_to_all() -> None:
    assert beyond_luck(0.5, 0.5) == 0.0
    assert beyond_luck(1.0, 0.3) == 1.0
    assert math.isnan(beyond_luck(1.0, 1.0))


def test_no_findings_are_nan_and_never_a_good_score() -> None:
    got: Any = counted(labels(an_incident()), [])
    assert got.everything.recall == 0.0
    assert math.isnan(got.precision)
    assert math.isnan(got.everything.f1)
    assert got.false_alarms.rate == 0.0
