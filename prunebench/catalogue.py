"""The catalogue: every built-in entry as data, so that listing and planning need no import of torch.

`catalogue.json` is generated from the decorators by `python -m prunebench.catalogue`; a test keeps the two equal.
"""

from __future__ import annotations

import functools
import importlib
import json
import pkgutil
import sys
from pathlib import Path

from prunebench.registry import REGISTRIES, Entry, Registry

FILE = Path(__file__).with_name("catalogue.json")
PACKAGES = (
    "prunebench.methods", "prunebench.tasks.models", "prunebench.tasks.datasets", "prunebench.tasks.recipes",
    "prunebench.checks",
)  # fmt: skip


def declare() -> None:
    """Make all built-in entries known to the registries by name."""
    for kind, registry in REGISTRIES.items():
        registry.declare(_stored()[kind])


@functools.cache
def _stored() -> dict[str, tuple[Entry, ...]]:
    """The catalogue by kind."""
    entries = [Entry.from_plain(plain) for plain in json.loads(FILE.read_text(encoding="utf-8"))]
    return {kind: tuple(entry for entry in entries if entry.kind == kind) for kind in REGISTRIES}


def generate() -> str:
    """The catalogue's text, from the live registries."""
    for name in PACKAGES:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(module.name)
    plain = [entry.plain() for registry in REGISTRIES.values() for entry in _built_in(registry)]
    return "[\n" + ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in plain) + "\n]\n"


def _built_in(registry: Registry) -> list[Entry]:
    return [entry for entry in registry if entry.target.startswith("prunebench.")]


if __name__ == "__main__":
    FILE.write_text(generate(), encoding="utf-8")
    print(f"wrote {FILE}", file=sys.stderr)
