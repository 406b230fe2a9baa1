"""Where suites and baselines lie: the top-level folders of a checkout, or the data of an installed package."""

from __future__ import annotations

from pathlib import Path

OWN_BASELINES = Path("baselines")
"""Folder of one's own baselines, in the working directory: they come before the stored ones."""

_PACKAGE = Path(__file__).resolve().parents[1]


def suite_folder() -> Path:
    """Folder of the built-in suite files."""
    return _data("suites")


def baseline_folder() -> Path:
    """Folder of the stored baselines."""
    return _data("baselines")


def baseline_file(name: str) -> Path:
    """Where the baseline of that name is: in `baselines` of the working directory, else among the stored ones."""
    here = OWN_BASELINES / name
    return here if here.is_file() else baseline_folder() / name


def _data(name: str) -> Path:
    checkout = _PACKAGE.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / name).is_dir():
        return checkout / name
    return _PACKAGE / "_data" / name
