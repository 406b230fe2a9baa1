"""Digests of the code behind a result."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from prunebench import catalogue, codehash
from prunebench.codehash import code_digest
from prunebench.errors import PluginError
from prunebench.registry import METHODS, REGISTRIES

STEPS = [path.stem for path in sorted((codehash.PACKAGE / "steps").glob("[!_]*.py"))]

PLUGIN = '''
"""A plug-in."""
from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from helper import base

if TYPE_CHECKING:
    from wanted import Thing


def score(w: Thing) -> Thing:
    """Twice."""
    from late import factor

    return base(w) * factor  # a comment
'''
FILES = {
    "plugin.py": PLUGIN,
    "helper.py": "from kit.deep import bottom\n\ndef base(w):\n    return w + bottom\n",
    "late.py": "factor = 2\n",
    "wanted.py": "class Thing: ...\n",
    "stranger.py": "unused = 1\n",
    "kit/__init__.py": "",
    "kit/deep/__init__.py": "from ..side import one\nfrom . import lower\nbottom = one\n",
    "kit/deep/lower.py": "x = 1\n",
    "kit/side.py": "one = 1\n",
}


READ = codehash._read.__wrapped__
KNOWN = {}


@pytest.fixture(autouse=True)
def _read_again(monkeypatch):
    """A file that may have changed is read anew; a process never reads one twice otherwise."""

    def read(path, roots):
        if "prunebench" not in path.parts:
            return READ(path, roots)
        state = path, roots, path.read_bytes()
        if state not in KNOWN:
            KNOWN[state] = READ(path, roots)
        return KNOWN[state]

    monkeypatch.setattr(codehash, "_read", read)
    code_digest.cache_clear()
    yield
    code_digest.cache_clear()


def digest(path):
    code_digest.cache_clear()
    return code_digest(str(path))


def files_read(module):
    """Files whose code a digest is made of."""
    read, reads = set(), codehash._read
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codehash, "_read", lambda path, roots: read.add(path) or reads(path, roots))
        code_digest.cache_clear()
        code_digest(str(module))
    return read


def laid_out(folder, files=FILES):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "plugin.py"


@pytest.fixture
def plugin(tmp_path):
    return laid_out(tmp_path / "here")


def replaced(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_digest_is_sixteen_hexadecimal_digits_and_repeats(plugin):
    first = digest(plugin)
    assert len(first) == 16
    int(first, 16)
    assert digest(plugin) == first


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a comment", "# another, much longer comment"),
        ('"""Twice."""', '"""Two times,\n\n    in more words.\n    """'),
        ('"""Twice."""', '"""Twice."""\n\n    "a loose string"'),
        ('"""A plug-in."""', ""),
        ("base(w) * factor", "(\n        base(w)\n        * factor\n    )"),
        ("import torch\n", "import torch\n\n\n"),
    ],
)
def test_comments_layout_and_docstrings_do_not_count(plugin, old, new):
    before = digest(plugin)
    replaced(plugin, old, new)
    assert digest(plugin) == before


def test_a_function_that_is_only_its_docstring_is_one_that_does_nothing(tmp_path):
    path = tmp_path / "plugin.py"
    path.write_text('def f():\n    """Nothing."""\n')
    before = digest(path)
    path.write_text("def f():\n    pass\n")
    assert digest(path) == before


@pytest.mark.parametrize("block", ["if x:", "try:\n    pass\nfinally:", "match x:\n  case 1:", "class A:", "def f():"])
def test_docstrings_count_nowhere(tmp_path, block):
    path = tmp_path / "plugin.py"
    text = f"{block}\n    def g():\n        {{}}return 1\n"
    path.write_text(text.format(""))
    before = digest(path)
    path.write_text(text.format("'One.'; "))
    assert digest(path) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("base(w) * factor", "base(w) + factor"),
        ("base(w) * factor", "base(w) * factor * 1"),
        ("base(w) * factor", "base(v) * factor"),
        ("w: Thing", "w: Thing = 1"),
        ("import torch", "import torch as t"),
        ("def score", "@staticmethod\ndef score"),
    ],
)
def test_every_change_of_code_counts(plugin, old, new):
    before = digest(plugin)
    replaced(plugin, old, new)
    assert digest(plugin) != before


@pytest.mark.parametrize(
    "helper", ["helper.py", "late.py", "kit/__init__.py", "kit/deep/__init__.py", "kit/deep/lower.py", "kit/side.py"]
)
def test_a_change_of_a_file_that_is_imported_counts_however_it_is_imported(plugin, helper):
    before = digest(plugin)
    with (plugin.parent / helper).open("a") as file:
        file.write("changed = True\n")
    assert digest(plugin) != before


@pytest.mark.parametrize("other", ["wanted.py", "stranger.py"])
def test_files_imported_for_type_checking_only_or_by_nobody_do_not_count(plugin, other):
    before = digest(plugin)
    (plugin.parent / other).write_text("class Thing:\n    changed = True\n")
    assert digest(plugin) == before


@pytest.mark.parametrize(
    ("block", "counts"),
    [
        ("if TYPE_CHECKING:\n    import late\n", False),
        ("import typing\nif typing.TYPE_CHECKING:\n    import late\n", False),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    import late\n", True),
        ("if not TYPE_CHECKING:\n    import late\n", True),
        ("if TYPE_CHECKING or LATE:\n    import late\n", True),
        ("try:\n    import late\nexcept ImportError:\n    late = None\n", True),
        ("try:\n    pass\nexcept* ValueError:\n    import late\n", True),
        ("try:\n    pass\nfinally:\n    import late\n", True),
        ("for x in ():\n    pass\nelse:\n    import late\n", True),
        ("with open('x'):\n    import late\n", True),
        ("match 1:\n    case 2:\n        pass\n    case _:\n        import late\n", True),
        ("class A:\n    import late\n", True),
        ("async def f():\n    from late import factor\n", True),
    ],
)
def test_imports_count_wherever_they_may_run(tmp_path, block, counts):
    path = laid_out(tmp_path, {"plugin.py": block, "late.py": "factor = 2\n"})
    before = digest(path)
    (tmp_path / "late.py").write_text("factor = 3\n")
    assert (digest(path) != before) is counts


def test_a_helper_that_appears_counts_and_one_that_does_not_exist_is_passed_over(tmp_path):
    path = laid_out(tmp_path, {"plugin.py": "try:\n    import maybe\nexcept ImportError:\n    maybe = None\n"})
    before = digest(path)
    (tmp_path / "maybe.py").write_text("")
    assert digest(path) != before


def test_helpers_that_import_each_other_are_read_once(tmp_path):
    path = laid_out(tmp_path, {"plugin.py": "import other\n", "other.py": "import plugin\nx = 1\n"})
    before = digest(path)
    (tmp_path / "other.py").write_text("import plugin\nx = 2\n")
    assert digest(path) != before


def test_two_helpers_that_swap_their_contents_count(tmp_path):
    files = {"plugin.py": "import a, b\n", "a.py": "x = 1\n", "b.py": "x = 2\n"}
    before = digest(laid_out(tmp_path, files))
    assert digest(laid_out(tmp_path, files | {"a.py": "x = 2\n", "b.py": "x = 1\n"})) != before


def test_installed_libraries_are_not_followed(plugin):
    read = files_read(plugin)
    assert {path.name for path in read} >= {"plugin.py", "helper.py", "late.py", "side.py"}
    assert all(path.is_relative_to(plugin.parent) for path in read)


def test_prunebenchs_own_modules_are_followed_from_a_plugin(tmp_path):
    lean = laid_out(tmp_path / "lean", {"plugin.py": "import prunebench as pb\n"})
    fat = laid_out(tmp_path / "fat", {"plugin.py": "from prunebench.engine import masks\n"})
    assert files_read(lean) == {lean}
    assert {codehash.PACKAGE / "engine" / "masks.py", codehash.PACKAGE / "engine" / "prunable.py"} <= files_read(fat)


def test_the_digest_does_not_depend_on_where_the_folder_lies(tmp_path, plugin):
    assert digest(plugin) == digest(laid_out(tmp_path / "else" / "where"))


def test_a_plugin_inside_the_projects_own_folder_counts_like_one_outside(tmp_path, monkeypatch):
    monkeypatch.setattr(codehash, "_OWN", codehash._Root(tmp_path / "project", "prunebench"))
    outside, inside = laid_out(tmp_path / "outside"), laid_out(tmp_path / "project" / "examples")
    before = digest(inside)
    assert before == digest(outside)
    (inside.parent / "kit" / "side.py").write_text("one = 2\n")
    assert digest(inside) != before


def test_a_module_of_an_installed_package_counts_with_its_package(tmp_path, monkeypatch):
    files = {
        "their_methods/__init__.py": "",
        "their_methods/one.py": "from .tools import x\nimport neighbour\n",
        "their_methods/tools.py": "x = 1\n",
        "their_methods/two.py": "y = 1\n",
        "neighbour.py": "z = 1\n",
    }
    laid_out(tmp_path, files)
    monkeypatch.syspath_prepend(tmp_path)
    before = digest("their_methods.one")
    laid_out(tmp_path, {"their_methods/two.py": "y = 2\n", "neighbour.py": "z = 2\n"})
    assert digest("their_methods.one") == before
    laid_out(tmp_path, {"their_methods/tools.py": "x = 2\n"})
    assert digest("their_methods.one") != before
    assert "their_methods" not in sys.modules


def test_a_single_file_module_counts(tmp_path, monkeypatch):
    laid_out(tmp_path, {"their_only_file.py": "x = 1\n"})
    monkeypatch.syspath_prepend(tmp_path)
    before = digest("their_only_file")
    laid_out(tmp_path, {"their_only_file.py": "x = 2\n"})
    assert digest("their_only_file") != before


@pytest.mark.parametrize("module", ["no_such_module", "prunebench.no_such", "/somewhere/<stdin>", "sys"])
def test_code_without_a_source_file_is_refused_in_one_line(module):
    with pytest.raises(PluginError, match="has no source file") as caught:
        code_digest(module)
    assert len(str(caught.value).splitlines()) == 1


def test_code_typed_into_a_session_is_refused_in_one_line(monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    with pytest.raises(PluginError, match="'__main__' has no source file"):
        code_digest("__main__")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the package, and the digests that it has before it is edited."""
    folder = tmp_path_factory.mktemp("elsewhere") / "prunebench"
    shutil.copytree(codehash.PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    with pytest.MonkeyPatch.context() as patch:
        looked_at(folder, patch)
        return folder, own_digests()


@pytest.fixture
def package(copy, monkeypatch):
    """The copy, which digests are taken of instead of the package."""
    looked_at(copy[0], monkeypatch)
    return copy[0]


def looked_at(folder, patch):
    patch.setattr(codehash, "PACKAGE", folder)
    patch.setattr(codehash, "_OWN", codehash._Root(folder.parent, "prunebench"))


def own_digests():
    """Digests of all entries and steps by name."""
    catalogue.declare()
    code_digest.cache_clear()
    built_in = [
        entry for registry in REGISTRIES.values() for entry in registry if entry.module.startswith("prunebench.")
    ]
    found = {f"{entry.kind} {entry.name}": code_digest(entry.module) for entry in built_in}
    return found | {f"step {name}": code_digest(f"prunebench.steps.{name}") for name in STEPS}


def changed_by_editing(path, before):
    whole = path.read_bytes()
    try:
        path.write_bytes(whole + b"\nchanged = True\n")
        after = own_digests()
    finally:
        path.write_bytes(whole)
    return {name for name in before if after[name] != before[name]}


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("methods/snip.py", {"method snip"}),
        ("tasks/models/vgg.py", {"model vgg-11", "model vgg-13", "model vgg-16", "model vgg-19"}),
        ("tasks/datasets/mnist1d.py", {"dataset mnist1d"}),
        ("steps/search.py", {"step search", "check collapse"}),
        ("harness/journal.py", set()),
        ("__init__.py", set()),
    ],
)
def test_an_edit_of_one_file_of_the_package_changes_only_what_uses_it(package, copy, file, changed):
    assert changed_by_editing(package / file, copy[1]) == changed


