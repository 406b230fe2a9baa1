"""Draws what it is told on standard input, a line a chart: run by `pen` as a process of its own.

The first line is where modules are found, every other a specification. Answers are lines too: `svg`, or `error`.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """Draw until the input ends. What a library prints goes where errors go."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        sys.path[:] = json.loads(sys.stdin.readline())
        import vl_convert

        for line in sys.stdin:
            version, specification = json.loads(line)
            try:
                answer = {"svg": str(vl_convert.vegalite_to_svg(specification, vl_version=version))}
            except ValueError as error:
                answer = {"error": str(error)}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
