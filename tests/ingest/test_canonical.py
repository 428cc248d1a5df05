"""The canonical request: cases with their reasons, and the SQL against the row-by-row reference."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st

from gatewatch.frames import REQUESTS
from ingest.canonical import canonical_columns, canonical_row, given, reason, reason_sql
from ingest.canonical_row import EXTRA, PRINCIPALS

KEY = "0a1b"
COLUMNS = tuple(name for name in REQUESTS.names if name not in {"source", "batch"})
EPOCH = "1781008496000"
AT = datetime(2026, 6, 9, 12, 34, 56, tzinfo=UTC)
Line = Mapping[str, str | None]

_connection = duckdb.connect(config={"threads": "1"})
_connection.execute("SET TimeZone = 'UTC'")


def by_sql(lines: list[Line], constants: Mapping[str, str] | None = None) -> list[dict[str, object]]:
    """What the engine makes of lines that all have the same variables: `reason` and, for accepted ones, the columns."""
    variables = frozenset(lines[0])
    table = pa.table({name: pa.array([line[name] for line in lines], pa.string()) for name in variables})
    _connection.register("lines", table)
    known = canonical_columns(variables, constants or {}, KEY)
    selected = ", ".join([*(f'{known[name]} AS "{name}"' for name in COLUMNS), f"{reason_sql(variables)} AS reason"])
    rows = _connection.execute(f"SELECT {selected} FROM lines").fetchall()
    _connection.unregister("lines")
    return [dict(zip((*COLUMNS, "reason"), row, strict=True)) for row in rows]


def read(constants: Mapping[str, str] | None = None, /, **variables: str | None) -> dict[str, object]:
    """One line by both ways, which must agree. Dots in names are written as double underscores."""
    line = {name.replace("__", "."): value for name, value in variables.items()}
    line.setdefault("status", "200")
    if not line.keys() & {"requestTimeEpoch", "requestTime", "x.time", "x.event_time"}:
        line["requestTimeEpoch"] = EPOCH
    (row,) = by_sql([line], constants)
    assert_same(row, line, constants or {})
    return row


def assert_same(row: dict[str, object], line: Line, constants: Mapping[str, str]) -> None:
    assert row["reason"] == reason(line)
    if row["reason"] is None:
        found = {name: _comparable(name, value) for name, value in row.items() if name != "reason"}
        expected = {name: _comparable(name, value) for name, value in canonical_row(line, constants, KEY).items()}
        assert found == expected, line


def _comparable(name: str, value: object) -> object:
    if isinstance(value, float):
        return float(pa.scalar(value, pa.float32()).as_py())
    if name == "extra" and isinstance(value, str):
        return json.loads(value)
    return value.astimezone(UTC) if isinstance(value, datetime) else value


# Times.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1781008496000", AT),
        ("1781008496", AT),
        ("1781008496.25", AT + timedelta(milliseconds=250)),
        ("1781008496.2", AT + timedelta(milliseconds=200)),  # 12 characters
        ("1781008496.25000", AT + timedelta(milliseconds=250)),
        ("1781008496.123456", AT + timedelta(microseconds=123456)),
        ("1781008496000123", AT + timedelta(microseconds=123)),
        ("1781008496000000000", AT),
        ("1781008496000.5", AT + timedelta(microseconds=500)),
        ("09/Jun/2026:12:34:56 +0000", AT),
        ("09/Jun/2026:14:34:56 +0200", AT),
        ("09/Jun/2026:05:04:56 -0730", AT),
        ("2026-06-09T12:34:56Z", AT),
        ("2026-06-09T12:34:56", AT),
        ("2026-06-09 12:34:56.789Z", AT + timedelta(milliseconds=789)),
        ("2026-06-09T14:34:56+02:00", AT),
        ("2026-06-09T14:34:56+0200", AT),
        ("2026-06-09T12:34:56.123456789Z", AT + timedelta(microseconds=123456)),
    ],
)
@pytest.mark.parametrize("name", ["requestTimeEpoch", "requestTime", "x__time", "x__event_time", "x__delivered"])
def test_every_variable_of_a_time_takes_every_shape(text: str, expected: datetime, name: str) -> None:
    row = read(**{name: text})
    assert _comparable("at", row["delivered_at" if name == "x__delivered" else "at"]) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("yesterday", "bad_time"),
        ("-", "no_time"),
        ("", "no_time"),
        (None, "no_time"),
        ("31/Jun/2026:12:34:56 +0000", "bad_time"),
        ("2026-13-09T12:34:56Z", "bad_time"),
        ("0", "bad_time"),
        ("946684799999", "bad_time"),
        ("4102444800000", "bad_time"),
        ("99999999999999999999", "bad_time"),
        ("17810084960001781008496000", "bad_time"),
        ("-1781008496000", "bad_time"),
        ("1781008496x00", "bad_time"),
        ("inf", "bad_time"),
        ("1900-01-01T00:00:00Z", "bad_time"),
    ],
)
def test_a_line_without_a_sane_time_is_rejected(text: str | None, why: str) -> None:
    assert read(requestTimeEpoch=text)["reason"] == why
    assert read(x__time=text)["reason"] == why


def test_the_more_precise_time_wins_and_the_next_one_stands_in() -> None:
    clf = "09/Jun/2026:12:34:57 +0000"
    assert _comparable("at", read(requestTimeEpoch=EPOCH, requestTime=clf)["at"]) == AT
    assert _comparable("at", read(requestTimeEpoch="-", requestTime=clf)["at"]) == AT + timedelta(seconds=1)
    assert _comparable("at", read(requestTimeEpoch="x", x__event_time=EPOCH)["at"]) == AT


@pytest.mark.parametrize(
    ("text", "why"),
    [("-", "no_status"), (None, "no_status"), ("ok", "bad_status"), ("099", "bad_status"), ("600", "bad_status")],
)
def test_a_line_without_a_sane_status_is_rejected(text: str | None, why: str) -> None:
    assert read(status=text)["reason"] == why


def test_a_format_without_time_or_status_rejects_all() -> None:
    (row,) = by_sql([{"status": "200"}])
    assert row["reason"] == "no_time"
    (row,) = by_sql([{"requestTimeEpoch": EPOCH}])
    assert row["reason"] == "no_status"


# Identity of the API.


def test_the_kind_of_api_follows_from_the_formats_variables() -> None:
    assert read(resourcePath="-", httpMethod="GET")["api_type"] == "rest"
    assert read(routeKey="-")["api_type"] == "http"
    assert read(routeKey="-", eventType="-", connectionId="-")["api_type"] == "websocket"
    assert read(path="/x", identity__sourceIp="192.0.2.1")["api_type"] == "other"


def test_a_format_for_all_kinds_lets_the_line_tell() -> None:
    every = {"routeKey": "-", "resourcePath": "-", "eventType": "-", "requestId": "-"}
    assert read(**{**every, "eventType": "CONNECT"})["api_type"] == "websocket"
    assert read(**{**every, "routeKey": "GET /x"})["api_type"] == "http"
    assert read(**{**every, "resourcePath": "/x"})["api_type"] == "rest"
    assert read(**{**every, "requestId": "3f1c0e0a-8f0b-4c58-9d1e-5a1f3f6f2b11"})["api_type"] == "rest"
    assert read(**every)["api_type"] == "other"
    assert read(**every, x__api_type="WebSocket")["api_type"] == "websocket"
    assert read({"api_type": "http"}, **every)["api_type"] == "http"


def test_constants_stand_in_for_what_the_line_does_not_say() -> None:
    told = {"account": "111111111111", "region": "eu-west-1", "api": "abc", "stage": "prod"}
    row = read(told, accountId="-", apiId="-", stage="-")
    assert {name: row[name] for name in told} == told
    row = read(told, accountId="222222222222", apiId="def", stage="dev", x__region="us-east-1")
    assert [row[name] for name in told] == ["222222222222", "us-east-1", "def", "dev"]


@pytest.mark.parametrize(
    ("host", "api", "region"),
    [
        ("a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com", "a1b2c3d4e5", "eu-west-1"),
        ("a1b2c3.execute-api.us-gov-west-1.amazonaws.com", "a1b2c3", "us-gov-west-1"),
        ("a1b2c3d4e5.execute-api.cn-north-1.amazonaws.com.cn", "a1b2c3d4e5", "cn-north-1"),
        ("a1b2c3d4e5-vpce-0123abcd.execute-api.eu-west-1.amazonaws.com", "a1b2c3d4e5", "eu-west-1"),
        ("api.example.com", None, None),
        ("-", None, None),
    ],
)
def test_api_and_region_come_from_the_default_host(host: str, api: str | None, region: str | None) -> None:
    row = read(domainName=host)
    assert (row["api"], row["region"]) == (api, region)
    assert read(domainName=host, apiId="zz", webaclArn="arn:aws:wafv2:ap-south-1:1:regional/webacl/x/1")["api"] == "zz"


def test_the_web_acls_arn_names_the_region() -> None:
    assert read(webaclArn="arn:aws:wafv2:ap-south-1:1:regional/webacl/x/1")["region"] == "ap-south-1"


# Routes.


@pytest.mark.parametrize(
    ("variables", "route"),
    [
        ({"routeKey": "GET /pets/{id}"}, "GET /pets/{id}"),
        ({"routeKey": "$default", "path": "/x"}, "$default"),
        ({"routeKey": "$connect", "eventType": "CONNECT"}, "$connect"),
        ({"routeKey": "-", "httpMethod": "GET", "resourcePath": "/pets"}, "GET /pets"),
        ({"httpMethod": "GET", "resourcePath": "/pets/{id}", "path": "/prod/pets/7"}, "GET /pets/{id}"),
        ({"httpMethod": "-", "resourcePath": "/pets"}, "/pets"),
        ({"resourcePath": "/pets"}, "/pets"),
        ({"httpMethod": "GET", "path": "/prod/users/4711", "stage": "prod"}, "GET /users/{id}"),
        ({"httpMethod": "GET", "path": "/prod", "stage": "prod"}, "GET /"),
        ({"httpMethod": "GET", "path": "/production/x", "stage": "prod"}, "GET /production/x"),
        ({"httpMethod": "GET", "path": "/a/b/c/d/e?x=1"}, "GET /a/b/c/d/…"),
        ({"httpMethod": "GET", "path": "/v1//pets/"}, "GET /v1/pets"),
        ({"httpMethod": "GET", "path": "/o/9f86d081-884c-4d65-9a2f-eaa0c55ad015"}, "GET /o/{id}"),
        ({"httpMethod": "GET", "path": "/o/deadbeef/decade"}, "GET /o/{id}/decade"),
        ({"httpMethod": "GET", "path": "/o/a%2Fb/1/2/3"}, "GET /o/{id}/{id}/{id}/…"),
        ({"httpMethod": "GET", "path": "/"}, "GET /"),
        ({"httpMethod": "BREW", "path": "/pot"}, "OTHER /pot"),
        ({"x.request": "POST /login?token=1 HTTP/1.1"}, "POST /login"),
        ({"x.request": "GET https://shop.example:443/cart/12?x HTTP/2.0"}, "GET /cart/{id}"),
        ({"x.request": "\\x16\\x03\\x01"}, None),
        ({"x.request": "-"}, None),
        ({"x.url": "https://shop.example/cart", "httpMethod": "GET"}, "GET /cart"),
        ({"httpMethod": "GET"}, None),
        ({"httpMethod": "GET", "path": "/secret.php", "status": "404"}, "(no route)"),
        ({"httpMethod": "GET", "resourcePath": "/pets/{id}", "status": "404"}, "GET /pets/{id}"),
        ({"httpMethod": "GET", "resourcePath": "-", "path": "/x", "error.responseType": "MISSING_AUTHENTICATION_TOKEN",
          "status": "403"}, "(no route)"),
        ({"httpMethod": "GET", "resourcePath": "-", "path": "/x", "error.message": "Missing Authentication Token",
          "status": "403"}, "(no route)"),
        ({"httpMethod": "GET", "resourcePath": "-", "path": "/x", "error.responseType": "WAF_FILTERED",
          "status": "403"}, "GET /x"),
    ],
)  # fmt: skip
def test_the_route_of_a_request(variables: dict[str, str], route: str | None) -> None:
    assert read(**{name.replace(".", "__"): value for name, value in variables.items()})["route"] == route


def test_paths_of_load_balancers_lose_their_host_and_keep_it_as_domain() -> None:
    row = read(x__request="GET https://shop.example:443/cart?id=7 HTTP/2.0")
    assert (row["path"], row["domain"], row["method"]) == ("/cart?id=7", "shop.example", "GET")


# Numbers and identities.


@pytest.mark.parametrize(
    ("text", "value"),
    [("12", 12.0), ("0", 0.0), ("12.5", 12.5), ("-", None), ("", None), ("-1", None), ("nan", None), ("inf", None),
     ("1e400", None), ("99999999999999999999", None), ("fast", None)],
)  # fmt: skip
def test_a_latency_is_a_sane_number_or_absent(text: str, value: float | None) -> None:
    assert read(responseLatency=text)["latency_ms"] == value
    assert read(integration__latency="-", integrationLatency=text)["integration_latency_ms"] == value
    assert read(authorizer__latency=text)["authorizer_latency_ms"] == value


def test_seconds_become_milliseconds_and_tries_add_up() -> None:
    assert read(x__duration_s="0.250")["latency_ms"] == 250
    assert read(x__integration_s="0.010, 0.020 : 0.5")["integration_latency_ms"] == 530
    assert read(x__integration_s="-")["integration_latency_ms"] is None
    assert read(x__integration_s="-, 0.020")["integration_latency_ms"] == 20


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.7, 198.51.100.2", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("for=192.0.2.60;proto=http", "192.0.2.60"),
        ('For="[2001:db8::1]:4711"', "2001:db8::1"),
        ("unknown, 203.0.113.7", None),
        ("test-invoke-source-ip", None),
        ("' OR 1=1 --", None),
        ("9" * 4000, None),
        ("-", None),
    ],
)
def test_the_first_forwarded_address_is_the_client(text: str, address: str | None) -> None:
    assert read(identity__sourceIp=text)["client_ip"] == address
    assert read(x__forwarded=text)["client_ip"] == address
    assert read(x__client_port=text)["client_ip"] == address
    assert read(identity__sourceIp="192.0.2.9", x__forwarded=text)["client_ip"] == "192.0.2.9"


def test_the_caller_is_the_first_identity_there_is() -> None:
    assert read(authorizer__principalId="-", authorizer__claims__sub="u1")["principal"] == "u1"
    assert read(identity__caller="-", identity__userArn="arn:aws:iam::1:user/x")["principal"] == "arn:aws:iam::1:user/x"


def test_an_api_key_that_was_logged_itself_is_hashed() -> None:
    secret = "9XkTn3hPq2LmVbZsWcRyUo"
    row = read(identity__apiKey=secret)
    assert str(row["api_key_id"]).startswith("key#")
    assert secret not in str(row)
    assert read(identity__apiKey=secret, identity__apiKeyId="abc")["api_key_id"] == "abc"


def test_secrets_leave_path_agent_and_messages_before_they_are_cut() -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijk"
    row = read(
        path=f"/x?access_token=hunter2secret&page=2&q={token}",
        identity__userAgent=f"{'a' * 500} Bearer {token}",
        error__messageString=f'"bad token {token}"',
        authorizer__principalId=token,
        requestId=token,
        xrayTraceId=f"Root=1-5;Self=Bearer {token}",
    )
    for secret in ("hunter2secret", token, token[:20]):
        assert secret not in str(row)
    assert "page=2" in str(row["path"])


def test_texts_are_bounded_and_have_no_nul() -> None:
    row = read(
        path="/" + "a" * 3000, identity__userAgent="x\x00y" + "é" * 3000, requestId="r" * 300, routeKey="k" * 400
    )
    assert [len(str(row[name])) for name in ("path", "user_agent", "request_id", "route")] == [1024, 512, 128, 256]
    assert str(row["user_agent"]).startswith("x\ufffdy")


def test_extra_holds_what_is_worth_it() -> None:
    assert read(protocol="HTTP/1.1", isCanaryRequest="false")["extra"] is None
    row = read(protocol="HTTP/2.0", error__validationErrorString='["a"\n]', responseOverride__status="418")
    assert json.loads(str(row["extra"])) == {
        "protocol": "HTTP/2.0",
        "responseOverride.status": "418",
        "error.validationErrorString": '["a"\n]',
    }


def test_given_names_exactly_the_columns_that_have_an_expression() -> None:
    for variables in (frozenset({name}) for name in VALUES):
        columns = canonical_columns(variables)
        have = {name for name, value in columns.items() if not value.startswith("NULL")} - {"source", "batch"}
        judged = {"reject_cause", "throttle_scope"}
        assert have - judged == given(variables) - judged, variables


def test_reject_causes_are_given_only_where_they_can_be_told() -> None:
    assert "reject_cause" not in given(frozenset({"status", "resourcePath"}))
    assert "reject_cause" in given(frozenset({"status", "resourcePath", "error.responseType"}))
    assert "reject_cause" in given(frozenset({"status", "path"}))


# Any line at all.

_WORDS = st.sampled_from(["-", "", "x", "GET", "/a/b", "é\x00\n", "eyJhbGciOiJIUzI1NiJ9abc.x", "AKIAIOSFODNN7EXAMPLE"])
_TEXT = st.one_of(_WORDS, st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12))
_NUMBERS = st.one_of(
    st.integers(0, 70_000).map(str), st.decimals(0, 10_000, places=3).map(str), st.sampled_from(["-", "-5", "1e3", "x"])
)
_TIMES = st.one_of(
    st.integers(10**12, 4 * 10**12).map(str),
    st.integers(10**9, 4 * 10**9).map(str),
    st.integers(10**15, 4 * 10**15).map(str),
    st.decimals(10**9, 4 * 10**9, places=3).map(str),
    st.datetimes(datetime(1990, 1, 1), datetime(2110, 1, 1)).map(lambda at: at.isoformat(timespec="milliseconds")),
    st.datetimes(datetime(1990, 1, 1), datetime(2110, 1, 1)).map(lambda at: at.strftime("%d/%b/%Y:%H:%M:%S +0130")),
    st.sampled_from(["-", "", "now", "2026-06-09"]),
)
_PATHS = st.lists(
    st.sampled_from(
        ["a", "pets", "12", "deadbeef", "é", "%20", "prod", "x" * 25, "", "?token=abc&y=1", "#z", "%2d", "{id}"]
    ),
    max_size=8,
).map(lambda parts: "/" + "/".join(parts))
_STATUSES = st.sampled_from(["200", "302", "400", "401", "403", "404", "429", "500", "504", "-", "", "99", "600", "x"])
_HOSTS = st.sampled_from(
    ["-", "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com", "x.execute-api.y.amazonaws.com", "a.b"]
)
_LIMITED = st.one_of(_TEXT, st.sampled_from(["y" * 2000, "y" * 130, "é" * 300]))
VALUES: dict[str, st.SearchStrategy[str]] = {
    **dict.fromkeys(["requestTimeEpoch", "requestTime", "x.time", "x.event_time", "x.delivered"], _TIMES),
    **dict.fromkeys(["responseLatency", "integration.latency", "integrationLatency", "authorizer.latency"], _NUMBERS),
    **dict.fromkeys(["authorizer.integrationLatency", "responseLength", "x.duration_s", "x.integration_s"], _NUMBERS),
    **dict.fromkeys(["integration.status", "integrationStatus", "integration.integrationStatus"], _STATUSES),
    **dict.fromkeys(["path", "x.url", "resourcePath"], _PATHS),
    **dict.fromkeys(["accountId", "apiId", "stage", "x.region"], st.sampled_from(["-", "prod", "a"])),
    **dict.fromkeys(["x.api", "domainPrefix"], st.sampled_from(["-", "a1b2c3d4e5", "a"])),
    **dict.fromkeys(PRINCIPALS[:4], _LIMITED),
    **dict.fromkeys(EXTRA, st.sampled_from(["-", "HTTP/2", 'a"b\\c\n', "false", "z" * 400])),
    **dict.fromkeys(["requestId", "extendedRequestId", "xrayTraceId", "x.trace", "identity.userAgent"], _LIMITED),
    **dict.fromkeys(["error.message", "error.messageString", "integration.error", "authorizer.error"], _LIMITED),
    **dict.fromkeys(["tlsVersion", "cipherSuite", "connectionId", "eventType", "wafResponseCode"], _LIMITED),
    "status": _STATUSES,
    "waf.status": st.sampled_from(["200", "403", "-"]),
    "error.responseType": st.sampled_from(["-", "MISSING_AUTHENTICATION_TOKEN", "THROTTLED", "NEW_WORD"]),
    "httpMethod": st.sampled_from(["GET", "POST", "-", "", "BREW", "m" * 40]),
    "routeKey": st.sampled_from(["GET /a", "$default", "-", "r" * 300]),
    "domainName": _HOSTS,
    "webaclArn": st.sampled_from(["-", "arn:aws:wafv2:eu-west-1:1:x", "nonsense"]),
    "identity.sourceIp": st.sampled_from(["192.0.2.1", "-", "::1", "192.0.2.1:80", "[::1]:80", "1.2.3.4, 5.6.7.8"]),
    "identity.apiKeyId": st.sampled_from(["k1", "-"]),
    "identity.apiKey": st.sampled_from(["secret", "-"]),
    "x.forwarded": st.sampled_from(["192.0.2.1, 10.0.0.1", "unknown", "[::1]:80", "-"]),
    "x.client_port": st.sampled_from(["192.0.2.1:99", "-"]),
    "x.request": _PATHS.map(lambda path: f"GET {path} HTTP/1.1") | _TEXT,
    "x.api_type": st.sampled_from(["REST", "http", "-", "soap"]),
}  # fmt: skip
_CONSTANTS = st.fixed_dictionaries(
    {},
    optional={
        "account": st.just("1"),
        "region": st.just("eu-north-1"),
        "api": st.just("it's"),
        "stage": st.just("v1"),
        "api_type": st.sampled_from(["rest", "http", "websocket", "other"]),
    },
)


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[Line], dict[str, str]]:
    names = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=14, unique=True))
    names += [name for name in ("requestTimeEpoch", "status") if name not in names]
    line = st.fixed_dictionaries({name: st.none() | VALUES[name] for name in names})
    return draw(st.lists(line, min_size=1, max_size=12)), draw(_CONSTANTS)


@settings(max_examples=150, deadline=None)
@any_of(batch=batches())
def test_sql_and_reference_agree_on_any_line(batch: tuple[list[Line], dict[str, str]]) -> None:
    lines, constants = batch
    for row, line in zip(by_sql(lines, constants), lines, strict=True):
        assert_same(row, line, constants)


def test_the_parts_that_a_load_balancer_times_add_up_unless_one_is_unknown() -> None:
    whole = {"x.before_s": "0.001", "x.integration_s": "0.020", "x.after_s": "0.000"}
    assert canonical_row(whole)["latency_ms"] == pytest.approx(21)
    assert canonical_row(whole | {"x.after_s": "-1"})["latency_ms"] is None
