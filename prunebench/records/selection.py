"""What a user chose of a suite when a run was planned, as `plan.json` keeps it: `-m`, `--seeds` and `--set`."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from prunebench.errors import StoreError
from prunebench.records.typed import text, text_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prunebench.records.baseline import Task


def is_glob(text: str) -> bool:
    """Whether what `-m` was given stands for those of a suite's methods that match it."""
    return "*" in text or "?" in text


@dataclass(frozen=True, slots=True)
class Always:
    """A method that a grid has whatever is chosen, on one task."""

    suite: str
    task: Task
    method: str
    arms: tuple[str | None, ...]
    densities: tuple[float | None, ...]

    def plain(self) -> list[Any]:
        """JSON form."""
        return [self.suite, list(self.task), self.method, list(self.arms), list(self.densities)]

    @classmethod
    def from_plain(cls, plain: Any) -> Always:
        """Back from its JSON form."""
        suite, task, method, arms, densities = plain
        check, model, dataset, recipe = map(text_or_none, task)
        if check is None or model is None or dataset is None:
            raise TypeError(f"{task!r} is no task")
        return cls(
            text(suite), (check, model, dataset, recipe), text(method), tuple(map(text_or_none, arms)),
            tuple(map(_density, densities)),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Selection:
    """Texts as they were given, and what is needed to tell what they left out."""

    methods: tuple[str, ...] = ()
    """Of `-m`: specs, globs and `+SPEC`."""
    seeds: int | None = None
    """Repetitions of each cell, by `--seeds` or `--set`; None where the suites' own scale says it."""
    set: tuple[str, ...] = ()
    """Of `--set`."""
    named: tuple[str, ...] = ()
    """Methods that a spec or a `+SPEC` stands for, as rows write them."""
    always: tuple[Always, ...] = ()

    @property
    def replaces(self) -> bool:
        """Whether it takes some of a suite's own methods out."""
        return any(not text.startswith("+") for text in self.methods)

    def left_out(
        self, suite: str, task: Task, method: str, arm: str | None, density: float | None, repetition: int
    ) -> bool:  # fmt: skip
        """Whether the user wanted a run without that cell."""
        if self.seeds is not None and repetition >= self.seeds:
            return True
        if not self.replaces or method in self.named:
            return False
        if any(is_glob(text) and fnmatchcase(method, text) for text in self.methods):
            return False
        return not any(
            (own.suite, own.task, own.method) == (suite, task, method) and arm in own.arms and density in own.densities
            for own in self.always
        )

    def plain(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "methods": list(self.methods), "seeds": self.seeds, "set": list(self.set), "named": list(self.named),
            "always": [own.plain() for own in self.always],
        }  # fmt: skip

    @classmethod
    def of(cls, plan: Mapping[str, Any]) -> Selection:
        """Of a `plan.json`; empty where it says nothing.

        A plan that does not say which methods were named is of a run whose texts say it.

        Raises:
            StoreError: damaged.
        """
        plain = plan.get("selection")
        if plain is None:
            return cls()
        try:
            methods, seeds = tuple(map(text, plain.get("methods") or ())), plain.get("seeds")
            if seeds is not None and (not isinstance(seeds, int) or isinstance(seeds, bool)):
                raise TypeError(f"{seeds!r} is no number of repetitions")
            named = plain.get("named")
            texts = [text.removeprefix("+") for text in methods if not is_glob(text)] if named is None else named
            return cls(
                methods, seeds, tuple(map(text, plain.get("set") or ())), tuple(map(text, texts)),
                tuple(map(Always.from_plain, plain.get("always") or ())),
            )  # fmt: skip
        except (TypeError, ValueError, AttributeError) as error:
            raise StoreError(f"run {plan.get('run')}: the selection in plan.json is damaged: {error}") from error


def _density(value: Any) -> float | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise TypeError(f"{value!r} is no density")
