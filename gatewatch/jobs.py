"""The scheduled work, and the one place that knows the clock: evaluate the store, deliver alerts, follow folders.

Two workers may run on one database: a run is claimed there (`job_run`), and a tick also holds a lease whose epoch
its write transaction checks, so that one that was frozen cannot write after its successor. Alerts need no claim: each
row of the outbox is leased to the one who sends it.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from alerts.channels import configured_channels
from alerts.config import load_alert_config
from alerts.outbound import call, way_to
from gatewatch.alerting import dispatch, stand_in, watch
from gatewatch.connecting import Accounts
from gatewatch.delivering import Senders, holder_name
from gatewatch.errors import GatewatchError, LeaseLost
from gatewatch.evaluating import evaluate
from gatewatch.evidencing import with_cards
from gatewatch.following import Follower, Looked, follower_of
from gatewatch.frames import CLOSE_DELAY
from gatewatch.housekeeping import keep_house
from gatewatch.polling import poll
from gatewatch.records import JSON, iso
from gatewatch.records import State as FindingState
from gatewatch.replaying import LEASE, replay_next
from gatewatch.secretrefs import dereferenced
from gatewatch.settings import Settings
from gatewatch.store import leases
from gatewatch.store.backtests import any_under_way
from gatewatch.store.feedback import required_scores
from gatewatch.store.findings import (
    NEW_EVIDENCE,
    StoredFinding,
    Transition,
    get_finding,
    save_blind,
    save_findings,
)
from gatewatch.store.leases import last_run
from gatewatch.store.lives import sleepers, wake
from gatewatch.store.notices import add_notice, look_now, waiting
from gatewatch.store.sources import Source, look_job, sources
from gatewatch.store.state import Session, State, open_state
from gatewatch.surroundings import known_inventory
from gatewatch.verdicts import believed

log = logging.getLogger(__name__)

SEND_SECONDS = 5.0
"""How long a stopping worker waits for each channel that is just sending."""

LOOK_SECONDS = 20
"""Seconds between two looks at channels that fail and at what is silent."""

POLL_SECONDS = 60
"""Seconds between two looks at what is due of the AWS connections."""

PATIENCE_S = 30.0
"""After so long a source that has more to give lets the next one have its turn."""

MOST_ERRORS = 5
"""Lines of a look that failed which are kept; the log has all."""

REPLAY_SECONDS = 2
"""Seconds between two looks at whether somebody asked for a backtest."""

HOUSE_SECONDS = 3600
"""Seconds between two looks at what can be joined or removed in the store."""


@dataclass(frozen=True, slots=True)
class TickResult:
    """What one evaluation did. looked: False when nothing had changed since the last one."""

    looked: bool
    findings: int = 0
    new: int = 0
    worse: int = 0
    resolved: int = 0
    blind: int = 0
    alerts: int = 0

    def __str__(self) -> str:
        if not self.looked:
            return "nothing new since the last evaluation"
        said = f"{self.findings} findings: {self.new} new, {self.worse} worse, {self.resolved} resolved"
        return f"{said}; {self.blind} blind spots; {self.alerts} alerts to send"


def tick(state: State, settings: Settings, now: datetime, *, lease: tuple[str, int] | None = None) -> TickResult:
    """Look at everything that is in the store; save what was found, and its alerts, in one transaction.

    On an unchanged store nothing is read, changed or sent. lease: (name, epoch) that must still be ours when writing.
    """
    wake_up(state, now)
    found = evaluate(state, settings, (now - CLOSE_DELAY).replace(second=0, microsecond=0))
    if found is None:
        return TickResult(looked=False)
    with state.read() as session:
        required = required_scores(session)
    findings = with_cards(state, believed(found.findings, required))

    def save(session: Any) -> TickResult:
        if lease is not None:
            leases.require(session, *lease)
        transitions = save_findings(session, findings, now=now, reevaluated=(found.since, found.until))
        save_blind(session, found.blind)
        found.save(session, settings)
        for one in transitions:
            key = notice_key(session, one)
            if key is not None:
                add_notice(session, one.finding_id, key, now=now)
        alerts = dispatch(session, settings, now)
        kinds = [one.kind for one in transitions]
        return TickResult(
            True,
            len(findings),
            kinds.count("new"),
            kinds.count("worse"),
            kinds.count("resolved"),
            len(found.blind),
            alerts,
        )

    return state.run(save)  # done again as a whole when the database went away: saving twice is saving once


def notice_key(session: Session, transition: Transition) -> str | None:
    """The name under which alerts tell of what became of a finding, once each; None: of no interest to anybody."""
    if transition.kind not in ("new", "worse", "resolved", "changed", "regressed") or transition.reason == NEW_EVIDENCE:
        return None
    stored = get_finding(session, transition.finding_id)
    assert stored is not None
    finding = stored.finding
    if stored.state is FindingState.SUPPRESSED:
        return None
    if transition.kind == "new":
        return "new"
    if transition.kind == "regressed":
        return back_key(stored)
    detail = finding.severity.value if transition.kind == "worse" else iso(finding.end) if finding.end else ""
    return f"{transition.kind}:{detail}"


def back_key(stored: StoredFinding) -> str:
    """The name under which alerts tell that a finding counts again."""
    return f"worse:back-{stored.revision}"


def wake_up(state: State, now: datetime) -> int:
    """End what has run out: snoozes and suppressions. Alerts tell of what goes on; how many count again."""
    with state.read() as session:
        if not sleepers(session, now):
            return 0

    def woken(session: Session) -> int:
        found = wake(session, now)
        for one in found:
            stored = get_finding(session, one.finding_id)
            if stored is not None and not one.over:
                add_notice(session, one.finding_id, back_key(stored), now=now)
        look_now(session, now)
        return len(found)

    return state.run(woken)


def route(state: State, settings: Settings, now: datetime) -> int:
    """Write the messages that are due; how many. Nothing is locked while nothing is due."""
    with state.read() as session:
        if not waiting(session, now):
            return 0
    return state.run(lambda session: dispatch(session, settings, now))


def look_after(state: State, settings: Settings, now: datetime) -> int:
    """End snoozes that are over; fallbacks for channels that fail, messages about silence; how many were written."""
    wake_up(state, now)
    return state.run(lambda session: stand_in(session, settings, now) + watch(session, settings, now))


def heartbeat(state: State, settings: Settings, now: datetime) -> bool:
    """Tell the dead-man's switch outside that evaluations go on; False when there is none, or they do not."""
    config = load_alert_config(settings)
    if config.heartbeat is None:
        return False
    with state.read() as session:
        last = last_run(session, "tick")
    if last is None or last[1] is not None or now - last[0] > config.stalled_after:
        return False
    url = dereferenced("heartbeat.url", config.heartbeat.url)
    reply = call("POST", url, content=b"", headers={}, name="heartbeat", transport=way_to(settings))
    return 200 <= reply.status < 300


