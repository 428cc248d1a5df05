"""The scheduled work on a real store: a small world's logs, ingested; a real receiver of alerts."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from gatewatch.errors import LeaseLost
from gatewatch.jobs import deliver, follow, held, run_worker, tick
from gatewatch.records import Kind
from gatewatch.roles import Role, Via, Who
from gatewatch.settings import Settings
from gatewatch.store import leases
from gatewatch.store.feedback import give_feedback
from gatewatch.store.findings import FindingFilter, Page, list_findings
from gatewatch.store.leases import last_run
from gatewatch.store.outbox import outbox_counts
from gatewatch.store.sources import look_job, register_source
from gatewatch.store.state import State, open_state
from gatewatch.verdicts import Verdict
from tests.conftest import SMALL_END

NOW = SMALL_END + timedelta(minutes=10)


@pytest.fixture
def settings(small_store: Path, tmp_path: Path) -> Settings:
    shutil.copytree(small_store, tmp_path / "data")
    return Settings(data_dir=tmp_path / "data", alert_min_severity="info")


@pytest.fixture
def state(settings: Settings) -> Iterator[State]:
    opened = open_state(settings)
    yield opened
    opened.close()


class Receiver:
    """An HTTP server that keeps what it is sent and answers with `status`."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(outer.status)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/services/T/B/x"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.close()


def found(state: State) -> Page:
    with state.read() as session:
        return list_findings(session, FindingFilter(), limit=500)


def test_a_tick_saves_what_the_detectors_say(state: State, settings: Settings) -> None:
    result = tick(state, settings, NOW)
    page = found(state)
    assert result.new == len(page.items) > 0
    assert Kind.AUTH_FAILURE_SPIKE in {stored.finding.kind for stored in page.items}
    assert str(result).startswith(f"{result.findings} findings: {result.new} new")


def test_what_was_said_to_be_false_is_not_raised_again(state: State, settings: Settings) -> None:
    before = tick(state, settings, NOW)
    weakest = min((stored.finding for stored in found(state).items), key=lambda one: one.score)
    who = Who("otto", Role.OPERATOR, Via.CLI)
    with state.begin() as session:
        effect = give_feedback(session, who, weakest.id, Verdict.FALSE_POSITIVE, "", now=NOW)
        session.execute(text("DELETE FROM detector_state"))  # look at everything again
    assert effect is not None
    assert effect.after > weakest.score
    again = tick(state, settings, NOW)
    mine = [one.finding for one in found(state).items if one.finding.fingerprint == weakest.fingerprint]
    assert before.findings - again.findings == sum(one.score < effect.after for one in mine) >= 1


def test_a_tick_on_an_unchanged_store_changes_and_sends_nothing(
    state: State, settings: Settings, receiver: Receiver
) -> None:
    loud = settings.model_copy(update={"slack_webhook_url": SecretStr(receiver.url)})
    first = tick(state, loud, NOW)
    assert first.alerts > 0
    before = found(state)
    again = tick(state, loud, NOW + timedelta(hours=1))
    assert not again.looked
    assert str(again) == "nothing new since the last evaluation"
    assert found(state) == before
    with state.read() as session:
        assert outbox_counts(session)["pending"] == first.alerts


def test_an_empty_store_is_looked_at_once_and_has_nothing(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "empty")
    state = open_state(settings)
    assert tick(state, settings, NOW).findings == 0
    state.close()


def test_each_alert_is_delivered_once(state: State, settings: Settings, receiver: Receiver) -> None:
    loud = settings.model_copy(update={"slack_webhook_url": SecretStr(receiver.url)})
    alerts = tick(state, loud, NOW).alerts
    assert deliver(state, loud, NOW) == alerts == len(receiver.bodies)
    assert deliver(state, loud, NOW) == 0
    assert len(receiver.bodies) == alerts


def test_a_receiver_that_fails_costs_one_try_a_round_and_loses_nothing(
    state: State, settings: Settings, receiver: Receiver
) -> None:
    loud = settings.model_copy(update={"slack_webhook_url": SecretStr(receiver.url)})
    alerts = tick(state, loud, NOW).alerts
    receiver.status = 503
    assert deliver(state, loud, NOW) == 0
    assert len(receiver.bodies) >= 1
    with state.read() as session:
        counts = outbox_counts(session)
    assert counts.get("sent", 0) == 0
    assert sum(counts.values()) == alerts


def test_a_worker_whose_lease_was_taken_writes_nothing(state: State, settings: Settings) -> None:
    epoch = leases.acquire(state, "tick", "me", 60)
    assert epoch is not None
    with pytest.raises(LeaseLost):
        tick(state, settings, NOW, lease=("tick", epoch + 1))
    assert found(state).items == []


def test_a_lease_is_held_by_one_and_given_back(state: State) -> None:
    with held(state, "tick", "me", 5) as mine:
        assert mine == 1
        with held(state, "tick", "you", 5) as yours:
            assert yours is None
    with held(state, "tick", "you", 5) as yours:
        assert yours == 2


def test_followed_folders_are_ingested_and_nothing_is_read_twice(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", workers=1)
    state = open_state(settings)
    logs = tmp_path / "logs"
    logs.mkdir()
    lines = [
        {"requestTimeEpoch": 1781000000000 + n, "apiId": "a1", "stage": "prod", "status": 200, "requestId": f"r{n}"}
        for n in range(50)
    ]
    (logs / "one.log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    register_source(state, "mine", "files", str(logs), True)
    register_source(state, "other", "files", str(tmp_path / "nowhere"), False)
    assert follow(state, settings) == 50
    assert follow(state, settings) == 0
    state.close()


def test_the_worker_evaluates_at_once_and_stops_when_told(settings: Settings) -> None:
    stop = threading.Event()
    worker = threading.Thread(target=run_worker, args=(settings, stop))
    worker.start()
    state = open_state(settings)
    give_up = time.monotonic() + 60
    done = None
    while done is None and time.monotonic() < give_up:
        with state.read() as session:
            done = last_run(session, "tick")
        time.sleep(0.1)
    stop.set()
    worker.join(15)
    assert not worker.is_alive()
    assert done is not None
    assert done[1] is None
    assert found(state).items
    state.close()


def test_how_a_look_at_a_source_ended_is_kept(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", workers=1)
    state = open_state(settings)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "one.log").write_text('{"requestTimeEpoch": 1781000000000, "status": 200, "requestId": "r"}\n')
    register_source(state, "good", "files", str(tmp_path / "logs"), True)
    register_source(state, "bad", "files", str(tmp_path / "gone"), True)
    follow(state, settings)
    with state.read() as session:
        good, bad = (last_run(session, look_job(name)) for name in ("good", "bad"))
    assert good is not None
    assert good[1] is None
    assert bad is not None
    assert "gone" in (bad[1] or "")
    state.close()
