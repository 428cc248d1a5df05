"""What each kind of channel promises, whoever adds one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from alerts.channels import KINDS, configured
from gatewatch.errors import UsageError
from gatewatch.settings import Settings

GUIDE = (Path(__file__).parents[3] / "docs" / "guide.md").read_text(encoding="utf-8")
CANARY = "c4n4ry-c4n4ry-c4n4ry-c4n4ry"

OPTIONS: dict[str, dict[str, Any]] = {
    "apprise": {"url": f"json://127.0.0.1:9/{CANARY}"},
    "email": {"to": ["ops@example.net"], "smtp_url": f"smtp://me:{CANARY}@mail.example.net"},
    "eventbridge": {"bus": "ops", "region": "eu-central-1"},
    "file": {"path": "/nowhere/alerts.jsonl"},
    "pagerduty": {"routing_key": CANARY},
    "ses": {"to": ["ops@example.net"], "sender": "me@example.net"},
    "slack": {"url": f"https://hooks.example.net/{CANARY}"},
    "slack_bot": {"token": CANARY, "channel": "C1", "signing_secret": CANARY},
    "sns": {"topic_arn": "arn:aws:sns:eu-central-1:123456789012:ops"},
    "teams": {"url": f"https://flows.example.net/{CANARY}"},
    "webhook": {"url": f"https://hook.example.net/{CANARY}", "secret": CANARY},
}


def settings(tmp_path: Path, kind: str, **more: Any) -> Settings:
    document = {"channels": {"one": {"type": kind, **OPTIONS[kind], **more}}}
    (tmp_path / "alerts.yaml").write_text(json.dumps(document))
    return Settings(data_dir=tmp_path, alerts_file=tmp_path / "alerts.yaml")


pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_it_can_be_made_by_the_alerts_file_and_tells_nobody_its_secrets(kind: str, tmp_path: Path) -> None:
    made = configured(settings(tmp_path, kind))
    assert made["one"].kind == kind
    assert CANARY not in repr(made)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_it_refuses_options_that_nobody_reads(kind: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"channels\.one\.colour") as caught:
        configured(settings(tmp_path, kind, colour="red"))
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_it_and_its_options_are_in_the_guide(kind: str) -> None:
    row = re.search(rf"^\| `{kind}` \| (.+) \|$", GUIDE, re.MULTILINE)
    assert row is not None
    own = set(KINDS[kind].options.model_fields) - {"type", "fallback", "fallback_after", "resolved", "api"}
    aws = {"region", "profile", "role_arn"}
    assert {name for name in own - aws if f"`{name}`" not in row[1]} == set()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_whether_it_hears_of_the_end_can_be_chosen(kind: str, tmp_path: Path) -> None:
    for chosen in (True, False):
        assert configured(settings(tmp_path, kind, resolved=chosen))["one"].wants.resolved is chosen
