"""What names of methods, recipes and data tell: those of prunebench what is registered, others what their words say."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from prunebench.errors import PrunebenchError, SpecError
from prunebench.graph import sketching
from prunebench.registry import METHODS
from prunebench.spec import Spec
from prunebench.steps.nodes import Nodes, family

_STEPS = Nodes(Spec("mlp"), Spec("digits"), Spec("small-sgd"), repetition=0)
"""Of any task: what kind of ticket a method makes does not depend on it."""
_DENSE = re.compile(r"(dense|unpruned|original|full)([\s_-](network|model|baseline|control))?")
_MAGNITUDE, _INITIAL = re.compile(r"\b(magnitude|mag)\b"), re.compile(r"\binit")
_TRAINED_MAGNITUDE = re.compile(r"\b(imp|omp|gmp)\b")
_CUT_TRAINED = frozenset({"lottery", "imp", "gmp", "fine-tune", "lr-rewinding", "weight-rewinding", "hybrid"})
"""Names that stand for methods which cut trained weights by magnitude, in results of others as in ours."""
_OTHERS_CONTROLS = re.compile(r"(random|same-ratios|small[\s_-]dense|dense[\s_-]long|re-?init|scratch|erk?|uniform)\b")
_CLASSES = {
    "digits": 10, "digits32": 10, "mnist1d": 10, "mnist": 10, "fashionmnist": 10, "kmnist": 10, "svhn": 10,
    "cifar10": 10, "stl10": 10, "cifar100": 100, "tinyimagenet": 200,
    "imagenet": 1000, "imagenet1k": 1000, "ilsvrc2012": 1000,
    "places365": 365,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Named:
    """What a method's name tells."""

    key: str
    """Equal for equal specs, however they are written."""
    dense: bool = False
    magnitude: bool = False
    """Whether trained weights go by magnitude."""
    initial: bool = True
    """Whether its tickets are trained from initial weights, or that is not known."""
    control: bool = False
    """Random itself, or a control of another method: it needs no random masks of its own ratios beside it."""
    of: str = ""
    """Key of the method whose ratios it keeps."""


@functools.lru_cache(maxsize=4096)
def named(method: str, *, ours: bool = False) -> Named:
    """A method's facts; every registered name must be declared before.

    In results of others, registered names are words: their `magnitude` may well be of trained weights, which that of
    `ours`, a run's or its export's, is not.
    """
    try:
        spec = Spec.parse(method)
    except SpecError:
        return _by_words(method.strip().lower())
    if spec.name not in METHODS.entries:
        of = str(spec.mapping.get("of", "")) if spec.name == "same-ratios" else ""
        return _by_words(str(spec).lower(), named(of).key if of else "")
    entry = METHODS.entry(spec.name)
    defaults = {p.name: p.default for p in entry.parameters}
    params = {**defaults, **spec.mapping}
    traits = entry.capabilities
    random = "random" in traits and str(params.get("within", "random")) == "random"
    trained = "training" in traits
    own = spec.with_params({k: v for k, v in spec.params if v != defaults.get(k)})
    return Named(
        str(own).lower(),
        dense=spec.name == "dense",
        magnitude=_by_magnitude(spec.name, params.get("by")) and (trained or not ours),
        initial=not trained or _from_the_beginning(spec),
        control=random or "control" in traits,
        of=named(str(params["of"])).key if spec.name == "same-ratios" else "",
    )


def _by_words(text: str, of: str = "") -> Named:
    dense = bool(_DENSE.fullmatch(text))
    control = dense or bool(_OTHERS_CONTROLS.match(text))
    return Named(text, dense, _says_magnitude(text) and not control, control=control, of=of)


def _by_magnitude(name: str, by: object) -> bool:
    """Of a registered method: the scores that its parameter `by` names, or where it has none, its own name."""
    return _says_magnitude(name) if by is None else re.split(r"[(:]", str(by))[0].strip() == "magnitude"


def _from_the_beginning(method: Spec) -> bool:
    """Whether a registered method's tickets are trained from initial weights, by the stages that it is made of."""
    try:
        with sketching():
            return family(_STEPS.find(str(method), 0.5)) in {"initial", "lottery"}
    except PrunebenchError:
        return False


def _says_magnitude(text: str) -> bool:
    """Whether words say that weights go by magnitude, and not that these are initial ones."""
    words = text.replace("_", " ")
    stated = _MAGNITUDE.search(words) and not _INITIAL.search(words)
    return bool(stated or _TRAINED_MAGNITUDE.search(words) or text.partition("(")[0] in _CUT_TRAINED)


def recipe_rate(recipe: str) -> tuple[str, str]:
    """Family of a recipe, and what tells its learning rate from others of the family."""
    try:
        spec = Spec.parse(recipe)
    except SpecError:
        return recipe.strip().lower(), ""
    return spec.name, str(spec.mapping.get("lr", ""))


def plain_dataset(dataset: str) -> str:
    """Its name in lower-case letters and digits, without parameters; of distractors, that of their base."""
    try:
        spec = Spec.parse(dataset)
        if spec.name == "distractors":
            return plain_dataset(str(spec.mapping.get("base", "mnist1d")))
        name = spec.name
    except SpecError:
        name = dataset
    return re.sub(r"[^a-z0-9]", "", name.lower())


def known_classes(dataset: str) -> int | None:
    """How many classes a published dataset has; None for others."""
    return _CLASSES.get(plain_dataset(dataset))
