"""Compiles the access-log template of a stage: the text that API Gateway fills in is the schema of its lines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from gatewatch.errors import TemplateError, UsageError
from gatewatch.records import ApiType
from ingest.formats.model import Anchored, Format
from ingest.formats.names import TIME, variable_of
from ingest.formats.textpattern import json_shape, text_pattern
from ingest.jsonline import Path, Tree, leaves, path_text

VARIABLE = re.compile(
    r"\$context\.("
    r"(?:requestOverride|responseOverride|authorizer)(?:\.[A-Za-z0-9_:-]*[A-Za-z0-9_])+"
    r"|[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)"
)
"""A variable in a template. Only names that users choose can hold hyphens and colons."""

_MARK = re.compile("\ue000(\\d+)\ue001")


def compile_template(
    text: str,
    *,
    name: str,
    api_type: ApiType | None = None,
    account: str | None = None,
    region: str | None = None,
    api: str | None = None,
    stage: str | None = None,
) -> Format:
    """The format of the lines that a template gives: JSON, CLF, CSV, XML or any other text of one line.

    The constants say what the line does not. Raises TemplateError when `text` is no such template.
    """
    template = _unescaped(re.sub(r"\$\{context\.([^{}]{1,200})\}", r"$context.\1", text.strip()))
    if not VARIABLE.search(template):
        raise TemplateError(f"{name}: not an access-log template: there is no $context variable in it")
    if template[:1] in "{[" and (fields := _json_fields(template)) is not None:
        places, inside, fixed = fields
        if not places:
            raise TemplateError(f"{name}: no value of the template is a $context variable")
        groups, pattern = text_pattern(_parts(template), shape_of=json_shape)
        return Format(
            name,
            "json",
            places,
            needs=frozenset(path for paths in places.values() for path in paths),
            inside=inside,
            anchored=Anchored(pattern, {variable: group for variable, (group,) in groups.items()}, fixed),
            api_type=api_type,
            account=account,
            region=region,
            api=api,
            stage=stage,
        )
    if re.match(r'[{\[]\s*["{\[]', template):
        raise TemplateError(f"{name}: the template looks like JSON, but is not valid")
    if "\n" in template and not template.startswith("<"):
        raise TemplateError(f"{name}: an access-log template is a single line")
    groups, pattern = text_pattern(_parts(template))
    return Format(
        name,
        "text",
        groups,
        pattern=pattern,
        api_type=api_type,
        account=account,
        region=region,
        api=api,
        stage=stage,
    )


@lru_cache(maxsize=64)
def explicit_template(text: str) -> Format:
    """The format of a template given by hand; compiled once."""
    return compile_template(text, name="template")


def _unescaped(text: str) -> str:
    """A template that was copied out of a JSON document, with its quotes escaped."""
    whole = len(text) > 1 and text[0] == text[-1] == '"' and "\\" in text
    quoted = text if whole else f'"{text}"'
    if whole or text.startswith(('{\\"', "{ \\", "{\\n", "[\\")):
        try:
            inner = json.loads(quoted, strict=False)
        except ValueError:
            return text
        if isinstance(inner, str) and "$context." in inner:
            return inner.strip()
    return text[:-2].rstrip() if text.endswith("\\n") else text


def _parts(template: str) -> Iterator[str]:
    """The template as literal, variable, literal, …, literal."""
    at = 0
    for found in VARIABLE.finditer(template):
        yield template[at : found.start()]
        yield found[1]
        at = found.end()
    yield template[at:]


def _json_fields(template: str) -> tuple[dict[str, tuple[str, ...]], dict[str, str], dict[str, str]] | None:
    """Places, inside-patterns, and the constants of a JSON template that say something; None when it is no JSON."""
    parts = list(_parts(template))
    names = parts[1::2]
    out: list[str] = []
    quoted = False
    for index, literal in enumerate(parts[::2]):
        out.append(literal)
        quoted = _ends_quoted(literal, quoted)
        if index < len(names):
            out.append(f"\ue000{index}\ue001" if quoted else f'"\ue000{index}\ue001"')
    try:
        tree: Tree = json.loads("".join(out), strict=False)
    except (ValueError, RecursionError):
        return None
    places: dict[str, tuple[str, ...]] = {}
    inside: dict[str, str] = {}
    constants: dict[Path, str] = {}
    for path, value in leaves(tree, depth=16, limit=1000).items():
        where = path_text(path)
        if where is None or not isinstance(value, str):
            continue
        pieces = _MARK.split(value)
        variables = [names[int(index)] for index in pieces[1::2]]
        if not variables:
            constants[path] = value
        elif len(variables) == 1 and pieces[0] == pieces[2] == "":
            places.setdefault(variables[0], (where,))
        else:
            _several(where, pieces[::2], variables, places, inside)
    fixed: dict[str, str] = {}
    for path, value in constants.items():
        if (variable := _constant(path, places)) is not None:
            fixed[variable] = value
    return places, inside, fixed


def _ends_quoted(literal: str, quoted: bool) -> bool:
    """Whether one is inside a JSON string behind `literal`."""
    escaped = False
    for char in literal:
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = quoted
        elif char == '"':
            quoted = not quoted
    return quoted


def _several(
    where: str,
    literals: Sequence[str],
    variables: Sequence[str],
    places: dict[str, tuple[str, ...]],
    inside: dict[str, str],
) -> None:
    """One JSON value that holds several variables, or text around one."""
    for wanted in variables:
        if wanted in places:
            continue
        parts: list[str] = [literals[0]]
        for variable, literal in zip(variables, literals[1:], strict=True):
            parts += [variable, literal]
        places[wanted] = (where,)
        inside[wanted] = text_pattern(parts, only=wanted)[1]


def _constant(path: Path, places: dict[str, tuple[str, ...]]) -> str | None:
    """A constant such as "stage":"prod" or "apiType":"REST" says something as well: the variable that it stands for."""
    keys = tuple(step for step in path if isinstance(step, str))
    found = variable_of(keys)
    where = path_text(path)
    if found is None or where is None or found[0] == TIME:
        return None
    if found[0] in {"stage", "apiId", "accountId", "x.api_type", "x.region"} and found[0] not in places:
        places[found[0]] = (where,)
        return found[0]
    return None


API_TYPES = {"restApis": ApiType.REST, "httpApis": ApiType.HTTP, "webSocketApis": ApiType.WEBSOCKET}


def _ignore(text: str) -> None:
    del text


def stage_formats(inventory: Mapping[str, object], told: Callable[[str], None] = _ignore) -> list[Format]:
    """The formats of all stages of an inventory document (design.md 4) that write access logs, equal ones once.

    What the template says itself (`apiId`, `stage`) is not repeated as a constant. told(text): a template cannot be
    used, and why; its lines are still read by inference.
    """
    account, region = string(inventory, "accountId"), string(inventory, "region")
    found: list[Format] = []
    for key, kind in API_TYPES.items():
        for api in maps(inventory.get(key)):
            api_id = string(api, "id") or string(api, "apiId")
            for stage in maps(member(api, "stages")):
                stage_name = string(stage, "stageName")
                label = f"template of {api_id}/{stage_name}"
                try:
                    text = _template_of(stage, label)
                    if text is None:
                        continue
                    compiled = compile_template(text, name=label, api_type=kind, account=account, region=region)
                except UsageError as error:
                    told(f"{error}; its lines are read by inference")
                    continue
                if "status" not in compiled.fields:
                    told(f"{label}: it has no $context.status, without which a line is rejected")
                found.append(
                    _with_origin(
                        compiled,
                        None if "apiId" in compiled.fields else api_id,
                        None if "stage" in compiled.fields else stage_name,
                    )
                )
    return _unique(found)


def _template_of(stage: Mapping[str, object], label: str) -> str | None:
    """The stage's access-log template, None when it writes no access log; UsageError when it is no text."""
    settings = member(stage, "accessLogSettings")
    if settings is None:
        return None
    if not isinstance(settings, Mapping):
        raise UsageError(f"{label}: accessLogSettings is no object")
    text = member(settings, "format")
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise UsageError(f"{label}: format is no text")
    return text


def _with_origin(found: Format, api: str | None, stage: str | None) -> Format:
    return replace(found, api=api, stage=stage)


def _unique(formats: Sequence[Format]) -> list[Format]:
    seen: list[tuple[object, ...]] = []
    out: list[Format] = []
    for found in formats:
        identity = (found.pattern, found.fields, found.inside, found.api_type, found.account, found.api, found.stage)
        if identity not in seen:
            seen.append(identity)
            out.append(found)
    return out


def member(mapping: Mapping[str, object], name: str) -> object:
    """`stages` (v1) or `Stages` (v2)."""
    return mapping.get(name, mapping.get(name[0].upper() + name[1:]))


def string(mapping: Mapping[str, object], name: str) -> str | None:
    value = member(mapping, name)
    return value if isinstance(value, str) and value else None


def maps(value: object) -> list[Mapping[str, object]]:
    if isinstance(value, Mapping):  # the answer of a call, as it came
        value = value.get("items", value.get("item", value.get("Items")))
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
