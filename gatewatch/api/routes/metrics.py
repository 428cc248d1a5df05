"""Our own numbers, for Prometheus."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from gatewatch import __version__
from gatewatch.api.access import VIEWER
from gatewatch.api.prometheus import TYPE, Metric, text
from gatewatch.api.reading import PROBLEMS, ask
from gatewatch.store.breakers import healths
from gatewatch.store.findings import FindingFilter, count_findings, list_blind
from gatewatch.store.leases import last_run
from gatewatch.store.letters import count_dead_letters
from gatewatch.store.manifest import lake_sizes
from gatewatch.store.outbox import oldest_pending_at, outbox_counts
from gatewatch.store.sources import accounting
from gatewatch.store.spending import total
from gatewatch.store.state import State

router = APIRouter(tags=["health"], dependencies=[VIEWER])

JOBS = ("tick", "follow", "poll", "house")


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="For Prometheus; it sends a token that may read as `authorization`",
    response_class=Response,
    responses={200: {"description": "Text format 0.0.4", "content": {"text/plain": {}}}, 503: PROBLEMS[503]},
)
async def metrics(request: Request) -> Response:
    streams, exports = len(request.app.state.listeners), len(request.app.state.exports)
    found = await ask(request, _read)
    found.append(Metric("gatewatch_live_streams", "gauge", "Live streams that are open").add(streams))
    found.append(Metric("gatewatch_exports_running", "gauge", "Exports that are running").add(exports))
    return Response(text(found), media_type=TYPE)


def _read(state: State) -> list[Metric]:
    now = datetime.now(UTC)
    out = [Metric("gatewatch_build_info", "gauge", "1, with the version").add(1, version=__version__)]

    def metric(name: str, kind: str, help_: str) -> Metric:
        out.append(Metric(f"gatewatch_{name}", kind, help_))
        return out[-1]

    with state.read() as session:
        lines = metric("lines_total", "counter", "Lines that were read, by what became of them")
        behind = metric("source_last_commit_seconds", "gauge", "When a source last brought something, unix time")
        newest = metric("source_last_request_seconds", "gauge", "Time of the newest request of a source, unix time")
        for one in accounting(session):
            for outcome in ("accepted", "rejected", "blank", "duplicate"):
                lines.add(getattr(one, outcome), source=one.source, outcome=outcome)
            if one.last_commit_at is not None:
                behind.add(one.last_commit_at.timestamp(), source=one.source)
            if one.last_at is not None:
                newest.add(one.last_at.timestamp(), source=one.source)
        findings = metric("findings_open", "gauge", "Open findings")
        for (kind, severity), count in count_findings(session, FindingFilter(state="open")).items():
            findings.add(count, kind=kind, severity=severity)
        outbox = metric("alerts", "gauge", "Alerts in the outbox, by state")
        for status, count in outbox_counts(session).items():
            outbox.add(count, state=status)
        oldest = oldest_pending_at(session)
        waiting = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
        metric("alerts_oldest_waiting_seconds", "gauge", "How long the oldest alert waits").add(waiting)
        broken = metric("channel_failures", "gauge", "Failures of a channel in a row")
        for name, health in healths(session).items():
            broken.add(health.failures, channel=name)
        ran = metric("job_last_run_seconds", "gauge", "When a job last began, unix time")
        failed = metric("job_failed", "gauge", "1 when a job's last run failed")
        for job in JOBS:
            run = last_run(session, job)
            if run is not None:
                ran.add(run[0].timestamp(), job=job)
                failed.add(0 if run[1] is None else 1, job=job)
        metric("blind_spots", "gauge", "Stages that a detector cannot judge").add(len(list_blind(session)))
        metric("dead_letters", "gauge", "Rejected lines that are kept").add(count_dead_letters(session))
        size = metric("lake_bytes", "gauge", "Bytes of the lake's segments, by kind")
        count_ = metric("lake_segments", "gauge", "Segments of the lake, by kind")
        for kind, total_bytes, number in lake_sizes(session):
            size.add(total_bytes, kind=kind)
            count_.add(number, kind=kind)
        calls, nanos = total(session, now.date())
        metric("aws_calls_today", "gauge", "Calls of AWS today").add(calls)
        metric("aws_dollars_today", "gauge", "List price of today's calls of AWS").add(nanos / 1e9)
    return out
