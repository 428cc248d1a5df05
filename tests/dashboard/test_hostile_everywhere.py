"""The hostile corpus through every way out: pages, hovers, API, exports, lists, channels, log. Nothing of it lives.

Pages, routes, commands and channels are those that the registries name, so what is added later is tested, too.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import logging
import re
import time
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import click
import dash
import httpx
import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, Page

from alerts.channels import KINDS, Attempt, Channel
from gatewatch.cli.root import root as cli
from gatewatch.errors import GatewatchError
from gatewatch.logs import set_up_logging
from gatewatch.records import Blind, Change, Entities, Finding, Kind
from gatewatch.settings import Settings
from gatewatch.store.findings import save_blind, save_findings
from gatewatch.store.state import open_state
from tests.alerts.builders import a_payload
from tests.alerts.channels.test_email import running
from tests.alerts.hostile import HOSTILE
from tests.dashboard.conftest import Running, Watched
from tests.dashboard.operations import add_alerts, add_changes, add_sources, add_spans
from tests.dashboard.world import fill
from tests.receivers import Got, receiver
from tests.store.builders import a_finding, put, requests

PAYLOADS = tuple(
    re.sub(r"alert\((1|document.cookie)\)", "window.hacked=1", text).encode(errors="replace").decode()
    for text in HOSTILE
)
SHORT = tuple(text for text in PAYLOADS if 0 < len(text) < 10_000)
NOW = datetime.now(UTC).replace(second=0, microsecond=0)
LINKS = re.compile(r"https?://(www\.)?evil\.example|\bwww\.evil\.example")
FIELDS = ("title", "sentence", "remedy", "caveat", "api", "stage", "route", "subtype")
DATA = {"file", "webhook", "eventbridge", "sns"}
"""Channels that programs read: the payload as it is, bounded where it is made, and nothing shows it."""

FILES = {"text/event-stream", "text/csv", "application/x-ndjson", "application/vnd.apache.parquet"}
"""What the API answers besides JSON: a stream, and exports."""

HIDDEN = {"Cc", "Cf", "Cs"}

WATCH_POLICY = """
window.broken = [];
document.addEventListener('securitypolicyviolation', e => window.broken.push(e.violatedDirective + ' ' + e.blockedURI));
"""

LIVE = """() => {
  const bad = [];
  const links = 'a, area, form[action], link, [src], [data], [formaction]';
  for (const node of document.querySelectorAll(links)) {
    for (const name of ['href', 'xlink:href', 'src', 'action', 'formaction', 'data']) {
      const value = node.getAttribute(name);
      if (value === null) continue;
      const url = new URL(value, location.href);
      const own = url.origin === location.origin
        || (node.tagName === 'IMG' && ['data:', 'blob:'].includes(url.protocol));
      if (!own && url.hostname !== 'docs.aws.amazon.com')
        bad.push(node.tagName + ' ' + name + '=' + value.slice(0, 80));
    }
  }
  for (const node of document.querySelectorAll('*'))
    for (const one of node.attributes) if (one.name.startsWith('on')) bad.push(node.tagName + ' ' + one.name);
  for (const node of document.querySelectorAll('iframe, object, embed, #react-entry-point script, base'))
    bad.push(node.tagName);
  if (window.hacked !== undefined) bad.push('script ran');
  return bad.concat(window.broken);
}"""


DRAWN = """() => [...document.querySelectorAll('.dash-graph')].every(one => {
  const chart = one.matches('.js-plotly-plot') ? one : one.querySelector('.js-plotly-plot');
  return !one.checkVisibility() || (chart && chart.layout && chart.layout.template);
})"""

ODD = """window.odd = (trace, n) => /&lt;|&#36;|javascript:|evil|href|onload/.test(
  [trace.text, trace.x, trace.y].map(all => Array.isArray(all) ? all[n] : '')
    .concat(trace.name, trace.hovertemplate).join(' '));
window.later = ms => new Promise(done => setTimeout(done, ms));"""
"""Whether what a point says when it is hovered is the attacker's."""

HOVER = """async () => {
  const out = [];
  for (const chart of document.querySelectorAll('.js-plotly-plot')) {
    const layer = chart.checkVisibility() && chart.querySelector('.hoverlayer');
    if (!layer) continue;
    let left = 4;
    for (const trace of chart._fullData) {
      for (let n = 0; n < trace._length && left; n++) {
        if (!trace.visible || trace.y[n] === null || !window.odd(trace, n)) continue;
        left -= 1;
        for (let tries = 0; tries < 50 && !layer.querySelector('text'); tries++) {
          Plotly.Fx.hover(chart, [{ curveNumber: trace.index, pointNumber: n }]);
          await window.later(60);  // Plotly hovers at most each 50 ms
        }
        out.push([layer.textContent, layer.querySelectorAll('a, image, script, foreignObject, math').length]);
        Plotly.Fx.unhover(chart);
        layer.replaceChildren();
      }
    }
  }
  return out;
}"""
"""Plotly's own labels at points that say something of the attacker's: [what is read, how much of it lives]."""

