"""How long reading a large run and making its report takes, and how much memory.

    python -m tests.bench.report reports/records/tradeoff.standard.tar.xz --records 100000

Nothing here is a test: a figure depends on the machine. Run it before and after a change of what reads records or makes
tables of them.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from prunebench.analysis.boards.sections import SECTIONS
from prunebench.analysis.export import exported
from prunebench.analysis.lint.report import detailed, lint
from prunebench.analysis.lint.sheet import of_results
from prunebench.analysis.results import Results, load_results
from prunebench.analysis.tables import render
from prunebench.records.presentation import Presentation
from prunebench.report.page import page
from prunebench.report.scope import of_suite
from tests.bench.made import make

T = TypeVar("T")

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Print a line a stage: seconds, those of them on a processor, and the process's highest resident memory so far."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stored", type=Path, help="archive or folder of a run to make the large one of")
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="folder for the large run, used again if it is there")
    parser.add_argument("--json", action="store_true", help="measure the JSON document too, which holds all series")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch) / "run"
        if not folder.exists():
            print(f"{make(arguments.stored, folder, arguments.records)} records, {_size(folder)}")
        measure(folder, whole=arguments.json)


def measure(folder: Path, *, whole: bool) -> None:
    """See `main`."""
    begun = time.perf_counter()
    results = timed("load", lambda: load_results(folder))
    for suite in results.plan["suites"]:
        presentation = Presentation.model_validate(suite["presentation"])
        for section in presentation.sections:
            tables = timed(f"  {section}", lambda: SECTIONS[section](suite["name"], presentation, results))  # noqa: B023
            timed("    as Markdown", lambda: render(tables, "md"))  # noqa: B023
    timed("lint", lambda: _lint(results))
    for suite in results.suites:
        timed("page with charts", lambda: page(of_suite(results, suite)))  # noqa: B023
    timed("frame", results.frame)
    timed("csv", lambda: exported(results, "csv"))
    timed("all series", lambda: [results.series(record) for record in results.records])
    if whole:
        timed("json", lambda: exported(results, "json"))
    print(f"{'in all':24}{time.perf_counter() - begun:8.2f} s")


def timed(name: str, work: Callable[[], T]) -> T:
    """What the work returns; a line on how it went."""
    begun, cpu = time.perf_counter(), time.process_time()
    found = work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    spent, cpu = time.perf_counter() - begun, time.process_time() - cpu
    print(f"{name:24}{spent:8.2f} s {cpu:8.2f} s {peak:8.0f} MiB", flush=True)
    return found


def _lint(results: Results) -> str:
    sheet = of_results(results)
    return render(detailed(sheet, lint(sheet)), "md")


def _size(folder: Path) -> str:
    return ", ".join(f"{path.name} {path.stat().st_size >> 20} MiB" for path in sorted(folder.iterdir()))


if __name__ == "__main__":
    main()
