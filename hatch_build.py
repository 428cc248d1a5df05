"""Builds ingest/_cut.so (see ingest/cut.py) where there is a C compiler; without one all is the same, but slower."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import warnings
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def compiled(root: Path) -> Path | None:
    """Compile the library into the tree; None where that cannot be done."""
    compiler = os.environ.get("CC") or shutil.which("cc")
    if compiler is None or os.name != "posix" or os.environ.get("GATEWATCH_PURE"):
        return None
    library = root / "ingest" / "_cut.so"
    made = library.with_name(f"_cut.{os.getpid()}.so")  # never half a library under its name
    command = [*compiler.split(), "-O3", "-shared", "-fPIC", "-o", str(made), str(root / "ingest" / "cut.c")]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  the builder's own compiler
    except (OSError, subprocess.CalledProcessError) as error:
        warnings.warn(f"ingest/cut.c is not compiled, so logs are read more slowly: {error}", stacklevel=2)
        made.unlink(missing_ok=True)
        return None
    made.replace(library)
    return library


class Hook(BuildHookInterface[Any]):
    """A wheel with the library is for this platform only; GATEWATCH_PURE=1 makes one for all."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        library = compiled(Path(self.root))
        if library is None:
            return
        if version != "editable":
            build_data["force_include"][str(library)] = "ingest/_cut.so"
        build_data["pure_python"] = False
        build_data["tag"] = "py3-none-" + sysconfig.get_platform().replace("-", "_").replace(".", "_")
