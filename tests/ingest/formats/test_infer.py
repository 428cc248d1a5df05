from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.formats.infer import describe, infer, named
from ingest.formats.names import variable_of
from ingest.slow import read_line

EPOCH, CLF = "1781008496000", "09/Jun/2026:12:34:56 +0000"


def line(**values: object) -> str:
    return json.dumps(values)


@pytest.mark.parametrize(
    ("key", "variable"),
    [
        ("source_ip", "identity.sourceIp"),
        ("clientIp", "identity.sourceIp"),
        ("client.ip", "identity.sourceIp"),
        ("identity_sourceIp", "identity.sourceIp"),
        ("requestID", "requestId"),
        ("extended_request_id", "extendedRequestId"),
        ("route-key", "routeKey"),
        ("response.status", "status"),
        ("integration_status", "integration.status"),
        ("integration.integrationStatus", "integration.integrationStatus"),
        ("authorizer.latency", "authorizer.latency"),
        ("integration.latency", "integration.latency"),
        ("latency", "responseLatency"),
        ("responseType", "error.responseType"),
        ("errMsg", "error.message"),
        ("customDomain_basePathMatched", "customDomain.basePathMatched"),
        ("identity.client_cert.subject_dn", "identity.clientCert.subjectDN"),
        ("authorizer.claims.email", "authorizer.claims.email"),
        ("context.httpMethod", "httpMethod"),
        ("client_id", None),
        ("request_length", None),
        ("team", None),
    ],
)
def test_a_key_is_understood_in_any_spelling(key: str, variable: str | None) -> None:
    found = variable_of(tuple(key.split(".")))
    assert (found[0] if found else None) == variable


def test_values_decide_what_a_time_is() -> None:
    for value, variable in ((EPOCH, "requestTimeEpoch"), (CLF, "requestTime"), ("2026-06-09T12:34:56Z", "x.time")):
        (found,) = infer([line(timestamp=value, status="200")])
        assert variable in found.fields


def test_seconds_and_milliseconds_are_told_apart() -> None:
    (nginx,) = infer([line(time_local=CLF, status=200, request_time=0.005)])
    (gateway,) = infer([line(requestTime=CLF, status="200", duration="412")])
    assert "x.duration_s" in nginx.fields
    assert "responseLatency" in gateway.fields


def test_a_path_with_placeholders_is_a_route() -> None:
    (found,) = infer([line(ts=EPOCH, status="200", path="/pets/{id}")])
    assert "resourcePath" in found.fields


def test_the_status_of_the_function_is_told_from_that_of_the_lambda_service() -> None:
    (found,) = infer([line(ts=EPOCH, status="502", integrationStatus="500", lambdaStatus="200")])
    assert found.fields["integration.status"] == ('$."integrationStatus"',)
    assert found.fields["integration.integrationStatus"] == ('$."lambdaStatus"',)


def test_kinds_of_lines_become_formats_the_most_common_first() -> None:
    lines = [line(status="200", requestTime=CLF, ip="203.0.113.7")] * 3
    lines += ['203.0.113.7 - - [09/Jun/2026:12:34:56 +0000] "GET / HTTP/1.1" 200 5']
    lines += [line(code=1)]
    assert [describe(found).partition(":")[0] for found in infer(lines)] == ["json", "apache-common"]


def test_lines_with_more_keys_are_not_read_by_a_format_with_fewer() -> None:
    few, more = (
        line(ts=EPOCH, status="200", ip="203.0.113.7"),
        line(ts=EPOCH, status="200", ip="203.0.113.7", stage="s"),
    )
    formats = infer([few] * 9 + [more])
    assert "stage" in read_line(formats, more).variables
    assert "stage" not in read_line(formats, few).variables


def test_many_optional_keys_are_one_format() -> None:
    lines = [
        line(ts=EPOCH, status="200", **{key: "/x"}) for key in ("path", "ip", "user", "stage", "domain", "ua", "tls")
    ]
    assert len(infer(lines)) == 1


@pytest.mark.parametrize(
    "text",
    [
        line(timestamp=EPOCH, level="INFO", message="hello", requestId="abc"),
        line(status="ok", time=EPOCH),
        "plain words",
        "[" * 5000,
        '{"a":' * 5000,
        "{",
        "<html>",
        "a,b,c,d",
        "",
    ],
)
def test_what_is_no_access_log_gives_no_format(text: str) -> None:
    assert infer([text]) == []


@given(st.lists(st.text(max_size=200), max_size=5))
def test_inference_never_fails(lines: list[str]) -> None:
    infer(lines)


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=9) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["status", "time", "path", "id", "user", "latency", "duration", "ip", "error", "x*", 'q"']
                ),
                inner,
            )
        ),
    )
)
def test_inference_survives_the_right_keys_with_wrong_values(value: object) -> None:
    text = json.dumps(value)
    formats = infer([text, line(status="200", time=EPOCH)])
    read_line(formats, text)
    for found in formats:
        assert describe(found)


def test_a_csv_header_names_the_columns() -> None:
    rows = ["203.0.113.7;2026-06-09T12:34:56Z;GET;/a;200", "203.0.113.7;2026-06-09T12:34:57Z;GET;/b;503"]
    formats = infer(["client_ip;time;method;path;status_code", *rows])
    assert describe(formats[0]).startswith("csv: x.time, path, httpMethod, status")
    assert read_line(formats, rows[1]).variables["status"] == "503"


XML = (
    "<log><ip>192.0.2.1</ip><time>2026-06-09T12:00:00Z</time><path>/a</path><status>200</status>"
    "<latency>12</latency></log>"
)


@pytest.mark.parametrize("cut", [len("</log>"), len("</latency></log>"), 2, 30])
def test_xml_that_is_cut_off_is_no_format_and_no_line(cut: int) -> None:
    assert infer([XML[:-cut]]) == []
    assert read_line(infer([XML]), XML[:-cut]).reason == "no_format"


def test_xml_may_be_nested_hold_attributes_and_have_no_root() -> None:
    nested = (
        '<a id="x"><http method="GET"/><time>2026-06-09T12:00:00Z</time>'
        "<http><path>/a</path><status>200</status></http></a>"
    )
    for text in (nested, nested.removeprefix('<a id="x">').removesuffix("</a>")):
        (found,) = infer([text])
        assert read_line([found], text).variables["status"] == "200"


CLF_LINE = '192.0.2.1 - - [09/Jun/2026:12:00:00 +0000] "GET /a HTTP/1.1" 200 31'


@pytest.mark.parametrize("identity", ["r1", "1a", "x.y:z", "7", '"q"', "a{b}"])
@pytest.mark.parametrize("name", ["apigw-rest-clf", "apigw-rest-clf-old", "apigw-http-clf", "apigw-http-clf-old"])
def test_any_request_id_is_read_where_the_format_is_known(identity: str, name: str) -> None:
    line = f"{CLF_LINE} {identity}"
    if identity == '"q"' and not name.endswith("old"):
        return  # quotes stand around other values of this format
    assert read_line([named(name)], line).variables["requestId"] == identity
    strange = infer([f"{CLF_LINE} 00000000-0000-4000-8000-00000000000{number}" for number in range(3)])
    assert read_line(strange, line).variables["requestId"] == identity


def test_a_number_behind_the_size_is_a_duration_and_no_id() -> None:
    assert [found.name for found in infer([f"{CLF_LINE} 0.123"])] == ["apache-common-timed"]
    assert infer([f"{CLF_LINE} 123"]) == []
