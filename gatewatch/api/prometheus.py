"""The text format of Prometheus (0.0.4): names and help of ours, label values escaped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(slots=True)
class Metric:
    """kind: counter or gauge. samples: labels -> value."""

    name: str
    kind: str
    help: str
    samples: list[tuple[Mapping[str, str], float]] = field(default_factory=list)

    def add(self, value: float, **labels: str) -> Metric:
        self.samples.append((labels, value))
        return self


def text(metrics: list[Metric]) -> str:
    lines: list[str] = []
    for one in metrics:
        if not one.samples:
            continue
        lines += [f"# HELP {one.name} {one.help}", f"# TYPE {one.name} {one.kind}"]
        for labels, value in one.samples:
            named = ",".join(f'{name}="{_escaped(shown)}"' for name, shown in labels.items())
            lines.append(f"{one.name}{f'{{{named}}}' if named else ''} {value:.17g}")
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    whole = value.encode("utf-8", "replace").decode()
    return whole.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
