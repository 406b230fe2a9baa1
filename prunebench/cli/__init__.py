"""The command line: one file a verb, imported only when it is used."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from prunebench.errors import ExitCode, PrunebenchError

_LONGEST = 10_000
"""Characters of a message."""


def main() -> NoReturn:
    """Run the command line and exit with a documented code; errors are one line on standard error."""
    import click

    from prunebench.cli.root import root

    code: int = ExitCode.OK
    try:
        code = root.main(prog_name="prunebench", standalone_mode=False) or ExitCode.OK
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.exceptions.NoArgsIsHelpError as asked:
        print(asked.format_message(), file=sys.stderr)
        code = ExitCode.USAGE
    except click.ClickException as error:
        code = _complain(error.format_message(), ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        code = _complain("interrupted", ExitCode.INTERRUPTED)
    except PrunebenchError as error:
        code = _complain(str(error), error.exit_code)
    except SystemExit as stop:
        if not stop.code or "_PRUNEBENCH_COMPLETE" in os.environ:
            raise  # a shell's completion ends so
        # The reader of our output has gone, as `head` does: click then exits with 1, which means a regression here.
        # Keep Python from complaining again at exit.
        code = ExitCode.TERMINATED
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    except Exception as error:
        code = _complain(f"internal error: {type(error).__name__}: {error}; --debug shows where", ExitCode.INTERNAL)
    sys.exit(code)


def _complain(message: str, code: ExitCode) -> ExitCode:
    """Print one line without control characters, or the traceback where it is asked for."""
    from prunebench.analysis.tables import one_line

    if "--debug" in sys.argv or os.environ.get("PRUNEBENCH_DEBUG"):
        import traceback

        traceback.print_exc()
    print(f"prunebench: error: {one_line(message, _LONGEST)}", file=sys.stderr)
    return code
