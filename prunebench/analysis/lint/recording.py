"""Items about what is recorded of each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.analysis.lint.sheet import OWN, Sheet
from prunebench.analysis.lint.wording import answer, listed, methods_of, number

if TYPE_CHECKING:
    from prunebench.analysis.lint.items import Answer

_UNPRUNED = "no network is pruned"


def achieved_density(sheet: Sheet) -> Answer:
    """What each mask keeps."""
    import polars as pl

    pruned = sheet.rows.filter(pl.col("pruned") & (pl.col("at") != OWN))
    if pruned.is_empty():
        return "not applicable", _UNPRUNED if sheet.rows.filter(
            "pruned"
        ).is_empty() else "no method is asked for a density"
    if not sheet.given & {"achieved_density", "kept"}:
        return "cannot tell", "no column achieved_density, nor kept: density may be what was asked for"
    silent = pruned.filter(pl.col("achieved_density").is_null() & pl.col("kept").is_null())
    off = pruned.filter("main").select((pl.col("achieved_density") / pl.col("at") - 1).abs().max()).item()
    told = f", at most {100 * off:.2g} % away from the one asked for" if off else ""
    return answer([f"none of {methods_of(silent)}"] if len(silent) else [], f"of {number(len(pruned), 'row')}{told}")


def size_and_macs(sheet: Sheet) -> Answer:
    """Both ratios, defined."""
    import polars as pl

    pruned = sheet.rows.filter(pl.col("pruned") & (pl.col("test_accuracy").is_not_null() | (pl.col("at") != OWN)))
    if pruned.is_empty():
        return "not applicable", _UNPRUNED
    counted = pl.col("macs").is_not_null() & pl.col("kept_macs").is_not_null()
    stated = pl.col("speed_up").is_not_null()
    if not sheet.has("macs", "kept_macs") and not sheet.has("speed_up"):
        return "cannot tell", "no columns macs and kept_macs, nor speed_up; size is the density"
    silent = pruned.filter(~counted & ~stated)
    if len(silent):
        return "missing", f"no multiply-accumulates of {methods_of(silent)}"
    vague = pruned.filter(~counted & pl.col("macs_definition").is_null())
    if len(vague):
        return "missing", f"speed_up without a definition: {methods_of(vague)}"
    return "ok", "size is the density; multiply-accumulates as defined by prunebench show kept_macs" if pruned.filter(
        ~counted
    ).is_empty() else "size is the density; speed_up as defined in macs_definition"


def collapse(sheet: Sheet) -> Answer:
    """Whether what is kept still computes something."""
    import polars as pl

    pruned = sheet.rows.filter(pl.col("pruned") & (pl.col("test_accuracy").is_not_null() | (pl.col("at") != OWN)))
    if pruned.is_empty():
        return "not applicable", _UNPRUNED
    found = [name for name in ("effective_density", "dead_layers", "has_path") if name in sheet.given]
    if not found:
        return "cannot tell", "no column effective_density, dead_layers or has_path"
    silent = pruned.filter(pl.all_horizontal(pl.col(found).is_null()))
    return answer([f"nothing of {methods_of(silent)}"] if len(silent) else [], f"told by {listed(found, ', ')}")


def hardware_software(sheet: Sheet) -> Answer:
    """Where each row comes from."""
    import polars as pl

    lacking = [name for name in ("hardware", "software") if name not in sheet.given]
    if lacking and not sheet.is_run:
        return "cannot tell", f"no column {' nor '.join(lacking)}"
    reasons = []
    for name in ("hardware", "software"):
        silent = sheet.rows.filter(pl.col(name).is_null())
        if len(silent):
            reasons.append(f"no {name} of {number(len(silent), 'row')}: {methods_of(silent)}")
    return answer(reasons, f"of {number(len(sheet.rows), 'row')}")
