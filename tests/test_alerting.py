"""Routing on a real store: SQLite, and PostgreSQL where two of us work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from alerts.message import read
from gatewatch.alerting import dispatch, stand_in, watch
from gatewatch.jobs import heartbeat
from gatewatch.records import JSON, Finding, Severity
from gatewatch.settings import Settings
from gatewatch.store import leases
from gatewatch.store.alert_models import OutboxRow, SaidRow
from gatewatch.store.findings import save_findings
from gatewatch.store.inventories import save_inventory
from gatewatch.store.models import BatchRow
from gatewatch.store.notices import add_notice
from gatewatch.store.outbox import claim, item_id, mark_failed, outbox_counts
from gatewatch.store.silences import add_silence
from gatewatch.store.sources import register_source
from gatewatch.store.state import State, db_now, open_state
from tests.alerts.builders import ONSET, a_finding
from tests.receivers import receiver
from tests.store.postgres import Server, server

NOW = datetime(2026, 6, 9, 12, 41, tzinfo=UTC)
FILE = """
channels:
  hook: {type: slack, url: "http://127.0.0.1:9/hook", fallback: spare, fallback_after: 5m}
  spare: {type: slack, url: "http://127.0.0.1:9/spare"}
route: {channels: [hook]}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "alerts.yaml").write_text(FILE)
    return Settings(data_dir=tmp_path / "data", alerts_file=tmp_path / "alerts.yaml")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    with server() as running:
        yield running


@pytest.fixture
def state(settings: Settings) -> Iterator[State]:
    opened = open_state(settings)
    yield opened
    opened.close()


def named(name: str, **changed: object) -> Finding:
    return a_finding(id=name, fingerprint=f"print{name}", **changed)


def find(state: State, *findings: Finding) -> None:
    with state.begin() as session:
        for transition in save_findings(session, findings, now=NOW):
            add_notice(session, transition.finding_id, transition.kind, now=NOW)


def route(state: State, settings: Settings, now: datetime = NOW) -> int:
    return state.run(lambda session: dispatch(session, settings, now))


def messages(state: State) -> list[tuple[str, str, str]]:
    with state.read() as session:
        rows = session.scalars(select(OutboxRow).order_by(OutboxRow.seq))
        return [(row.channel, row.finding_id, row.transition) for row in rows]


def test_a_notice_becomes_one_message_for_each_channel_of_its_way(state: State, settings: Settings) -> None:
    find(state, named("a"), named("b"))
    assert route(state, settings) == 2
    assert route(state, settings) == 0
    assert messages(state) == [("hook", "a", "new"), ("hook", "b", "new")]


def test_a_message_calls_the_api_by_the_name_that_the_inventory_has(state: State, settings: Settings) -> None:
    declared: dict[str, JSON] = {"restApis": [{"id": "uu60geita5", "name": "shop", "stages": [{"stageName": "prod"}]}]}
    with state.begin() as session:
        save_inventory(session, declared, source="x", now=NOW)
    title = "Credential stuffing on uu60geita5/prod"
    find(
        state, named("a", api="uu60geita5", title=title), named("b", api="nameless00", title="nameless00/prod is slow")
    )
    assert route(state, settings) == 2
    with state.read() as session:
        known, other = (
            read(cast(dict[str, JSON], row.payload))
            for row in session.scalars(select(OutboxRow).order_by(OutboxRow.seq))
        )
    assert known.headline == "[HIGH] Credential stuffing on shop/prod"
    assert dict(known.facts)["API and stage"] == "shop/prod (uu60geita5)"
    assert other.headline == "[HIGH] nameless00/prod is slow"
    assert dict(other.facts)["API and stage"] == "nameless00/prod"


