from __future__ import annotations

from gatewatch.access.credentials import csrf_token, digest, new_session_secret, new_token, parse_token, session_id


def test_a_token_names_its_id_and_keeps_its_secret() -> None:
    token = new_token()
    assert parse_token(token.text) == (token.id, token.secret_hash)
    assert token.text not in repr(token)
    assert token.secret_hash not in token.text
    assert new_token().text != token.text


def test_what_has_not_the_form_of_a_token_is_none() -> None:
    text = new_token().text
    for wrong in ("", "gw_", text[:-1], text + "A", text.upper(), f" {text}", text.replace("_", "-"), text + "\n"):
        assert parse_token(wrong) is None


def test_a_session_is_kept_under_a_hash_and_its_csrf_token_does_not_tell_the_secret() -> None:
    secret = new_session_secret()
    assert session_id(secret) == digest(secret)
    assert session_id("../etc/passwd") is None
    assert csrf_token(secret) == csrf_token(secret) != csrf_token(new_session_secret())
    assert secret not in csrf_token(secret)
