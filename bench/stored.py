"""A store with millions of requests and thousands of findings, made in minutes: what bench.api asks.

The requests are made up column by column, an hour of them at a time, and rolled up as ingest would. Nothing here is
like a real attack: only the sizes, the number of series and the spread of values are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import numpy as np
import pyarrow as pa

from gatewatch.frames import CLIENTS, HISTOGRAMS, MINUTES, REQUESTS, visible_mask
from gatewatch.frames.schema import CLIENT_KEYS, MINUTE_KEYS, TIME, cause_column, scope_column
from gatewatch.records import (
    JSON,
    REJECT_CAUSES,
    THROTTLE_SCOPES,
    Cause,
    Entities,
    Evidence,
    Finding,
    Kind,
    Point,
    Severity,
    finding_id,
    fingerprint,
)
from gatewatch.settings import Settings
from gatewatch.store.batches import Outcomes, Position, commit_batch, lease_batch
from gatewatch.store.findings import save_findings
from gatewatch.store.inventories import save_inventory
from gatewatch.store.lake import publish_segment
from gatewatch.store.packed import pack
from gatewatch.store.state import State, open_state

APIS = ("orders1234", "billing567", "search8901", "profile234", "reports567")
ROUTES = ("GET /items", "GET /items/{id}", "POST /items", "PUT /items/{id}", "DELETE /items/{id}", "GET /search")
STATUSES = (200, 201, 304, 400, 401, 403, 404, 429, 500, 502, 504)
_SHARES = (0.80, 0.05, 0.04, 0.02, 0.02, 0.015, 0.025, 0.01, 0.008, 0.007, 0.005)
_CAUSES = {
    400: "bad_request",
    401: "expired_credential",
    403: "authorizer_deny",
    404: "not_found",
    429: "throttle",
    500: "backend_error",
    502: "backend_error",
    504: "backend_timeout",
}
_AGENTS = tuple(
    f"{name}/{version}.0 (bench)"
    for name in ("curl", "okhttp", "python-requests", "Mozilla")
    for version in range(1, 9)
)
CALLERS = 50_000
PLANS = 200
"""API keys of the usage plan: those of the busiest callers that have one."""


def build(
    folder: Path,
    requests: int,
    findings: int,
    days: int,
    *,
    until: datetime,
    seed: int = 1,
    tell: Callable[[int, int], object] = lambda _done, _of: None,
) -> State:
    """The store in `folder`, made anew. tell: called with the hours that are done, and how many there are."""
    state = open_state(Settings(data_dir=folder))
    rng = np.random.default_rng(seed)
    hours = days * 24
    each = requests // hours
    start = (until - timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
    for hour in range(hours):
        begin = start + timedelta(hours=hour)
        put(state, hour_of_requests(rng, begin, each + (requests - each * hours if hour == 0 else 0)), begin)
        tell(hour + 1, hours)
    with state.begin() as session:
        save_inventory(session, made_inventory(), source="bench", now=until)
        save_findings(session, list(made_findings(findings, start, until, rng)), now=until)
    return state


def put(
    state: State,
    requests: pa.Table,
    begin: datetime,
    *,
    span: timedelta = timedelta(hours=1),
    with_rollups: bool = True,
) -> None:
    """Commit requests of [begin, begin + span) as one batch. with_rollups: False costs next to nothing."""
    batch = lease_batch(state, "bench", "bench")
    at = requests.column("at")
    first, last = at[0].as_py(), at[-1].as_py()
    written = [publish_segment(state.lake.root, "requests", batch.id, 0, pack(requests), first, last)]
    for kind, table in (("minutes", rolled(requests)), ("clients", refusals(requests))) if with_rollups else ():
        if len(table):
            times = table.column("minute")
            written.append(
                publish_segment(
                    state.lake.root, kind, batch.id, len(written), table, times[0].as_py(), times[-1].as_py()
                )
            )
    rows = len(requests)
    commit_batch(
        state,
        batch.id,
        segments=written,
        checkpoints={batch.id: Position(rows, rows, rows, 1, True, "bench")},
        outcomes={"bench.log": Outcomes(rows, rows, 0, 0, 0)},
        reject_counts={},
        dead_letters=[],
        coverage=[(begin, begin + span)],
        now=datetime.now(UTC),
    )


def hour_of_requests(rng: np.random.Generator, begin: datetime, rows: int, seconds: float = 3600.0) -> pa.Table:
    """REQUESTS in the order of time."""
    offsets = np.sort(rng.integers(0, int(seconds * 1000), rows)) * 1000
    at = int(begin.timestamp() * 1e6) + offsets
    status = rng.choice(np.array(STATUSES, dtype=np.int16), rows, p=_SHARES)
    api = rng.choice(len(APIS), rows, p=(0.4, 0.25, 0.15, 0.12, 0.08))
    route = rng.choice(len(ROUTES), rows, p=(0.4, 0.25, 0.12, 0.08, 0.05, 0.1))
    caller = np.minimum(rng.zipf(1.3, rows), CALLERS) - 1
    latency = np.exp(rng.normal(3.6, 0.7, rows)).astype(np.float32)
    latency[status == 504] = 29_000
    slow = (route == 5) & (rng.random(rows) < 0.03)
    latency[slow] *= 30
    behind = (latency * rng.uniform(0.7, 0.98, rows)).astype(np.float32)
    refused = np.isin(status, (401, 403, 429))
    hexes = rng.bytes(16 * rows).hex()
    ids = [str(UUID(hex=hexes[place : place + 32])) for place in range(0, 32 * rows, 32)]
    columns: dict[str, Any] = {
        "at": pa.array(at).cast(TIME),
        "account": _named(["123456789012"], np.zeros(rows, np.int64)),
        "region": _named(["eu-west-1"], np.zeros(rows, np.int64)),
        "api": _named(APIS, api),
        "api_type": _named(["rest"], np.zeros(rows, np.int64)),
        "stage": _named(["prod"], np.zeros(rows, np.int64)),
        "route": _named(ROUTES, route),
        "method": _named([one.split()[0] for one in ROUTES], route),
        "path": _named([one.split()[1].replace("{id}", "42") for one in ROUTES], route),
        "status": pa.array(status),
        "reject_cause": _named(
            [_CAUSES.get(one, "") for one in STATUSES], np.searchsorted(np.array(STATUSES), status), status >= 400
        ),
        "throttle_scope": _named(["stage"], np.zeros(rows, np.int64), status == 429),
        "latency_ms": pa.array(latency),
        "integration_latency_ms": pa.array(behind, mask=refused),
        "integration_status": pa.array(status, mask=refused),
        "response_bytes": pa.array(rng.integers(80, 20_000, rows)),
        "client_ip": _named([f"198.18.{n // 250 % 250}.{n % 250}" for n in range(CALLERS)], caller),
        "api_key_id": _named([f"key{n:05d}" for n in range(CALLERS)], caller, caller % 3 == 0),
        "user_agent": _named(_AGENTS, caller % len(_AGENTS)),
        "request_id": pa.array(ids),
        "source": _named(["bench"], np.zeros(rows, np.int64)),
    }
    return pa.table(
        [columns[one.name].cast(one.type) if one.name in columns else pa.nulls(rows, one.type) for one in REQUESTS],
        schema=REQUESTS,
    )


def _named(names: Sequence[str], places: Any, where: Any = None) -> pa.Array:
    indices = pa.array(places.astype(np.int32), mask=None if where is None else ~where)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(names))).cast(pa.string())


_VISIBLE = visible_mask(("at", "api", "stage", "route", "status", "latency_ms", "client_ip", "user_agent"))


def rolled(requests: pa.Table) -> pa.Table:
    """MINUTES of requests, by SQL: slower than ingest's, and of the same shape."""
    sums = {
        "latency": "latency_ms",
        "integration": "integration_latency_ms",
        "authorizer": "authorizer_latency_ms",
        "gateway": "greatest(latency_ms - integration_latency_ms, 0)",
    }
    keys = ", ".join(MINUTE_KEYS)
    counts = ", ".join(
        [
            "count(*) AS n",
            *(f"count(*) FILTER (status // 100 = {place}) AS s{place}xx" for place in range(1, 6)),
            *(f"count(*) FILTER (reject_cause = '{cause}') AS {cause_column(cause)}" for cause in REJECT_CAUSES),
            *(f"count(*) FILTER (throttle_scope = '{scope}') AS {scope_column(scope)}" for scope in THROTTLE_SCOPES),
            "sum(response_bytes) AS response_bytes",
            "count(*) FILTER (integration_status >= 500) AS backend_5xx",
            "count(*) FILTER (latency_ms >= 28000) AS over_28s",
            *(f"coalesce(sum({value}) * 1000, 0)::BIGINT AS {name}_us" for name, value in sums.items()),
            "NULL::BIGINT AS waf_us",
            "NULL::BIGINT AS waf_n",
            "list_sort(list_slice(list_sort(list(DISTINCT (hash(client_ip) >> 32)::UINTEGER)), 1, 64)) AS clients_k",
            f"{_VISIBLE}::UBIGINT AS visible",
            "NULL::TIMESTAMPTZ AS available_at",
        ]
    )
    lists = "".join(
        f""", {name}_h AS (
            SELECT {keys}, list(b ORDER BY b) AS {name}_b, list(c ORDER BY b) AS {name}_c FROM (
                SELECT {keys}, CASE WHEN ({value}) < 1 THEN -1 ELSE floor(ln({value}) / ln(1.02)) END::SMALLINT AS b,
                    count(*)::INTEGER AS c
                FROM timed WHERE ({value}) IS NOT NULL GROUP BY ALL
            ) GROUP BY ALL
        )"""
        for name, value in sums.items()
    )
    joins = " ".join(
        f"LEFT JOIN {name}_h ON {' AND '.join(f'g.{key} IS NOT DISTINCT FROM {name}_h.{key}' for key in MINUTE_KEYS)}"
        for name in HISTOGRAMS
    )
    names = ", ".join(
        name if name.endswith(("_b", "_c")) and name[:-2] in HISTOGRAMS else f"g.{name}" for name in MINUTES.names
    )
    with duckdb.connect(config={"threads": "2"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("given", requests)
        found = connection.sql(
            f"""
            WITH timed AS MATERIALIZED (SELECT *, time_bucket(INTERVAL 1 MINUTE, "at") AS minute FROM given),
            g AS (SELECT {keys}, {counts} FROM timed GROUP BY ALL) {lists}
            SELECT {names} FROM g {joins} ORDER BY {", ".join(f"g.{key} NULLS FIRST" for key in MINUTE_KEYS)}
            """
        ).to_arrow_table()
    return found.cast(MINUTES)


def refusals(requests: pa.Table) -> pa.Table:
    """CLIENTS of requests."""
    keys = {"minute": 'time_bucket(INTERVAL 1 MINUTE, "at")'}
    with duckdb.connect(config={"threads": "2"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("given", requests)
        found = connection.sql(
            f"""
            SELECT {", ".join(f"{keys.get(key, key)} AS {key}" for key in CLIENT_KEYS)}, count(*) AS n,
                bit_or(1::BIGINT << (epoch_us("at") // 1000000) % 60) AS seconds
            FROM given WHERE reject_cause IS NOT NULL GROUP BY ALL
            ORDER BY {", ".join(f"{key} NULLS FIRST" for key in CLIENT_KEYS)}
            """
        ).to_arrow_table()
    return found.cast(CLIENTS)


def made_inventory() -> dict[str, JSON]:
    """The APIs with their routes and an authorizer, and a usage plan with keys of the busiest callers."""
    apis: list[JSON] = []
    for name in APIS:
        methods: dict[str, dict[str, JSON]] = {}
        for route in ROUTES:
            verb, path = route.split(" ")
            methods.setdefault(path, {})[verb] = {"authorizationType": "CUSTOM", "authorizerId": "auth01"}
        apis.append(
            {
                "id": name,
                "name": name.rstrip("0123456789"),
                "resources": [{"path": path, "resourceMethods": found} for path, found in methods.items()],
                "stages": [
                    {
                        "stageName": "prod",
                        "methodSettings": {"*/*": {"throttlingRateLimit": 100, "throttlingBurstLimit": 200}},
                    }
                ],
                "authorizers": [{"id": "auth01", "name": "tokens", "type": "TOKEN"}],
            }
        )
    keys: list[JSON] = [{"id": f"key{3 * n:05d}", "name": f"partner {n}"} for n in range(PLANS)]
    plan: JSON = {
        "id": "plan01",
        "name": "partners",
        "throttle": {"rateLimit": 20, "burstLimit": 40},
        "quota": {"limit": 1_000_000, "period": "MONTH"},
        "apiStages": [{"apiId": name, "stage": "prod"} for name in APIS],
        "keys": keys,
    }
    return {"accountId": "123456789012", "region": "eu-west-1", "restApis": apis, "usagePlans": [plan]}


def made_findings(count: int, start: datetime, until: datetime, rng: np.random.Generator) -> Iterator[Finding]:
    """Findings of all kinds, severities and places, each with the evidence of an ordinary one."""
    span = (until - start).total_seconds()
    for number in range(count):
        began = (start + timedelta(seconds=float(rng.random()) * span)).replace(second=0, microsecond=0)
        kind = list(Kind)[number % len(Kind)]
        api, route = APIS[number % len(APIS)], ROUTES[number % len(ROUTES)]
        print_ = fingerprint(kind, "123456789012", "eu-west-1", api, "prod", f"{route} {number}")
        ips = tuple(f"198.18.{n % 250}.{number % 250}" for n in range(12))
        series = tuple(
            Point(began + timedelta(minutes=n - 60), float(rng.integers(0, 50)), 3.0, 12.0) for n in range(120)
        )
        yield Finding(
            id=finding_id(print_, began),
            fingerprint=print_,
            kind=kind,
            subtype="bench",
            severity=list(Severity)[number % len(Severity)],
            score=float(number % 40),
            confidence=0.9,
            title=f"{kind.value} on {route} of {api}, number {number}",
            account="123456789012",
            region="eu-west-1",
            api=api,
            stage="prod",
            route=route,
            start=began,
            end=None if number % 5 == 0 else began + timedelta(minutes=20),
            detected_at=began + timedelta(minutes=3),
            entities=Entities(ips=ips, user_agents=_AGENTS[:5]),
            cause=list(Cause)[number % len(Cause)],
            evidence=Evidence(41.0, 0.5, "4xx/min", "41 a minute", {"distinct_ips": 12}, series),
            remedy="Look at the callers that stand out.",
        )
