"""Ways in from outside: plug-in files, modules, entry points."""

from __future__ import annotations

import os
import sys
import zipfile

import pytest

from prunebench import catalogue, plugins
from prunebench.engine.method import build
from prunebench.errors import DuplicateNameError, PluginError
from prunebench.parameters import Parameter
from prunebench.registry import METHODS, REGISTRIES
from prunebench.spec import Spec

SCORER = '''
"""A plug-in."""
from __future__ import annotations

import prunebench as pb


@pb.scorer("{name}", paper="Doe 2026", needs={{"data"}}, rounds=3)
def score(ctx: pb.Scoring, *, power: float = 1) -> pb.Scores:
    """Weights to a power."""
    return {{name: w.abs() ** power for name, w in ctx.weights.items()}}
'''


@pytest.fixture(autouse=True)
def _nothing_stays(monkeypatch):
    """Entries, modules, paths and loaded names of a test go with it."""
    modules, known = set(sys.modules), {kind: set(registry.entries) for kind, registry in REGISTRIES.items()}
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(plugins, "_loaded", plugins._loaded.copy())
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for kind, registry in REGISTRIES.items():
        for name in set(registry.entries) - known[kind]:
            if not registry.entries[name].target.startswith("prunebench."):
                del registry.entries[name]
                registry._objects.pop(name, None)
    for name in set(sys.modules) - modules:
        if name.startswith(("prunebench_plugin_", "their_", "helper_of_")):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path):
    def written(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return written


@pytest.fixture
def installed(write, tmp_path, monkeypatch):
    """A package installed with these entry points, from names to values, in a folder or in an archive."""

    def of(points, archive=False):
        text = "\n".join(["[prunebench.methods]", *(f"{name} = {value}" for name, value in points.items())])
        if archive:
            with zipfile.ZipFile(tmp_path / "packages.zip", "w") as packed:
                packed.writestr("theirs-1.0.dist-info/METADATA", "Name: theirs\nVersion: 1.0\n")
                packed.writestr("theirs-1.0.dist-info/entry_points.txt", text)
            monkeypatch.syspath_prepend(tmp_path / "packages.zip")
            return
        write("packages/theirs-1.0.dist-info/METADATA", "Name: theirs\nVersion: 1.0\n")
        write("packages/theirs-1.0.dist-info/entry_points.txt", text)
        monkeypatch.syspath_prepend(tmp_path / "packages")

    return of


def complaint(plugin):
    with pytest.raises(PluginError) as caught:
        plugins.load(str(plugin))
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_file_registers_its_scorer_with_parameters_and_capabilities(write):
    path = write("plugin.py", SCORER.format(name="their-power"))
    plugins.load(str(path))
    entry = METHODS.entry("their-power")
    assert entry.target == f"{path}:score"
    assert (entry.summary, entry.paper, entry.capabilities) == ("Weights to a power", "Doe 2026", ("data", "descends"))
    assert entry.parameters[0] == Parameter("power", ("float",), 1.0)
    resolved = METHODS.resolve(Spec.parse("their-power(power=2)"))
    assert resolved == {
        "power": 2.0, "rounds": 3, "schedule": "exponential", "scope": "global", "mode": "eval",
        "samples_per_class": 10, "batch_size": 0,
    }  # fmt: skip
    assert build(Spec.parse("their-power(power=2)")).scorer.keywords == {"power": 2.0}


def test_a_plugin_is_loaded_once_however_it_is_named(write, tmp_path, monkeypatch):
    path = write("counts.py", "import sys\nsys.their_count = getattr(sys, 'their_count', 0) + 1\n")
    monkeypatch.setattr(sys, "their_count", 0, raising=False)
    monkeypatch.chdir(tmp_path)
    for name in ("counts.py", "./counts.py", str(path), str(tmp_path / "x" / ".." / "counts.py")):
        plugins.load(name)
    assert sys.their_count == 1


def test_paths_are_absolute_and_module_names_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert plugins.canonical("mine.py") == str(tmp_path / "mine.py")
    assert plugins.canonical("~/mine.py") == str(tmp_path / "home" / "mine.py")
    assert plugins.canonical("package.mine") == "package.mine"


def test_a_module_registers_its_scorer(write, tmp_path, monkeypatch):
    write("their_package/__init__.py", "")
    write("their_package/methods.py", SCORER.format(name="their-module"))
    monkeypatch.syspath_prepend(tmp_path)
    plugins.load("their_package.methods")
    assert METHODS.entry("their-module").target == "their_package.methods:score"


def test_a_file_finds_its_helpers_now_and_while_it_runs(write):
    write("helper_of_file.py", "now = 1\n")
    write("helper_of_run.py", "later = 2\n")
    late = "\n\ndef late():\n    from helper_of_run import later\n    return later\n"
    path = write("plugin.py", "from helper_of_file import now\n" + late)
    before = sys.path.copy()
    plugins.load(str(path))
    module = sys.modules["prunebench_plugin_plugin"]
    assert (module.now, module.late()) == (1, 2)
    assert sys.path[: len(before)] == before  # its folder comes last: a file `random.py` there hides nothing


def test_a_plugin_that_takes_a_built_in_name_is_refused_naming_both(write):
    catalogue.declare()
    path = write("plugin.py", SCORER.format(name="snip"))
    with pytest.raises(DuplicateNameError, match=r"'snip' .*prunebench\.methods\.snip:snip and by .*plugin\.py:score"):
        plugins.load(str(path))
    assert METHODS.entry("snip").target == "prunebench.methods.snip:snip"


def test_a_name_taken_before_the_catalogue_is_read_is_refused_too(write, monkeypatch):
    for known in ("entries", "_objects"):
        monkeypatch.setattr(METHODS, known, {k: v for k, v in getattr(METHODS, known).items() if k != "snip"})
    path = write("plugin.py", SCORER.format(name="snip"))
    plugins.load(str(path))
    with pytest.raises(DuplicateNameError, match=r"'snip' .*plugin\.py:score and by prunebench\.methods\.snip:snip"):
        plugins.ready()


def test_two_plugins_of_one_name_are_refused_naming_both_files(write):
    plugins.load(str(write("a/one.py", SCORER.format(name="their-own"))))
    with pytest.raises(DuplicateNameError, match=r"a/one\.py:score and by .*b/one\.py:score"):
        plugins.load(str(write("b/one.py", SCORER.format(name="their-own"))))


@pytest.mark.parametrize("word", ["rounds", "schedule", "scope", "mode", "samples_per_class"])
def test_a_parameter_may_not_have_the_name_of_one_of_the_engines_words(write, word):
    path = write("plugin.py", SCORER.format(name="their-own").replace("power: float", f"{word}: float"))
    with pytest.raises(DuplicateNameError, match=f"parameter '{word}' is the engine's word"):
        plugins.load(str(path))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("1 +\n", "SyntaxError: invalid syntax"),
        ("import their_missing_library\n", "ModuleNotFoundError: No module named 'their_missing_library'"),
        ("raise ValueError('two\\nlines')\n", "ValueError: two lines"),
        ("assert False\n", "AssertionError"),
        ("open('/no/such/file')\n", "FileNotFoundError"),
        ("raise SystemExit('usage: plugin')\n", "SystemExit: usage: plugin"),
        (SCORER.format(name="their-own").replace("power: float = 1", "power: float"), "needs a default"),
        (SCORER.format(name="their-own").replace("power: float = 1", "power=1"), "parameter 'power' needs a type"),
        (SCORER.format(name="their-own").replace("power: float", "power: Unknown"), "name 'Unknown' is not defined"),
    ],
)
def test_a_broken_file_says_in_one_line_that_it_fails_and_why(write, text, fault):
    path = write("plugin.py", text)
    message = complaint(path)
    assert message.startswith(f"plug-in '{path}' fails on import: ")
    assert fault in message
    assert "prunebench_plugin_plugin" not in sys.modules
    assert "their-own" not in METHODS.entries


