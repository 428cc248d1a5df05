"""`make alert-kill-test`: are alerts delivered, once, whatever is killed, frozen or cut off?

    python -m bench.alerts                       # all three parts, about five minutes
    python -m bench.alerts kills --kills 200     # one worker on SQLite, killed between finding and delivery
    python -m bench.alerts replicas              # two workers on PostgreSQL: leader kills, freezes, partitions
    python -m bench.alerts storm                 # 5,000 findings in a minute, one of them critical, a channel hangs

The judge knows the findings that were written and the messages that receivers got, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.partition import partitioned
from gatewatch.records import Finding, Severity
from gatewatch.settings import Settings
from gatewatch.store.findings import save_findings
from gatewatch.store.notices import add_notice, waiting
from gatewatch.store.outbox import outbox_counts
from gatewatch.store.state import State, open_state
from tests.alerts.builders import a_finding
from tests.receivers import Receiver, receiver
from tests.store.postgres import server

ROOT = Path(__file__).parent.parent
SECRET = "0123456789abcdef0123456789abcdef"
DRAIN_S = 120.0


@dataclass(slots=True)
class Ledger:
    """What was written: finding -> when. faults: kills, freezes, cuts, and answers that leave open what happened."""

    findings: dict[str, float] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)

    def write(self, state: State, names: Sequence[str], severity: Severity = Severity.HIGH) -> None:
        """New findings and their notices, in one transaction, as a tick does it."""
        made = [finding(name, severity) for name in names]

        def save(session: Any) -> None:
            for transition in save_findings(session, made, now=datetime.now(UTC)):
                add_notice(session, transition.finding_id, transition.kind, now=datetime.now(UTC))

        state.run(save)
        self.findings |= dict.fromkeys(names, time.monotonic())


def finding(name: str, severity: Severity) -> Finding:
    return a_finding(id=name, fingerprint=f"print-{name}", severity=severity)


@contextmanager
def zygote() -> Iterator[subprocess.Popen[str]]:
    """The process that forks workers; they die with it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.alert_worker"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        env={key: value for key, value in os.environ.items() if not key.startswith("GATEWATCH_")},
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def started(process: subprocess.Popen[str], settings: Mapping[str, str]) -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(dict(settings)) + "\n")
    process.stdin.flush()
    return int(process.stdout.readline())


def alerts_file(folder: Path, receivers: Mapping[str, Receiver], *, storm: bool = False) -> Path:
    """All to all, one message a finding."""
    channels = {
        name: {"type": "webhook", "url": f"{one.url}/{name}", "secret": SECRET} for name, one in receivers.items()
    }
    most = {} if storm else {"storm": {"most": 10_000_000, "critical": 10_000_000}}
    path = folder / "alerts.yaml"
    path.write_text(json.dumps({"channels": channels, **most}))  # JSON is YAML, too
    return path


def drained(state: State, seconds: float = DRAIN_S) -> dict[str, int]:
    """Wait until nothing is left to route or to send; the counts by state.

    A worker that has just been started has routed nothing yet: an empty outbox alone says nothing.
    """
    give_up = time.monotonic() + seconds
    while True:
        with state.read() as session:
            counts, unrouted = outbox_counts(session), waiting(session, datetime.now(UTC))
        if (not unrouted and counts["pending"] + counts["sending"] == 0) or time.monotonic() > give_up:
            return counts
        time.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Verdict:
    """missing: (finding, channel) that nobody got. twice: with two different keys. repeats: same key again."""

    wanted: int
    got: int
    missing: int
    twice: int
    repeats: int
    faults: Counter[str]

    @property
    def good(self) -> bool:
        return not self.missing and not self.twice and self.repeats <= sum(self.faults.values())

    def __str__(self) -> str:
        faults = ", ".join(f"{count:,} {name}" for name, count in sorted(self.faults.items()))
        return (
            f"  faults: {faults}\n  wanted {self.wanted:,}, messages got {self.got:,}, missing {self.missing:,}, "
            f"under two keys {self.twice:,}, repeats with the same key {self.repeats:,}: "
            f"{'ok' if self.good else 'VIOLATION'}"
        )


