"""Configuration files: `prunebench.toml`, and `[tool.prunebench]` of `pyproject.toml`.

Flags beat `PRUNEBENCH_…` variables beat `prunebench.toml` beat `[tool.prunebench]` beat defaults. Top-level keys are
the long options of `run`, with dashes or underscores, and hold for every verb that has the same option; a table named
like a verb holds for that verb. Files are looked for in the working folder and its parents up to the root of the
repository; paths in a file are relative to it.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prunebench.errors import UsageError, suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "prunebench.toml"
_PROJECT = "pyproject.toml"


@dataclass
class Configuration:
    """Values of options by verb and parameter name, and the file that each comes from."""

    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    origins: dict[tuple[str, str], Path] = field(default_factory=dict)


def configuration(group: click.Group, context: click.Context) -> Configuration:
    """What the files of this folder say.

    Raises:
        UsageError: a file that is no TOML, a key that no option has, a value that its option cannot have.
    """
    found = Configuration()
    for path in _files(Path.cwd()):
        table = _read(path)
        if table:
            _Reader(path, group, context, found).read(table)
    return found


def _files(folder: Path) -> list[Path]:
    """The nearest file of each name, the weaker one first; outside a repository only the folder itself is looked at."""
    folders = [folder, *folder.parents]
    roots = [place for place, parent in enumerate(folders) if (parent / ".git").exists()]
    searched = folders[: roots[0] + 1] if roots else folders[:1]
    nearest = [
        next((parent / name for parent in searched if (parent / name).is_file()), None) for name in (_PROJECT, FILE)
    ]
    return [path for path in nearest if path is not None]


def _read(path: Path) -> dict[str, Any]:
    try:
        plain = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    if path.name == FILE:
        return plain
    table = plain.get("tool", {}).get("prunebench", {})
    if not isinstance(table, dict):
        raise UsageError(f"{path}: tool.prunebench is no table")
    return table


@dataclass
class _Reader:
    """One file that is read into the configuration."""

    path: Path
    group: click.Group
    context: click.Context
    found: Configuration

    def read(self, table: Mapping[str, Any]) -> None:
        verbs = self.group.list_commands(self.context)
        options = {verb: self._options(verb) for verb in verbs}
        for key, value in table.items():
            if key in verbs and isinstance(value, dict):
                continue
            name = key.replace("_", "-")
            if name not in options["run"]:
                raise UsageError(f"{self.path}: unknown key {key!r}{suggestion(name, {*options['run'], *verbs})}")
            wanted = options["run"][name]
            for verb in verbs:
                if name in options[verb] and options[verb][name].name == wanted.name:
                    self._set(verb, options[verb][name], key, value)
        for verb in verbs:
            own = table.get(verb, {})
            for key, value in own.items() if isinstance(own, dict) else ():
                name = key.replace("_", "-")
                if name not in options[verb]:
                    known = suggestion(name, options[verb])
                    raise UsageError(f"{self.path}: unknown key {verb}.{key}{known or f': {verb} has no options'}")
                self._set(verb, options[verb][name], f"{verb}.{key}", value)

    def _options(self, verb: str) -> dict[str, click.Option]:
        """Options that a file may set, by long name: those that have a variable too."""
        command = self.group.get_command(self.context, verb)
        assert command is not None, "a verb has a command"
        return {
            next(name for name in o.opts if name.startswith("--"))[2:]: o
            for o in command.params
            if isinstance(o, click.Option) and o.envvar
        }

    def _set(self, verb: str, option: click.Option, key: str, value: Any) -> None:
        assert option.name is not None, "an option has a name"
        if isinstance(value, bool) is not option.is_flag or isinstance(value, dict):
            raise UsageError(f"{self.path}: {key} needs {'true or false' if option.is_flag else 'a value'}")
        if isinstance(value, list) and not option.multiple:
            raise UsageError(f"{self.path}: {key} takes one value")
        values = value if isinstance(value, list) else [value]
        values = [self._placed(option, v) for v in values]
        ready = values if option.multiple else values[0]
        try:
            option.type_cast_value(self.context, ready)
        except click.ClickException as error:
            raise UsageError(f"{self.path}: {key}: {error.message}") from error
        self.found.values.setdefault(verb, {})[option.name] = ready
        self.found.origins[verb, option.name] = self.path

    def _placed(self, option: click.Option, value: Any) -> Any:
        """Paths as seen from the file's folder."""
        is_path = isinstance(option.type, click.Path) or (
            option.name == "plugins" and isinstance(value, str) and (value.endswith(".py") or "/" in value)
        )
        if not is_path or not isinstance(value, str) or self.path.parent == Path.cwd() or value.startswith("~"):
            return value
        return str(self.path.parent / value)
