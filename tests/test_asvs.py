"""The table of ASVS requirements is whole, what it points at exists, and what it says of the code is so."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
TABLE = (ROOT / "docs" / "security" / "asvs.md").read_text(encoding="utf-8")
ROOMS = ("gatewatch", "ingest", "detect", "alerts", "dashboard")

SECTIONS = dict(
    one.split("=")
    for one in (
        "1.1=22 1.2=111112222 1.3=11222222222 1.4=222 1.5=12 2.1=122 2.2=112 2.3=1222 2.4=2 3.2=11 "
        "3.3=1222 3.4=112222 3.5=11122 3.7=22 4.1=122 4.2=2 4.3=22 4.4=1222 5.1=2 5.2=112 5.3=11 5.4=222 "
        "6.1=122 6.2=111111112222 6.3=1122 6.4=1122 6.5=22222 6.6=222 6.8=2222 7.1=222 7.2=1111 7.3=22 "
        "7.4=11222 7.5=22 7.6=22 8.1=12 8.2=112 8.3=1 8.4=2 9.1=111 9.2=1222 10.1=22 10.2=22 10.3=2222 "
        "10.4=11111222222 10.5=22222 10.6=22 10.7=222 11.1=22 11.2=222 11.3=112 11.4=1222 11.5=2 11.6=2 "
        "12.1=122 12.2=11 12.3=2222 13.1=2 13.2=22222 13.3=22 13.4=12222 14.1=22 14.2=1222 14.3=122 "
        "15.1=122 15.2=122 15.3=1222222 16.1=2 16.2=22222 16.3=2222 16.4=222 16.5=222 17.1=2 17.2=2222 "
        "17.3=22 "
    ).split()
)
"""Of each section of ASVS 5.0.0 the levels of its requirements, in their order; `-` is one of level 3."""


def wanted() -> dict[str, str]:
    """Id -> level of every requirement of levels 1 and 2."""
    return {
        f"V{section}.{n}": level
        for section, levels in SECTIONS.items()
        for n, level in enumerate(levels, 1)
        if level != "-"
    }


def rows() -> list[list[str]]:
    found = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in TABLE.splitlines()]
    return [row for row in found if re.match(r"V\d", row[0].strip("| "))]


def test_every_requirement_has_its_row_once() -> None:
    levels = list(wanted().values())
    assert (levels.count("1"), levels.count("2")) == (70, 183)
    assert [(row[0].strip("| "), row[1]) for row in rows()] == list(wanted().items())


def test_every_row_has_a_verdict_and_a_pointer_or_a_reason() -> None:
    verdicts: dict[str, int] = {}
    for row in rows():
        assert len(row) == 5, row
        verdict, told = row[3], row[4]
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
        assert len(told.split()) >= 2 or "`" in told, row
        if verdict == "yes":
            assert "`" in told, row
        elif verdict != "operator":
            assert len(re.sub(r"`[^`]*`", "", told).split()) >= 2, row
    assert set(verdicts) == {"yes", "operator", "no", "n/a"}
    for verdict, n in verdicts.items():
        assert f"- **{verdict}** ({n}):" in TABLE
    tested = [row for row in rows() if "::test_" in row[4]]
    assert len(tested) >= 120


def test_what_is_pointed_at_exists() -> None:
    pages = [TABLE, *(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "security").glob("*.md"))]
    pointers = {one for page in pages for one in re.findall(r"`([\w./-]+(?:::\w+)?)`", page)}
    checked = 0
    for pointer in sorted(pointers):
        file, _, test = pointer.partition("::")
        if not re.match(r"(docs|tests|gatewatch|ingest|detect|alerts|dashboard)/", file) and not test:
            continue
        assert (ROOT / file).exists(), pointer
        if test:
            assert re.search(rf"^def {test}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), pointer
        checked += 1
    assert checked > 100


DANGEROUS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "pickle.loads",
    "pickle.load",
    "marshal.loads",
    "shelve.open",
    "yaml.load",
    "yaml.unsafe_load",
    "os.system",
    "os.popen",
    "hashlib.md5",
    "hashlib.sha1",
    "random.random",
    "random.choice",
    "random.randint",
    "ssl._create_unverified_context",
    "tempfile.mktemp",
}
ALLOWED = {
    ("ingest/sources/s3_objects.py", "hashlib.md5"),  # compared with an ETag, which is one
    ("gatewatch/access/breached.py", "hashlib.sha1"),  # how lists of stolen passwords are written
    ("gatewatch/app/serve.py", "ssl._create_unverified_context"),  # our own certificate, asked by ourselves
}


def calls(file: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_nothing_dangerous_is_called() -> None:
    files = [file for room in ROOMS for file in (ROOT / room).rglob("*.py")]
    assert len(files) > 200
    for file in files:
        name = file.relative_to(ROOT).as_posix()
        for called, call in calls(file):
            assert called not in DANGEROUS or (name, called) in ALLOWED, (name, called)
            shell = [one.value for one in call.keywords if one.arg == "shell"]
            assert not shell, name
            if called.startswith("subprocess."):
                assert name == "gatewatch/app/serve.py", name
        for module in imports(file):
            assert module.split(".")[0] not in {"pickle", "marshal", "shelve", "xml", "jinja2", "telnetlib"}, (
                name,
                module,
            )
    scripts = [*(ROOT / "dashboard" / "assets").rglob("*.js")]
    assert scripts
    for script in scripts:
        told = script.read_text(encoding="utf-8")
        assert not re.search(
            r"\beval\(|new Function|innerHTML|insertAdjacentHTML|document\.write|https?://(?!www\.w3)", told
        ), script


def test_every_dependency_is_pinned_by_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    packages = re.split(r"\n(?=[a-z0-9])", lock, flags=re.IGNORECASE)
    named = [one for one in packages if "==" in one]
    assert 30 < len(named) <= 110
    assert all("--hash=sha256:" in one for one in named)
    assert not re.search(r"https?://|git\+|--index-url|--extra-index", lock)