def deliver(state: State, settings: Settings, now: datetime) -> int:
    """Send what waits in the outbox; how many got through. A channel that fails once is left alone this time."""
    senders = Senders(state, configured_channels(settings), holder=holder_name(), clock=lambda: now)
    senders.kick()
    senders.join()
    return senders.sent


def follow(state: State, settings: Settings, follower: Follower | None = None) -> int:
    """Keep what is new in the registered sources; how many lines were accepted. One is looked at once at a time."""
    with state.read() as session:
        followed = [source for source in sources(session) if source.follow]
    accepted = 0
    inventory = known_inventory(state) if followed else None
    looking = follower or follower_of(state, settings)
    patience = PATIENCE_S if len(followed) > 1 else math.inf
    for source in followed:
        looked = look_at(state, settings, looking, source, inventory, patience_s=patience)
        if looked is None:
            continue
        accepted += looked.accepted
        for error in looked.errors:
            log.warning("a source failed", extra={"source": source.name, "reason": error})
    if follower is None:
        looking.close()
    return accepted


def look_at(
    state: State,
    settings: Settings,
    follower: Follower,
    source: Source,
    inventory: Mapping[str, JSON] | None,
    *,
    patience_s: float = math.inf,
) -> Looked | None:
    """One look at a source, kept as a run of its own job. None: another process looks at it now.

    Two at the same time would both read what bears no identity, and it would count twice.
    """
    with held(state, f"source {source.name}", holder_name(), settings.lease_seconds) as epoch:
        if epoch is None:
            return None
        began = datetime.now(UTC)
        looked = follower.look(source, began, inventory, patience_s=patience_s)
    note_look(state, source.name, began, looked.errors)
    return looked


