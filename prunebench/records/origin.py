"""Where the numbers of a run or a baseline come from, and whether two runs can be equal to the bit."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

SEVERAL = "several"
"""In place of what passes of one run differ in: such a run is on no one's platform."""
_NUMERICAL = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "mnist1d")
"""Libraries whose code computes or makes data."""

_ARCHITECTURE = re.compile(
    r"x86(_64)?|amd64|i[3-6]86|arm(64|v\d+\w*)?|aarch64(_be)?|ppc(64(le)?)?|powerpc|s390x?|riscv(32|64)?|"
    r"loongarch64|mips\w*|sparc\w*|alpha|ia64",
    re.IGNORECASE,
)
"""What systems say in place of a model: one word for many processors, whose bits differ."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What made some records; empty where nothing says so."""

    run: str = ""
    prunebench: str = ""
    commit: str = ""
    """Of the package's checkout, with `+` where it had changes."""
    platform: str = ""
    processor: str = ""
    instructions: str = ""
    """Instruction set of the processor that torch used."""
    libraries: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, run: str, environment: Mapping[str, Any], passes: Iterable[Mapping[str, Any]]) -> Origin:
        """Of a run, from the provenance of its passes.

        Args:
            run: its id.
            environment: of its plan.
            passes: entries of `provenance.json` that its records name.
        """
        found = list(passes)
        names = sorted(set.intersection(*({*one.get("libraries", {})} for one in found))) if found else []
        return cls(
            run,
            _common(found, lambda one: one.get("prunebench", "")),
            _common(found, lambda one: _commit(one.get("git"))),
            _common(found, lambda one: one.get("platform", "")),
            _common(found, lambda one: one.get("processor", "")),
            _common(found, lambda one: one.get("instructions", "")),
            {name: _common([one.get("libraries", {}) for one in found], itemgetter(name)) for name in names},
            dict(environment),
        )

    def apart(self, other: Origin) -> list[str]:
        """What makes this another platform than that; nothing where the same code gives the same bits.

        That is equal devices, threads and so on, processors of one known model that were used with the same
        instructions, and the same numerical libraries. The name of an architecture is no model.
        """
        pairs = {
            **{name: (self.environment.get(name), other.environment.get(name))
               for name in sorted({*self.environment, *other.environment})},
            "platform": (self.platform, other.platform),
            "processor": (_model(self.processor), _model(other.processor)),
            "instructions": (self.instructions, other.instructions),
            **{name: (self.libraries.get(name), other.libraries.get(name)) for name in _NUMERICAL},
        }  # fmt: skip
        # The environment's torch is the minor version of the library's.
        return [
            f"{name} {_told(one)} and {_told(two)}"
            for name, (one, two) in pairs.items()
            if one != two or one in ("", SEVERAL, None)
        ]

    @property
    def device(self) -> str:
        """Kind of the device: `cpu` or `cuda`."""
        return str(self.environment.get("device", ""))

    def plain(self) -> dict[str, Any]:
        """JSON form."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def _common(found: Sequence[Mapping[str, Any]], value: Callable[[Mapping[str, Any]], Any]) -> str:
    values = {str(value(one)) for one in found}
    return values.pop() if len(values) == 1 else SEVERAL if values else ""


def _model(processor: str) -> str:
    return "" if _ARCHITECTURE.fullmatch(processor.strip()) else processor


def _commit(git: Mapping[str, Any] | None) -> str:
    return f"{git['commit']}{'+' * bool(git.get('dirty'))}" if git and git.get("commit") else ""


def _told(value: object) -> str:
    return str(value) if value not in (None, "") else "unknown"
