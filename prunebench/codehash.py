"""Digest of the code behind a result: a module and all first-party modules that it imports.

Imports are read from the syntax tree, lazy ones included, and nothing is imported. Comments, layout and docstrings do
not count. What a registry looks up by name is no import: such arguments carry the digest of their own module.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from prunebench.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parent


@functools.cache
def code_digest(module: str) -> str:
    """16 hexadecimal digits for a module name or the path of a Python file.

    First-party is the module's own top-level package, or, for a file, the folder that it lies in; and prunebench.
    Standard library and installed libraries are left to the environment.

    Raises:
        PluginError: the module has no source file, as a notebook or standard input has none.
    """
    files, (_, roots) = code_files(module), _locate(module)
    digest = hashlib.sha256()
    for path in sorted(files, key=lambda p: _label(p, roots)):
        digest.update(f"{_label(path, roots)} {files[path]}\n".encode())
    return digest.hexdigest()[:16]


def code_files(module: str) -> dict[Path, str]:
    """The files that `code_digest` counts, each with the digest of its own code."""
    start, roots = _locate(module)
    seen: dict[Path, str] = {}
    todo = [start]
    while todo:
        path = todo.pop()
        if path not in seen:
            seen[path], imported = _read(path, roots)
            todo += imported
    return seen


@functools.cache
def _read(path: Path, roots: tuple[_Root, ...]) -> tuple[str, tuple[Path, ...]]:
    """Digest of a file's code, and the first-party files that it imports."""
    tree = ast.parse(path.read_bytes(), filename=str(path))
    executed = {place for name in _imported(tree, path, roots) for place in accumulate(name.split("."), "{}.{}".format)}
    imported = dict.fromkeys(file for name in sorted(executed) for file in _files_of(name, roots))
    return hashlib.sha256(ast.dump(_without_docstrings(tree)).encode()).hexdigest(), tuple(imported)


@dataclass(frozen=True)
class _Root:
    """A folder whose modules are first-party: all of them (a plug-in's folder), or one top-level package."""

    folder: Path
    package: str | None = None

    def contains(self, path: Path) -> bool:
        """Whether the file or folder is one of the root's own."""
        if self.package is None:
            return path.is_relative_to(self.folder)
        base = self.folder / self.package
        return path.is_relative_to(base) or path == base.with_suffix(".py")

    def holds(self, top: str) -> bool:
        """Whether the root has a module of that top-level name."""
        if self.package is not None:
            return top == self.package
        return (self.folder / top).is_dir() or (self.folder / f"{top}.py").is_file()


_OWN = _Root(PACKAGE.parent, PACKAGE.name)


def _locate(module: str) -> tuple[Path, tuple[_Root, ...]]:
    """File of a module, and where first-party names are looked up."""
    if module.endswith(".py"):
        path = Path(module).resolve()
        return path, (_OWN, _Root(path.parent))
    top, *rest = module.split(".")
    base = PACKAGE if top == PACKAGE.name else _installed(top)
    roots = (_OWN,) if base == PACKAGE else (_OWN, _Root(base.parent, top))
    plain = base.joinpath(*rest)
    for path in (base if base.suffix else plain.with_suffix(".py"), plain / "__init__.py"):
        if path.is_file():
            return path, roots
    raise _no_source(module)


def _installed(top: str) -> Path:
    """Folder or file of a top-level name; finding a top-level name imports nothing."""
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # `__main__` of a notebook
        spec = None
    if spec is None or spec.origin is None:
        raise _no_source(top)
    path = Path(spec.origin)
    return path.parent if path.name == "__init__.py" else path


def _no_source(module: str) -> PluginError:
    return PluginError(f"{module!r} has no source file to tell versions by: put what it registers into a Python file")


def _files_of(name: str, roots: tuple[_Root, ...]) -> Iterator[Path]:
    """Files of a dotted name, if it is first-party: the package's, the module's.

    prunebench's own `__init__` is left out: it only offers names lazily, and a new name is no new result.
    """
    top, *rest = name.split(".")
    root = next((root for root in roots if root.holds(top)), None)
    if root is None:
        return
    base = root.folder.joinpath(top, *rest)
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.is_file() and path != PACKAGE / "__init__.py":
            yield path


def _imported(tree: ast.AST, path: Path, roots: tuple[_Root, ...]) -> Iterator[str]:
    """Dotted names that a tree imports, relative ones made absolute; type-checking blocks are left out."""
    if isinstance(tree, ast.If) and _is_type_checking(tree.test):
        for other in tree.orelse:
            yield from _imported(other, path, roots)
        return
    if isinstance(tree, ast.Import):
        yield from (alias.name for alias in tree.names)
    elif isinstance(tree, ast.ImportFrom):
        base = tree.module or ""
        if tree.level:
            folder = path.parents[tree.level - 1]
            root = next((r.folder for r in roots if r.contains(folder)), folder)
            base = ".".join([*folder.relative_to(root).parts, *([base] if base else [])])
        if base:
            yield base
        yield from (f"{base}.{alias.name}".lstrip(".") for alias in tree.names)
    for child in _blocks(tree):
        yield from _imported(child, path, roots)


def _blocks(node: ast.AST) -> Iterator[ast.AST]:
    """Statements inside a statement, and what holds some: expressions, most of a tree, have none."""
    for value in vars(node).values():
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt | ast.excepthandler | ast.match_case):
            yield from value


def _is_type_checking(test: ast.expr) -> bool:
    """`TYPE_CHECKING` or `typing.TYPE_CHECKING`, and nothing more: `not TYPE_CHECKING` runs."""
    return "TYPE_CHECKING" in {getattr(test, "id", None), getattr(test, "attr", None)}


def _without_docstrings(tree: ast.Module) -> ast.Module:
    """Drop strings that stand for themselves in modules, classes and functions, in place; `pass` fills an empty one."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            body = [s for s in node.body if not _is_string(s)]
            node.body = body or ([] if isinstance(node, ast.Module) else [ast.Pass()])
        todo += _blocks(node)
    return tree


def _is_string(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _label(path: Path, roots: tuple[_Root, ...]) -> str:
    """Path relative to its root: the digest must not know where the project lies."""
    return next((path.relative_to(r.folder).as_posix() for r in roots if r.contains(path)), path.name)
