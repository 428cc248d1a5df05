import base64
import gzip
import json

import numpy as np
import pytest

from ingest.envelopes import glued_records, is_envelope, joined, unwrap


def an_envelope(*messages: str, kind: str = "DATA_MESSAGE") -> str:
    events = [{"id": str(index), "timestamp": 1781008496000, "message": text} for index, text in enumerate(messages)]
    document = {"messageType": kind, "owner": "123456789012", "logGroup": "/aws/apigw/orders", "logEvents": events}
    return json.dumps(document)


def test_envelopes_glued_or_on_lines_give_their_events_and_the_line_they_stood_in() -> None:
    text = an_envelope("a", "b") + an_envelope("c") + "\n" + an_envelope("d")
    assert is_envelope(text.encode())
    block = joined([("x", 1, 0, unwrap(text.encode()))])
    assert [line.as_py().rstrip() for line in block.lines] == ["a", "b", "c", "d"]
    assert [block.origin(row)[1] for row in range(4)] == [1, 1, 1, 2]
    assert block.side["x.owner"].to_pylist() == ["123456789012"] * 4
    assert block.side["x.event_time"].to_pylist() == ["1781008496000"] * 4


def test_envelopes_of_several_files_make_one_block_that_knows_each_file() -> None:
    first, second = an_envelope("a", "b") + "\n" + an_envelope("c") + "\nbroken", an_envelope("d")
    block = joined([("x", 1, 0, unwrap(first.encode())), ("y", 1, 0, unwrap(second.encode()))])
    assert [line.as_py().rstrip() for line in block.lines] == ["a", "b", "c", "broken", "d"]
    assert [block.origin(row)[:2] for row in range(5)] == [("x", 1), ("x", 1), ("x", 2), ("x", 3), ("y", 1)]
    assert block.rows_by_file(np.arange(5)) == {"x": 4, "y": 1}
    assert block.envelopes == 3


def test_control_messages_are_no_events() -> None:
    assert unwrap(an_envelope("CWL CONTROL MESSAGE", kind="CONTROL_MESSAGE").encode()).records == []


def test_a_broken_envelope_costs_only_itself_and_is_kept() -> None:
    text = an_envelope("a") + "\n" + an_envelope("b")[:-20] + "\n" + an_envelope("c")
    unwrapped = unwrap(text.encode())
    assert unwrapped.records == [b"a", b"c"]
    assert len(unwrapped.broken) == 1
    assert unwrapped.broken[0][0] == 1


def test_a_lambda_event_and_a_command_line_answer_are_unwrapped() -> None:
    packed = base64.b64encode(gzip.compress(an_envelope("a").encode())).decode()
    assert unwrap(json.dumps({"awslogs": {"data": packed}}).encode()).records == [b"a"]
    answer = {"events": [{"message": "m", "eventId": "7", "ingestionTime": 1781008499000}], "searchedLogStreams": []}
    text = json.dumps(answer, indent=2).encode()
    assert is_envelope(text)
    unwrapped = unwrap(text)
    assert unwrapped.records == [b"m"]
    assert unwrapped.delivered == ["1781008499000"]


def test_an_access_log_line_is_no_envelope() -> None:
    assert not is_envelope(b'{"requestId":"1","status":"200"}\n')
    assert not is_envelope(b"")


@pytest.mark.parametrize("place", [0, 5, 56, 57])
def test_a_record_that_is_cut_off_in_a_string_costs_one_neighbour_at_most(place: int) -> None:
    records = [f'{{"n":{number},"agent":"tool"}}' for number in range(60)]
    glued = [record[:-4] if number == place else record for number, record in enumerate(records)]
    found = [record.decode() for record in glued_records("".join(glued).encode())]
    assert [record for record in found if record in records] == records[:place] + records[place + 2 :]


def test_glued_records_come_apart_even_with_braces_in_strings() -> None:
    records = [json.dumps({"a": "x"}), json.dumps({"agent": "}{"}), json.dumps({"b": {"c": "{"}})]
    assert list(glued_records("".join(records).encode())) == [record.encode() for record in records]


def test_a_bare_dash_does_not_swallow_its_neighbours() -> None:
    glued = b'{"a":-}{"a":"1"}{"a":"2"}'
    assert list(glued_records(glued)) == [b'{"a":-}', b'{"a":"1"}', b'{"a":"2"}']


def test_many_braces_in_one_string_take_no_long() -> None:
    line = b'{"a":"' + b"}{" * 200_000 + b'"}'
    assert b"".join(glued_records(line)) == line


RECORDS = [{"requestId": "1", "status": "200"}, {"requestId": "2", "http": {"path": "/a"}, "status": 404}]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2),
        "".join(json.dumps([record]) + "\n" for record in RECORDS),
        "\n".join(json.dumps(record, indent=4) for record in RECORDS),
        "".join(f"2026-06-09T12:00:00+00:00 stream {json.dumps(record, indent=4)}\n" for record in RECORDS),
        json.dumps([{"@timestamp": "2026-06-09 12:00:00.000", "@message": record} for record in RECORDS]),
        json.dumps([{"@timestamp": "2026-06-09 12:00:00.000", "@message": json.dumps(record)} for record in RECORDS]),
        json.dumps(
            {
                "results": [
                    [{"field": "@message", "value": json.dumps(record)}, {"field": "@ptr", "value": "x"}]
                    for record in RECORDS
                ],
                "status": "Complete",
            },
            indent=1,
        ),
    ],
)
def test_records_in_a_list_or_over_several_lines_come_out_one_by_one(text: str) -> None:
    assert is_envelope(text.encode())
    unwrapped = unwrap(text.encode())
    assert [json.loads(record) for record in unwrapped.records] == RECORDS
    assert unwrapped.broken == []


def test_a_list_that_is_cut_off_is_read_up_to_there() -> None:
    text = json.dumps(RECORDS, indent=2)
    unwrapped = unwrap(text[:-20].encode())
    assert [json.loads(record) for record in unwrapped.records] == RECORDS[:1]
    assert unwrapped.broken
    first = text[: text.index("404")].count("\n")
    assert 0 < unwrapped.broken[0][0] < first


def test_plain_records_bring_nothing_that_only_envelopes_tell() -> None:
    assert joined([("x", 1, 0, unwrap(json.dumps(RECORDS).encode()))]).side == {}
