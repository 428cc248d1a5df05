"""Secrets are replaced by a keyed hash, in SQL exactly as in Python."""

from __future__ import annotations

import re

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.secrets import (
    clean_sql,
    hashed,
    key_id,
    key_id_sql,
    redacted,
    redacted_line,
    redacted_sql,
    suspicious_sql,
)

KEY = "00ff"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1gFWFOEjXk"

_connection = duckdb.connect(config={"threads": "1"})


def by_sql(texts: list[str], key: str = KEY) -> list[tuple[str, str, bool, bool]]:
    """(redacted, key id, clean, suspicious) of each text."""
    _connection.register("texts", pa.table({"t": pa.array(texts, pa.string())}))
    rows = _connection.execute(
        f"SELECT {redacted_sql('t', key)}, {key_id_sql('t', key)}, {clean_sql('t')}, {suspicious_sql('t')} FROM texts"
    ).fetchall()
    _connection.unregister("texts")
    return rows


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("/x?access_token=hunter2&page=1", "hunter2"),
        ("/x?a=1&token=hunter2", "hunter2"),
        ("/x?Token=hunter2", "hunter2"),
        ("/x?API_KEY=hunter2", "hunter2"),
        ("/x?apikey=hunter2", "hunter2"),
        ("/x?x-api-key=hunter2", "hunter2"),
        ("/x?key=hunter2", "hunter2"),
        ("/x?password=hunter2", "hunter2"),
        ("/x?passwd=hunter2", "hunter2"),
        ("/x?pwd=hunter2", "hunter2"),
        ("/x?client_secret=hunter2", "hunter2"),
        ("/x?sig=hunter2%3D", "hunter2"),
        ("/x?signature=hunter2", "hunter2"),
        ("/x?code=hunter2&state=1", "hunter2"),
        ("/x?auth=hunter2", "hunter2"),
        ("/x?Authorization=hunter2", "hunter2"),
        ("/x?jwt=hunter2", "hunter2"),
        ("/x?session=hunter2", "hunter2"),
        ("/x?session_id=hunter2", "hunter2"),
        ("/x;jsessionid=hunter2", "hunter2"),
        ("/x?sid=hunter2", "hunter2"),
        ("/x?X-Amz-Signature=hunter2", "hunter2"),
        ("/x?X-Amz-Credential=hunter2", "hunter2"),
        ("/x?x-amz-security-token=hunter2", "hunter2"),
        ("/x?AWSAccessKeyId=hunter2", "hunter2"),
        ("/x?%74oken=hunter2", "hunter2"),
        ("/x?pass%77ord=hunter2", "hunter2"),
        ("/x?%70%61%73%73=hunter2", "hunter2"),
        ("/x?token%5B%5D=hunter2", "hunter2"),
        ("/x?token[]=hunter2", "hunter2"),
        ("/x#access_token=hunter2", "hunter2"),
        ("/x?id_token=a=b=hunter2", "hunter2"),
        ("/x?next=https%3A%2F%2Fa.example%2Fcb%3Ftoken%3Dhunter2&lang=en", "hunter2"),
        ("/x?next=%2Fcb%3Fpage%3D2%26id_token%3Dhunter2", "hunter2"),
        ("/x?next=%2Fcb%253Fa%253Db%2526API_KEY%253Dhunter2", "hunter2"),
        ("/proxy/https%3a%2f%2fa.example%2f%3fcode%3dhunter2", "hunter2"),
        ("/x?next=%2Fcb%23access_token%3Dhunter2", "hunter2"),
        ("tool/1 BEARER 0123456789abcdef0123", "0123456789abcdef0123"),
        ("tool/1 bEaReR 0123456789abcdef0123", "0123456789abcdef0123"),
        (f"/reset/{JWT}/now", JWT),
        (f"/reset/{JWT}", JWT[-20:]),
        (f"curl/8 Bearer {JWT}", JWT[:30]),
        ("agent (bearer 0123456789abcdef0123)", "0123456789abcdef0123"),
        ("/x/Bearer%20abcdefghijklmnop1234", "abcdefghijklmnop1234"),
        ("tool AKIAIOSFODNN7EXAMPLE/1.0", "AKIAIOSFODNN7EXAMPLE"),
        ("tool ASIAIOSFODNN7EXAMPLE/1.0", "ASIAIOSFODNN7EXAMPLE"),
    ],
)
def test_a_secret_is_replaced(text: str, secret: str) -> None:
    assert secret in text
    ((found, _, clean, suspicious),) = by_sql([text])
    assert secret not in found
    assert found == redacted(text, KEY)
    assert suspicious
    assert not clean


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/pets?page=2&sort=name&token=",
        "/pets?filter%5Bname%5D=rex",
        "/x?next=%2Fpets%3Fpage%3D2%26sort%3Dname",
        "/100%25/%3D/a%20b",
        "/key=value/session",
        "/monkey?turkey=1&encode=2&discode=3",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36",
        "Bearer authentication is required",
        "MEDIA eyJ AKIA",
        "é?x=1",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    ((found, _, _, suspicious),) = by_sql([text])
    assert found == text == redacted(text, KEY)
    assert not suspicious


