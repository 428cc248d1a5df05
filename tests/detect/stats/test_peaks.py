import numpy as np

from detect.stats.peaks import Peaks


def peaks(young: float, hours: int) -> Peaks:
    """One series whose hours were ordinary."""
    made = Peaks(young)
    made.grow(1)
    rng = np.random.default_rng(3)
    for _ in range(hours):
        made.see(rng.exponential(1.2, (1, 60)))
        made.close(np.array([True]))
    return made


def test_a_first_day_claims_less_and_then_as_much_as_any() -> None:
    ratios = [float((peaks(2.0, hours).limit(0.1) / peaks(0.0, hours).limit(0.1))[0]) for hours in (0, 6, 12, 24, 48)]
    assert ratios[0] == 3.0
    assert ratios == sorted(ratios, reverse=True)
    # An hour counts a little less when it is past, so a day is over in its 25th hour.
    assert ratios[3] < 1.05
    assert ratios[4] == 1.0


def test_where_counts_are_rare_the_tail_is_no_steeper_further_out() -> None:
    rare, often = peaks(0.0, 100), peaks(0.0, 100)
    rare.often, often.often = np.array([0.5]), np.array([500.0])
    assert 1.02 < float((rare.limit(0.1) / often.limit(0.1))[0]) < 1.1
