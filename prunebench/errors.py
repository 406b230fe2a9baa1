"""Errors that a user can mend, and the exit codes that the command line maps them to."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class ExitCode(IntEnum):
    """What the process tells its caller."""

    OK = 0
    REGRESSION = 1
    FAULTS = 1
    """Of a validated method: as a regression, what was looked for and found."""
    GAPS = 1
    """Of linted results, where `--strict` asks for it."""
    USAGE = 2
    FAILED_CELLS = 3
    NOTHING = 4
    INTERNAL = 70
    INTERRUPTED = 130
    TERMINATED = 143


class PrunebenchError(Exception):
    """Base of every error with a one-line message for the person who can mend it.

    All of them take one string, so that they survive pickling between processes.
    """

    exit_code = ExitCode.USAGE


class UsageError(PrunebenchError, ValueError):
    """An argument, option or file that does not say what it should; a ValueError, so that validators place it."""


class SpecError(UsageError):
    """A malformed spec, or parameters that its entry does not take."""


class UnknownNameError(UsageError):
    """A name that no registry entry has."""


class DuplicateNameError(UsageError):
    """Two entries of one kind with the same name."""


class PluginError(UsageError):
    """A plug-in that cannot be loaded."""


class SuiteError(UsageError):
    """A suite file that cannot be read or does not validate."""


class StoreError(PrunebenchError):
    """The store or one of its files cannot be read, written or locked."""


class NothingToDoError(PrunebenchError):
    """A selection that leaves no cell."""

    exit_code = ExitCode.NOTHING


class DataError(PrunebenchError):
    """A data set that is missing, damaged, laid out otherwise, or cannot be downloaded."""


class PruningError(PrunebenchError):
    """A network, density or score that cannot be pruned as asked."""


class DensityError(PruningError):
    """A density below all that a method has masks for, on a network that it can prune otherwise."""


class ScoreError(PruningError):
    """Scores that are missing, of the wrong shape, or not finite."""


class TrainingError(PrunebenchError):
    """A training that diverged, or that cannot be done as the recipe says."""


class InapplicableError(PruningError):
    """What a network has nothing of was asked for, such as E[BN] where there is no BatchNorm."""


class UnsupportedOperatorError(PruningError):
    """A model uses an operator that a structural analysis has no rule for."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or the known names, or nothing when there are none."""
    from difflib import get_close_matches  # takes as long to import as the rest of this package's ground

    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f" (did you mean {close[0]!r}?)"
    return f" (known: {', '.join(names)})" if names else ""
