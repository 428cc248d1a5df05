"""JSON objects as log lines hold them: the first of repeated keys counts, and what is almost JSON is mended."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

Leaf: TypeAlias = "str | bool | None"
Tree: TypeAlias = "Leaf | list[Tree] | dict[str, Tree]"
Step: TypeAlias = "str | int"
Path: TypeAlias = tuple[Step, ...]

ABSENT = "-"

_BARE = re.compile(r'(":[ \t]{0,8})-?(?=[ \t]{0,8}[,}\]])')  # bounded: an attacker can write many spaces
_STEPS = re.compile(r'\."([^"]*)"|\[(\d+)\]')
_SIGNS = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]')
_DEEPEST = 512  # below what any Python's own limit leaves
_SAFE_KEY = re.compile(r'[^"\\*\x00-\x1f]{1,128}')


def _first_wins(pairs: list[tuple[str, Tree]]) -> dict[str, Tree]:
    # An attacker who breaks out of a string can only add keys behind the real ones; DuckDB reads it the same way.
    found: dict[str, Tree] = {}
    for key, value in pairs:
        if key not in found:
            found[key] = value
    return found


# Numbers stay text: nothing is lost, and an integer of 5,000 digits is no error. Control characters are let through.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_first_wins, parse_int=str, parse_float=str, parse_constant=lambda _: ABSENT, strict=False
)


def decode(text: str) -> tuple[Tree, int]:
    """The JSON value that `text` begins with, and where it ends.

    Raises json.JSONDecodeError, or RecursionError when it is nested too deeply: the same on every version of Python.
    """
    if text.count("{") + text.count("[") > _DEEPEST and _depth(text) > _DEEPEST:
        raise RecursionError
    value: Tree
    value, end = _DECODER.raw_decode(text)
    return value, end


def _depth(text: str) -> int:
    deepest = here = 0
    for sign in _SIGNS.findall(text):
        if sign in "{[":
            here += 1
            deepest = max(deepest, here)
        elif sign in "}]":
            here -= 1
    return deepest


def repeats(text: str) -> bool:
    """Whether an object in the JSON value that `text` begins with has a key twice; raises as `decode` does."""
    found = False

    def look(pairs: list[tuple[str, Tree]]) -> dict[str, Tree]:
        nonlocal found
        object_ = dict(pairs)
        found = found or len(object_) < len(pairs)
        return object_

    json.JSONDecoder(object_pairs_hook=look, parse_int=str, parse_float=str, strict=False).raw_decode(text)
    return found


def moved(tree: Tree, paths: Iterable[Path]) -> bool:
    """Whether a key that is missing in an object where it should be stands in an object where nothing should be.

    So it is when a client closed the object that held its value and opened one of its own: no key comes twice then.
    """
    wanted: dict[Path, set[str]] = {}
    for path in paths:
        if len(path) > 1 and isinstance(path[-1], str):
            wanted.setdefault(path[:-1], set()).add(path[-1])
    if not wanted:
        return False
    missing: set[str] = set()
    for path, keys in wanted.items():
        if isinstance(here := at_path(tree, path), dict):
            missing |= keys - here.keys()
    return bool(missing) and any(
        path and path not in wanted and not missing.isdisjoint(here) for path, here in _objects(tree, (), 16)
    )


def _objects(tree: Tree, path: Path, depth: int) -> Iterator[tuple[Path, dict[str, Tree]]]:
    if isinstance(tree, dict):
        yield path, tree
        for key, value in tree.items() if depth else ():
            yield from _objects(value, (*path, key), depth - 1)


def mended(text: str) -> str:
    """`"latency": -` and `"latency": ` become `"latency": "-"`: API Gateway writes absent values so."""
    return _BARE.sub(r'\1"-"', text)


def as_text(value: Tree) -> str | None:
    """A value as DuckDB's json_extract_string gives it; null is None. Only numbers inside an object come out quoted."""
    if isinstance(value, str):
        return value if value.isascii() or _encodable(value) else value.encode("utf-8", "replace").decode()
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate, written as \ud800
        return False
    return True


def path_text(path: Path) -> str | None:
    """A path in DuckDB's notation, `$."identity"."sourceIp"`; None when a key cannot be written in it."""
    parts = ["$"]
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif _SAFE_KEY.fullmatch(step):
            parts.append(f'."{step}"')
        else:
            return None
    return "".join(parts)


def parse_path(text: str) -> Path:
    """The steps of a path that `path_text` wrote."""
    return tuple(key if index == "" else int(index) for key, index in _STEPS.findall(text))


def at_path(tree: Tree, path: Path) -> Tree:
    """The value at a path; None when there is none."""
    for step in path:
        if isinstance(step, str):
            if not isinstance(tree, Mapping) or step not in tree:
                return None
            tree = tree[step]
        elif isinstance(tree, list) and step < len(tree):
            tree = tree[step]
        else:
            return None
    return tree


def leaves(tree: Tree, depth: int = 4, limit: int = 256) -> dict[Path, Leaf]:
    """The scalars of an object with their paths, in order: at most `depth` keys deep and `limit` of them.

    Of a list within only the first element counts.
    """
    found: dict[Path, Leaf] = {}
    _walk(tree, (), depth, limit, found)
    return found


def _walk(tree: Tree, path: Path, depth: int, limit: int, found: dict[Path, Leaf]) -> None:
    if isinstance(tree, dict):
        if depth > 0:
            for key, value in tree.items():
                _walk(value, (*path, key), depth - 1, limit, found)
    elif isinstance(tree, list):
        if depth > 0:
            for index, value in enumerate(tree[:1] if path else tree):
                _walk(value, (*path, index), depth - isinstance(value, list), limit, found)
    elif path and len(found) < limit:
        found[path] = tree
