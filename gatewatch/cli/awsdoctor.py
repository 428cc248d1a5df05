"""What doctor says of AWS and of the sources: each right tried, how each source stands, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gatewatch.cli.checks import Check
from gatewatch.errors import GatewatchError

if TYPE_CHECKING:
    from gatewatch.connecting import Accounts
    from gatewatch.settings import Settings
    from gatewatch.store.connections import AwsConnection, Poll
    from gatewatch.store.state import State

SILENT = timedelta(hours=1)
QUIET_TRAIL = timedelta(hours=3)
"""CloudTrail writes a file about every five minutes in which anything is called; that we ask is such a call."""

LATE = 3
"""Times its pace after which a source is late."""


def aws_checks(settings: Settings, now: datetime) -> Iterator[Check]:
    """Of the connections and sources in the store; nothing when there is none."""
    from gatewatch.cli.opened import opened
    from gatewatch.connecting import Accounts
    from gatewatch.store.connections import connections, polls
    from gatewatch.store.sources import sources
    from ingest.sources.gathered import is_spans

    if settings.database_url is None and not (settings.data_dir / "state.db").exists():
        return
    with opened(settings) as state:
        with state.read() as session:
            known, stands = connections(session), polls(session)
            spans_followed = any(is_spans(one.kind, one.location) for one in sources(session))
        accounts = Accounts(state, settings, now=lambda: now)
        for one in known:
            yield from _connection(accounts, one, stands, now, spans_followed=spans_followed)
        yield from _sources(state, accounts, now)
        accounts.ledger.flush()
        yield from _cost(state, settings, now)


def _connection(
    accounts: Accounts, one: AwsConnection, stands: list[Poll], now: datetime, *, spans_followed: bool
) -> Iterator[Check]:
    from ingest.aws.session import partition
    from ingest.aws.trial import try_rights

    try:
        aws = accounts.open(one)
        regions = aws.regions
        yield Check("ok", f"AWS {one.name}: account {aws.account}, {', '.join(regions)}")
    except GatewatchError as error:
        yield Check("fail", str(error), "the other connections and sources go on; mend this and run doctor again")
        return
    for region in regions:
        failed: dict[str, list[str]] = {}
        tried: dict[str, int] = {}
        for right in try_rights(aws, region, one.sources, now):
            tried[right.source] = tried.get(right.source, 0) + 1
            if right.advice is not None and not spans_followed:
                arn = f"arn:{partition(region)}:logs:{region}:{aws.account}:log-group:aws/spans"
                text = f"AWS {one.name} {region} {right.source}: {right.advice}"
                yield Check("warn", text, f"gatewatch sources add spans {arn}")
            if right.said is not None:
                failed.setdefault(right.source, []).append(f"{right.action}: {right.said}")
        for source in one.sources:
            for text in failed.get(source, ()):
                yield Check("fail", f"AWS {one.name} {region} {source}: {text}")
            if source not in failed:
                yield Check("ok", f"AWS {one.name} {region} {source}: all {tried.get(source, 0)} rights are there")
            poll = next((p for p in stands if (p.connection, p.region, p.source) == (one.name, region, source)), None)
            if source != "keys":
                yield _stand(one.name, region, source, poll, now)


def _stand(name: str, region: str, source: str, poll: Poll | None, now: datetime) -> Check:
    """How far behind a source of a connection is."""
    from gatewatch.polling import EVERY

    at = f"AWS {name} {region} {source}"
    if poll is None:
        return Check("warn", f"{at}: never asked yet", "gatewatch accounts poll, or run gatewatch worker")
    if poll.ok_at is None:
        return Check("fail", f"{at}: never went well: {poll.error or 'no answer yet'}")
    behind = now - poll.ok_at
    text = f"{at}: last good {_ago(behind)} ago, asked every {_ago(EVERY[source])}"
    if poll.error:
        return Check("warn", f"{text}; the last try: {poll.error}")
    if behind > LATE * EVERY[source]:
        return Check("warn", f"{text}: it is late", "is gatewatch worker (or serve) running?")
    return Check("ok", text)


def _sources(state: State, accounts: Accounts, now: datetime) -> Iterator[Check]:
    """Log sources: their rights, lag and silence, and what came twice."""
    from gatewatch.following import FILES, opener
    from gatewatch.store.batches import last_read
    from gatewatch.store.leases import last_run
    from gatewatch.store.sources import accounting, look_job, sources
    from ingest.aws.trial import try_log_source
    from ingest.sources.gathered import beside_logs

    with state.read() as session:
        known, lines = sources(session), {one.source: one for one in accounting(session)}
        runs = {one.name: last_run(session, look_job(one.name)) for one in known}
        files = {one.name: last_read(session, one.name, one.location) for one in known if one.kind == "cloudtrail"}
    for one in known:
        if one.kind != FILES:
            try:
                clients = opener(state, accounts)(one)
                for right in try_log_source(clients, one.kind, one.location, one.options, now):
                    level, told = ("ok", "allowed") if right.said is None else ("fail", right.said)
                    yield Check(level, f"source {one.name}: {right.action}: {told}")
            except GatewatchError as error:
                yield Check("fail", f"source {one.name}: {error}")
        run, account = runs[one.name], lines.get(one.name)
        if run is not None and run[1]:
            yield Check("warn", f"source {one.name}: the last look failed: {run[1]}")
        if beside_logs(one.kind, one.location):
            looked = "never looked at" if run is None else f"last looked at {_ago(now - run[0])} ago"
            where = f"gatewatch sources look {one.name}" if run is None else ""
            yield Check("warn" if run is None else "ok", f"source {one.name}: brings no lines; {looked}", where)
            if one.name in files and run is not None:
                yield _trail(one.name, files[one.name], now)
            continue
        if account is None or account.last_at is None:
            yield Check("warn", f"source {one.name}: no line came yet", f"gatewatch sources look {one.name}")
            continue
        silent = now - account.last_at
        lag = "" if account.last_commit_at is None else f", last kept {_ago(now - account.last_commit_at)} ago"
        text = f"source {one.name}: {account.accepted:,} lines, {account.duplicate:,} twice"
        text += f", newest request {_ago(silent)} old{lag}"
        if one.follow and silent > SILENT:
            yield Check(
                "warn", f"{text}: it is silent", "is the stage's access log still on, and its delivery stream well?"
            )
        else:
            yield Check("ok", text)


def _trail(name: str, newest: datetime | None, now: datetime) -> Check:
    """Whether a trail still writes files: one that was stopped says nothing."""
    told = "no file came yet" if newest is None else f"last new file {_ago(now - newest)} ago"
    if newest is not None and now - newest <= QUIET_TRAIL:
        return Check("ok", f"source {name}: {told}")
    fix = "`aws cloudtrail get-trail-status` says whether it logs and where to; start it, or mend the location"
    return Check("warn", f"source {name}: {told}: is the trail still on?", fix)


def _cost(state: State, settings: Settings, now: datetime) -> Iterator[Check]:
    """What asking costs, by source, today and in a month as it goes on; and who pauses."""
    from gatewatch.connecting import budget_of
    from gatewatch.costing import forecast
    from gatewatch.store.spending import ledger

    today = now.date()
    with state.read() as session:
        spent = ledger(session, today - timedelta(days=7), today)
    if not spent:
        return
    share = (now - datetime(now.year, now.month, now.day, tzinfo=UTC)) / timedelta(days=1)
    for one in forecast(spent, today, share):
        mine = [s for s in spent if s.day == today and (s.account, s.source) == (one.account, one.source)]
        dollars, calls = sum(s.dollars for s in mine), sum(s.calls for s in mine)
        text = f"cost {one.account} {one.source}: ${dollars:.4f} and {calls:,} calls today"
        yield Check("ok", f"{text}, about ${one.dollars:,.2f} a month")
    budget = budget_of(settings)
    nanos, calls = (sum(getattr(s, field) for s in spent if s.day == today) for field in ("nanos", "calls"))
    paused = budget.paused(nanos, calls)
    if calls >= budget.hard_calls:
        yield Check(
            "warn", f"{calls:,} AWS calls today, the hard cap is {budget.hard_calls:,}: all sources pause",
            "set aws_hard_calls_per_day higher, or wait until 00:00 UTC",
        )  # fmt: skip
    elif paused:
        yield Check(
            "warn", f"over the soft cap of ${budget.soft_dollars:g} a day, paused: {', '.join(paused)}",
            "set aws_soft_dollars_per_day higher, or wait until 00:00 UTC",
        )  # fmt: skip


def _ago(span: timedelta) -> str:
    from detect.report import span_words

    seconds = max(span.total_seconds(), 0.0)
    return f"{seconds:.0f} s" if seconds < 120 else span_words(seconds / 60)
