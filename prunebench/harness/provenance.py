"""Where a number comes from: versions, commit, device, determinism, command."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunebench.environment import Environment

_LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "mnist1d", "pillow")
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


def provenance(environment: Environment, plugins: tuple[str, ...]) -> dict[str, Any]:
    """Everything that helps to make the same numbers again; credentials in addresses are left out."""
    return {
        "prunebench": version("prunebench"),
        "git": _git(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "environment": environment.plain(),
        "plugins": [Path(p).name for p in plugins],
        "command": _CREDENTIALS.sub("", " ".join(["prunebench", *sys.argv[1:]])) if _is_command() else "prunebench.run",
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def digest_of(found: dict[str, Any]) -> str:
    """12 hexadecimal digits that stand for a provenance."""
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:12]


def _is_command() -> bool:
    return Path(sys.argv[0]).name in {"prunebench", "__main__.py"}


def _processor() -> str:
    """Model of the processor: two of one model give the same bits with the same libraries. Empty where none is told."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor()


def _git() -> dict[str, Any] | None:
    """Commit and dirty flag of the checkout that the package runs from, None for an installed package."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    commit, status = _run_git(root, "rev-parse", "HEAD"), _run_git(root, "status", "--porcelain")
    return None if commit is None else {"commit": commit, "dirty": bool(status)}


def _run_git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], check=False, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
