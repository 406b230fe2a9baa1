"""Ways in from outside: a file or module given by `--plugin`, and entry points of installed packages."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
from pathlib import Path

from prunebench import catalogue
from prunebench.errors import PluginError, PrunebenchError
from prunebench.registry import registering

GROUP = "prunebench.methods"
"""Entry-point group: `name = "package.module"`, imported for its registrations."""

_loaded: set[str] = set()


def load(plugin: str) -> None:
    """Import a plug-in, a Python file or a module name, so that it registers what it has.

    Raises:
        PluginError: it is not found, or fails while it is imported.
    """
    name = canonical(plugin)
    if name in _loaded:
        return
    if name.endswith(".py") and not Path(name).is_file():
        raise PluginError(f"plug-in {plugin!r} is not found")
    try:
        with registering():
            if name.endswith(".py"):
                _load_file(Path(name))
            else:
                importlib.import_module(name)
    except PrunebenchError:
        raise
    except (Exception, SystemExit) as error:
        message = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(f"plug-in {plugin!r} fails on import: {message}") from error
    _loaded.add(name)


def canonical(plugin: str) -> str:
    """The plug-in's absolute path, or its module name: how workers find it from anywhere.

    Raises:
        PluginError: it lies in the home folder of a user that there is not.
    """
    if plugin.endswith(".py") or "/" in plugin:
        try:
            return str(Path(plugin).expanduser().resolve())
        except RuntimeError as error:
            raise PluginError(f"plug-in {plugin!r} is not found: {error}") from None
    return plugin


def load_installed() -> dict[str, str]:
    """Load the entry points of installed packages; returns the broken ones with their error."""
    broken: dict[str, str] = {}
    if not _any_declared():
        return broken
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP):
        try:
            # Not `point.module`: a value that is no module name has none.
            load(point.value.partition(":")[0].strip())
        except PrunebenchError as error:
            broken[point.name] = str(error)
    return broken


def _any_declared() -> bool:
    """Whether an installed package may have entry points of ours; `importlib.metadata` takes long to import."""
    if any(hasattr(finder, "find_distributions") for finder in sys.meta_path if not _is_pythons_own(finder)):
        return True
    return any(map(_may_declare, sys.path))


def _may_declare(place: str) -> bool:
    folder = Path(place).resolve()
    try:
        return _declares(folder, folder.stat().st_mtime_ns)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # an archive, perhaps, with packages inside


@functools.lru_cache(maxsize=256)
def _declares(folder: Path, _changed: int) -> bool:
    """The same of a folder of packages as it was last changed; installing adds an entry, and so changes it."""
    with os.scandir(folder) as entries:
        packages = [e.name for e in entries if e.name.endswith((".dist-info", ".egg-info", ".egg"))]
    for name in packages:
        if name.endswith(".egg"):
            return True
        try:
            text = Path(folder, name, "entry_points.txt").read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if GROUP.encode() in text:
            return True
    return False


def _is_pythons_own(finder: object) -> bool:
    return getattr(finder, "__module__", "").startswith("_frozen_importlib")


def _load_file(path: Path) -> None:
    _refuse_strange_helpers(path)
    name = f"prunebench_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"plug-in {str(path)!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    # The registry reads this mark: the module's name finds nothing in another process, its path does.
    module.__prunebench_plugin__ = True  # type: ignore[attr-defined]
    sys.modules[name] = module
    folder = str(path.parent)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(folder)
    # Helpers imported while a step runs are still to be found, but no longer before anything else.
    if folder not in sys.path:
        sys.path.append(folder)


def _refuse_strange_helpers(path: Path) -> None:
    """A helper whose name another module already has would not be imported: the plug-in would get the other one.

    Raises:
        PluginError: such a helper is among the files that the plug-in imports from its own folder.
    """
    from prunebench.codehash import code_files

    for file in code_files(str(path)):
        if file == path or not file.is_relative_to(path.parent):
            continue
        top = file.relative_to(path.parent).parts[0].removesuffix(".py")
        origin = getattr(sys.modules.get(top), "__file__", None)
        if origin is not None and not Path(origin).resolve().is_relative_to(path.parent):
            raise PluginError(f"plug-in {path.name!r}: its helper {top!r} has the name of {origin}: rename the helper")


def ready(plugins: tuple[str, ...] = ()) -> dict[str, str]:
    """Make the catalogue, the installed plug-ins and the given ones known; returns broken installed ones.

    Raises:
        PluginError: a given plug-in cannot be loaded.
    """
    catalogue.declare()
    broken = load_installed()
    for plugin in plugins:
        load(plugin)
    return broken
