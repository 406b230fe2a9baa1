"""Altered data: what is drawn anew, what stays as it was, and that nothing leaks in either direction."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.datasets import MNIST

from prunebench.engine.subject import Subject
from prunebench.engine.training.trainer import Trainer
from prunebench.errors import DataError, SpecError, UnknownNameError
from prunebench.graph import Component, Outcome, step
from prunebench.plugins import ready
from prunebench.registry import DATASETS
from prunebench.spec import Spec
from prunebench.tasks import build
from prunebench.tasks.build import fetch_dataset, load_dataset
from prunebench.tasks.datasets import folders, identity
from prunebench.tasks.datasets.altered import altered
from prunebench.tasks.datasets.base import Dataset, Split
from prunebench.tasks.datasets.images import Images, Scale
from prunebench.tasks.datasets.places import data_at
from prunebench.tasks.datasets.stream import Stream
from prunebench.tasks.datasets.uninformative import Constant, Shuffled
from prunebench.tasks.recipes.base import Recipe
from prunebench.tasks.registration import dataset
from tests.tasks.fake_data import mnist_files, patch_mnist, pixels, served, tree, write_images

ready()
CLASSES, COUNT = 5, 3000
SCALE = Scale(torch.tensor([100.0, 120.0, 140.0]), torch.tensor([50.0, 60.0, 70.0]))


def load(**how):
    return load_dataset(Spec("altered", tuple({"of": "theirs", **how}.items())))


@pytest.fixture
def theirs(monkeypatch):
    """A dataset as a plug-in has them: `theirs(data)` says what it is, `theirs.loads` lists how it was asked for."""
    for name in ("entries", "_objects"):
        monkeypatch.setattr(DATASETS, name, dict(getattr(DATASETS, name)))
    build._loaded.cache_clear()
    given, loads = {}, []

    @dataset("theirs")
    def theirs(*, part: int = 0) -> Dataset:
        """Theirs."""
        loads.append(part)
        return given["data"]

    def use(data):
        given["data"] = data
        build._loaded.cache_clear()
        return data

    use.loads = loads
    yield use
    build._loaded.cache_clear()


@pytest.fixture
def source(theirs):
    """Classes of unequal size, inputs that are all different."""
    x = torch.from_numpy(pixels(COUNT, 2, 3, 4).astype(np.float32) + np.random.default_rng(1).random((COUNT, 2, 3, 4)))
    y = torch.from_numpy(np.random.default_rng(2).choice(CLASSES, COUNT, p=[0.1, 0.15, 0.2, 0.25, 0.3]))
    return theirs(Dataset("theirs", Split(x.float(), y), Split(x[:50].float() + 300, y[:50]), CLASSES))


def multisets(x):
    return x.flatten(1).sort(1).values


def rows(split):
    return [(x.numpy().tobytes(), int(y)) for x, y in zip(split.x, split.y, strict=True)]


# -- labels


def test_random_labels_are_uniform_and_one_in_k_stays_right(source):
    clean, found = source.split(0.1, 3)[0], load(labels="random").split(0.1, 3)[0]
    assert found.x is clean.x, "inputs are shared, not copied"
    right = int((found.y == clean.y).sum())
    low, high = stats.binom.interval(1 - 1e-6, len(clean), 1 / CLASSES)
    assert low <= right <= high
    assert stats.chisquare(torch.bincount(found.y, minlength=CLASSES).numpy()).pvalue > 1e-4
    for label in range(CLASSES):  # and nothing of the own label is left in the new one
        assert stats.chisquare(torch.bincount(found.y[clean.y == label], minlength=CLASSES).numpy()).pvalue > 1e-4


def test_wrong_labels_are_uniform_over_the_others(source):
    clean, found = source.split(0.1, 0)[0], load(labels="wrong").split(0.1, 0)[0]
    assert not (found.y == clean.y).any()
    for label in range(CLASSES):
        counts = torch.bincount(found.y[clean.y == label], minlength=CLASSES)
        others = [int(n) for other, n in enumerate(counts) if other != label]
        assert len(others) == CLASSES - 1
        assert stats.chisquare(others).pvalue > 1e-4


def test_one_class_has_no_wrong_labels(theirs):
    one = Split(torch.randn(6, 2), torch.zeros(6, dtype=torch.int64))
    theirs(Dataset("theirs", one, one, 1))
    with pytest.raises(DataError, match="labels=wrong needs two classes"):
        load(labels="wrong").split(0.0)


# -- inputs


def test_shuffled_inputs_keep_each_samples_values_over_channels_and_nothing_else(source):
    clean, found = source.split(0.1, 0)[0], load(inputs="shuffled").split(0.1, 0)[0].whole()
    assert found.x.shape == clean.x.shape
    assert torch.equal(found.y, clean.y)
    assert torch.equal(multisets(found.x), multisets(clean.x))
    by_channel = [multisets(part.x.flatten(0, 1)) for part in (found, clean)]
    same = (by_channel[0] == by_channel[1]).all(1).reshape(-1, 2).all(1).sum()
    assert same <= stats.binom.ppf(1 - 1e-6, len(clean), 1 / math.comb(24, 12)), "channels are mixed"
    # Where every value of a sample went: each of the 24 places with equal frequency, in an order of the sample's own.
    places = (found.x.flatten(1)[:, None, :] == clean.x.flatten(1)[:, :, None]).float().argmax(2)
    assert len({tuple(row) for row in places.tolist()}) == len(clean)
    for value in (0, 11, 23):
        assert stats.chisquare(torch.bincount(places[:, value], minlength=24).numpy()).pvalue > 1e-4


def test_constant_inputs_are_ones_and_labels_stay(source):
    clean, found = source.split(0.1, 0)[0], load(inputs="constant").split(0.1, 0)[0]
    assert found.shape == clean.shape
    assert torch.equal(found.whole().x, torch.ones_like(clean.x))
    assert torch.equal(found.y, clean.y)
    assert found.black.tolist() == [1.0], "what is cut out at the border is the same too"


# -- share


@pytest.mark.parametrize("share", [0.5, 0.3])
def test_a_share_is_stratified_and_in_the_old_order(source, share):
    clean, found = source.split(0.1, 2)[0], load(share=share).split(0.1, 2)[0]
    for own, kept in zip(torch.bincount(clean.y), torch.bincount(found.y), strict=True):
        assert abs(kept - share * own) <= 0.5
    known = {x.numpy().tobytes(): i for i, x in enumerate(clean.x)}
    positions = [known[x.numpy().tobytes()] for x in found.x]
    assert positions == sorted(set(positions))
    assert torch.equal(found.y, clean.y[positions])
    assert len(found.digest()) == 16


def test_a_smaller_share_is_a_part_of_a_larger_one(source):
    small, large = ({x.numpy().tobytes() for x in load(share=share).split(0.0, 0)[0].x} for share in (0.2, 0.5))
    assert small < large


def test_a_class_without_samples_is_named(theirs):
    data = Split(torch.randn(44, 2), torch.tensor([0] * 40 + [1] * 4))
    theirs(Dataset("theirs", data, data, 2))
    with pytest.raises(DataError, match=r"altered: class 1 has 4 training samples: share=0\.1 leaves none"):
        load(share=0.1)
    # A class that has enough of them may have too few once some are held back.
    with pytest.raises(DataError, match=r"class 1 has 2 training samples: share=0\.2 leaves none"):
        load(share=0.2).split(0.5)


# -- what is left alone, what goes together


HOWS = [
    {"labels": "random"}, {"labels": "wrong"}, {"inputs": "shuffled"}, {"inputs": "constant"}, {"share": 0.5},
    {"labels": "random", "inputs": "shuffled", "share": 0.5},
]  # fmt: skip


@pytest.mark.parametrize("how", HOWS, ids=str)
def test_test_and_validation_samples_are_the_sources_and_repetitions_draw_anew(source, how):
    before = {name: (part.x.clone(), part.y.clone()) for name, part in (("a", source.train), ("b", source.test))}
    made = load(**how)
    assert made.test is source.test
    assert made.split(0.1, 1)[1] is source.split(0.1, 1)[1]
    assert made.split(0.0, 1)[1] is None
    digests = [made.split(0.1, repetition)[0].digest() for repetition in (0, 1, 2, 0)]
    assert digests[0] == digests[3]
    assert len(set(digests)) == 3
    assert not {source.split(0.1, r)[0].digest() for r in (0, 1, 2)} & set(digests)
    # The draw is the repetition's, not only the held-back samples'.
    if how != {"inputs": "constant"}:
        assert made.split(0.0, 0)[0].digest() != made.split(0.0, 1)[0].digest()
    assert rows(made.train.whole()) == rows(made.split(0.0, 0)[0].whole()), "never the clean samples"
    for name, part in (("a", source.train), ("b", source.test)):
        assert torch.equal(before[name][0], part.x)
        assert torch.equal(before[name][1], part.y)


def test_what_is_altered_together_is_as_it_is_altered_alone(source):
    both = load(labels="random", inputs="shuffled").split(0.1, 4)[0]
    assert torch.equal(both.y, load(labels="random").split(0.1, 4)[0].y)
    assert torch.equal(both.whole().x, load(inputs="shuffled").split(0.1, 4)[0].whole().x)
    half, clean = load(share=0.5).split(0.1, 4)[0], source.split(0.1, 4)[0]
    known = {x.numpy().tobytes(): i for i, x in enumerate(clean.x)}
    positions = [known[x.numpy().tobytes()] for x in half.x]
    everything = load(labels="random", inputs="shuffled", share=0.5).split(0.1, 4)[0]
    assert torch.equal(everything.y, both.y[positions])
    assert torch.equal(everything.whole().x, both.whole().x[positions])


def test_nothing_is_altered_by_default_and_torchs_own_stream_stays(source):
    state = torch.get_rng_state()
    assert load().split(0.1, 0)[0] is source.split(0.1, 0)[0]
    load(labels="wrong", inputs="shuffled", share=0.5).split(0.1, 0)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_fingerprint_says_what_was_done_to_what(source):
    found = {load(**how).fingerprint for how in HOWS}
    assert len(found) == len(HOWS)
    assert source.fingerprint not in found
    assert load(labels="random").fingerprint == f"altered(labels=random) of {source.fingerprint}"
    made = load(labels="random")
    made.split(0.1, 5)
    assert made.fingerprint == f"altered(labels=random) of {source.fingerprint}"


# -- every kind of samples


@pytest.fixture(params=["split", "images", "stream"])
def kind(request, theirs, tmp_path, monkeypatch):
    """Twelve images of three classes, as each kind of samples has them."""
    write_images(tmp_path / "images", tree(per_class=4, classes=("ant", "bee", "cat"), side=8))
    if request.param == "stream":
        monkeypatch.setattr(folders, "IN_MEMORY", 0)
    with data_at(tmp_path):
        data = DATASETS.get("image-folder")(size=8)
        assert type(data.train) is {"stream": Stream}.get(request.param, Images)
        if request.param == "split":
            data = Dataset("x", data.train.whole(), data.test.whole(), 3)
        yield theirs(data)


@pytest.mark.parametrize("how", HOWS, ids=str)
def test_what_a_sample_becomes_hangs_on_nothing_that_is_read_with_it(kind, how):
    made = load(**how).split(0.25, 0)[0]
    whole = rows(made.whole())
    count = len(whole)
    assert (count, made.shape) == (len(made), (3, 8, 8))
    for index in ([count - 1], [2, 0, 2], list(range(count))[::-1], []):
        taken = made.take(torch.tensor(index, dtype=torch.int64))
        assert isinstance(taken, Split)
        assert taken.x.shape == (len(index), 3, 8, 8)
        assert (taken.x.dtype, taken.y.dtype) == (torch.float32, torch.int64)
        assert rows(taken) == [whole[i] for i in index]
    part = made.subset(torch.tensor([3, 1, 0]))
    assert rows(part.whole()) == [whole[3], whole[1], whole[0]]
    assert part.y.tolist() == [whole[i][1] for i in (3, 1, 0)]
    assert rows(part.take(torch.tensor([1]))) == [whole[1]]
    order = torch.randperm(count, generator=torch.Generator().manual_seed(3)).tolist()
    batches = list(made.batches(2, torch.Generator().manual_seed(3)))
    assert [row for batch in batches for row in rows(batch)] == [whole[i] for i in order]
    assert [rows(b) for b in made.chosen([torch.tensor([1, 2]), torch.tensor([0])])] == [whole[1:3], whole[:1]]
    assert rows(made.to(torch.device("cpu")).whole()) == whole
    assert made.to(torch.device("meta")).take(torch.tensor([0, 1])).x.device.type == "meta"


@pytest.mark.parametrize("how", HOWS, ids=str)
def test_draws_are_the_same_wherever_the_samples_lie(kind, how, theirs):
    made = load(**how).split(0.25, 1)
    theirs(Dataset("x", kind.train.whole(), kind.test.whole(), 3))
    again = load(**how).split(0.25, 1)
    assert rows(made[0].whole()) == rows(again[0].whole())
    assert rows(made[1].whole()) == rows(again[1].whole())


def test_balanced_draws_go_by_the_altered_labels(kind):
    made = load(labels="random", inputs="shuffled").split(0.25, 0)[0]
    per_class = int(torch.bincount(made.y)[made.y.unique()].min())
    drawn = made.balanced(per_class, torch.Generator().manual_seed(0))
    assert drawn.y.tolist() == [label for label in made.y.unique().tolist() for _ in range(per_class)]
    assert set(rows(drawn)) <= set(rows(made.whole()))


def test_other_labels_are_put_on_any_samples(kind):
    labels = torch.tensor([2, 0, 1] * 4)
    for samples in (kind.train, Shuffled(kind.train, torch.arange(12)), Constant((3, 8, 8), kind.train.y)):
        named = samples.labelled(labels)
        assert type(named) is type(samples)
        assert named.whole().y.tolist() == labels.tolist()
        assert torch.equal(named.whole().x, samples.whole().x)
        assert named.digest() != samples.digest()


def test_twins_are_samples_that_are_equal_once_they_are_altered(kind):
    twice = kind.train.subset(torch.tensor([4, 0, 4]))
    assert Shuffled(twice, torch.tensor([1, 2, 1])).twins().tolist() == [0, 1, 0]
    assert Shuffled(twice, torch.tensor([1, 2, 3])).twins().tolist() == [0, 1, 2]
    assert Constant((3, 8, 8), twice.y).twins().tolist() == [0, 0, 0]
    assert torch.equal(Shuffled(twice, torch.arange(3)).black, kind.train.black)


def test_worker_processes_read_the_same_shuffled_batches(theirs, tmp_path, monkeypatch):
    write_images(tmp_path / "images", tree(per_class=4, side=8))
    monkeypatch.setattr(folders, "IN_MEMORY", 0)
    with data_at(tmp_path):
        theirs(DATASETS.get("image-folder")(size=8))
        made = load(inputs="shuffled").split(0.0, 0)[0]
        assert isinstance(made, Shuffled)
        batches = list(made.batches(3, torch.Generator().manual_seed(1), workers=1))
        assert [rows(b) for b in batches] == [rows(b) for b in made.batches(3, torch.Generator().manual_seed(1))]


@pytest.mark.parametrize("labels", ["random", "wrong"])
def test_distractors_can_be_altered(labels):
    made = load_dataset(Spec.parse(f'altered(of="distractors(base=digits, dead=2)", labels={labels}, inputs=shuffled)'))
    clean = load_dataset(Spec.parse("distractors(base=digits, dead=2)"))
    assert made.shape == clean.shape == (1, 8, 32)
    found, own = (data.split(0.1, 0)[0].whole() for data in (made, clean))
    assert torch.equal(multisets(found.x), multisets(own.x))
    assert bool((found.y == own.y).any()) is (labels == "random")


# -- in a subject and in training


def subject(dataset, recipe, repetition):
    recipe = None if recipe is None else Spec.parse(recipe)
    return Subject.of(Spec.parse("mlp(widths=[8])"), Spec.parse(dataset), repetition, recipe)


@pytest.mark.parametrize("recipe", [None, "small-sgd(validation=0)", "small-sgd(validation=0.1)"])
def test_a_subject_has_the_altered_samples_of_its_repetition_and_the_clean_ones_to_select_by(recipe):
    for repetition in (0, 1):
        clean = subject("digits", recipe, repetition)
        found = subject("altered(of=digits, labels=wrong)", recipe, repetition)
        assert not (found.train.y == clean.train.y).any()
        assert torch.equal(found.train.whole().x, clean.train.whole().x)
        assert (found.validation is None) == (clean.validation is None)
        assert found.validation is clean.validation
        assert clean.train.digest() == subject("digits", recipe, repetition).train.digest() != found.train.digest()
    first, second = (subject("altered(of=digits, labels=random)", recipe, r).train for r in (0, 1))
    assert not torch.equal(first.y, second.y)


def test_training_on_shuffled_images_sees_the_permuted_ones(theirs):
    x = torch.from_numpy(pixels(20, 3, 6, 6))
    data = theirs(Dataset("x", Images(x, torch.arange(20) % 2, SCALE), Images(x, torch.arange(20) % 2, SCALE), 2))
    made = load(inputs="shuffled").split(0.0, 0)[0]
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(108, 2))
    seen = []
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    recipe = Recipe(epochs=2, batch=8)
    Trainer(model, recipe, made, repetition=0, device=torch.device("cpu")).run()
    for epoch in (seen[:3], seen[3:]):
        assert {row.numpy().tobytes() for row in torch.cat(epoch)} == {row.numpy().tobytes() for row in made.whole().x}
    assert torch.equal(multisets(made.whole().x), multisets(data.train.whole().x))


# -- digests


def test_a_digest_tells_values_labels_and_order_and_is_computed_once(kind, monkeypatch):
    train = kind.train
    flipped = train.subset(torch.arange(len(train) - 1, -1, -1))
    relabelled = train.labelled((train.y + 1) % 3)
    seen = {samples.digest() for samples in (train, flipped, relabelled, train.subset(torch.arange(11)))}
    assert len(seen) == 4
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in seen)
    assert train.subset(torch.arange(12)).digest() == train.digest()
    monkeypatch.setattr(type(train), "count_in", lambda *_: pytest.fail("counted again"))
    assert train.digest() in seen


# -- keys, loading, errors


@step(version=1, role="measure")
def work(data=None):
    """Does nothing."""
    return Outcome()


def key(text):
    identity.forget()
    return work(data=Component("dataset", Spec.parse(text))).key


def test_the_sources_files_parameters_and_libraries_count_in_keys_and_where_they_lie_does_not(tmp_path, monkeypatch):
    for name in ("here", "there"):
        write_images(tmp_path / name, tree())
    texts = [f'altered(of="image-folder(path=\\"{tmp_path / name}\\")", labels=random)' for name in ("here", "there")]
    before = key(texts[0])
    assert before == key(texts[1])
    assert before != key(f'image-folder(path="{tmp_path / "here"}")')
    assert before != key(texts[0].replace("random", "wrong"))
    write_images(tmp_path / "here", {"train/ant/99.png": tree()["test/bee/00.png"]})
    assert key(texts[0]) != before
    assert key(texts[1]) == before
    known = identity._version
    made = key("altered(of=distractors, share=0.5)")
    monkeypatch.setattr(identity, "_version", lambda name: "0.0.1" if name == "mnist1d" else known(name))
    assert key("altered(of=distractors, share=0.5)") != made


def test_all_parameters_count_and_defaults_do_not():
    texts = [
        "altered", "altered(of=digits)", "altered(labels=random)", "altered(inputs=shuffled)", "altered(share=0.5)",
        'altered(of="distractors(dead=2)")', "altered(of=distractors)", "altered(of=mnist)", "altered(of=cifar-10)",
    ]  # fmt: skip
    assert len({key(text) for text in texts}) == len(texts)
    assert key("altered(of=mnist1d, labels=own, inputs=own, share=1)") == key("altered")
    assert key('altered(of="distractors(dead=1)")') == key("altered(of=distractors)")


def test_the_sources_code_counts(monkeypatch):
    from prunebench import graph

    before, known = key("altered(of=digits)"), graph.code_digest
    monkeypatch.setattr(graph, "code_digest", lambda module: "x" if module.endswith("digits") else known(module))
    assert key("altered(of=digits)") != before


def test_clean_and_altered_data_in_turn_load_the_source_once(theirs, source):
    for _ in range(3):
        for how in (None, *HOWS):
            made = load_dataset(Spec("theirs")) if how is None else load(**how)
            made.split(0.1, 0)
            if how is not None:
                assert made.source is source
                assert load(**how) is made
                assert load(**how).split(0.1, 0)[0] is made.split(0.1, 0)[0]
    assert theirs.loads == [0]
    load_dataset(Spec("theirs", (("part", 1),)))
    load_dataset(Spec("theirs", (("part", 2),)))
    first = load(labels="random")
    assert theirs.loads == [0, 1, 2, 0], "what is made of data is dropped with them"
    assert first is load(labels="random")


def test_only_a_few_repetitions_are_kept(source):
    made = load(inputs="shuffled")
    first = made.split(0.1, 0)[0]
    for repetition in range(5):
        made.split(0.1, repetition)
    assert len(made._splits) == 2
    assert torch.equal(made.split(0.1, 0)[0].whole().x, first.whole().x)


def test_download_fetches_the_source(tmp_path, monkeypatch):
    files = mnist_files((pixels(4, 28, 28), pixels(2, 28, 28, seed=1)), ([0, 1, 0, 1], [1, 0]))
    with served(files) as (url, asked), data_at(tmp_path):
        patch_mnist(monkeypatch, MNIST, files, [url])
        fetch_dataset(Spec.parse("altered(of=mnist, labels=random)"))
        assert len(asked) == 4
        assert len(load_dataset(Spec.parse("altered(of=mnist, share=0.5)")).split(0.0)[0]) == 2


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("altered(of=mnist2d)", UnknownNameError, r"unknown dataset 'mnist2d' \(did you mean 'mnist1d'\?\)"),
        ("altered(of=altered)", SpecError, "of=altered is altered itself"),
        ('altered(of="altered(share=0.5)")', SpecError, r"of=altered\(share=0.5\) is altered itself"),
        ("altered(share=0)", SpecError, r"share=0 is outside \(0, 1\]"),
        ("altered(share=1.5)", SpecError, r"share=1.5 is outside \(0, 1\]"),
        ("altered(labels=right)", SpecError, "labels=right is not 'own' or 'random' or 'wrong'"),
        ('altered(of="digits(size=3)")', SpecError, "dataset 'digits' takes no parameter 'size'"),
    ],
)
def test_bad_input_is_refused_while_planning_and_while_loading(text, error, message):
    for attempt in (key, lambda text: load_dataset(Spec.parse(text))):
        with pytest.raises(error, match=message):
            attempt(text)


def test_a_call_refuses_the_same():
    with pytest.raises(SpecError, match="is altered itself"):
        altered(of="altered")
    with pytest.raises(SpecError, match="share=nan"):
        altered(share=math.nan)
