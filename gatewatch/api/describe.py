"""The OpenAPI document, with what each operation needs in it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import orjson
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

STREAMED: dict[str, dict[str, Any]] = {
    "finding_events": {
        "type": "text/event-stream",
        "answer": "id: 17\nevent: finding\n"
        'data: {"at":"2026-06-09T12:00:00Z","transition":"new","actor":"gatewatch","note":"high",'
        '"id":"640794ab6abd98691229","kind":"dead_api","severity":"high","state":"new","title":"No calls",'
        '"api_id":"a1","stage":"prod","route":null}\n\n',
    },
    "request_events": {
        "type": "text/event-stream",
        "answer": "id: 4\nevent: requests\n"
        'data: {"requests":[{"at":"2026-06-09T12:00:00Z","api":"a1","status":503}],"shown":1,"total":1}\n\n',
    },
}
"""What never ends, by operation."""

LASTING: dict[str, dict[str, Any]] = {
    "load_demo_world": {"asked": {}, "answer": {"said": "", "schema_version": 1, "share": 0.0, "state": "writing"}},
    "remove_demo_world": {"answer": {"said": "", "schema_version": 1, "share": 0.0, "state": "absent"}},
}
"""What takes an empty installation and minutes, by operation."""


@cache
def examples() -> dict[str, dict[str, Any]]:
    """Operation -> what may be asked (`asked`) and is answered then; recorded by tests/api/test_examples.py."""
    recorded: dict[str, dict[str, Any]] = orjson.loads(Path(__file__).with_name("examples.json").read_bytes())
    return recorded | STREAMED | LASTING


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
                    _exemplify(operation, operation["responses"])
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


def _exemplify(operation: dict[str, Any], answers: dict[str, Any]) -> None:
    """Put the examples of an operation into its description."""
    example = examples().get(operation["operationId"])
    if example is None:
        return
    good = next(answer for status, answer in answers.items() if status.startswith("2"))
    kind = example.get("type", "application/json")
    if kind != "application/json":
        good["content"] = {kind: {"schema": {"type": "string"}}}
    good.setdefault("content", {}).setdefault(kind, {"schema": {}})["example"] = example["answer"]
    if "requestBody" in operation and "asked" in example:
        operation["requestBody"]["content"]["application/json"]["example"] = example["asked"]