WHERE = """() => {
  for (const chart of document.querySelectorAll('.js-plotly-plot')) {
    if (!chart.checkVisibility()) continue;
    for (const trace of chart._fullData) {
      for (let n = 0; n < trace._length; n++) {
        if (trace.mode !== 'markers' || !window.odd(trace, n)) continue;
        chart.scrollIntoView({ block: 'center' });
        const axis = name => chart._fullLayout[name[0] + 'axis' + name.slice(1)];
        const x = axis(trace.xaxis), y = axis(trace.yaxis), box = chart.getBoundingClientRect();
        return [box.left + x._offset + x.d2p(trace.x[n]), box.top + y._offset + y.d2p(trace.y[n])];
      }
    }
  }
}"""
"""Where the pointer has to go for the first of those points."""


@dataclasses.dataclass(frozen=True)
class Place:
    address: str
    settings: Settings
    findings: tuple[str, ...]


def hostile_finding(n: int) -> Finding:
    """Text number `n` of the corpus in every field that is one text, all short ones in every field that is a list."""
    text = PAYLOADS[n]
    start = NOW - timedelta(hours=2, minutes=n)
    made = a_finding(f"{n} {text}"[:200], start)
    return dataclasses.replace(
        made,
        title=text,
        subtype=text[:60],
        stage=text[:60],
        route=text[:200],
        layer=text[:60],
        entities=Entities(
            ips=SHORT, user_agents=PAYLOADS[-6:-4] + SHORT, principals=SHORT, api_key_ids=SHORT, asns=SHORT
        ),
        evidence=dataclasses.replace(
            made.evidence, unit=text[:30], sentence=text, facts={text[:60]: text[:9999], "routes": list(SHORT)}
        ),
        remedy=text[:9999],
        caveat=text[:9999],
        changes=tuple(Change(start, one, one, one, 0.5) for one in SHORT[n % 30 :][:3]),
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("hostile") / "data")
    state = open_state(settings)
    fill(state, end=NOW)
    texts = [text.encode(errors="replace").decode() for text in SHORT]
    rows = [
        dict.fromkeys(("route", "path", "user_agent", "principal", "error_message", "request_id", "api"), text)
        | {"at": NOW - timedelta(seconds=30 + n), "status": 403, "client_ip": text[:40]}
        for n, text in enumerate(texts)
    ]
    put(state, source=SHORT[0], file=SHORT[3], tables=[("requests", requests(rows))], lines=len(rows))
    found = [hostile_finding(n) for n in range(len(PAYLOADS))]
    with state.begin() as session:
        save_findings(session, found, now=NOW)
        save_blind(session, [Blind(Kind.DEAD_API, "1", "r", one[:60], "v", one) for one in texts])
    for n, text in enumerate(texts[:12]):
        add_sources(state, NOW, text[:200])
        add_spans(state, NOW, text[:200], api=text[:60])
        add_changes(state, NOW - timedelta(seconds=n), text[:200], f"{n}-")
        add_alerts(state, NOW, text.replace("\x00", "")[:200])
    state.close()
    with Running(settings) as address:
        yield Place(address, settings, tuple(one.id for one in found))


@pytest.mark.timeout(400)  # many pages
def test_pages_and_hovers(browser: Browser, place: Place) -> None:
    some = (place.findings[0], place.findings[5])
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(WATCH_POLICY + ODD)
    watched = Watched(context.new_page(), place.address)
    said: list[str] = []
    templates = [page["path_template"] or page["path"] for page in dash.page_registry.values()]
    assert len(templates) >= 4
    for template in templates:
        names = re.findall(r"<(\w+)>", template)
        for value in some if names else ("",):
            # A page for something that this test does not know gets the corpus itself as its name.
            path = re.sub(r"<\w+>", value if names == ["finding_id"] else quote(SHORT[1], safe=""), template)
            page = watched.open(path)
            said += hovered(page)
            assert page.evaluate(LIVE) == [], path
            for cell in page.locator("#requests-grid .ag-row .ag-cell").all()[:1]:
                cell.click()
                page.wait_for_selector("#request-drawer dd")
                assert page.evaluate(LIVE) == [], path
                page.keyboard.press("Escape")
            for panel in page.locator(".acts details.pop").all():
                panel.locator("summary").click()
                if panel.locator(".ahead").count():
                    panel.locator(".ahead .would").first.wait_for()
                assert page.evaluate(LIVE) == [], path
            watched.check()
    watched.open("/explorer?tab=counts&cols=user_agent")
    assert len(hovered(watched.page)) >= 4
    for text in SHORT[:2]:  # what stands in the address is the attacker's too: a link that he sends
        page = watched.open(f"/findings?q={quote(text)}&api={quote(text)}&severity={quote(text)}")
        assert page.evaluate(LIVE) == [], text
    watched.check()
    for payload in ("<img src=x onerror=", "<script>", "javascript:"):
        assert sum(payload in one for one in said) >= 2, payload  # else nothing of it was in any label
    context.close()


