"""Where a number comes from: versions, commit, device, determinism, command."""

from __future__ import annotations

import hashlib
import json
import os
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
_LIMITS = ("ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR", "OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES")
"""Variables by which libraries other than torch are told what instructions to use."""
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")

_CPUINFO = re.compile(r"^([^\t:]+)[\t ]*: *(.+?) *$", re.MULTILINE)
_GENERATION = {"family": "cpu family", "model": "model", "stepping": "stepping"}


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


def instructions() -> str:
    """The instruction set that torch computes with here, such as `AVX512`: code of another adds in another order.

    It is not the processor's alone: `ATEN_CPU_CAPABILITY` lowers it, and what lowers that of others stands beside it.
    Imports torch.
    """
    import torch

    told = [f"{name}={value}" for name in _LIMITS if (value := os.environ.get(name))]
    return " ".join([torch.backends.cpu.get_cpu_capability(), *told])


def digest_of(found: dict[str, Any]) -> str:
    """12 hexadecimal digits that stand for a provenance."""
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:12]


def _is_command() -> bool:
    return Path(sys.argv[0]).name in {"prunebench", "__main__.py"}


def _processor() -> str:
    """Model of the processor, with the numbers that tell generations of one name apart; empty where none is told."""
    try:
        told = dict(_CPUINFO.findall(Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n", 1)[0]))
    except OSError:
        told = {}
    if "model name" not in told:
        return platform.processor()
    numbers = [f"{name} {told[key]}" for name, key in _GENERATION.items() if key in told]
    return ", ".join([told["model name"], " ".join(numbers)] if numbers else [told["model name"]])


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
