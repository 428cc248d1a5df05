"""Single values read out of a variable's text: absent, number, instant, address; in SQL, and the same in Python.

Every SQL function takes and gives DuckDB expressions that are cheap to repeat: a column's quoted name. They cost a few
nanoseconds a row for the usual shape; what is rare stands behind a CASE, which DuckDB evaluates for its rows only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from hashlib import blake2b

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)

NUL = "\x00"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = {
    name: at + 1
    for at, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
}
_NUMBER = re.compile(r"[0-9]+(?:_[0-9]+)*(?:\.[0-9]*(?:_[0-9]+)*)?(?:[eE][+-]?[0-9]+)? *", re.ASCII)
_DIGITS = r"[0-9]{1,20}(?:\.[0-9]{1,12})?"
_CLF = r"[0-9]{1,2}/[A-Za-z]{3}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{2}:?[0-9]{2}"
_ISO = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.][0-9]{1,9})?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
_PLAIN_ADDRESS = r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}"
# `for=` is the Forwarded header's.
_ADDRESS = rf"^ *(?:[Ff]or=)?\"?\[?({_PLAIN_ADDRESS}|[0-9A-Fa-f]{{0,4}}:[0-9A-Fa-f:.]{{1,40}})"
_CLF_PARTS = re.compile(
    r"([0-9]{1,2})/([A-Za-z]{3})/([0-9]{4}):([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2}):?([0-9]{2})"
)
_ISO_PARTS = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[.]([0-9]{1,9}))?"
    r"(?:Z|([+-])([0-9]{2})(?::?([0-9]{2}))?)?"
)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def let_sql(value: str, body: Callable[[str], str]) -> str:
    """body(name of the value): evaluates an expression once that body repeats; a lambda is the only way to say so."""
    name = f"v_{blake2b(value.encode(), digest_size=4).hexdigest()}"
    return f"list_transform([{value}], lambda {name}: {body(name)})[1]"


# Absent: the gateway writes `-` for what it does not know.


def present(value: str | None) -> bool:
    return value is not None and value not in ("-", "")


def present_sql(column: str) -> str:
    """True, false or NULL (for NULL): good enough for WHEN and AND."""
    return f"({column} <> '-' AND {column} <> '')"


def text(value: str | None, limit: int) -> str | None:
    """The value, its NULs replaced (PostgreSQL stores none), cut to `limit` characters; None when absent."""
    return value.replace(NUL, "\ufffd")[:limit] if value is not None and present(value) else None


def own_text(value: str | None, limit: int) -> str | None:
    """`text` for what only the gateway itself writes: no NUL can be in it, so none is looked for."""
    return value[:limit] if value is not None and present(value) else None


def text_sql(column: str, limit: int) -> str:
    return (
        f"CASE WHEN strlen({column}) BETWEEN 2 AND {limit} AND NOT contains({column}, chr(0)) THEN {column} "
        f"WHEN {column} <> '-' THEN nullif({bounded_sql(column, limit)}, '') END"
    )


def own_text_sql(column: str, limit: int) -> str:
    return (
        f"CASE WHEN strlen({column}) BETWEEN 2 AND {limit} THEN {column} "
        f"WHEN {column} <> '-' THEN nullif(left({column}, {limit}), '') END"
    )


def odd_sql(column: str, limit: int) -> str:
    return f"strlen({column}) > {limit} OR contains({column}, chr(0))"


def bounded_sql(column: str, limit: int) -> str:
    return f"left(replace({column}, chr(0), '\ufffd'), {limit})"


# Numbers: never negative, so that a sign is as absent as a dash.


def number(value: str | None, digits: int, places: int) -> Decimal | None:
    """Half up to `places` decimals; None for what is no number or needs more than `digits` digits in all."""
    if value is None or not _NUMBER.fullmatch(value):
        return None
    try:
        found = Decimal(value.replace("_", "").strip()).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    except InvalidOperation:
        return None
    return found if found < Decimal(10) ** (digits - places) else None


def number_sql(column: str, digits: int, places: int) -> str:
    """DECIMAL: no infinity and no NaN can come out of it, and nothing that overflows later."""
    # ':' is the character after '9'; a cast that fails is ten times as slow as one that does not.
    return f"CASE WHEN {column} >= '0' AND {column} < ':' THEN try_cast({column} AS DECIMAL({digits},{places})) END"


def milliseconds_of_seconds(value: str | None) -> float | None:
    """Seconds, or a list of them (`0.012, 0.034 : 0.5`: nginx tells each back end it tried), as milliseconds in all."""
    if value is None:
        return None
    if "," in value or " : " in value:
        parts = [number(part, 15, 6) for part in re.findall(r"[0-9.]+", value)]
        known = [part for part in parts if part is not None]
        return float(sum(known) * 1000) if known else None
    whole = number(value, 15, 6)
    return None if whole is None else float(whole * 1000)


def milliseconds_of_seconds_sql(column: str) -> str:
    several = (
        f"list_sum(list_transform(regexp_extract_all({column}, '[0-9.]+'), lambda v: {number_sql('v', 15, 6)})) * 1000"
    )
    return (
        f"CASE WHEN contains({column}, ',') OR contains({column}, ' : ') THEN ({several})::FLOAT "
        f"ELSE (({number_sql(column, 15, 6)}) * 1000)::FLOAT END"
    )


# Instants.


def instant(value: str | None) -> datetime | None:
    """Epoch in s, ms, µs or ns (told by its size; integer or decimal), CLF, or ISO 8601 (without an offset: UTC)."""
    if value is None:
        return None
    if re.fullmatch(_DIGITS, value):
        return _of_epoch(value)
    if (parts := _CLF_PARTS.fullmatch(value)) is not None:
        day, month, year, hour, minute, second, sign, off_hour, off_minute = parts.groups()
        return _of_parts(
            (year, str(_MONTHS.get(month.lower(), 0)), day, hour, minute, second), None, sign, off_hour, off_minute
        )
    if (parts := _ISO_PARTS.fullmatch(value)) is not None:
        *fields, fraction, sign, off_hour, off_minute = parts.groups()
        return _of_parts(tuple(fields), fraction, sign, off_hour, off_minute)
    return None


def _of_epoch(value: str) -> datetime | None:
    """Times outside of EARLIEST..LATEST may come out as any time outside of it."""
    found = float(value)
    for limit, micros in ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (1e21, 1e-3)):
        if found < limit:
            return _EPOCH + timedelta(microseconds=int(found * micros + 0.5)) if found * micros < 2e17 else LATEST
    return LATEST


def _of_parts(
    fields: tuple[str, ...], fraction: str | None, sign: str | None, off_hour: str | None, off_minute: str | None
) -> datetime | None:
    try:
        found = datetime(*map(int, fields), tzinfo=UTC)  # type: ignore[arg-type,misc]  # six numbers
    except ValueError:
        return None
    hours, minutes = int(off_hour or 0), int(off_minute or 0)
    if hours > 15 or minutes > 59:
        return None
    offset = timedelta(hours=hours, minutes=minutes) * (-1 if sign == "-" else 1)
    return found - offset + timedelta(microseconds=int((fraction or "0").ljust(6, "0")[:6]))


def instant_sql(column: str) -> str:
    """TIMESTAMPTZ; NULL when the text is no time."""
    epoch = f"try_cast({column} AS DOUBLE)"
    by_size = (
        f"CASE WHEN {epoch} < 1e11 THEN {epoch} * 1e6 WHEN {epoch} < 1e14 THEN {epoch} * 1e3 "
        f"WHEN {epoch} < 1e17 THEN {epoch} ELSE {epoch} * 1e-3 END"
    )
    late = f"'{LATEST:%Y-%m-%d}'::TIMESTAMP::TIMESTAMPTZ"
    of_epoch = f"CASE WHEN {by_size} < 2e17 THEN to_timestamp(floor({by_size} + 0.5) / 1e6) ELSE {late} END"
    clf = f"try_strptime({column}, '%d/%b/%Y:%H:%M:%S %z')"
    return (
        # 13 digits and 26 characters of CLF are nearly all there is.
        f"CASE WHEN strlen({column}) = 13 AND NOT contains({column}, '.') "
        f"THEN to_timestamp(try_cast({column} AS BIGINT) / 1000) "
        f"WHEN strlen({column}) = 26 AND {clf} IS NOT NULL THEN {clf} "
        f"WHEN regexp_full_match({column}, '{_DIGITS}') THEN {of_epoch} "
        f"WHEN regexp_full_match({column}, '{_ISO}') THEN try_cast({column} AS TIMESTAMPTZ) "
        f"WHEN regexp_full_match({column}, '{_CLF}') THEN {clf} END"
    )


# Addresses.


def address(value: str | None) -> str | None:
    """The first address of a list, without its port; None for names and other things that are no address."""
    found = re.match(_ADDRESS, value) if value is not None else None
    return found.group(1) if found is not None else None


def address_sql(column: str) -> str:
    plain = f"regexp_full_match({column}, '{_PLAIN_ADDRESS}')"  # a third of the time, for nearly all there is
    return f"CASE WHEN {plain} THEN {column} ELSE nullif(regexp_extract({column}, '{_ADDRESS}', 1), '') END"


def caller_sql(column: str) -> str:
    """What tells addresses apart: the text as it is, unless it may hold a port or a list."""
    several = f"contains({column}, ':') OR contains({column}, ',')"
    return f"CASE WHEN {several} THEN coalesce({address_sql(column)}, {column}) ELSE {column} END"