def judge(ledger: Ledger, receivers: Mapping[str, Receiver]) -> Verdict:
    keys: dict[tuple[str, str, str], set[str]] = {}
    got = repeats = 0
    for channel, one in receivers.items():
        seen = Counter(message.key for message in one.got)
        got += len(one.got)
        repeats += sum(seen.values()) - len(seen)
        for message in one.got:
            data = message.json["data"]
            for name in data["finding_ids"]:
                keys.setdefault((name, data["transition_key"], channel), set()).add(message.key)
    wanted = [(name, "new", channel) for name in ledger.findings for channel in receivers]
    return Verdict(
        wanted=len(wanted),
        got=got,
        missing=sum(one not in keys for one in wanted),
        twice=sum(len(some) > 1 for some in keys.values()),
        repeats=repeats,
        faults=ledger.faults,
    )


class Moody:
    """Answers well mostly; else fails, drops the line or asks to come later, as drawn. Each such answer is a fault."""

    def __init__(self, one: Receiver, ledger: Ledger, chance: random.Random, share: float = 0.05) -> None:
        self._one, self._ledger, self._chance, self._share = one, ledger, chance, share
        one.answer = self.answer

    def answer(self, got: object) -> str:
        del got
        self._one.mood = "ok"
        if self._chance.random() < self._share:
            self._one.mood = self._chance.choice(["500", "drop", "429"])
            self._ledger.faults[f"answers {self._one.mood}"] += 1
        return "ok"


def kills(number: int, seed: int) -> Verdict:
    """One worker on SQLite, killed `number` times while it routes and sends."""
    chance, ledger = random.Random(seed), Ledger()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        receivers = {name: stack.enter_context(receiver()) for name in ("one", "two")}
        settings = {"data_dir": str(folder / "data"), "alerts_file": str(alerts_file(folder, receivers))}
        state = open_state(Settings(**settings))
        stack.callback(state.close)
        process = stack.enter_context(zygote())
        written = 0
        for _ in range(number):
            pid = started(process, settings)
            names = [f"f{written + one}" for one in range(chance.randint(1, 4))]
            written += len(names)
            ledger.write(state, names)
            _wait_for(_more(receivers), 0.35)
            time.sleep(chance.uniform(0.0, 0.12))
            os.kill(pid, signal.SIGKILL)
            ledger.faults["kills"] += 1
        last = started(process, settings)
        drained(state)
        os.kill(last, signal.SIGKILL)
        return judge(ledger, receivers)


def _more(receivers: Mapping[str, Receiver]) -> Callable[[], bool]:
    """Whether messages have come since now."""
    before = sum(len(one.got) for one in receivers.values())
    return lambda: sum(len(one.got) for one in receivers.values()) > before


def _wait_for(done: Callable[[], bool], seconds: float, pause_s: float = 0.01) -> None:
    give_up = time.monotonic() + seconds
    while not done() and time.monotonic() < give_up:
        time.sleep(pause_s)


