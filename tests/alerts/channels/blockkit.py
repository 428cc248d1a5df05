"""Slack's documented limits of Block Kit, as a judge of messages."""

from __future__ import annotations

from typing import Any

TEXTS = {"plain_text", "mrkdwn"}


def check(message: dict[str, Any]) -> None:
    """AssertionError when Slack would refuse the message ("Blocks", "Block elements", "Composition objects")."""
    assert 0 < len(message["text"]) <= 40_000
    blocks = message.get("blocks", [])
    assert len(blocks) <= 50
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    assert len(ids) == len(set(ids))
    for block in blocks:
        assert len(block.get("block_id", "")) <= 255
        _BLOCKS[block["type"]](block)


def _text(value: dict[str, Any], limit: int, kinds: set[str] = TEXTS) -> None:
    assert value["type"] in kinds
    assert set(value) <= ({"type", "text", "emoji"} if value["type"] == "plain_text" else {"type", "text", "verbatim"})
    assert 0 < len(value["text"].encode("utf-16-le")) // 2 <= limit
    for escaped in ("&", "<", ">"):
        raw = value["text"].replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
        if value["type"] == "plain_text":
            assert escaped not in raw


def _header(block: dict[str, Any]) -> None:
    assert set(block) <= {"type", "text", "block_id"}
    _text(block["text"], 150, {"plain_text"})


def _section(block: dict[str, Any]) -> None:
    assert set(block) <= {"type", "text", "fields", "block_id", "accessory"}
    assert "text" in block or block.get("fields")
    if "text" in block:
        _text(block["text"], 3000)
    assert len(block.get("fields", [])) <= 10
    for field in block.get("fields", []):
        _text(field, 2000)


def _context(block: dict[str, Any]) -> None:
    assert 0 < len(block["elements"]) <= 10
    for element in block["elements"]:
        _text(element, 3000)


def _actions(block: dict[str, Any]) -> None:
    assert 0 < len(block["elements"]) <= 25
    actions = [element["action_id"] for element in block["elements"]]
    assert len(actions) == len(set(actions))
    for element in block["elements"]:
        assert element["type"] == "button"
        assert element.get("style", "primary") in {"primary", "danger"}
        assert len(element["action_id"]) <= 255
        assert len(element["value"]) <= 2000
        _text(element["text"], 75, {"plain_text"})


_BLOCKS = {"header": _header, "section": _section, "context": _context, "actions": _actions}
