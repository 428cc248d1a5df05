from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.errors import UsageError
from gatewatch.records import ApiType
from ingest.formats.infer import check_explicit, check_timed, choose
from ingest.formats.names import CONTEXT
from ingest.formats.template import VARIABLE, compile_template, stage_formats
from ingest.slow import read_line

JSON_TEMPLATE = (
    '{"id":"$context.requestId","at":"$context.requestTimeEpoch","who":{"ip":"$context.identity.sourceIp"},'
    '"status":"$context.status","ms":$context.responseLatency,"list":["$context.path"],"stage":"prod"}'
)
CLF_TEMPLATE = (
    '$context.identity.sourceIp - - [$context.requestTime]"$context.httpMethod $context.path $context.protocol" '
    '$context.status $context.responseLatency "$context.identity.userAgent" $context.requestId'
)


def read(template: str, line: str) -> dict[str, str | None]:
    found = read_line([compile_template(template, name="t")], line)
    assert found.reason is None, found
    return found.variables


def test_a_json_template_may_nest_quote_or_not_and_hold_lists_and_constants() -> None:
    line = (
        '{"id":"i","at":"1781008496000","who":{"ip":"203.0.113.7"},"status":"200","ms":12,"list":["/a"],"stage":"prod"}'
    )
    assert read(JSON_TEMPLATE, line) == {
        "requestId": "i",
        "requestTimeEpoch": "1781008496000",
        "identity.sourceIp": "203.0.113.7",
        "status": "200",
        "responseLatency": "12",
        "path": "/a",
        "stage": "prod",
    }


def test_absent_values_stand_bare() -> None:
    line = '{"id":"i","at":"1781008496000","who":{"ip":"-"},"status":"200","ms":-,"list":["-"],"stage":"prod"}'
    assert read(JSON_TEMPLATE, line)["responseLatency"] == "-"


def test_several_variables_in_one_json_value_are_taken_apart() -> None:
    template = (
        '{"request":"$context.httpMethod $context.resourcePath","code":"s=$context.status","t":"$context.requestTime"}'
    )
    line = '{"request":"GET /pets/{id}","code":"s=404","t":"09/Jun/2026:12:34:56 +0000"}'
    assert read(template, line) == {
        "httpMethod": "GET",
        "resourcePath": "/pets/{id}",
        "status": "404",
        "requestTime": "09/Jun/2026:12:34:56 +0000",
    }


@pytest.mark.parametrize(
    "template",
    [
        '"{\\"s\\":\\"$context.status\\",\\"t\\":\\"$context.requestTimeEpoch\\"}\\n"',
        '{\\"s\\":\\"$context.status\\",\\"t\\":\\"$context.requestTimeEpoch\\"}',
        '{\n  "s": "${context.status}",\n  "t": "$context.requestTimeEpoch"\n}\n',
        '{"s":"$context.status","t":"$context.requestTimeEpoch"}\\n',
    ],
)
def test_a_template_may_be_copied_with_its_escapes_or_line_breaks(template: str) -> None:
    assert read(template, '{"s":"200","t":"1781008496000"}') == {"status": "200", "requestTimeEpoch": "1781008496000"}


def test_commas_in_a_path_and_a_user_agent_do_no_harm_in_csv() -> None:
    template = "$context.requestId,$context.identity.userAgent,$context.path,$context.status"
    assert read(template, "i,Agent (a, b),/p/a,b,200") == {
        "requestId": "i",
        "identity.userAgent": "Agent (a, b)",
        "path": "/p/a,b",
        "status": "200",
    }


def test_quotes_in_a_user_agent_do_no_harm_in_clf() -> None:
    line = '203.0.113.7 - - [09/Jun/2026:12:34:56 +0000] "GET /a"b HTTP/1.1" 200 12 "x" 403 1 "y" abc'
    found = read(CLF_TEMPLATE, line)
    assert (found["path"], found["status"], found["identity.userAgent"]) == ('/a"b', "200", 'x" 403 1 "y')


def test_xml_elements_may_stand_with_or_without_space() -> None:
    template = '<r id="$context.requestId"> <s>$context.status</s> <t>$context.requestTime</t> </r>'
    line = '<r id="i"><s>200</s><t>09/Jun/2026:12:34:56 +0000</t></r>'
    assert read(template, line)["status"] == "200"


def test_names_that_users_choose_may_hold_hyphens_and_colons() -> None:
    template = "$context.requestOverride.header.x-a $context.authorizer.claims.cognito:groups $context.status-"
    assert VARIABLE.findall(template) == ["requestOverride.header.x-a", "authorizer.claims.cognito:groups", "status"]


@pytest.mark.parametrize(
    "text", ["", "no variable", '{"a":"b"}', '{"a":"$context.status"', "$context.status\n$context.path"]
)
def test_what_is_no_template_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        compile_template(text, name="t")


VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40)


@given(
    st.lists(st.sampled_from(CONTEXT), min_size=1, max_size=8, unique=True),
    st.data(),
)
def test_a_json_template_reads_back_what_was_rendered(names: list[str], data: st.DataObject) -> None:
    template = json.dumps({f"k{i}": {"inner": f"$context.{name}"} for i, name in enumerate(names)})
    values = {name: data.draw(VALUES) for name in names}
    line = json.dumps({f"k{i}": {"inner": values[name]} for i, name in enumerate(names)})
    assert read(template, line) == values


