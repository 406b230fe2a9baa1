"""Where suites and baselines lie: the top-level folders of a checkout, or the data of an installed package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def suite_folder() -> Path:
    """Folder of the built-in suite files."""
    return _data("suites")


def baseline_folder() -> Path:
    """Folder of the stored baselines."""
    return _data("baselines")


def _data(name: str) -> Path:
    checkout = _PACKAGE.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / name).is_dir():
        return checkout / name
    return _PACKAGE / "_data" / name
