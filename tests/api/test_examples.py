"""Every operation of the OpenAPI document has examples of what is sent and answered, and they are what really is.

`UPDATE_EXAMPLES=1 pytest tests/api/test_examples.py` records them anew: one item of each list, texts cut.
"""

from __future__ import annotations

import json
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from gatewatch.api import describe
from gatewatch.store import backtests
from tests.api.routes.test_once import ONE, WRITES, Site, a_backtest, a_silence, a_suppression, a_token
from tests.api.routes.test_once import hook as hook
from tests.api.routes.test_once import settings as settings
from tests.api.routes.test_once import site as site
from tests.store.builders import AT, minutes, put, requests

ANY = "any"
"""In a shape: what may be of another kind the next time, such as a time that is not known yet."""


def questions(site: Site) -> dict[str, str]:
    """Operation -> a path that it answers with JSON."""
    span = "since=2026-06-09T11:00:00Z&until=2026-06-09T13:00:00Z"
    made = a_backtest(site)
    with site.state.begin() as session:
        result: Any = {
            "same": 3,
            "totals": {"findings": 3, "new": 0, "gone": 0, "changed": 0},
            "new": [],
            "seconds": 1.5,
        }
        backtests.finish(session, made, backtests.Phase.DONE, now=AT, result=result)
    a_silence(site)
    a_suppression(site)
    a_token(site)
    one = f"/findings/{ONE.id}"
    return {
        "accounting": "/accounting",
        "test_alert_routes": f"/alert-routes/test?finding={ONE.id}",
        "list_audit": "/audit?limit=1",
        "list_backtests": "/backtests?limit=1",
        "get_backtest": f"/backtests/{made}",
        "get_backtest_result": f"/backtests/{made}/result",
        "blind": "/blind",
        "list_channels": "/channels",
        "list_deliveries": "/deliveries",
        "difference": f"/difference?{span}&select=status+%3E%3D+500",
        "preview_feedback": f"{one}/feedback/effect?verdict=false_positive",
        "list_findings": "/findings?limit=1",
        "count_findings": "/findings/facets",
        "group_findings": "/findings/groups?by=api",
        "get_finding": one,
        "get_finding_requests": f"{one}/requests",
        "get_finding_traces": f"{one}/traces",
        "who_am_i": "/me",
        "list_requests": f"/requests?{span}&limit=1",
        "series": f"/series?{span}&step=1h&by=api",
        "heatmap": f"/heatmap?{span}",
        "list_sessions": "/sessions",
        "list_silences": "/silences",
        "list_suppressions": "/suppressions",
        "list_changes": "/changes",
        "list_sources": "/sources",
        "list_detectors": "/detectors",
        "show_settings": "/settings",
        "list_tokens": "/tokens",
        "list_apis": f"/apis?{span}",
        "list_routes": f"/routes?{span}",
        "list_consumers": f"/consumers?{span}",
        "list_users": "/users",
        "get_demo_world": "/demo-world",
    }


_SPAN = "since=2026-06-09T11:00:00Z&until=2026-06-09T13:00:00Z"
TEXTS = {
    "metrics": "/metrics",
    "export_findings": "/api/v1/export/findings?format=csv",
    "export_finding_requests": f"/api/v1/export/findings/{ONE.id}/requests?format=csv",
    "export_requests": f"/api/v1/export/requests?{_SPAN}&format=csv",
    "export_minutes": f"/api/v1/export/minutes?{_SPAN}&format=csv",
}


POSTED_READS: dict[str, tuple[str, Any]] = {
    "preview_suppression": ("/suppressions/preview", {"where": ["api = a1"]}),
    "reveal_finding": (f"/findings/{ONE.id}/reveal", {}),
}


def trimmed(value: Any, depth: int = 0) -> Any:
    """One item of each list, and short texts."""
    if isinstance(value, dict):
        kept = list(value.items())[: 8 if depth > 2 else 40]
        return {name: trimmed(one, depth + 1) for name, one in kept}
    if isinstance(value, list):
        return [trimmed(one, depth + 1) for one in value[:1]]
    return value[:120] if isinstance(value, str) else value


def recorded(site: Site) -> dict[str, dict[str, Any]]:
    """What really is asked and answered, by operation."""
    rows = [
        {"at": AT + timedelta(minutes=n), "status": status, "route": "GET /pets"} for n, status in enumerate((200, 503))
    ]
    put(site.state, tables=[("requests", requests(rows)), ("minutes", minutes([{"n": 2}]))], lines=2)
    found: dict[str, dict[str, Any]] = {}
    for name, path in questions(site).items():
        answer = site.client.get(f"/api/v1{path}")
        assert answer.status_code == 200, (name, answer.text)
        found[name] = {"answer": trimmed(answer.json())}
    for name, path in (("healthz", "/healthz"), ("readyz", "/readyz")):
        found[name] = {"answer": site.client.get(path).json()}
    for name, path in TEXTS.items():
        answer = site.client.get(path)
        assert answer.status_code == 200, (name, answer.text)
        kind = answer.headers["content-type"].partition(";")[0]
        found[name] = {"type": kind, "answer": "".join(answer.text.splitlines(keepends=True)[:6])}
    for name, (path, body) in POSTED_READS.items():
        answer = site.ask("POST", path, body, None)
        assert answer.status_code == 200, (name, answer.text)
        found[name] = {"asked": body, "answer": trimmed(answer.json())}
    last = ("change_user", "change_password")  # which end the sessions of others, or of this one
    for name in sorted(WRITES, key=lambda one: (one in last, one)):
        method, where, body = WRITES[name]
        answer = site.ask(method, where(site), body, None)
        assert answer.status_code < 300, (name, answer.text)
        found[name] = {"answer": trimmed(answer.json())} | ({} if body is None else {"asked": body})
    return found


def shape(value: Any) -> Any:
    """Names of fields, and whether there is a list: what a program relies on."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in sorted(value.items())}
    return [] if isinstance(value, list) else ANY


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    return one == other or ANY in (one, other)


def test_examples_are_what_is_asked_and_answered(site: Site) -> None:
    found = recorded(site)
    if "UPDATE_EXAMPLES" in os.environ:
        text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=True)
        text = text.replace(str(site.state.settings.data_dir.parent), "/var/lib/gatewatch")
        text = re.sub(r'"gw_\w[^"]*"', '"gw_ID_SECRET"', text)
        Path(describe.__file__).with_name("examples.json").write_text(text + "\n")
    known = describe.examples()
    assert known.keys() == found.keys() | describe.STREAMED.keys() | describe.LASTING.keys()
    for name, example in found.items():
        assert same(shape(known[name]["answer"]), shape(example["answer"])), name
        assert ("asked" in known[name]) == ("asked" in example), name


def test_every_operation_has_examples(site: Site) -> None:
    document = site.client.get("/api/openapi.json").json()
    for operations in document["paths"].values():
        for operation in operations.values():
            name = operation["operationId"]
            [good] = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
            assert good["content"], name
            assert all("example" in content for content in good["content"].values()), name
            if "requestBody" in operation:
                assert "example" in operation["requestBody"]["content"]["application/json"], name


def test_no_example_holds_a_secret_or_a_path_of_the_machine_that_made_it() -> None:
    answers = json.dumps([one["answer"] for one in describe.examples().values()])
    assert set(re.findall(r'"gw_[^"]*"', answers)) == {'"gw_ID_SECRET"'}
    assert not re.search(r"/tmp/|/dev/shm|/root|/home|pytest", answers)