TOKEN = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
FITTING = {
    "status": st.integers(100, 599).map(str),
    "responseLatency": st.integers(0, 29_000).map(str),
    "integration.latency": st.just("-"),
    "requestTimeEpoch": st.integers(10**12, 10**13 - 1).map(str),
    "httpMethod": st.sampled_from(["GET", "POST", "-"]),
    "path": TOKEN.map(lambda text: f"/{text}"),
    "identity.sourceIp": st.ip_addresses().map(str),
    "identity.userAgent": TOKEN,
    "requestId": TOKEN,
    "authorizer.claims.sub": TOKEN,
    "error.message": TOKEN,
}


@given(
    st.lists(st.sampled_from(sorted(FITTING)), min_size=1, max_size=8, unique=True),
    st.sampled_from([" ", ",", "\t", " | ", ";"]),
    st.booleans(),
    st.data(),
)
def test_a_text_template_reads_back_values_without_separators(
    names: list[str], separator: str, quoted: bool, data: st.DataObject
) -> None:
    quote = '"' if quoted else ""
    template = separator.join(f"{quote}$context.{name}{quote}" for name in names)
    values = {name: data.draw(FITTING[name]) for name in names}
    assert read(template, separator.join(f"{quote}{values[name]}{quote}" for name in names)) == values


def an_inventory(**templates: str) -> dict[str, object]:
    return {
        "accountId": "123456789012",
        "region": "eu-west-1",
        "restApis": [
            {"id": api, "stages": [{"stageName": "prod", "accessLogSettings": {"format": text}}]}
            for api, text in templates.items()
        ],
        "httpApis": [
            {
                "ApiId": "h1",
                "Stages": [
                    {"StageName": "$default", "AccessLogSettings": {"Format": '{"s":"$context.status"}'}},
                    {"StageName": "silent"},
                ],
            }
        ],
    }


def test_stages_of_an_inventory_become_formats_with_what_the_line_does_not_say() -> None:
    rest, http = stage_formats(an_inventory(a1='{"s":"$context.status","a":"$context.apiId"}'))
    assert (rest.api_type, rest.account, rest.region, rest.api, rest.stage) == (
        ApiType.REST,
        "123456789012",
        "eu-west-1",
        None,
        "prod",
    )
    assert (http.api_type, http.api, http.stage) == (ApiType.HTTP, "h1", "$default")


def test_equal_templates_become_one_format_when_the_line_says_where_it_is_from() -> None:
    text = '{"s":"$context.status","a":"$context.apiId","st":"$context.stage"}'
    assert len(stage_formats(an_inventory(a1=text, a2=text))) == 2  # this one, and that of h1


def test_a_template_that_cannot_be_compiled_costs_only_itself() -> None:
    assert [found.api for found in stage_formats(an_inventory(a1='{"s":"$context.status"'))] == ["h1"]


def test_stages_that_write_alike_are_not_guessed_apart() -> None:
    text = '{"s":"$context.status","t":"$context.requestTimeEpoch"}'
    stages = stage_formats(an_inventory(a1=text, a2=text))
    (found,) = choose(['{"s":"200","t":"1781008496000"}'], None, stages[:2])
    assert (found.api, found.stage, found.account) == (None, "prod", "123456789012")


def test_a_stage_whose_template_fits_goes_before_inference_and_the_rest_is_inferred() -> None:
    stages = stage_formats(an_inventory(a1='{"weird":"$context.status","odd":"$context.requestTimeEpoch"}'))
    lines = ['{"weird":"200","odd":"1781008496000"}', '{"status":"200","requestTimeEpoch":"1781008496000"}']
    formats = choose(lines, None, stages)
    assert [found.name.partition("-")[0] for found in formats] == ["template of a1/prod", "json"]
    assert [read_line(formats, line).variables["status"] for line in lines] == ["200", "200"]


def test_an_explicit_format_is_a_template_or_a_name() -> None:
    assert [found.name for found in choose([], "alb", ())] == ["alb"]
    assert [found.name for found in choose([], "$context.status $context.path", ())] == ["template"]
    with pytest.raises(UsageError, match="nginx-combined"):
        choose([], "no-such-format", ())


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ("yes", "accessLogSettings is no object"),
        ({"format": 7}, "format is no text"),
        ({"format": {"status": "$context.status"}}, "format is no text"),
        ({"format": "plain words"}, "there is no $context variable in it"),
        ({"format": '{"s":"$context.status"'}, "not valid"),
        ({"format": '{"t":"$context.requestTime"}'}, "no $context.status"),
    ],
)
def test_a_template_that_cannot_be_used_is_said(settings: object, complaint: str) -> None:
    said: list[str] = []
    inventory = {"restApis": [{"id": "a1", "stages": [{"stageName": "prod", "accessLogSettings": settings}]}]}
    stage_formats(inventory, said.append)
    assert len(said) == 1
    assert said[0].startswith("template of a1/prod: ")
    assert complaint in said[0]


def test_a_template_needs_a_status_and_lines_a_time() -> None:
    with pytest.raises(UsageError, match=r"no \$context\.status"):
        check_explicit("$context.requestTime $context.path")
    check_explicit("$context.status $context.path")
    with pytest.raises(UsageError, match="neither"):
        check_timed("$context.status $context.path")
    check_timed("$context.requestTime $context.status")
    check_timed("alb")