def test_what_stands_in_the_rolled_back_transaction_is_never_told(state: State, settings: Settings) -> None:
    def half() -> None:
        with state.begin() as session:
            save_findings(session, [named("a")], now=NOW)
            add_notice(session, "a", "new", now=NOW)
            dispatch(session, settings, NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert route(state, settings) == 0


def test_a_finding_below_the_floor_is_told_once_it_is_worse(state: State, settings: Settings) -> None:
    find(state, named("a", severity=Severity.LOW))
    assert route(state, settings) == 0
    find(state, named("a", severity=Severity.HIGH))
    assert route(state, settings) == 1
    assert messages(state) == [("hook", "a", "worse")]


def test_a_silence_holds_back_until_it_ends(state: State, settings: Settings) -> None:
    with state.begin() as session:
        add_silence(
            session,
            {"api": ["orders"]},
            reason="move",
            author="me",
            starts_at=NOW,
            ends_at=NOW + timedelta(minutes=30),
            now=NOW,
        )
    find(state, named("a"), named("b", api="payments"))
    assert route(state, settings) == 1
    assert route(state, settings, NOW + timedelta(minutes=29)) == 0
    assert route(state, settings, NOW + timedelta(minutes=31)) == 1
    assert [one for _, one, _ in messages(state)] == ["b", "a"]


def test_the_end_of_a_silence_is_announced_once(state: State, settings: Settings) -> None:
    with state.begin() as session:
        long = timedelta(hours=5)
        add_silence(
            session, {"api": ["orders"]}, reason="move", author="me", starts_at=NOW, ends_at=NOW + long, now=NOW
        )
    looks = [timedelta(hours=1), timedelta(hours=4, minutes=40), timedelta(hours=4, minutes=50)]
    made = []
    for later in looks:
        with state.begin() as session:
            made.append(watch(session, settings, NOW + later))
    assert made == [0, 2, 0]


def test_600_findings_are_a_handful_of_messages_that_tell_of_all(state: State, settings: Settings) -> None:
    crowd = [named(f"f{number:03}", severity=Severity.MEDIUM) for number in range(600)]
    with state.begin() as session:
        save_findings(session, [*crowd, named("worst", severity=Severity.CRITICAL)], now=NOW)
        for one in [*crowd, named("worst")]:
            add_notice(session, one.id, "new", now=NOW)
    assert route(state, settings) <= 20
    assert ("hook", "worst", "new") in messages(state)
    with state.read() as session:
        told = set(session.scalars(select(SaidRow.finding_id).where(SaidRow.transition == "new")))
    assert told >= {one.id for one in crowd} | {"worst"}


def test_another_channel_stands_in_and_all_hear_that_one_is_down(state: State, settings: Settings) -> None:
    find(state, named("a"))
    route(state, settings)
    [item] = claim(state, "w")
    mark_failed(state, item.id, "hook: status 503", retry=True, attempt=item.attempts)
    assert state.run(lambda session: stand_in(session, settings, NOW)) == 0, "five minutes are not over"
    with state.begin() as session:
        earlier = db_now(session) - timedelta(minutes=6)
        session.execute(update(OutboxRow).values(created_at=earlier))
    assert state.run(lambda session: stand_in(session, settings, NOW)) == 2
    assert state.run(lambda session: stand_in(session, settings, NOW)) == 0
    assert messages(state)[1:] == [
        ("spare", "a", "new"),
        ("spare", "gatewatch:channel-hook", f"new:{NOW:%Y-%m-%d}"),
    ]


def test_two_workers_never_make_two_messages_of_one_transition(settings: Settings, postgres: Server) -> None:
    postgres.create("alerting")
    settings = settings.model_copy(update={"database_url": SecretStr(postgres.url("alerting"))})
    state = open_state(settings)
    find(state, *(named(f"f{number}", start=ONSET + timedelta(minutes=number)) for number in range(8)))
    start = threading.Barrier(4)
    made: list[int] = []

    def work() -> None:
        start.wait()
        made.append(route(state, settings))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(made) == 8
    with state.read() as session:
        keys = set(session.scalars(select(OutboxRow.id)))
        assert outbox_counts(session)["pending"] == 8
    state.close()
    assert keys == {item_id(f"f{number}", "new", "hook") for number in range(8)}


def test_a_followed_source_that_brings_nothing_is_told_once(state: State, settings: Settings, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.log").write_text("")
    register_source(state, "lb", "files", str(logs), follow=True)
    with state.begin() as session:
        now = db_now(session)
        session.add(
            BatchRow(
                id="b", source="lb", state="committed", holder="h", lease_until=now, started_at=now, committed_at=now
            )
        )
    made = []
    for hours in (0.5, 2, 3):
        with state.begin() as session:
            made.append(watch(session, settings, now + timedelta(hours=hours)))
    assert made == [0, 2, 0]
    assert messages(state)[0][1] == "gatewatch:silent-lb"


def test_that_nothing_is_evaluated_any_more_is_told_once(state: State, settings: Settings) -> None:
    assert leases.claim_run(state, "tick", NOW, "w")
    leases.finish_run(state, "tick", NOW)
    with state.begin() as session:
        now = db_now(session)
        assert watch(session, settings, now + timedelta(minutes=14)) == 0
        assert watch(session, settings, now + timedelta(minutes=16)) == 2
        assert watch(session, settings, now + timedelta(minutes=30)) == 0


def test_the_heartbeat_stops_with_the_evaluations(state: State, settings: Settings, tmp_path: Path) -> None:
    with receiver() as switch:
        (tmp_path / "beat.yaml").write_text(f"heartbeat: {{url: '{switch.url}/abc'}}")
        beating = settings.model_copy(update={"alerts_file": tmp_path / "beat.yaml"})
        with state.read() as session:
            now = db_now(session)
        assert not heartbeat(state, beating, now), "nothing was evaluated yet"
        assert leases.claim_run(state, "tick", NOW, "w")
        leases.finish_run(state, "tick", NOW)
        assert heartbeat(state, beating, now + timedelta(minutes=5))
        assert [one.path for one in switch.got] == ["/abc"]
        assert not heartbeat(state, beating, now + timedelta(minutes=20))
        assert leases.claim_run(state, "tick", NOW + timedelta(minutes=1), "w")
        leases.finish_run(state, "tick", NOW + timedelta(minutes=1), "disk full")
        assert not heartbeat(state, beating, now + timedelta(minutes=1))
    assert not heartbeat(state, settings, now)


def test_a_file_that_becomes_wrong_changes_nothing(state: State, settings: Settings) -> None:
    assert settings.alerts_file is not None
    find(state, named("a"))
    assert route(state, settings) == 1
    settings.alerts_file.write_text("route: {chanels: [x]}")
    find(state, named("b"))
    assert route(state, settings) == 1
    settings.alerts_file.write_text(FILE.replace("channels: [hook]}", "channels: [spare]}"))
    find(state, named("c"))
    assert route(state, settings) == 1
    assert [channel for channel, _, _ in messages(state)] == ["hook", "hook", "spare"]
