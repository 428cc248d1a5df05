"""Logins that an identity provider vouches for: OpenID Connect, code flow with PKCE, by Authlib.

All calls go through the one client for calls out of the house (alerts/outbound.py): addresses are checked, redirects
are not followed, sizes and times are bounded. What the provider says about itself and its keys is kept for an hour; a
signature by a key that is not known makes us ask for the keys again, once.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from alerts.outbound import call, is_loopback, way_to
from gatewatch.errors import ChannelError, UsageError
from gatewatch.roles import Role
from gatewatch.settings import Settings
from gatewatch.store.sessions import Attempt

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures that only the provider can make: no `none`, and none by a shared secret."""

KEPT_S = 3600.0
LEEWAY_S = 60
CALLBACK = "/login/oidc/callback"
_LONGEST = 200


class NotVouched(Exception):
    """The provider did not vouch for anybody. The text is for the log and the audit, and holds no token."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """Who somebody is, in the provider's words. role None: no claim of theirs stands for one."""

    issuer: str
    subject: str
    name: str
    role: Role | None


class Provider:
    """The identity provider of the settings. transport: makes one for each call."""

    def __init__(self, settings: Settings, transport: Callable[[], httpx.BaseTransport] | None = None) -> None:
        if settings.oidc_issuer is None or settings.oidc_client_id is None:
            raise UsageError("oidc_issuer and oidc_client_id belong together: set both or none")
        self.issuer = settings.oidc_issuer
        self._settings = settings
        self._roles = role_map(settings.oidc_roles)
        self._transport = transport or way_to(settings)
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}
        check_address(self.issuer, self.issuer, "oidc_issuer")

    def begin(self, target: str) -> tuple[str, Attempt]:
        """Where to send the browser, and what to remember of it. ChannelError when the provider is away."""
        attempt = Attempt(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48), target)
        client = self._client()
        address, _ = client.create_authorization_url(
            self._endpoint("authorization_endpoint"),
            state=attempt.state,
            code_verifier=attempt.verifier,
            nonce=attempt.nonce,
        )
        return str(address), attempt

    def finish(self, code: str, attempt: Attempt) -> Vouched:
        """Who came back with this code. NotVouched when anything is not as it must be."""
        try:
            token = self._client().fetch_token(
                self._endpoint("token_endpoint"),
                code=code,
                code_verifier=attempt.verifier,
                grant_type="authorization_code",
            )
        except (OAuth2Error, ValueError) as error:
            raise NotVouched(f"the provider gave no token: {_said(error)}") from None
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            raise ChannelError(f"oidc: the token endpoint answers with status {status}", retry=True) from None
        text = token.get("id_token")
        if not isinstance(text, str):
            raise NotVouched("the provider's answer has no id_token")
        claims = self._claims(text, attempt, token.get("access_token"))
        name = next((str(claims[key]) for key in ("preferred_username", "email", "name") if claims.get(key)), "")
        return Vouched(self.issuer, str(claims["sub"]), name[:_LONGEST], self._role(claims))

    def way_out(self, back: str) -> str | None:
        """Where a person ends their session at the provider; None when it offers none. back: where to return to."""
        try:
            address = self._about().get("end_session_endpoint")
        except ChannelError:
            return None
        if not isinstance(address, str):
            return None
        query = urlencode({"client_id": self._settings.oidc_client_id, "post_logout_redirect_uri": back})
        return f"{address}{'&' if '?' in address else '?'}{query}"

    def _claims(self, text: str, attempt: Attempt, access_token: object) -> Mapping[str, Any]:
        params = {"client_id": self._settings.oidc_client_id, "nonce": attempt.nonce, "access_token": access_token}
        options: Any = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self._settings.oidc_client_id},
        }
        try:
            try:
                found = jwt.decode(text, self._keys(), algorithms=list(ALGORITHMS))
            except (JoseError, ValueError):  # signed by a key that is newer than what we know
                found = jwt.decode(text, self._keys(again=True), algorithms=list(ALGORITHMS))
            claims = CodeIDToken(found.claims, found.header, options, params)
            claims.validate(leeway=LEEWAY_S)
        except (JoseError, ValueError, TypeError) as error:
            raise NotVouched(f"the id_token is not valid: {_said(error)}") from None
        if not isinstance(claims.get("sub"), str) or not 0 < len(claims["sub"]) <= 255:
            raise NotVouched("the id_token names nobody")
        return dict(claims)

    def _role(self, claims: Mapping[str, Any]) -> Role | None:
        value: Any = claims
        for part in self._settings.oidc_role_claim.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        groups = value if isinstance(value, list) else [value]
        roles = [self._roles[one] for one in groups if isinstance(one, str) and one in self._roles]
        return max(roles, key=lambda role: role.rank, default=None)

    def _client(self) -> OAuth2Client:
        settings = self._settings
        secret = settings.oidc_client_secret
        return OAuth2Client(
            _Session(self._transport),
            client_id=settings.oidc_client_id,
            client_secret=secret.get_secret_value() if secret else None,
            scope=settings.oidc_scopes,
            redirect_uri=redirect_uri(settings),
            code_challenge_method="S256",
        )

    def _endpoint(self, name: str) -> str:
        address = self._about().get(name)
        if not isinstance(address, str):
            raise ChannelError(f"oidc: the provider names no {name}", retry=True)
        check_address(address, self.issuer, name)
        return address

    def _about(self) -> dict[str, Any]:
        """The provider's own description; its issuer must be the one of the settings, to the letter."""
        found = self._document(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self.issuer:
            raise ChannelError("oidc: the provider calls itself by another name than oidc_issuer", retry=False)
        return found

    def _keys(self, *, again: bool = False) -> KeySet:
        return KeySet.import_key_set(self._document(self._endpoint("jwks_uri"), again=again))  # type: ignore[arg-type]

    def _document(self, address: str, *, again: bool = False) -> dict[str, Any]:
        with self._lock:
            kept = self._kept.get(address)
            if kept is not None and not again and monotonic() - kept[0] < KEPT_S:
                return kept[1]
            reply = call("GET", address, headers={"accept": "application/json"}, name="oidc", transport=self._transport)
            try:
                found = json.loads(reply.body) if reply.status == 200 else None
            except ValueError:
                found = None
            if not isinstance(found, dict):
                raise ChannelError(f"oidc: the provider answers with status {reply.status} and no JSON", retry=True)
            self._kept[address] = (monotonic(), found)
            return found


class _Session:
    """What Authlib sends its token request with."""

    def __init__(self, transport: Callable[[], httpx.BaseTransport]) -> None:
        self._transport = transport

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: Any) -> httpx.Response:
        url, signed, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        reply = call("POST", url, content=body.encode(), headers=signed, name="oidc", transport=self._transport)
        return httpx.Response(reply.status, content=reply.body, request=httpx.Request("POST", url))