def replicas(findings: int, leader_kills: int, freezes: int, cuts: int, seed: int) -> Verdict:
    """Two workers on PostgreSQL; one of them is killed, frozen beyond its lease, or cut off from the database."""
    from bench.alert_worker import LEASE_S

    chance, ledger = random.Random(seed), Ledger()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gw-")))
        receivers = {name: stack.enter_context(receiver()) for name in ("one", "two")}
        for one in receivers.values():
            Moody(one, ledger, chance, 0.02)
        running = stack.enter_context(server())
        running.create("alerts")
        proxy = stack.enter_context(partitioned(running.folder))
        common = {"data_dir": str(folder / "data"), "alerts_file": str(alerts_file(folder, receivers))}
        near = {**common, "database_url": running.url("alerts")}
        far = {**common, "database_url": f"postgresql://postgres@/alerts?host={proxy.folder}"}
        state = open_state(Settings(**near))  # type: ignore[arg-type]
        stack.callback(state.close)
        process = stack.enter_context(zygote())
        workers = [started(process, near), started(process, far)]
        todo = ["kill"] * leader_kills + ["freeze"] * freezes + ["cut"] * cuts
        chance.shuffle(todo)
        each = -(-findings // max(len(todo), 1))
        for number, fault in enumerate(todo):
            first = number * each
            ledger.write(state, [f"f{one}" for one in range(first, min(first + each, findings))])
            time.sleep(chance.uniform(0.0, 0.15))
            which = chance.randrange(2)
            ledger.faults[fault + "s"] += 1
            if fault == "kill":
                os.kill(workers[which], signal.SIGKILL)
                workers[which] = started(process, (near, far)[which])
            elif fault == "freeze":
                os.kill(workers[which], signal.SIGSTOP)
                time.sleep(LEASE_S + 1)
                os.kill(workers[which], signal.SIGCONT)
            else:
                proxy.cut()
                time.sleep(chance.uniform(0.5, 2.0))
                proxy.mend()
        drained(state)
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        return judge(ledger, receivers)


@dataclass(frozen=True, slots=True)
class Storm:
    messages: int
    seconds: float | None
    told: int
    findings: int

    @property
    def good(self) -> bool:
        return self.messages <= 20 and self.seconds is not None and self.seconds <= 60 and self.told == self.findings

    def __str__(self) -> str:
        seconds = "never" if self.seconds is None else f"{self.seconds:.1f} s"
        return (
            f"  {self.findings:,} findings, {self.messages} messages that tell of {self.told:,}; the critical one came "
            f"after {seconds} although the other channel hangs: {'ok' if self.good else 'VIOLATION'}"
        )


def storm(findings: int, seconds: float, seed: int) -> Storm:
    """So many findings in so many seconds, one of them critical, while one of two channels hangs."""
    from gatewatch.store.alert_models import SaidRow

    chance, ledger = random.Random(seed), Ledger()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        receivers = {"well": stack.enter_context(receiver()), "stuck": stack.enter_context(receiver(mood="hang"))}
        settings = {"data_dir": str(folder / "data"), "alerts_file": str(alerts_file(folder, receivers, storm=True))}
        state = open_state(Settings(**settings))
        stack.callback(state.close)
        process = stack.enter_context(zygote())
        pid = started(process, settings)
        critical = chance.uniform(0.3, 0.9) * seconds
        began = time.monotonic()
        steps = 60
        for step in range(steps):
            first, last = findings * step // steps, findings * (step + 1) // steps
            ledger.write(state, [f"f{one}" for one in range(first, last)], Severity.MEDIUM)
            if "worst" not in ledger.findings and seconds * step / steps >= critical:
                ledger.write(state, ["worst"], Severity.CRITICAL)
            time.sleep(max(0.0, began + seconds * (step + 1) / steps - time.monotonic()))
        if "worst" not in ledger.findings:
            ledger.write(state, ["worst"], Severity.CRITICAL)

        def told() -> int:
            with state.read() as session:
                rows = session.query(SaidRow.finding_id).filter(SaidRow.channel == "well").distinct()
                return sum(name in ledger.findings for (name,) in rows)

        _wait_for(lambda: told() > findings, 400.0, pause_s=1.0)
        os.kill(pid, signal.SIGKILL)
        late = receivers["well"].at("worst")
        return Storm(
            messages=len(receivers["well"].got),
            seconds=None if late is None else late - ledger.findings["worst"],
            told=told(),
            findings=findings + 1,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["all", "kills", "replicas", "storm"], default="all")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    good = True
    for name, run in (
        ("kills", lambda: kills(options.kills, options.seed)),
        ("replicas", lambda: replicas(2000, 50, 20, 10, options.seed)),
        ("storm", lambda: storm(5000, 60.0, options.seed)),
    ):
        if options.part in ("all", name):
            began = time.monotonic()
            verdict = run()
            print(f"{name} ({time.monotonic() - began:.0f} s)\n{verdict}", flush=True)
            good = good and verdict.good  # type: ignore[attr-defined]
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
