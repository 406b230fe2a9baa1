"""Draws what it is told on standard input, a line a chart: run by `pen` as a process of its own.

The first line is where modules are found, every other a version of Vega-Lite and a specification. Answers are lines
too: `svg`, or `error`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def answer(version: str, specification: dict[str, Any]) -> dict[str, str]:
    """What there is to say of one chart."""
    import vl_convert

    try:
        return {"svg": str(vl_convert.vegalite_to_svg(specification, vl_version=version))}
    except ValueError as error:
        return {"error": str(error)}


def main() -> None:
    """Draw until the input ends. What a library prints goes where errors go."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        sys.path[:] = json.loads(sys.stdin.readline())
        for line in sys.stdin:
            answers.write(json.dumps(answer(*json.loads(line))) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
