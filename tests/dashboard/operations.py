"""What stands beside traffic in a store: followed sources, an AWS account with its ledger, an inventory, changes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from gatewatch.frames import SPANS
from gatewatch.records import Change, ChangeEvent
from gatewatch.store.changes import save_changes
from gatewatch.store.connections import AwsConnection, note_poll, save_connection
from gatewatch.store.inventories import save_inventory
from gatewatch.store.leases import claim_run, finish_run
from gatewatch.store.outbox import claim, enqueue, mark_failed, mark_sent
from gatewatch.store.silences import add_silence
from gatewatch.store.sources import look_job, register_source
from gatewatch.store.spans import save_spans
from gatewatch.store.spending import Spent, add_spent
from gatewatch.store.state import State

FORMAT = '{"time":"$context.requestTimeEpoch","status":"$context.status","key":"$context.identity.apiKey"}'


def inventory(text: str = "shop") -> dict[str, Any]:
    """Two REST stages, one of which logs little and a secret, one nothing."""
    return {
        "accountId": "1",
        "region": "eu-west-1",
        "restApis": [
            {
                "id": "shop4f2k1",
                "name": text,
                "stages": [
                    {"stageName": "prod", "accessLogSettings": {"format": FORMAT, "destinationArn": f"arn:aws:{text}"}},
                    {"stageName": "test"},
                ],
            }
        ],
    }


def add_sources(state: State, now: datetime, text: str = "access denied") -> None:
    """`files` works, `bucket` fails, `fresh` brought nothing yet. One account, which is refused some calls."""
    register_source(state, "files", "files", f"/var/log/{text}", True)
    register_source(state, "bucket", "s3", f"s3://logs/{text}", True)
    register_source(state, "fresh", "files", "/srv/new", True)
    for name, error in (("files", None), ("bucket", f"AWS bucket: ListObjectsV2 is denied ({text})")):
        claim_run(state, look_job(name), now - timedelta(minutes=1), "me")
        finish_run(state, look_job(name), now - timedelta(minutes=1), error)

    def connect(session: Any) -> None:
        asked = ("inventory", "changes", "metrics", "traces")
        save_connection(
            session, AwsConnection("main", None, None, None, ("eu-west-1",), asked, now - timedelta(days=40))
        )
        note_poll(session, "main", "eu-west-1", "inventory", now=now, cursor={"denied": {"acm:List": text}})
        note_poll(session, "main", "eu-west-1", "metrics", now=now - timedelta(hours=1), cursor={})
        note_poll(session, "main", "eu-west-1", "traces", now=now, error=f"xray is denied ({text})")
        save_inventory(session, inventory(text), source="test", now=now)
        add_spent(
            session,
            [
                Spent(
                    (now - timedelta(days=back)).date(), "1", source, "cloudwatch", "GetMetricData", 40, nanos * 10**6
                )
                for back in range(12)
                for source, nanos in (("metrics", 100 + back), ("logs", 20))
            ],
        )

    state.run(connect)


PIPELINE = "arn:aws:sts::1:assumed-role/deploy/pipeline"


def changes(now: datetime, text: str = PIPELINE, mark: str = "") -> list[ChangeEvent]:
    """A deployment, a throttle that was lowered, and a new function version, all before `now`."""

    def event(ident: str, ago: int, what: str, resource: str, service: str, detail: Any, actor: str) -> ChangeEvent:
        change = Change(now - timedelta(minutes=ago), what, actor, resource)
        return ChangeEvent(
            mark + ident, change, service, what.split()[0], "1", "eu-west-1", f"Terraform/1.9 {text}", detail
        )

    patch = {"patchOperations": [{"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "10"}]}
    return [
        event("e1", 300, "CreateDeployment", "shop4f2k1/prod", "apigateway", {"restApiId": "shop4f2k1"}, text),
        event(
            "e2",
            90,
            "UpdateStage replace /*/*/throttling/rateLimit 10",
            "shop4f2k1/prod",
            "apigateway",
            patch,
            "arn:aws:iam::1:user/ops",
        ),
        event("e3", 65, "UpdateFunctionCode", f"items-{text}"[:200], "lambda", {"functionName": text}, text),
    ]


def add_changes(state: State, now: datetime, text: str = PIPELINE, mark: str = "") -> None:
    state.run(lambda session: save_changes(session, changes(now, text, mark), source="test", now=now))


ALERTS = """
channels:
  hook: {type: slack, url: "http://127.0.0.1:9/hook", fallback: spare, fallback_after: 5m}
  spare: {type: slack, url: "http://127.0.0.1:9/spare"}
  pager: {type: slack, url: "http://127.0.0.1:9/pager"}
times:
  night: {start: "22:00", end: "06:00"}
route:
  channels: [spare]
  group_by: [api]
  group_wait: 30s
  repeat: 4h
  routes:
    - name: urgent
      match: {severity: [critical]}
      channels: [pager, hook]
      group_wait: 0s
      go_on: true
      escalate: [{after: 15m, channels: [spare]}]
    - name: logins
      match: {api: ["login*"]}
      channels: [hook]
      quiet: [night]
maintenance:
  - {reason: weekly restart, match: {api: "legacy*"}, windows: [night]}
"""


def add_alerts(state: State, now: datetime, text: str = "nightly load test") -> None:
    """Silences (one holds, one is planned), and two deliveries: one got through, one was given up."""

    def write(session: Any) -> None:
        for start, end in ((-1, 2), (24, 26)):
            add_silence(
                session,
                {"api": ["shop*"], "severity": ["low", "info"]},
                reason=text,
                author=text[:60],
                starts_at=now + timedelta(hours=start),
                ends_at=now + timedelta(hours=end),
                now=now,
            )
        for number, channel in enumerate(("spare", "hook")):
            enqueue(
                session, finding_id=f"f{number}-{text}"[:64], transition="new", channel=channel, payload={"text": text}
            )

    state.run(write)
    for item in claim(state, "me"):
        wire: list[Any] = [{"request": {"method": "POST", "body": text}, "reply": {"status": 500, "body": text}}]
        if item.channel == "spare":
            mark_sent(state, item.id, attempt=item.attempts, wire=wire)
        else:
            mark_failed(state, item.id, f"500: {text}", retry=False, attempt=item.attempts, wire=wire)


def add_spans(state: State, now: datetime, text: str = "orders-table", api: str = "shop4f2k1") -> None:
    """Twenty traced requests of one route: each calls a table, every fifth starts its function, one is very slow."""
    rows: list[dict[str, Any]] = []
    for number in range(20):
        place = {
            "at": now - timedelta(minutes=30 - number),
            "account": "1",
            "region": "eu-west-1",
            "api": api,
            "stage": "prod",
            "route": "GET /items/{id}",
            "trace_id": f"1-{number:08x}-{text}"[:60],
            "status": 200,
        }
        parts = [
            ("gateway", None, 5.0),
            ("handler", "items", 20.0),
            ("downstream", text, 900.0 if number == 7 else 40.0),
        ]
        parts += [("init", "items", 300.0)] if number % 5 == 0 else []
        total = sum(ms for _, _, ms in parts)
        rows += [{**place, "part": part, "name": name, "ms": ms, "total_ms": total} for part, name, ms in parts]
    save_spans(state, pa.Table.from_pylist(rows, SPANS), source="test", now=now)
