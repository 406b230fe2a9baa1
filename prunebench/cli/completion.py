"""`prunebench completion`, and the names that a shell completes: none of them costs an import that computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

VARIABLE = "_PRUNEBENCH_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """The script that completes verbs, options, suites and methods.

    \b
    bash   eval "$(prunebench completion bash)"                        in ~/.bashrc
    zsh    eval "$(prunebench completion zsh)"                         in ~/.zshrc
    fish   prunebench completion fish > ~/.config/fish/completions/prunebench.fish
    """  # noqa: D301 - click looks for the backspace itself
    found = get_completion_class(shell)
    assert found is not None, "click knows these shells"
    click.echo(found(context.find_root().command, {}, "prunebench", VARIABLE).source())


def completing(
    names: Callable[[], Iterable[str]], *, files: bool = False
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Complete names of something; with `files` also those of files."""

    def complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        found = [CompletionItem(name) for name in sorted(names()) if name.startswith(incomplete)]
        return [*found, CompletionItem(incomplete, type="file")] if files and not found else found

    return complete


def runs(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete ids of the runs in the store, and `latest`; else names of files."""
    from pathlib import Path

    from prunebench.analysis.results import run_folders

    names = ["latest", *(folder.name for folder in run_folders(Path(context.params.get("store") or ".prunebench")))]
    found = [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="file")]


def suites() -> list[str]:
    """Names of the built-in suites."""
    from prunebench.records.places import suite_folder

    return [path.stem for path in suite_folder().glob("*.toml")]


def methods() -> list[str]:
    """Names of the built-in methods, and as additions to a suite's."""
    from prunebench import catalogue
    from prunebench.registry import METHODS

    catalogue.declare()
    return [*METHODS.entries, *(f"+{name}" for name in METHODS.entries)]


def things() -> list[str]:
    """Whatever `show` knows by name."""
    from prunebench import catalogue
    from prunebench.records.metrics import METRICS
    from prunebench.registry import REGISTRIES

    catalogue.declare()
    return [*suites(), *METRICS, "latest", *(name for registry in REGISTRIES.values() for name in registry.entries)]