def note_look(state: State, source: str, began: datetime, errors: Sequence[str]) -> None:
    """Keep how a look at a source ended, so that people see it where they look: a run of its own job."""
    job = look_job(source)
    if leases.claim_run(state, job, began, holder_name()):
        leases.finish_run(state, job, began, "; ".join(errors[:MOST_ERRORS]) or None)


def run_worker(settings: Settings, stop: threading.Event) -> None:
    """Do the scheduled work until `stop` is set, then end what runs and return."""
    from apscheduler.schedulers.background import BackgroundScheduler

    state = _open_patiently(settings, stop)
    if state is None:
        return
    worker = _Worker(state, settings, stop)
    scheduler = BackgroundScheduler(
        timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    )
    begin = datetime.now(UTC)
    for job, seconds in ((worker.follow, settings.follow_seconds), (worker.tick, settings.tick_seconds)):
        scheduler.add_job(job, "interval", seconds=seconds, next_run_time=begin, id=job.__name__)
    scheduler.add_job(worker.deliver, "interval", seconds=2, next_run_time=begin, id="deliver")
    scheduler.add_job(worker.look_after, "interval", seconds=LOOK_SECONDS, id="look-after")
    scheduler.add_job(worker.beat, "interval", seconds=worker.beat_seconds, next_run_time=begin, id="beat")
    scheduler.add_job(worker.poll, "interval", seconds=POLL_SECONDS, next_run_time=begin, id="poll")
    scheduler.add_job(worker.poll_slow, "interval", seconds=POLL_SECONDS, next_run_time=begin, id="poll-slow")
    scheduler.add_job(worker.replay, "interval", seconds=REPLAY_SECONDS, id="replay")
    scheduler.add_job(worker.house, "interval", seconds=HOUSE_SECONDS, next_run_time=begin, id="house")
    scheduler.start()
    try:
        stop.wait()
    finally:
        scheduler.shutdown(wait=True)
        worker.end()
        state.close()