def test_a_broken_file_is_loaded_once_it_is_mended(write):
    path = write("plugin.py", "1 +\n")
    complaint(path)
    write("plugin.py", SCORER.format(name="their-mended"))
    plugins.load(str(path))
    assert "their-mended" in METHODS.entries


@pytest.mark.parametrize("name", ["missing.py", "folder.py"])
def test_a_file_that_is_not_there_says_so(tmp_path, name):
    (tmp_path / "folder.py").mkdir()
    assert complaint(tmp_path / name) == f"plug-in '{tmp_path / name}' is not found"


@pytest.mark.parametrize("name", ["their_missing.module", "", ".relative", "two words"])
def test_a_module_that_is_not_there_says_so(name):
    assert complaint(name).startswith(f"plug-in {name!r} fails on import: ")


def test_a_plugin_that_is_stopped_by_the_user_stops_the_user(write):
    path = write("plugin.py", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        plugins.load(str(path))


def test_installed_plugins_are_loaded_and_broken_ones_reported_without_taking_the_rest_down(
    write, tmp_path, installed, monkeypatch
):
    write("their_first.py", SCORER.format(name="their-first"))
    write("their_broken.py", "raise ValueError('two\\nlines')\n")
    write("their_exit.py", "raise SystemExit(1)\n")
    write("their_thief.py", SCORER.format(name="their-first"))
    write("their_last.py", SCORER.format(name="their-last"))
    monkeypatch.syspath_prepend(tmp_path)
    installed(
        {
            "first": "their_first", "broken": "their_broken", "exits": "their_exit", "thief": "their_thief:score",
            "absent": "their_absent", "malformed": "not-a-module", "last": "their_last",
        }
    )  # fmt: skip
    broken = plugins.ready()
    assert {"their-first", "their-last", "snip"} <= set(METHODS.entries)
    assert list(broken) == ["broken", "exits", "thief", "absent", "malformed"]
    assert broken["broken"] == "plug-in 'their_broken' fails on import: ValueError: two lines"
    assert "SystemExit" in broken["exits"]
    assert "registered twice: by their_first:score and by their_thief:score" in broken["thief"]
    assert "No module named 'their_absent'" in broken["absent"]
    assert all(len(message.splitlines()) == 1 for message in broken.values())


@pytest.mark.parametrize("archive", [False, True], ids=["folder", "archive"])
def test_a_package_installed_in_a_folder_or_an_archive_registers_what_it_has(write, installed, monkeypatch, archive):
    monkeypatch.syspath_prepend(write("their_own.py", SCORER.format(name="their-own")).parent)
    installed({"own": "their_own"}, archive=archive)
    assert plugins.load_installed() == {}
    assert METHODS.entry("their-own").target == "their_own:score"


def test_a_package_installed_while_python_runs_is_found_at_the_next_look(write, installed, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(write("packages/their_late.py", SCORER.format(name="their-late")).parent)
    os.utime(tmp_path / "packages", (0, 0))
    assert plugins.ready() == {}
    assert "their-late" not in METHODS.entries
    installed({"late": "their_late"})
    assert plugins.ready() == {}
    assert METHODS.entry("their-late").target == "their_late:score"


def test_a_given_plugin_that_is_broken_is_an_error_after_the_catalogue_is_known(write, installed):
    installed({})
    with pytest.raises(PluginError):
        plugins.ready((str(write("plugin.py", "1 +\n")),))
    assert plugins.ready((str(write("other.py", SCORER.format(name="their-other"))),)) == {}
    assert "their-other" in METHODS.entries


def test_a_helper_with_the_name_of_another_plug_ins_helper_is_refused_instead_of_silently_replaced(tmp_path):
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "clashing_helper.py").write_text(f"WHERE = {place!r}\n")
        (tmp_path / place / f"{place}.py").write_text("import clashing_helper\n")
    plugins.load(str(tmp_path / "one" / "one.py"))
    with pytest.raises(PluginError, match=r"its helper 'clashing_helper' has the name of .*one.*: rename the helper"):
        plugins.load(str(tmp_path / "two" / "two.py"))
    del sys.modules["clashing_helper"]


def test_a_plug_in_that_fails_half_way_leaves_nothing_and_works_once_it_is_mended(write):
    text = SCORER.format(name="their-half")
    path = write("plugin.py", text + "raise ValueError('half-way')\n")
    assert "half-way" in complaint(path)
    assert "their-half" not in METHODS.entries
    assert "their-half" not in METHODS._objects
    write("plugin.py", text)
    plugins.load(str(path))
    assert callable(METHODS.get("their-half"))


def test_what_a_failing_plug_in_imports_of_the_package_stays(write):
    from prunebench.registry import MODELS

    catalogue.declare()
    complaint(write("plugin.py", "import prunebench.tasks.models.lenet\nraise ValueError('no')\n"))
    assert callable(MODELS.get("lenet-300-100"))


def test_a_module_whose_part_registered_before_it_failed_registers_again_once_mended(write, tmp_path, monkeypatch):
    write("their_parts/__init__.py", "")
    write("their_parts/good.py", SCORER.format(name="their-part"))
    top = write("their_parts/top.py", "import their_parts.good\nraise ValueError('no')\n")
    monkeypatch.syspath_prepend(tmp_path)
    complaint("their_parts.top")
    assert "their-part" not in METHODS.entries
    top.write_text("import their_parts.good\n")
    plugins.load("their_parts.top")
    assert "their-part" in METHODS.entries


def test_two_functions_of_one_name_that_register_one_method_are_refused_naming_both_lines(write):
    once = SCORER.format(name="their-twice")
    again = once[once.index("@pb.scorer") :]
    path = write("plugin.py", once + "\n\n" + again)
    lines = [n for n, line in enumerate(path.read_text().splitlines(), start=1) if line.startswith("def score")]
    with pytest.raises(DuplicateNameError) as caught:
        plugins.load(str(path))
    for line in lines:
        assert f"{path}:score in line {line}" in str(caught.value)
    assert "their-twice" not in METHODS.entries


def test_two_functions_that_register_one_method_are_refused_naming_both(write):
    once = SCORER.format(name="their-twice")
    again = once[once.index("@pb.scorer") :].replace("def score", "def other")
    path = write("plugin.py", once + "\n\n" + again)
    with pytest.raises(DuplicateNameError, match=r"plugin\.py:score and by .*plugin\.py:other"):
        plugins.load(str(path))
    assert "their-twice" not in METHODS.entries


def test_the_home_of_a_user_that_there_is_not_is_one_line():
    assert complaint("~nobody-of-that-name/plugin.py").startswith(
        "plug-in '~nobody-of-that-name/plugin.py' is not found"
    )
