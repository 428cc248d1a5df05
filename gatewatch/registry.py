"""One registry for all plug-ins: formats, sources, detectors, channels, pages, rules."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")
Item = TypeVar("Item")


class Registry(Mapping[str, T]):
    """Every item registered in the modules of `package`; the modules are imported on first use.

    A name used twice raises ValueError; an import error of a plug-in is never swallowed.
    """

    def __init__(self, package: str) -> None:
        self._package = package
        self._items: dict[str, T] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[Item], Item]:
        def add(item: Item) -> Item:
            if name in self._items:
                raise ValueError(f"{self._package}: two plug-ins are called {name!r}")
            self._items[name] = item  # type: ignore[assignment]  # Item, not T: a decorated class keeps its type
            return item

        return add

    def _load(self) -> dict[str, T]:
        if not self._loaded:
            self._loaded = True
            package = importlib.import_module(self._package)
            for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda found: found.name):
                importlib.import_module(f"{self._package}.{module.name}")
        return self._items

    def __getitem__(self, name: str) -> T:
        return self._load()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._load()))

    def __len__(self) -> int:
        return len(self._load())
