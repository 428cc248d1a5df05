"""Wrong documents: one line that says what, where and what to do; right ones round trip."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewatch.errors import UsageError
from gatewatch.evaluation.claims import findings_in, read_claims
from gatewatch.evaluation.labels import Benign, Place, read_labels
from tests.evaluation.builders import a_claim, an_incident, at, finding_document, labels, labels_document

TRUTH = labels(
    an_incident(route="GET /a", layer="authorizer"),
    an_incident("i2", hours=200, lasts=None),
    benign=(Benign("b1", "flash_crowd", Place("api1", "prod"), at(1), at(2)),),
)


def test_labels_are_read_as_they_were_written() -> None:
    assert read_labels(labels_document(TRUTH), "labels.json") == TRUTH


def test_findings_are_read_as_they_were_written() -> None:
    claims = [a_claim(one, severity="low") for one in TRUTH.incidents]
    read = read_claims(findings_in({"findings": [finding_document(one) for one in claims]}, "x"), "x")
    assert [(one.kind, one.place, one.start, one.end, one.detected, one.people) for one in read] == [
        (one.kind, one.place, one.start, one.end, one.detected, one.people) for one in claims
    ]


def broken(change: Callable[[dict[str, Any]], object]) -> str:
    document = copy.deepcopy(labels_document(TRUTH))
    change(document)
    with pytest.raises(UsageError) as caught:
        read_labels(document, "labels.json")
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.update(schema_version=2), "labels.json: schema_version: is 2"),
        (lambda d: d.pop("incidents"), "labels.json: incidents: is missing"),
        (lambda d: d.update(incidents={}), "labels.json: incidents: must be a list"),
        (lambda d: d.update(apis=[]), "labels.json: apis: lists no API"),
        (lambda d: d.update(end=d["start"]), "labels.json: end: is not after start"),
        (lambda d: d["incidents"][1].update(start="yesterday"), "incidents[1].start: 'yesterday' is no time"),
        (lambda d: d["incidents"][1].update(start="2026-06-09T12:00:00"), "incidents[1].start: '2026-06-09T12:00:00'"),
        (lambda d: d["incidents"][0].pop("kind"), "incidents[0].kind: is missing"),
        (lambda d: d["incidents"][0].update(level="huge"), "incidents[0].level: 'huge' is none of"),
        (lambda d: d["incidents"][0].update(entities={"ips": "x"}), "incidents[0].entities.ips: must be a list"),
        (lambda d: d["incidents"][0].update(entities=[]), "incidents[0].entities: must be a JSON object"),
        (lambda d: d["incidents"][0].update(scope=[3]), "incidents[0].scope[0]: no JSON object"),
        (lambda d: d["incidents"][0].update(end="2020-01-01T00:00:00Z"), "incidents[0].end: is before start"),
        (lambda d: d["incidents"][1].update(id="i1"), "2 incidents have the id 'i1'"),
        (lambda d: d["benign"][0].pop("api_id"), "benign[0].api_id: is missing"),
    ],
)
def test_wrong_labels_are_one_line_that_says_where(change: Callable[[dict[str, Any]], object], says: str) -> None:
    said = broken(change)
    assert says in said
    assert said.startswith("labels.json: ")
    assert "gatewatch simulate" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({}, "findings: is missing"),
        ({"findings": 3}, "findings: must be a list"),
        ({"findings": [3]}, "findings[0]: no JSON object"),
        ({"findings": [{"kind": "dead_api"}]}, "findings[0].start: is missing"),
    ],
)
def test_wrong_findings_are_one_line_that_says_where(document: Any, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_claims(findings_in(document, "f.json"), "f.json")
    assert says in str(caught.value)
    assert "gatewatch scan" in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("2026-06-09T12:00:00Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(field=st.sampled_from(["start", "end", "kind", "subtype", "entities", "scope", "level", "api_id"]), value=JSON)
@settings(max_examples=150, deadline=None)
def test_any_value_anywhere_is_read_or_refused_in_words(field: str, value: Any) -> None:
    document = labels_document(TRUTH)
    document["incidents"][0][field] = value
    finding = {**finding_document(a_claim(TRUTH.incidents[0])), field: value}
    for read in (lambda: read_labels(document, "x"), lambda: read_claims([finding], "x")):
        said = ""
        try:
            read()
        except UsageError as error:
            said = str(error)
        assert "\n" not in said.replace(repr(value), "")
