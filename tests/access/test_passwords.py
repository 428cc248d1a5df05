from __future__ import annotations

import unicodedata

import pytest

from gatewatch.access import passwords
from gatewatch.errors import UsageError
from tests.once import COSTLY


@pytest.fixture(autouse=True)
def as_costly_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_HASHER", COSTLY)


def test_a_password_is_kept_as_argon2id_and_known_again() -> None:
    kept = passwords.hashed("tangerine kettle moon")
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.hashed("tangerine kettle moon") != kept
    assert passwords.matches("tangerine kettle moon", kept)
    assert not passwords.matches("tangerine kettle mooN", kept)
    assert not passwords.outdated(kept)
    assert passwords.outdated(kept.replace("m=65536", "m=8"))


def test_nobody_has_no_password_and_a_broken_hash_fits_none() -> None:
    assert not passwords.matches("nobody has this password", None)
    assert not passwords.matches("x" * 20, "no hash")


def test_what_is_longer_than_a_password_may_be_fits_none() -> None:
    longest = "correct horse " * 18 + "abcd"
    assert len(longest) == passwords.LONGEST
    kept = passwords.hashed(longest)
    assert passwords.matches(longest, kept)
    assert not passwords.matches(longest + "x", kept)


def test_accents_may_be_put_together_in_two_ways() -> None:
    word = "zufällig grüne Töpfe"
    kept = passwords.hashed(unicodedata.normalize("NFD", word))
    assert passwords.matches(unicodedata.normalize("NFC", word), kept)


@pytest.mark.parametrize(
    "password",
    [
        "tangerine kettle",
        "correct horse battery staple",
        "zufällig vier Worte",
        "839201746501928374651",
        "v3ry-l0ng-and-r4ndom-Xq",
    ],
)
def test_long_passwords_are_taken_whatever_they_are_made_of(password: str) -> None:
    passwords.check(password, "alice")


@pytest.mark.parametrize(
    "password",
    [
        "",
        "short but 14ch",
        "passwordpassword",
        "Password12345678",
        "P@ssw0rd!P@ssw0rd!",
        "aaaaaaaaaaaaaaaaaaaa",
        "abcabcabcabcabcabc",
        "123456789012345678",
        "qwertyuiopasdfghjkl",
        "gatewatch-admin-2026",
        "alice-alice-alice-2024",
        "line\nbreak in a password",
        "x" * 257,
    ],
)
def test_short_and_guessable_passwords_are_refused(password: str) -> None:
    with pytest.raises(UsageError) as told:
        passwords.check(password, "alice")
    assert password not in str(told.value) or not password
