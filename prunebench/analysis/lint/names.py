"""What names of methods, recipes and data tell: those of prunebench what is registered, others what their words say."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from prunebench.errors import SpecError
from prunebench.registry import METHODS
from prunebench.spec import Spec

_DENSE = re.compile(r"(dense|unpruned|original|full)([\s_-](network|model|baseline|control))?")
_MAGNITUDE = re.compile(r"\b(magnitude|mag|imp|omp|gmp)\b")
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
    control: bool = False
    """Random itself, or a control of another method: it needs no random masks of its own ratios beside it."""
    of: str = ""
    """Key of the method whose ratios it keeps."""


@functools.lru_cache(maxsize=4096)
def named(method: str) -> Named:
    """A method's facts; every registered name must be declared before."""
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
    own = spec.with_params({k: v for k, v in spec.params if v != defaults.get(k)})
    return Named(
        str(own).lower(),
        dense=spec.name == "dense",
        magnitude=bool(_MAGNITUDE.match(spec.name)),
        control=random or "control" in traits,
        of=named(str(params["of"])).key if spec.name == "same-ratios" else "",
    )


def _by_words(text: str, of: str = "") -> Named:
    dense = bool(_DENSE.fullmatch(text))
    control = dense or bool(_OTHERS_CONTROLS.match(text))
    return Named(text, dense, bool(_MAGNITUDE.search(text)) and not control, control, of)


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
