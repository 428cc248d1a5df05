"""A real OpenID Connect provider in a process of its own: `python -m tests.app.provider`, which prints its port.

oidc-provider-mock (PyPI) speaks the protocol; it does not know PKCE, so that is enforced here, in front of it. Besides
it can be told to change its key (`POST /rotate`) and to issue tokens that are wrong in one way (`POST /twist/HOW`).
"""

from __future__ import annotations

import hmac
import json
import os
import sys
import warnings
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from time import time
from typing import Any

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
warnings.simplefilter("ignore")

import flask  # noqa: E402
import oidc_provider_mock  # noqa: E402
import werkzeug.serving  # noqa: E402
from joserfc import jwt  # noqa: E402
from joserfc.jwk import RSAKey  # noqa: E402

TWISTS: dict[str, dict[str, Any]] = {
    "audience": {"aud": "somebody-else"},
    "audiences": {"aud": ["gatewatch", "somebody-else"], "azp": "somebody-else"},
    "issuer": {"iss": "https://evil.example"},
    "expired": {"exp": int(time()) - 3600, "iat": int(time()) - 7200},
    "future": {"iat": int(time()) + 3600, "exp": int(time()) + 7200, "nbf": int(time()) + 3600},
    "nonce": {"nonce": "another"},
    "nobody": {"sub": ""},
}


def build() -> flask.Flask:
    app: flask.Flask = oidc_provider_mock.app(require_client_registration=False, require_nonce=True)
    app.debug = False
    state: dict[str, Any] = {"twist": None, "challenges": {}, "fetched": 0}

    @app.before_request
    def pkce() -> Any:
        request = flask.request
        if request.path == "/jwks":
            state["fetched"] += 1
        method, challenge = request.args.get("code_challenge_method"), request.args.get("code_challenge", "")
        if request.path == "/oauth2/authorize" and (method != "S256" or len(challenge) != 43):
            return "no PKCE", 400
        if request.path == "/oauth2/token":
            wanted = state["challenges"].pop(request.form.get("code"), None)
            verifier = request.form.get("code_verifier", "")
            if wanted is None or urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=") != wanted:
                return flask.jsonify(error="invalid_grant"), 400
        return None

    @app.after_request
    def remember(answer: flask.Response) -> flask.Response:
        request = flask.request
        if request.path == "/oauth2/authorize" and answer.status_code == 302 and "code=" in (answer.location or ""):
            code = answer.location.split("code=")[1].split("&")[0]
            state["challenges"][code] = request.args["code_challenge"]
        if request.path == "/oauth2/token" and answer.status_code == 200 and state["twist"]:
            body = answer.get_json()
            body["id_token"] = twisted(body["id_token"], state["twist"])
            answer.set_data(json.dumps(body))
        return answer

    def twisted(token: str, how: str) -> str | None:
        head, payload, _ = token.split(".")
        claims = json.loads(urlsafe_b64decode(payload + "=="))
        key = RSAKey.import_key(flask.g.oidc_provider_mock_storage.jwk.as_dict(is_private=True))
        if how == "none":
            return f"{_b64({'alg': 'none'})}.{payload}."
        if how == "missing":
            return None
        if how == "unsigned":
            return f"{head}.{payload}."
        if how == "stranger":
            return jwt.encode({"alg": "RS256"}, claims, RSAKey.generate_key(2048))
        if how == "secret":  # the public key taken for a shared secret
            signed = f"{_b64({'alg': 'HS256'})}.{payload}"
            mac = hmac.digest(key.as_pem(private=False), signed.encode(), "sha256")
            return f"{signed}.{urlsafe_b64encode(mac).decode().rstrip('=')}"
        if how == "changed":
            return f"{head}.{_b64({**claims, 'sub': 'root'})}.{token.split('.')[2]}"
        return jwt.encode({"alg": "RS256"}, {**claims, **TWISTS[how]}, key)

    @app.post("/rotate")
    def rotate() -> str:
        from authlib import jose

        flask.g.oidc_provider_mock_storage.jwk = jose.RSAKey.generate_key(is_private=True)
        return ""

    @app.post("/twist/<name>")
    def twist(name: str) -> str:
        state["twist"] = None if name == "off" else name
        return ""

    @app.get("/fetched")
    def fetched() -> str:
        return str(state["fetched"])

    return app


def _b64(value: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


if __name__ == "__main__":
    server = werkzeug.serving.make_server("127.0.0.1", 0, build(), threaded=True)
    print(server.server_port, flush=True)
    sys.stdin.close()
    server.serve_forever()