class _Worker:
    """The jobs as the scheduler runs them: each is claimed, and its failure is noted and does not stop the next."""

    def __init__(self, state: State, settings: Settings, stop: threading.Event) -> None:
        self._state = state
        self._settings = settings
        self._stop = stop
        self._holder = holder_name()
        self._config = load_alert_config(settings)
        # One pace and one till for what is followed and what is polled; when told to stop nobody waits for his turn.
        self._accounts = Accounts(state, settings, stop=stop)
        self._follower = follower_of(state, settings, self._accounts)
        self._senders = Senders(
            state, configured_channels(settings), holder=self._holder, clock=lambda: datetime.now(UTC), stop=stop
        )

    @property
    def beat_seconds(self) -> float:
        """Seconds between two heartbeats."""
        beat = load_alert_config(self._settings).heartbeat
        return HOUSE_SECONDS if beat is None else beat.every.total_seconds()

    def tick(self) -> None:
        def run() -> None:
            with held(self._state, "tick", self._holder, self._settings.lease_seconds) as epoch:
                if epoch is not None:
                    result = tick(self._state, self._settings, datetime.now(UTC), lease=("tick", epoch))
                    log.info("evaluated", extra={"result": str(result)})

        self._claimed("tick", self._settings.tick_seconds, run)

    def follow(self) -> None:
        def look() -> None:
            follow(self._state, self._settings, self._follower)

        self._claimed("follow", self._settings.follow_seconds, look)

    def poll(self) -> None:
        def ask() -> None:
            with held(self._state, "poll", self._holder, self._settings.lease_seconds) as epoch:
                if epoch is not None:
                    poll(self._state, self._accounts, datetime.now(UTC), slow=False)

        self._claimed("poll", POLL_SECONDS, ask)

    def poll_slow(self) -> None:
        """Inventories of big accounts take minutes; a change is told within one of its own polls all the same."""

        def ask() -> None:
            with held(self._state, "poll-slow", self._holder, self._settings.lease_seconds) as epoch:
                if epoch is not None:
                    poll(self._state, self._accounts, datetime.now(UTC), slow=True)

        self._claimed("poll-slow", POLL_SECONDS, ask)

    def house(self) -> None:
        def keep() -> None:
            keep_house(self._state, self._settings, datetime.now(UTC))

        self._claimed("house", HOUSE_SECONDS, keep)

    def replay(self) -> None:
        def run() -> None:
            with self._state.read() as session:
                if not any_under_way(session):
                    return
            with held(self._state, LEASE, self._holder, self._settings.lease_seconds) as epoch:
                while epoch is not None and not self._stop.is_set():
                    if not replay_next(self._state, self._settings, epoch, self._stop):
                        return

        self._noted("replay", run)

    def deliver(self) -> None:
        def send() -> None:
            route(self._state, self._settings, datetime.now(UTC))
            config = load_alert_config(self._settings)
            if config is not self._config:
                self._senders.use(configured_channels(self._settings))
                self._config = config
            self._senders.kick()

        self._noted("deliver", send)

    def look_after(self) -> None:
        self._noted("look-after", lambda: look_after(self._state, self._settings, datetime.now(UTC)))

    def beat(self) -> None:
        self._noted("beat", lambda: heartbeat(self._state, self._settings, datetime.now(UTC)))

    def end(self) -> None:
        """Let alerts that are on their way arrive. What is not sent by then another worker repeats, with its key."""
        self._senders.join(SEND_SECONDS)
        self._follower.close()

    def _claimed(self, job: str, every_s: int, run: Callable[[], object]) -> None:
        """Run the job unless another worker has this time of it."""
        seconds = int(datetime.now(UTC).timestamp()) // every_s * every_s
        scheduled_for = datetime.fromtimestamp(seconds, UTC)

        def claim_and_run() -> None:
            if not leases.claim_run(self._state, job, scheduled_for, self._holder):
                return
            error: str | None = None
            try:
                run()
            except GatewatchError as problem:
                error = str(problem)
                raise
            except Exception as problem:
                error = f"{type(problem).__name__}: {problem}"
                raise
            finally:
                leases.finish_run(self._state, job, scheduled_for, error)

        self._noted(job, claim_and_run)

    def _noted(self, job: str, run: Callable[[], object]) -> None:
        if self._stop.is_set():
            return
        try:
            run()
        except LeaseLost as error:
            log.info("another worker went on", extra={"job": job, "reason": str(error)})
        except GatewatchError as error:
            log.warning("a job failed", extra={"job": job, "reason": str(error)})
        except Exception:  # the edge of a job: the next run must come
            log.exception("a job broke", extra={"job": job})


@contextmanager
def held(state: State, name: str, holder: str, ttl: float) -> Iterator[int | None]:
    """The lease's epoch while inside, renewed at a third of its time; None when another has it."""
    epoch = leases.acquire(state, name, holder, ttl)
    if epoch is None:
        yield None
        return
    done = threading.Event()

    def renewing(epoch: int) -> None:
        while not done.wait(ttl / 3):
            try:
                if not leases.renew(state, name, holder, epoch, ttl):
                    return
            except GatewatchError as error:
                log.warning("a lease was not renewed", extra={"lease": name, "reason": str(error)})

    thread = threading.Thread(target=renewing, args=(epoch,), name=f"renew-{name}", daemon=True)
    thread.start()
    try:
        yield epoch
    finally:
        done.set()
        thread.join()
        leases.release(state, name, holder, epoch)


def _open_patiently(settings: Settings, stop: threading.Event) -> State | None:
    """The store; waits for a database that does not answer. None when told to stop meanwhile."""
    wait = 1.0
    while True:
        try:
            return open_state(settings)
        except GatewatchError as error:
            log.warning("the store cannot be opened", extra={"reason": str(error)})
        if stop.wait(wait):
            return None
        wait = min(wait * 2, 30.0)
