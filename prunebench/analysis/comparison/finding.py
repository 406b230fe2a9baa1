"""What a run is compared with: a baseline of each of its suites, a baseline file, or another run."""

from __future__ import annotations

from pathlib import Path

from prunebench.analysis.comparison.sides import Side, nothing, of_baseline, of_run
from prunebench.analysis.results import Results, load_results, open_run, run_folders
from prunebench.errors import NothingToDoError, StoreError, UsageError, suggestion
from prunebench.records.baseline import Baseline, file_name, make
from prunebench.records.baseline_reader import read_baseline
from prunebench.records.overrides import comparable, unaltered
from prunebench.records.places import OWN_BASELINES, baseline_file, suite_folder
from prunebench.records.selection import Selection


def with_baselines(results: Results) -> list[tuple[str, Side, Side]]:
    """Every suite of a run with its stored baseline, for `compare`.

    Raises:
        NothingToDoError: no suite has one; the message says how to make one.
        StoreError: a baseline that cannot be read, or that is of another suite or scale than its name says.
    """
    new = of_run(results)
    found: list[tuple[str, Side, Side]] = []
    for suite in new.records:
        scale = unaltered(new.scale(suite))
        path = baseline_file(file_name(suite, scale))
        if not path.is_file():
            option = "" if scale == "quick" else f" --scale {scale}"
            here = OWN_BASELINES / path.name
            why = (
                f"there is no baseline {here}: make one by `prunebench baseline update {suite}{option}`, or name a "
                "run or a file with --to"
            )
            found.append((suite, nothing(f"baseline {suite}.{scale}", why), new))
            continue
        baseline = read_baseline(path)
        if (baseline.suite, baseline.scale) != (suite, scale):
            raise StoreError(f"{path} is the baseline of {baseline.suite} at scale {baseline.scale}: rename it")
        found.append((suite, _side(baseline, path), new))
    if all(old.absent for _, old, _ in found):
        raise NothingToDoError("; ".join(old.absent for _, old, _ in found))
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
    """The suites of a run and of another side, for `compare`; nothing if they have none in common."""
    new = of_run(results)
    if not {*new.records} & {*old.records}:
        return []
    return [(suite, old, new) for suite in dict.fromkeys((*new.records, *old.records))]


def side_of(path: Path) -> Side:
    """A baseline file as a side.

    Raises:
        StoreError: it cannot be read.
    """
    return _side(read_baseline(path), path)


def _side(baseline: Baseline, path: Path) -> Side:
    return of_baseline(baseline, Results(path, baseline.plan(), baseline.records))


def newest(store: Path, suite: str, scale: str) -> Results:
    """The newest run of a suite at a scale that makes a baseline.

    Raises:
        UsageError: there is none; the message says what the newest one lacks, and which runs cannot be read.
    """
    why = ""
    known = {path.stem for path in suite_folder().glob("*.toml")}
    unreadable = []
    for folder in reversed(list(run_folders(store))):
        try:
            results = load_results(folder)
        except StoreError as error:
            unreadable.append(str(error))
            continue
        known.update(results.suites)
        if suite not in results.suites or unaltered(results.plan["scale"].split(" / ")[0]) != scale:
            continue
        lacks = _unfit(results, suite, of_run(results))
        if not lacks:
            return results
        why = why or f"run {results.run_id}, the newest, is none to compare with: {lacks}"
    if not why:
        mend = f": prunebench run {suite} --scale {scale}" if suite in known else suggestion(suite, known)
        why = f"there is none in {store}{mend}"
    raise UsageError("; ".join([f"no run makes a baseline of {suite!r} at scale {scale!r}: {why}", *unreadable]))


def baseline_of(results: Results, suite: str) -> Baseline:
    """The baseline that a finished run makes of one of its suites.

    Raises:
        UsageError: the run is none to compare others with; the message says why.
    """
    side = of_run(results)
    why = _unfit(results, suite, side)
    if why:
        raise UsageError(f"run {results.run_id} makes no baseline of {suite!r}: {why}")
    own = [record for record in results.records if record.row.suite == suite]
    return make(side.about(suite), side.scale(suite), side.origin, own)


def _unfit(results: Results, suite: str, side: Side) -> str:
    if suite not in side.records:
        return f"it has {', '.join(side.records)}"
    if not comparable(side.scale(suite)):
        return f"its scale is {side.scale(suite)}"
    selection = Selection.of(results.plan)
    if selection.replaces:
        chosen = [text for text in selection.methods if not text.startswith("+")]
        return f"it was restricted to methods {', '.join(chosen)}"
    if selection.set:
        return f"it was changed by --set {', '.join(selection.set)}"
    if selection.seeds is not None:
        return f"its repetitions were set to {selection.seeds}"
    missing = sum(row.suite == suite for row in results.missing())
    cancelled = sum(record.status == "cancelled" for record in results.records if record.row.suite == suite)
    if missing or cancelled:
        return f"{missing + cancelled} of its cells are not finished: give its command again"
    return ""
