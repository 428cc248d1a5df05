from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.data import Reader
from dashboard.listing import acted_on, excluded, included, listing, toggled, understood
from dashboard.view import View, view_of
from gatewatch.access.current import LOCAL
from gatewatch.records import Cause, Kind, Severity, State
from gatewatch.settings import Settings
from gatewatch.store.acting import Act, Verb, act_on_all
from gatewatch.store.findings import FindingFilter, save_findings
from gatewatch.store.state import open_state
from gatewatch.where import Term, parse, parse_all
from tests.store.builders import AT, a_finding, minutes, put

MANY = 230


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    state = open_state(Settings(data_dir=tmp_path_factory.mktemp("list") / "data"))
    put(state, tables=[("minutes", minutes([{"minute": AT}]))])
    kinds, severities = list(Kind), list(Severity)
    found = [
        replace(
            a_finding(
                id=f"f{n}", fingerprint=f"p{n}", kind=kinds[n % 3], severity=severities[n % 5], api=f"api{n % 7}"
            ),
            cause=Cause.CLIENT if n % 2 else Cause.INTEGRATION,
            start=AT - timedelta(minutes=n),
            end=None if n % 4 else AT,
        )
        for n in range(MANY)
    ]
    with state.begin() as session:
        save_findings(session, found, now=AT)
        act_on_all(session, LOCAL, [parse("severity = low")], Act(Verb.ASSIGN, assignee="ann"), now=AT)
    yield Reader(lambda: state, lambda: AT)
    state.close()


def test_pages_in_the_servers_order_hold_every_finding_once(reader: Reader) -> None:
    view, seen = View(sort="-severity"), []
    while True:
        page = listing(reader, view).page
        seen += [(one.finding.severity.rank, one.finding.id) for one in page.items]
        if page.next_cursor is None:
            break
        view = replace(view, cursor=page.next_cursor)
    assert len(dict.fromkeys(seen)) == MANY
    assert [rank for rank, _ in seen] == sorted((rank for rank, _ in seen), reverse=True)


def test_a_facet_counts_without_its_own_condition_and_the_others_with_it(reader: Reader) -> None:
    everything = listing(reader, View())
    some = listing(reader, View(f=("severity in low,high", "assignee is empty")))
    assert some.total == sum(1 for n in range(MANY) if n % 5 == 3)
    assert sum(count for _, count in some.facets["kind"]) == some.total
    assert len(some.facets["severity"]) == 4  # all but `low`, which ann has
    assert dict(some.facets["assignee"])["ann"] == sum(1 for n in range(MANY) if n % 5 == 1)
    assert everything.total == MANY
    old = listing(reader, View(severity="high", kind="dead_api"))
    assert {value for value, _ in old.facets["kind"]} == {kind.value for kind in list(Kind)[:3]}


def test_groups_are_made_by_the_server_and_lead_to_their_findings(reader: Reader) -> None:
    found = listing(reader, View(tab="cause", f=("kind = dead_api",)))
    assert sum(one.count for one in found.grouped) == found.total
    for one in found.grouped:
        terms = toggled(found.terms, "cause", one.value)
        assert listing(reader, View(f=terms)).total == one.count
        assert listing(reader, View(f=terms, state="open")).total == one.open


def test_what_an_address_says_wrong_is_left_out_and_told(reader: Reader) -> None:
    found = listing(reader, view_of("?f=colour+%3D+red&f=kind+%3D+dead_api&sort=nonsense&tab=nonsense"))
    assert len(found.wrong) == 1
    assert [str(term) for term in found.terms] == ["kind = dead_api"]
    assert found.page.items


values = st.one_of(
    st.none(), st.text(min_size=1, max_size=12).map(str.strip).filter(lambda one: one and "," not in one)
)


@given(st.lists(st.tuples(values, st.booleans()), max_size=6), values, st.booleans())
def test_a_click_on_a_value_asks_for_it_and_another_takes_it_back(
    before: list[tuple[str | None, bool]], value: str | None, exclude: bool
) -> None:
    other = "region = eu"
    asked: tuple[str, ...] = (other,)
    for one, out in before:
        asked = toggled(parse_all(asked), "stage", one, exclude=out)
    once = toggled(parse_all(asked), "stage", value, exclude=exclude)
    asks = excluded if exclude else included
    was = asks(parse_all(asked), "stage", value)
    assert asks(parse_all(once), "stage", value) is not was
    assert not (excluded(parse_all(once), "stage", value) and included(parse_all(once), "stage", value))
    assert other in once


def test_a_value_with_a_comma_is_asked_for_alone() -> None:
    once = toggled([parse("api in a,b")], "api", "c,d")
    assert once == ("api = c,d",)
    assert parse_all(once) == (Term("api", "=", ("c,d",)),)


def test_all_that_fit_means_the_same_to_the_list_and_to_an_action(reader: Reader, tmp_path: Path) -> None:
    view = View(kind="dead_api", severity="medium", state="open", q="client", range="1h", f=("cause = client",))
    found = listing(reader, view)
    assert 0 < found.total < MANY
    body = acted_on(found.wish)
    within = FindingFilter(since=found.wish.since, until=found.wish.until, text=found.wish.text)
    where = body["where"]
    assert isinstance(where, list)
    state = reader.store()
    with state.begin() as session:
        done = act_on_all(
            session, LOCAL, parse_all(str(one) for one in where), Act(Verb.COMMENT, note="x"), now=AT, within=within
        )
        session.rollback()
    assert len(done.done) == found.total
    assert understood([str(one) for one in where])[1] == ()
    assert body["q"] == "client"
    assert State.RESOLVED.value not in str(where)
