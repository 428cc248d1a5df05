"""What tools write in front of a line is taken off, on blocks as on single lines; what a client writes never is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.block import block_of
from ingest.parse import parse_paths
from ingest.prefixes import taken_off, unprefixed
from tests.ingest.lines import a_clf_line, a_line

ISO = "2026-06-09T12:00:00.123Z"
SHAPES = {
    "an export to S3": f"{ISO} %s",
    "aws logs tail": "2026-06-09T12:00:00.123456+00:00 0a1b2c3d4e5f %s",
    "aws logs tail --format short": "2026-06-09T12:00:00 %s",
    "containerd": "2026-06-09T12:00:00.123456789Z stdout F %s",
    "with a space": "2026-06-09 12:00:00.123 %s",
    "syslog": "Jun  9 12:00:00 host apigw[12]: %s",
    "syslog with its priority": "<134>Jun  9 12:00:00 host apigw: %s",
    "syslog, the newer one": "<134>1 2026-06-09T12:00:00Z host apigw 12 - - %s",
}


def block(text: str) -> list[tuple[str, str | None]]:
    made = unprefixed(block_of([("x", 1, 0, text.encode())]))
    times = made.side["x.event_time"].to_pylist() if made.side else [None] * len(made)
    shown = [line.as_py() for line in made.lines]
    # The lines as a column and as bytes are the same.
    assert [made.whole(row).decode() for row in range(len(made))] == shown
    rows = [f"{line}\n".encode() for line in text.split("\n")]
    assert [made.origin(row)[2] for row in range(len(made))] == [sum(map(len, rows[:row])) for row in range(len(made))]
    assert made.size == len(text.encode())
    return [(line.rstrip("\n"), time) for line, time in zip(shown, times, strict=True)]


@pytest.mark.parametrize("name", sorted(SHAPES))
@pytest.mark.parametrize("line", [a_line(0), a_clf_line(0), "<request id='1'></request>", '{"ua":"é {x}"}'])
def test_a_line_comes_out_as_it_was(name: str, line: str) -> None:
    text = SHAPES[name] % line
    assert (taken_off(text) or ("", None))[0] == line
    assert {found for found, _ in block(f"{text}\n" * 3)} == {line}
    longer = (
        text.replace("host", "host.example") if "host" in text else f"{text[:19]}Z stream{text[text.index(' ', 12) :]}"
    )
    mixed = block(f"{text}\n{line}\n{longer}\n\nother\n")
    assert [found for found, _ in mixed] == [line, line, line, "", "other"]


def test_the_time_in_front_is_kept() -> None:
    assert block(f"{ISO} {{}}\n{ISO} {{}}\n") == [("{}", ISO)] * 2
    assert block(f"{ISO} abc {{}}\n{{}}\n") == [("{}", ISO), ("{}", None)]
    assert block("Jun  9 12:00:00 host app: {}\n") == [("{}", None)]


@pytest.mark.parametrize(
    "line",
    [
        a_line(0),
        a_clf_line(0),
        f'192.0.2.1 - - [09/Jun/2026:12:00:00 +0000] "GET /{ISO} {{x HTTP/1.1" 200 5',
        f'{ISO} 192.0.2.1 "GET /a HTTP/1.1" 200 "agent {{"status":"200"}}"',
        f"{ISO} INFO a message of more than three words {{}}",
        f"{ISO} ok",
        "Mozilla {}",
        "",
    ],
)
def test_what_is_no_prefix_stays(line: str) -> None:
    assert taken_off(line) is None
    assert block(f"{line}\n") == [(line, None)]


def test_an_answer_as_text_and_insights_as_csv_give_message_time_and_id() -> None:
    line = a_line(0)
    event = f"EVENTS\t{7:056d}\t1781006400999\tstream\t{line}\t1781006400123"
    made = unprefixed(block_of([("x", 1, 0, f"{event}\n".encode())]))
    assert made.side["x.event_id"].to_pylist() == [f"{7:056d}"]
    assert block(f"{event}\n") == [(line, "1781006400123")]
    doubled = line.replace('"', '""')
    cells = f'2026-06-09 12:00:00.123,"{doubled}",stream,123:group'
    assert block(f"@timestamp,@message,@logStream,@log\n{cells}\n")[1] == (line, "2026-06-09 12:00:00.123")
    assert taken_off(cells) == (line, "2026-06-09 12:00:00.123")


@given(
    st.lists(st.tuples(st.sampled_from(sorted(SHAPES)), st.text(st.characters(exclude_categories=["Cs"]))), max_size=8)
)
def test_any_text_survives(parts: list[tuple[str, str]]) -> None:
    inner = [json.dumps({"x": text}, ensure_ascii=False) for _, text in parts]
    text = "".join(f"{SHAPES[name] % line}\n" for (name, _), line in zip(parts, inner, strict=True))
    assert [found for found, _ in block(text)] == inner


def test_the_time_in_front_stands_in_for_one_that_the_line_lacks(tmp_path: Path) -> None:
    bare = json.dumps({"status": "200", "ip": "192.0.2.1", "routeKey": "GET /a", "requestId": "r1"})
    (tmp_path / "a.log").write_text(f"{ISO} {bare}\n{ISO} {a_line(0)}\nstray\n{ISO} other {a_line(1)}\n")
    rows = list(parse_paths([str(tmp_path)], guessed=lambda _: None, failed=lambda _: None))
    assert [row["outcome"] for row in rows] == ["accepted", "accepted", "rejected", "accepted"]
    assert [row["line"] for row in rows] == [1, 2, 3, 4]
    assert [row.get("at") for row in rows] == [
        "2026-06-09T12:00:00.123Z",
        "2026-06-09T12:00:00Z",
        None,
        "2026-06-09T12:00:01Z",
    ]
