"""The OpenAPI document, with what each operation needs in it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from gatewatch.api.access import declared, every_route
from gatewatch.api.reading import Problem
from gatewatch.roles import Role

_REFUSALS = {
    "400": "The request cannot be understood",
    "401": "Nobody is logged in, or the token is wrong, expired or revoked",
    "403": "The role does not suffice, or the CSRF token is missing",
    "429": "Too many requests; Retry-After says when to try again",
}

_BODY_REFUSALS = {"413": "The body is too large", "415": "The body is not application/json"}


def describe(app: FastAPI, cookie: str) -> dict[str, Any]:
    """FastAPI's document with security schemes and refusals; made once. cookie: name of the session's."""
    document = app.openapi()
    components = document.setdefault("components", {})
    if "securitySchemes" in components:
        return document
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "An API token: gw_ID_SECRET"},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": cookie,
            "description": "A person's session, for the pages: each change also needs its CSRF token in X-CSRFToken. "
            "A request bears a token or a session, never both",
        },
    }
    components.setdefault("schemas", {}).setdefault("Problem", Problem.model_json_schema())
    for route in every_route(app.router.routes):
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                operation = document["paths"].get(route.path, {}).get(method.lower())
                if operation is not None:
                    _add(method.lower(), operation, [role for role in declared(route) if role is not None])
    return document


def _add(method: str, operation: dict[str, Any], roles: list[Role]) -> None:
    answers = operation.setdefault("responses", {})
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    for status, answer in answers.items():  # every error is a problem document
        if status >= "400" and "content" in answer:
            answer["content"] = {"application/problem+json": next(iter(answer["content"].values()))}
    if not roles:
        return
    needed = max(roles, key=lambda role: role.rank)
    operation["security"] = [{"token": []}]
    operation["x-role"] = needed.value
    if method == "post" and "requestBody" not in operation:  # a page has to say that it sends JSON, see the guard
        operation["requestBody"] = {"content": {"application/json": {"schema": {}}}}
    refusals = _REFUSALS | (_BODY_REFUSALS if "requestBody" in operation else {})
    for status, text in refusals.items():
        answers.setdefault(status, {"description": text, "content": {"application/problem+json": problem}})
