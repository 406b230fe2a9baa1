"""What a run is compared with: a baseline of each of its suites, a baseline file, or another run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prunebench.analysis.comparison.sides import Side, of_baseline, of_run
from prunebench.analysis.results import Results, load_results, open_run, run_folders
from prunebench.errors import NothingToDoError, UsageError
from prunebench.records.baseline import Baseline, file_name, make
from prunebench.records.baseline_reader import read_baseline
from prunebench.records.overrides import comparable, unaltered
from prunebench.records.places import OWN_BASELINES, baseline_file

if TYPE_CHECKING:
    from collections.abc import Sequence


def with_baselines(results: Results) -> list[tuple[str, Side, Side]]:
    """Every suite of a run with its stored baseline, for `compare`.

    Raises:
        NothingToDoError: a suite has none; the message says how to make one.
        StoreError: a baseline that cannot be read.
    """
    new = of_run(results)
    found = []
    for suite in new.records:
        scale = unaltered(new.scale(suite))
        path = baseline_file(file_name(suite, scale))
        if not path.is_file():
            option = "" if scale == "quick" else f" --scale {scale}"
            here = OWN_BASELINES / path.name
            raise NothingToDoError(
                f"there is no baseline {here}: make one by `prunebench baseline update {suite}{option}`, or name a "
                "run or a file with --to"
            )
        found.append((suite, side_of(path), new))
    return found


def opened(store: Path, name: str) -> Side:
    """What a user names to compare with: a baseline file, or a run by its id, folder or archive.

    Raises:
        UnknownNameError: no run of the store matches, or several do.
        StoreError: it cannot be read.
    """
    path = Path(name)
    if name.endswith(".json"):
        return side_of(path)
    return of_run(open_run(store, name))


def with_side(results: Results, old: Side) -> list[tuple[str, Side, Side]]:
    """The suites that a run has in common with another side, for `compare`."""
    new = of_run(results)
    return [(suite, old, new) for suite in new.records if suite in old.records]


def side_of(path: Path) -> Side:
    """A baseline file as a side.

    Raises:
        StoreError: it cannot be read.
    """
    baseline = read_baseline(path)
    return of_baseline(baseline, Results(path, baseline.plan(), baseline.records))


def newest(store: Path, suite: str, scale: str) -> Results:
    """The newest run of a suite at a scale that makes a baseline.

    Raises:
        UsageError: there is none; the message says what the newest one lacks.
        StoreError: a run that cannot be read.
    """
    why = f"there is none in {store}: prunebench run {suite} --scale {scale}"
    refused = False
    for folder in reversed(list(run_folders(store))):
        results = load_results(folder)
        if suite not in results.suites or unaltered(results.plan["scale"].split(" / ")[0]) != scale:
            continue
        lacks = _unfit(results, suite, of_run(results))
        if not lacks:
            return results
        if not refused:
            why, refused = f"run {results.run_id}, the newest, is none to compare with: {lacks}", True
    raise UsageError(f"no run makes a baseline of {suite!r} at scale {scale!r}: {why}")


def baseline_of(results: Results, suite: str) -> Baseline:
    """The baseline that a finished run makes of one of its suites.

    Raises:
        UsageError: the run is none to compare others with; the message says why.
    """
    side = of_run(results)
    why = _unfit(results, suite, side)
    if why:
        raise UsageError(f"run {results.run_id} makes no baseline of {suite!r}: {why}")
    about = next(found for found in results.plan["suites"] if found["name"] == suite)
    own = [record for record in results.records if record.row.suite == suite]
    return make(about, side.scale(suite), side.origin, own)


def _unfit(results: Results, suite: str, side: Side) -> str:
    if suite not in side.records:
        return f"it has {', '.join(side.records)}"
    if not comparable(side.scale(suite)):
        return f"its scale is {side.scale(suite)}"
    selection = results.plan.get("selection") or {}
    chosen: Sequence[str] = [text for text in selection.get("methods") or [] if not text.startswith("+")]
    if chosen:
        return f"it was restricted to methods {', '.join(chosen)}"
    if selection.get("seeds") is not None:
        return f"its repetitions were set to {selection['seeds']}"
    missing = sum(row.suite == suite for row in results.missing())
    cancelled = sum(record.status == "cancelled" for record in results.records if record.row.suite == suite)
    if missing or cancelled:
        return f"{missing + cancelled} of its cells are not finished: give its command again"
    return ""
