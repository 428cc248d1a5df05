"""The cookies: the session's secret, the CSRF token that scripts may read, and one for the login form."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.responses import Response

from gatewatch.settings import Settings

_PAIR = re.compile(r"([A-Za-z0-9_-]{1,64})=([A-Za-z0-9_-]{1,128})")


class Cookies:
    """Names and flags. Behind https they are `__Host-…` and Secure: no other host and no clear line sees them."""

    def __init__(self, settings: Settings) -> None:
        self.secure = settings.encrypted
        prefix = "__Host-" if self.secure else ""
        self.session_name = f"{prefix}gw"
        self.csrf_name = f"{prefix}gw-csrf"
        self.form_name = f"{prefix}gw-form"
        self.attempt_name = f"{prefix}gw-oidc"

    def session(self, headers: Headers) -> str | None:
        return self.read(headers, self.session_name)

    def read(self, headers: Headers, name: str) -> str | None:
        """The value of a cookie of ours; None when it is not there, or there twice with different values."""
        found = {
            match[2]
            for line in headers.getlist("cookie")
            for part in line.split(";")
            if (match := _PAIR.fullmatch(part.strip())) and match[1] == name
        }
        return found.pop() if len(found) == 1 else None

    def begin(self, answer: Response, secret: str, csrf: str) -> None:
        """The two cookies of a session. They end with the browser; the server ends the session earlier by itself."""
        self._set(answer, self.session_name, secret, http_only=True)
        self._set(answer, self.csrf_name, csrf, http_only=False)  # Dash and our scripts send it as a header
        self.drop(answer, self.form_name)

    def end(self, answer: Response) -> None:
        self.drop(answer, self.session_name)
        self.drop(answer, self.csrf_name)

    def form(self, answer: Response, token: str) -> None:
        """The login form's own token, for the time before there is a session."""
        answer.set_cookie(
            self.form_name, token, max_age=3600, path="/", secure=self.secure, httponly=True, samesite="strict"
        )

    def attempt(self, answer: Response, secret: str) -> None:
        """The name of a login at the provider. Lax: the provider's site sends the browser back with it."""
        answer.set_cookie(
            self.attempt_name, secret, max_age=600, path="/", secure=self.secure, httponly=True, samesite="lax"
        )

    def drop(self, answer: Response, name: str) -> None:
        answer.delete_cookie(name, path="/", secure=self.secure, httponly=True, samesite="lax")

    def _set(self, answer: Response, name: str, value: str, *, http_only: bool) -> None:
        answer.set_cookie(name, value, path="/", secure=self.secure, httponly=http_only, samesite="lax")