def hovered(page: Page) -> list[str]:
    """What the labels of the page's charts say of the attacker's; none of it lives. One is had with the pointer."""
    page.evaluate("window.gatewatch.everything()")
    page.wait_for_timeout(100)  # React puts them in
    give_up = time.monotonic() + 90
    while not page.evaluate(DRAWN):  # wait_for_function evaluates text in the page, which its policy forbids
        assert time.monotonic() < give_up, page.url
        page.wait_for_timeout(50)
    labels = page.evaluate(HOVER)
    assert [one for one in labels if one[1]] == []
    where = page.evaluate(WHERE)
    if where is not None:
        page.mouse.move(*where)
        page.wait_for_selector(".hoverlayer text", timeout=90_000)
        assert page.evaluate(LIVE) == []
        page.mouse.move(0, 0)
    return [text for text, _ in labels]


def hidden(text: str) -> set[str]:
    return {char for char in set(text) if unicodedata.category(char) in HIDDEN} - {"\n", "\t"}


def test_every_answer_of_the_api_is_data_and_its_log_is_whole_lines(place: Place) -> None:
    root, out = logging.getLogger(), io.StringIO()
    kept = root.handlers[:], root.level
    set_up_logging(logging.DEBUG, "text", out)
    try:
        with httpx.Client(base_url=place.address) as client:
            document = client.get("/api/openapi.json").json()
            asked = 0
            for path, operations in document["paths"].items():
                if "get" not in operations or not path.startswith("/api/"):
                    continue
                names = [one["name"] for one in operations["get"].get("parameters", ()) if one["in"] == "query"]
                real = re.sub(r"\{\w+\}", place.findings[1], path)
                odd = re.sub(r"\{\w+\}", quote(SHORT[0], safe=""), path)
                tries: list[tuple[str, dict[str, str]]] = [(real, {}), (odd, {})]
                tries += [(real, dict.fromkeys(names, text)) for text in SHORT[::9] if names]
                for where, query in tries:
                    query = {name: text.encode(errors="replace").decode() for name, text in query.items()}
                    with client.stream("GET", where, params=query) as answer:
                        asked += 1
                        kind = answer.headers["content-type"].split(";")[0]
                        assert answer.status_code < 500, where
                        assert kind in {"application/json", "application/problem+json", *FILES}, where
                        assert answer.headers["x-content-type-options"] == "nosniff"
                        if kind in FILES:
                            assert kind == "text/event-stream" or "attachment" in answer.headers["content-disposition"]
                        if kind not in {"text/event-stream", "application/vnd.apache.parquet"}:
                            body = answer.read()
                            assert kind in FILES or json.loads(body) is not None
                            assert not set(b"\x00\x1b\x07\r") & set(body)
            assert asked > 20
    finally:
        root.handlers[:], root.level = kept
    lines = out.getvalue().splitlines()
    assert all(line.isprintable() for line in lines)
    assert all(re.match(r"20\d\d-|    \| ", line) for line in lines)


def leaves(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        one = group.get_command(context, name)
        if isinstance(one, click.Group):
            yield from leaves(one, (*before, name))
        elif one is not None:
            yield (*before, name), one


def telling() -> list[list[str]]:
    """Each command that tells what the store holds (list, export …), in each of its formats."""
    out = []
    for words, one in leaves(cli):
        if not (words[0] == "export" or words[-1] in {"list", "export"}) or words[0] == "inventory":
            continue
        if any(param.required for param in one.params):
            continue
        form = next((p for p in one.params if "--format" in p.opts), None)
        choices = getattr(getattr(form, "type", None), "choices", ())
        out += [[*words, "--format", str(choice)] for choice in choices if choice != "parquet"] or [list(words)]
    return out


def test_every_export_and_list_is_text_without_formulas_and_forged_lines(place: Place) -> None:
    commands = telling()
    assert len(commands) > 8
    told = 0
    for words in commands:
        done = CliRunner().invoke(cli, words, env={"GATEWATCH_DATA_DIR": str(place.settings.data_dir)})
        assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.exception)
        text = done.stdout
        assert hidden(text) - {"\u200b"} == set(), words
        told += "onerror" in text or "onload" in text
        if words[-1] == "csv":
            rows = list(csv.reader(io.StringIO(text)))
            assert len({len(row) for row in rows}) <= 1, words
            for cell in (cell for row in rows for cell in row):
                assert re.fullmatch(r"-?[\d.e+-]+", cell) or not re.match(r"\s*[=+\-@＝＋－＠\t\r]", cell), (
                    words,
                    cell,
                )
        elif words[-1] == "jsonl":
            for line in text.splitlines():
                assert isinstance(json.loads(line), dict), words
    assert told >= 3


