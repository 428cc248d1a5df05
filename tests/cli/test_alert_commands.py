"""routes, silences, alerts and config, run as a person runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from gatewatch.cli import main
from tests.receivers import receiver

FILE = """
channels:
  hook: {type: slack, url: "%s"}
times: {nights: {start: "22:00", end: "06:00"}}
owners: [{match: {api: "orders*"}, team: shop}]
route:
  quiet: [nights]
  routes: [{name: shop, match: {team: shop}, group_wait: 30s}]
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GATEWATCH_ALERTS_FILE", str(tmp_path / "alerts.yaml"))
    monkeypatch.chdir(tmp_path)
    write(tmp_path, FILE % "http://127.0.0.1:9/x")
    return tmp_path


def write(folder: Path, text: str) -> None:
    (folder / "alerts.yaml").write_text(text)


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    got = main(arguments)
    out, err = capsys.readouterr()
    assert got == code, err
    return out if code == 0 else out + err


def test_where_an_alert_would_go_at_a_chosen_time(capsys: pytest.CaptureFixture[str]) -> None:
    labels = ("--severity", "high", "--api", "orders-eu", "--format", "json")
    night = json.loads(run(capsys, "routes", "test", *labels, "--at", "2026-06-10T23:10Z"))
    day = json.loads(run(capsys, "routes", "test", *labels, "--at", "2026-06-10T12:10Z"))
    [way] = night["ways"]
    assert (way["way"], way["channels"], way["group_wait_s"]) == ("shop", ["hook"], 30)
    assert (way["held"], way["until"]) == ("quiet hours: nights", "2026-06-11T06:00:00Z")
    assert day["ways"][0]["held"] is None
    assert "shop" in run(capsys, "routes", "test", "--api", "orders")
    assert "team shop" in run(capsys, "routes", "show")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("route: {chanels: [hook]}", "route.chanels"),
        ("route: {channels: [hook]}", "no channel is called 'hook'"),
        ("channels: {a: {type: pigeon}}", "channels.a.type: 'pigeon' is not one of"),
        ("channels: {a: {type: slack}}", "channels.a.url"),
        ("channels: {a: {type: slack, url: 'env:NOWHERE_AT_ALL'}}", "NOWHERE_AT_ALL"),
        ("route: {quiet: [nights]}", "there is no window 'nights'"),
        ("route: {group_wait: soon}", "30s, 5m, 4h or 2d"),
        ("route: {match: {severity: awful}}", "no severity is called 'awful'"),
        ("times: {a: {zone: Mars/Base}}", "no time zone is called 'Mars/Base'"),
        ("maintenance: [{reason: x}]", "name windows, or starts"),
        ("a: [b", "not a readable TOML or YAML file"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(
    here: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    write(here, text)
    assert said in run(capsys, "config", "check", code=2)


def test_the_schema_takes_what_check_takes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import jsonschema  # makes grammars for two seconds, which only this test needs

    assert "channels: hook" in run(capsys, "config", "check")
    schema = json.loads(run(capsys, "config", "schema"))
    jsonschema.validate(yaml.safe_load((here / "alerts.yaml").read_text()), schema)
    wrongs: list[object] = [{"route": {"chanels": []}}, {"channels": {"a": {"type": "slack"}}}]
    for wrong in wrongs:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_silences_are_made_listed_and_ended(capsys: pytest.CaptureFixture[str]) -> None:
    made = run(capsys, "silences", "add", "api=orders", "severity=high,low", "--for", "90m", "--reason", "move").strip()
    [one] = json.loads(run(capsys, "silences", "list", "--format", "json"))["silences"]
    assert (one["id"], one["state"]) == (made, "active")
    assert one["matchers"] == {"api": ["orders"], "severity": ["high", "low"]}
    run(capsys, "silences", "end", made)
    assert run(capsys, "silences", "list") == "no silences\n"
    assert made in run(capsys, "silences", "list", "--all")
    assert "is not over" in run(capsys, "silences", "end", made, code=2)
    assert "silence.add" in run(capsys, "audit", "list")


@pytest.mark.parametrize("matcher", ["apy=orders", "severity=awful", "orders"])
def test_a_silence_that_fits_nothing_is_refused(capsys: pytest.CaptureFixture[str], matcher: str) -> None:
    run(capsys, "silences", "add", matcher, "--reason", "x", code=2)


def test_a_test_shows_the_payload_and_the_reply(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with receiver(answer=lambda _: "thank you") as hook:
        write(here, FILE % f"{hook.url}/services/secret")
        out = run(capsys, "alerts", "test", "hook")
        sent, _, reply = out.partition("<-- ")
        assert json.loads(sent.partition("\n")[2]) == hook.got[0].json
        assert reply.strip() == "status 200, thank you"
        hook.mood = "503"
        out = run(capsys, "alerts", "test", "hook", code=3)
        assert "status 503" in out
        assert "services/secret" not in out
    assert "there are: hook" in run(capsys, "alerts", "test", "huk", code=2)


def test_what_was_given_up_can_be_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    from gatewatch.settings import load_settings
    from gatewatch.store.outbox import claim, enqueue, mark_failed
    from gatewatch.store.state import open_state

    state = open_state(load_settings())
    with state.begin() as session:
        enqueue(session, finding_id="f", transition="new", channel="hook", payload={})
    [item] = claim(state, "w")
    mark_failed(state, item.id, "hook: status 400", retry=False, wire=[{"reply": "no"}])
    assert "dead" in run(capsys, "alerts", "log", "--channel", "hook")
    assert json.loads(run(capsys, "alerts", "log", "--format", "json"))["deliveries"][0]["wire"] == [{"reply": "no"}]
    run(capsys, "alerts", "retry", "--all")
    assert [one.id for one in claim(state, "w")] == [item.id]
    state.close()
    run(capsys, "alerts", "retry", "nothing", code=2)
    assert "hook" in run(capsys, "alerts", "channels")