def redirect_uri(settings: Settings) -> str:
    """The one address that the provider sends people back to; it must be registered there, to the letter."""
    return base_of(settings) + CALLBACK


def base_of(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host and "[" not in settings.host else settings.host
    return (settings.public_url or f"http://{host}:{settings.port}").rstrip("/")


def role_map(pairs: tuple[str, ...]) -> dict[str, Role]:
    """`group=role` pairs. UsageError for one that is none."""
    out: dict[str, Role] = {}
    for pair in pairs:
        group, _, role = pair.rpartition("=")
        if not group or role not in set(Role):
            raise UsageError("setting 'oidc_roles': write group=viewer, group=operator or group=admin")
        out[group] = Role(role)
    return out


def check_address(address: str, issuer: str, what: str) -> None:
    """UsageError unless it is https, or http on this machine for a provider on this machine (tests, demos)."""
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    good = bool(parts.hostname) and parts.username is None and not parts.fragment
    if not good or not (
        parts.scheme == "https" or (parts.scheme == "http" and is_loopback(address) and is_loopback(issuer))
    ):
        raise UsageError(f"{what}: the identity provider must be reached by https")


def check_oidc(settings: Settings) -> None:
    """UsageError when the settings of the provider are not whole. Asks nobody."""
    given = (settings.oidc_issuer, settings.oidc_client_id)
    if given == (None, None):
        if settings.oidc_client_secret is not None or settings.oidc_roles:
            raise UsageError("oidc_client_secret and oidc_roles need oidc_issuer and oidc_client_id")
        if not settings.local_accounts:
            raise UsageError("setting 'local_accounts': without an identity provider (oidc_issuer) nobody could log in")
        return
    Provider(settings)
    if not settings.oidc_roles:
        raise UsageError("setting 'oidc_roles': names no group, so nobody could come in; write group=role")
    if not settings.loopback and settings.public_url is None:
        raise UsageError("setting 'public_url': the identity provider must know where to send people back to")


def _said(error: Exception) -> str:
    """What kind of error it was: its text may quote a token."""
    kind = getattr(error, "error", None) or type(error).__name__
    claim = getattr(error, "claim", None)
    return f"{kind} {claim}"[:_LONGEST] if claim else str(kind)[:_LONGEST]