def test_an_edit_of_the_engine_changes_every_method_and_every_step_that_uses_it_and_no_data(package, copy):
    changed = changed_by_editing(package / "engine" / "selection" / "allocate.py", copy[1])
    assert {f"method {entry.name}" for entry in METHODS if entry.module.startswith("prunebench.")} <= changed
    # What `prune` does is in its method, whose digest is part of the key; `ablate` and `flatness` select nothing.
    assert {f"step {name}" for name in STEPS if name not in {"prune", "ablate", "flatness"}} <= changed
    assert not {name for name in changed if name.startswith(("model ", "dataset "))}


def test_the_package_has_the_same_digests_wherever_it_lies(copy):
    assert own_digests() == copy[1]


def test_another_process_finds_the_same_digests(copy):
    folder, digests = copy
    code = (
        "import prunebench; print(prunebench.__file__)\n"
        "from prunebench.codehash import code_digest\n"
        f"for name in {STEPS!r}: print(code_digest(f'prunebench.steps.{{name}}'))"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code], check=True, capture_output=True, text=True, cwd=folder.parent
    )
    origin, *found = done.stdout.split()
    assert Path(origin).is_relative_to(folder)
    assert found == [digests[f"step {name}"] for name in STEPS]


def test_no_step_depends_on_the_code_of_a_method_a_model_or_a_dataset():
    for name in STEPS:
        read = {path.relative_to(codehash.PACKAGE).as_posix() for path in files_read(f"prunebench.steps.{name}")}
        assert f"steps/{name}.py" in read
        assert any(file.startswith("engine/") for file in read)
        assert not {file for file in read if file.startswith(("methods/", "tasks/models/", "harness/", "cli/"))}