def made(kind: str, address: str, mail: int, file: Path = Path("/nowhere")) -> Channel:
    """A channel of the kind that talks to our receivers; its options are filled by their names."""
    http = {"url": address, "api": address, "smtp_url": f"smtp://127.0.0.1:{mail}"}
    text = {"to": ["ops@example.net"], "sender": "gw@example.net", "region": "eu-central-1"}
    text |= {"topic_arn": "arn:aws:sns:eu-central-1:123456789012:t", "channel": "C0123456789", "token": "xoxb-1"}
    text |= {"routing_key": "a" * 32, "secret": "s" * 32, "path": str(file)}
    options = KINDS[kind].options
    given: dict[str, Any] = {name: (http | text)[name] for name in options.model_fields if name in http | text}
    if kind == "apprise":
        given["url"] = address.replace("http://", "json://")
    missing = [name for name, one in options.model_fields.items() if one.is_required() and name not in {*given, "type"}]
    assert not missing, f"say in this test what {missing} of the channel {kind} may be"
    settings = Settings(public_url="https://gatewatch.example.net", aws_endpoint_url=address)
    return KINDS[kind].make(options.model_validate({"type": kind, **given}), settings)


def as_bytes(content: bytes | str | None) -> bytes:
    return content.encode() if isinstance(content, str) else content or b""


SNS = "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"


def answered(got: Got) -> Any:
    """What Slack says, or AWS, whose older APIs speak XML."""
    return SNS if b"Action=" in got.body else {"ok": True, "ts": "1.2", "channel": "C0123456789"}


def texts(body: bytes) -> list[str]:
    """Every text in a body: JSON within JSON, forms, letters."""
    try:
        return [*strings(json.loads(body))]
    except ValueError:
        pass
    if b"MIME-Version" in body:
        letter = message_from_bytes(body, policy=default)
        assert isinstance(letter, EmailMessage)
        parts = [part.get_content() for part in letter.walk() if part.get_content_maintype() == "text"]
        return [*map(str, letter.values()), *parts]
    return [one.decode() for one in map(unquote_to_bytes, re.split(rb"[&=]", body.replace(b"+", b" ")))]


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (text for pair in value.items() for one in pair for text in strings(one))
    elif isinstance(value, list):
        yield from (text for one in value for text in strings(one))
    elif isinstance(value, str):
        yield value


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_channel_carries_a_live_payload(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = tmp_path / "alerts.jsonl"
    lines.touch()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    ours = str(a_payload()["link"])
    with receiver(answer=answered) as service, running() as box:
        channel = made(kind, service.url, box.port, lines)
        for text in SHORT if kind in DATA else PAYLOADS[::4] + PAYLOADS[9:16]:
            payload = a_payload(**dict.fromkeys(FIELDS, text))
            with suppress(GatewatchError):  # the receiver is no AWS; what was sent has been seen
                channel.send(payload, idempotency_key="k", now=NOW, attempt=Attempt())
        bodies = [one.body for one in service.got] + [as_bytes(one.content) for one in box.got]
        bodies += lines.read_bytes().splitlines()
    assert len(bodies) >= 10
    for body in bodies:
        if kind in DATA:
            continue
        assert len(body) < 300_000
        for one in texts(body):
            assert hidden(one) - {"\r"} == set(), kind
            rest = one.replace(ours, "")
            assert not LINKS.search(rest), kind
            if "<html" in rest:
                assert not re.search(r"<(script|svg|img src=x|a href=.(java|data))", rest), kind


def mentions(value: Any) -> Iterator[str]:
    """What Slack reads as mrkdwn: everything but plain_text."""
    if isinstance(value, dict) and value.get("type") != "plain_text":
        yield from (text for one in value.values() for text in mentions(one))
    elif isinstance(value, list):
        yield from (text for one in value for text in mentions(one))
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("kind", [kind for kind in sorted(KINDS) if kind.startswith("slack")])
def test_slack_is_given_no_mention_and_no_link_of_others(kind: str) -> None:
    with receiver(answer=answered) as service:
        for text in SHORT:
            payload = a_payload(**dict.fromkeys(FIELDS, text))
            made(kind, service.url, 25).send(payload, idempotency_key="k", now=NOW, attempt=Attempt())
    assert len(service.got) >= len(SHORT)
    for got in service.got:
        for one in mentions(got.json):
            assert not re.search(r"<(!|@|#|https?://evil|javascript)", one), one[:300]
