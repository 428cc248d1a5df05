"""Slow sprays: an address that fails with many names within a day, where no minute shows anything."""

from __future__ import annotations

import json

import numpy as np

from detect.callers import Callers, Lasting
from detect.who import Rows, rows_from_json

SPRAYER, OFFICE = "203.0.113.66", "198.51.100.1"


def rows(refusals: list[tuple[int, str, str, str]]) -> Rows:
    """(minute, address, name, agent), all of series row 0."""
    made = sorted(refusals)
    names = {name: np.full(len(made), None, dtype=object) for name in rows_from_json(None).names}
    for place, (_, address, name, agent) in enumerate(made):
        names["client_ip"][place], names["principal"][place], names["user_agent"][place] = address, name, agent
    minutes = np.array([minute for minute, *_ in made], dtype=np.int64)
    zeros, ones = np.zeros(len(made), dtype=np.int64), np.ones(len(made), dtype=np.int64)
    return Rows(zeros, minutes, ones, zeros, names)


def background(hour: int) -> list[tuple[int, str, str, str]]:
    """A few users mistype each hour, each at home."""
    return [
        (hour * 60 + k, f"192.0.2.{(hour * 5 + k) % 200}", f"user{(hour * 5 + k) % 200}", "Mozilla") for k in range(3)
    ]


def follow(hours: int, extra: list[tuple[int, str, str, str]], *, reload: bool = False) -> dict[int, Lasting]:
    """What is said at the end of which hour."""
    callers, said = Callers(), {}
    for hour in range(hours):
        mine = rows(background(hour) + [one for one in extra if one[0] // 60 == hour])
        age, held = np.array([hour + 1]), np.zeros(1, dtype=bool)
        found = callers.hour(hour, mine, [0], age, held, np.array([0.001]))
        if 0 in found:
            said[hour] = found[0]
        if reload:
            fresh = Callers()
            fresh.load(json.loads(json.dumps(callers.dump())))
            callers = fresh
    return said


def spray(begin: int, hours: int, per_hour: int = 4) -> list[tuple[int, str, str, str]]:
    return [
        (hour * 60 + 10 * k, SPRAYER, f"victim{(hour - begin) * per_hour + k}", "curl")
        for hour in range(begin, begin + hours)
        for k in range(per_hour)
    ]


def test_four_names_an_hour_are_seen_within_a_few_hours_and_counted_over_the_day() -> None:
    said = follow(90, spray(72, 15))
    first = min(said)
    assert 74 <= first <= 78
    last = said[86]
    assert last.sources == (SPRAYER,)
    assert (last.refused, len(last.names), last.since) == (60, 60, 72 * 60)


def test_nothing_is_said_about_users_who_mistype_nor_before_a_day_is_known() -> None:
    assert follow(100, []) == {}
    assert follow(20, spray(4, 12)) == {}


def test_an_office_behind_one_address_has_browsers_of_its_own() -> None:
    office = [
        (hour * 60 + k, OFFICE, f"clerk{(hour * 6 + k) % 60}", f"browser {k}")
        for hour in range(72, 80)
        for k in range(6)
    ]
    assert follow(82, office) == {}


def test_one_name_over_and_over_is_no_spray() -> None:
    assert follow(90, [(minute, SPRAYER, "victim", "curl") for minute in range(72 * 60, 80 * 60, 5)]) == {}


def test_two_addresses_with_one_tool_are_one_campaign() -> None:
    other = [(minute, "203.0.113.67", name, agent) for minute, _, name, agent in spray(72, 15)]
    assert set(follow(90, spray(72, 15) + other)[86].sources) == {SPRAYER, "203.0.113.67"}


def drip(begin: int, days: int, every: int = 4) -> list[tuple[int, str, str, str]]:
    """A name each few hours: six a day are nothing."""
    return [
        (hour * 60 + 7, SPRAYER, f"victim{hour}", "curl")
        for hour in range(begin, begin + days * 24)
        if hour % every == 0
    ]


def test_six_names_a_day_are_seen_within_a_week_and_counted_over_it() -> None:
    said = follow(12 * 24, drip(100, 7))
    first = min(said)
    assert 100 + 72 <= first <= 100 + 7 * 24
    assert said[first].sources == (SPRAYER,)
    assert said[first].since == 100 * 60 + 7
    assert said[first].refused == len(said[first].names) >= 18


def test_what_logs_in_others_from_one_address_was_always_there() -> None:
    assert follow(12 * 24, drip(0, 12)) == {}


def test_the_state_goes_through_json() -> None:
    assert follow(90, spray(72, 15), reload=True) == follow(90, spray(72, 15))