def test_the_rest_of_the_text_stays() -> None:
    text = f"/a?page=2&token=abc&q={JWT}&z=1#end"
    assert re.fullmatch(r"/a\?page=2&token=redacted:[0-9a-f]{12}&q=redacted:[0-9a-f]{12}&z=1#end", redacted(text, KEY))


def test_equal_secrets_stay_equal_and_another_key_tells_nothing() -> None:
    one, two = redacted("/x?token=abc", KEY), redacted("/y?sig=abc", KEY)
    assert one.partition("=")[2] == two.partition("=")[2]
    assert redacted("/x?token=abc", "other") != one
    assert redacted("/x?token=abd", KEY) != one


def test_a_token_in_a_nested_address_is_cut_out_of_it() -> None:
    found = redacted("/x?next=%2Fcb%3Fpage%3D2%26token%3Dabc&lang=en", KEY)
    assert re.fullmatch(r"/x\?next=%2Fcb%3Fpage%3D2%26token%3Dredacted:[0-9a-f]{12}&lang=en", found)


def test_the_mark_of_a_token_is_no_token() -> None:
    once = redacted(f"/a/{JWT}", KEY)
    assert redacted(once, KEY) == once


_SIGNS = [
    "?",
    "&",
    "=",
    ";",
    "#",
    "[",
    "%5b",
    ".",
    " ",
    "\n",
    "'",
    '"',
    "\\",
    "é",
    "\x00",
    "/",
    "%2d",
    "%3D",
    "%253f",
    "%26",
    "\x1f",
    "\v",
    "\xa0",
]
_WORDS = [
    "token",
    "KEY",
    "pass%77ord",
    "code",
    "ſid",
    "\u212aey",
    "eyJ",
    "a" * 16,
    "Bearer ",
    "bearer%20",
    "AKIA",
    "ASIA",
    "BEARER ",
]
_PIECES = st.sampled_from([*_SIGNS, *_WORDS, "IOSFODNN7EXAMPLE"])
_TEXTS = st.lists(_PIECES | st.text(max_size=3), max_size=14).map("".join)


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(_TEXTS, min_size=1, max_size=30), key=st.sampled_from(["", KEY, "it's"]))
@example(texts=["?token=a'b", "&" * 50, "=" * 50], key=KEY)
def test_sql_and_python_agree_on_any_text(texts: list[str], key: str) -> None:
    for text, (found, identity, clean, suspicious) in zip(texts, by_sql(texts, key), strict=True):
        assert found == redacted(text, key)
        assert identity == key_id(text, key)
        assert suspicious == (found != text)
        assert not (clean and suspicious)


@pytest.mark.parametrize("text", ["/x?token=hunter2&key=a", f"curl Bearer {JWT}", "/x?next=%2Fcb%3Ftoken%3Dhunter2"])
def test_what_is_redacted_stays_as_it_is(text: str) -> None:
    once = redacted(text, KEY)
    assert once != text
    assert redacted(once, KEY) == once
    assert by_sql([once])[0][0] == once
    assert redacted_line(f'{{"path":"{text}","apiKey":"s3cret"}}', KEY) == redacted_line(
        redacted_line(f'{{"path":"{text}","apiKey":"s3cret"}}', KEY), KEY
    )


def test_a_key_that_was_redacted_has_the_same_name() -> None:
    held = f"redacted:{hashed('s3cret', KEY)}"
    assert by_sql([held])[0][1] == key_id(held, KEY) == key_id("s3cret", KEY)
