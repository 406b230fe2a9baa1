"""Images in folders: what torchvision's ImageFolder reads, decoded once, or streamed."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from prunebench.errors import DataError
from prunebench.plugins import ready
from prunebench.spec import Spec
from prunebench.tasks.build import load_dataset
from prunebench.tasks.datasets import folders, identity, prepared
from prunebench.tasks.datasets.images import Images
from prunebench.tasks.datasets.listing import listed
from prunebench.tasks.datasets.places import data_at, data_folder, located
from prunebench.tasks.datasets.reader import Reader
from prunebench.tasks.datasets.stream import Stream
from tests.tasks.fake_data import encoded, pixels, tree, write_images

ready()
CIFAR = Path(__file__).resolve().parents[3] / "shared" / "data" / "cifar10-images.tar.xz"


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The data folder, with a folder of images in it."""
    monkeypatch.setenv("PRUNEBENCH_DATA", str(tmp_path / "data"))
    write_images(tmp_path / "data" / "images", tree())
    identity.forget()
    return tmp_path / "data"


def load(text="image-folder"):
    identity.forget()
    return load_dataset(Spec.parse(text))


def as_torchvision_reads(folder, *transforms):
    data = ImageFolder(folder, transform=v2.Compose([*transforms, v2.PILToTensor()]))
    return torch.stack([x for x, _ in data]), torch.tensor(data.targets)


def test_a_folder_is_read_as_torchvision_reads_it_and_standardised_by_its_training_split(data):
    found = load()
    assert (found.name, found.shape, found.classes) == ("image-folder", (3, 32, 32), 2)
    train = as_torchvision_reads(data / "images" / "train")
    for samples, split in ((found.train, "train"), (found.test, "test")):
        assert isinstance(samples, Images)
        x, y = as_torchvision_reads(data / "images" / split)
        assert torch.equal(samples.pixels, x)
        assert torch.equal(samples.y, y)
        mean = train[0].double().mean((0, 2, 3), keepdim=True)
        deviation = train[0].double().std((0, 2, 3), correction=0, keepdim=True)
        assert torch.allclose(samples.whole().x.double(), (x - mean) / deviation, atol=1e-5)


def test_images_of_other_sizes_are_resized_and_cut_as_torchvision_does(data):
    odd = {"train/ant/long.png": pixels(40, 90, 3), "train/bee/small.jpg": pixels(10, 13, 3)}
    write_images(data / "images", odd)
    found = load("image-folder(size=24)")
    x, _ = as_torchvision_reads(data / "images" / "train", v2.Resize(24), v2.CenterCrop(24))
    assert torch.equal(found.train.pixels, x)


def test_grey_and_transparent_images_become_rgb(data):
    for name, mode in (("grey.png", "L"), ("palette.png", "P"), ("alpha.png", "RGBA")):
        Image.fromarray(pixels(32, 32, 3)).convert(mode).save(data / "images" / "train" / "ant" / name)
    x, _ = as_torchvision_reads(data / "images" / "train")
    assert torch.equal(load().train.pixels, x)


def test_streamed_and_decoded_folders_give_the_same_samples(data, monkeypatch):
    decoded = load()
    monkeypatch.setattr(folders, "IN_MEMORY", 16 * 3 * 32 * 32 - 1)
    folders_again = load_again()
    assert isinstance(folders_again.train, Stream)
    assert isinstance(folders_again.test, Stream)
    for one, other in ((decoded.train, folders_again.train), (decoded.test, folders_again.test)):
        assert torch.equal(one.whole().x, other.whole().x)
        assert torch.equal(one.y, other.y)
    monkeypatch.setattr(folders, "IN_MEMORY", 16 * 3 * 32 * 32)
    assert isinstance(load_again().train, Images)


def load_again(text="image-folder"):
    """As another process would."""
    from prunebench.tasks import build

    build._loaded.cache_clear()
    return load(text)


def test_images_are_decoded_once_and_again_when_a_file_changes(data, monkeypatch):
    path = data / "images" / "train" / "ant" / "99.bmp"
    path.write_bytes(encoded(pixels(32, 32, 3), "BMP"))
    first, before = load(), listed(data / "images")
    read = Reader.__call__

    def fails(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(Reader, "__call__", fails)
    assert load_again().fingerprint == first.fingerprint
    monkeypatch.setattr(Reader, "__call__", read)
    # Another image of the same size in bytes: only the time of change tells, which no key of a step counts.
    path.write_bytes(encoded(np.full((32, 32, 3), 9, np.uint8), "BMP"))
    os.utime(path, ns=(0, 1_000_000_000))
    after = listed(data / "images")
    assert (after.digest == before.digest, after.state == before.state) == (True, False)
    changed = load_again()
    assert changed.train.pixels[4].unique().tolist() == [9]
    assert changed.fingerprint != first.fingerprint


def test_a_data_folder_that_cannot_be_written_costs_time_and_nothing_else(tmp_path, monkeypatch):
    write_images(tmp_path / "images", tree())
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PRUNEBENCH_DATA", str(tmp_path / "file"))
    for _ in range(2):
        assert len(load_again(f'image-folder(path="{tmp_path / "images"}")').train) == 8
    assert {p.name for p in tmp_path.iterdir()} == {"images", "file"}


def test_a_full_disk_leaves_no_part_of_the_decoded_file(data, monkeypatch):
    def full(_, path, **__):
        Path(path).write_bytes(b"part")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prepared, "save_file", full)
    assert len(load_again().train) == 8
    assert [p.suffix for p in (data / "decoded").iterdir()] in ([".lock"], [])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: (f / "train").rename(f / "training"), r"no images in .*images: it needs train/<class>/"),
        (lambda f: (f / "test").rename(f / "tests"), r"needs .*test/<class>/ or val/<class>/; --data DIR"),
        (lambda f: (f / "test" / "bee").rename(f / "test" / "wasp"), "class 'bee' is in only one of train and test"),
        (lambda f: (f / "train" / "new").mkdir(), "class 'new' is in only one of train and test"),
        (lambda f: [p.unlink() for p in (f / "train" / "bee").iterdir()], r"train/bee has no image \(.jpg"),
        (lambda f: (f / "train" / "bee" / "x.png").write_bytes(b"none"), r"train/bee/x.png is no image"),
        (lambda f: (f / "train" / "bee" / "00.png").write_bytes(encoded(pixels(32, 32, 3))[:900]), "bee/00.png is no"),
        (lambda f: Image.new("I;16", (32, 32)).save(f / "train" / "bee" / "x.png"), r"x.png has more than 8 bits"),
        (lambda f: (f / "test" / "bee" / "x.png").symlink_to("nowhere"), r"test/bee/x.png cannot be read: No such"),
    ],
)
def test_a_folder_that_cannot_be_read_as_it_is_is_named(data, change, words):
    change(data / "images")
    with pytest.raises(DataError, match=words) as error:
        load_again()
    assert "\n" not in str(error.value)


def test_what_begins_with_a_dot_and_other_files_are_left_out(data):
    before = listed(data / "images").digest
    for name in (".hidden/x.png", "ant/.x.png", "ant/notes.txt"):
        path = data / "images" / "train" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encoded(pixels(32, 32, 3)))
    assert listed(data / "images").digest == before
    # Subfolders of a class belong to it, and so does a suffix in capitals.
    write_images(data / "images", {"train/ant/deep/er/X.PNG": pixels(32, 32, 3)})
    assert listed(data / "images").train.names == [
        "ant/00.png", "ant/01.png", "ant/02.png", "ant/03.png", "ant/deep/er/X.PNG", "bee/00.png", "bee/01.png",
        "bee/02.png", "bee/03.png",
    ]  # fmt: skip


def test_val_serves_as_test_where_there_is_no_test(data):
    (data / "images" / "test").rename(data / "images" / "val")
    assert len(load_again().test) == 8
    write_images(data / "images", tree(per_class=2, splits=("test",)))
    assert len(load_again().test) == 4


# Identity ------------------------------------------------------------------------------------------------------------


def test_the_listing_is_the_same_wherever_the_folder_lies_and_whenever_it_was_written(tmp_path):
    for name in ("one", "other"):
        write_images(tmp_path / name, tree())
    os.utime(tmp_path / "other" / "train" / "ant" / "00.png", (0, 0))
    one, other = (listed(tmp_path / name) for name in ("one", "other"))
    assert one.digest == other.digest
    assert one.state != other.state


def test_the_listing_tells_names_sizes_classes_and_splits_apart(tmp_path):
    images = tree()
    changes = [
        images, images | {"train/ant/99.png": images["train/ant/00.png"]},
        images | {"train/ant/00.png": np.zeros((32, 32, 3), np.uint8)},
        {n.replace("ant", "ape"): x for n, x in images.items()},
        {n.replace("train/ant/00", "train/ant/07"): x for n, x in images.items()},
    ]  # fmt: skip
    seen = set()
    for i, change in enumerate(changes):
        write_images(tmp_path / str(i), change)
        seen.add(listed(tmp_path / str(i)).digest)
    assert len(seen) == len(changes)


def test_data_are_looked_for_in_the_folder_given_then_the_variable_then_the_cache(tmp_path, monkeypatch):
    assert data_folder().name == "prunebench"
    monkeypatch.setenv("PRUNEBENCH_DATA", str(tmp_path / "variable"))
    assert data_folder() == tmp_path / "variable"
    with data_at(tmp_path / "given"):
        assert located("a/b") == tmp_path / "given" / "a" / "b"
        assert located("/a/b") == Path("/a/b")
        assert located("~/b") == Path.home() / "b"
        with data_at(None):
            assert data_folder() == tmp_path / "given"
    assert data_folder() == tmp_path / "variable"


# ImageNet ------------------------------------------------------------------------------------------------------------


def test_imagenet_is_streamed_with_the_published_constants_and_cut_to_224(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNEBENCH_DATA", str(tmp_path))
    tiny = encoded(pixels(2, 2, 3), "JPEG")
    for split in ("train", "val"):
        for i in range(1000):
            folder = tmp_path / "imagenet" / split / f"n{i:08}"
            folder.mkdir(parents=True)
            (folder / "x.JPEG").write_bytes(tiny)
    photograph = pixels(300, 400, 3)
    write_images(tmp_path / "imagenet", {"val/n00000007/x.JPEG": photograph})
    (tmp_path / "imagenet" / "val" / "n00000007" / "x.JPEG").write_bytes(encoded(photograph, "JPEG"))
    found = load("imagenet")
    assert (found.shape, found.classes, len(found.train), len(found.test)) == ((3, 224, 224), 1000, 1000, 1000)
    assert isinstance(found.train, Stream)
    evaluated = v2.Compose(
        [
            v2.Resize(256), v2.CenterCrop(224), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )  # fmt: skip
    expected = evaluated(Image.open(tmp_path / "imagenet" / "val" / "n00000007" / "x.JPEG"))
    got = found.test.take(torch.tensor([7]))
    assert got.y.tolist() == [7]
    assert torch.allclose(got.x[0], expected, atol=1e-5)
    assert not (tmp_path / "decoded").exists()
    assert load("imagenet(size=112)").shape == (3, 112, 112)


def test_a_folder_that_is_not_imagenet_is_refused(data):
    with pytest.raises(DataError, match=r"images has 2 classes, not the 1000 .* read a part of it as image-folder"):
        load("imagenet(path=images)")
    with pytest.raises(DataError, match=r"no images in .*/imagenet: it needs train/<class>/"):
        load("imagenet")
    for text in ("image-folder(size=0)", "imagenet(path=images, size=0)"):
        with pytest.raises(DataError, match="size=0 must be at least 1"):
            load(text)


# The real thing ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not CIFAR.is_file(), reason="the CIFAR-10 images lie beside the project on development machines")
def test_real_cifar_images_are_read_with_the_known_statistics(tmp_path, monkeypatch):
    with tarfile.open(CIFAR) as archive:
        # The test split comes first; an eighth of it will do, most of it for training.
        for member in archive:
            split, _, name = [*member.name.strip("/").split("/"), "", ""][:3]
            if name and int(Path(name).stem) % 8 == 0:
                archive.extract(member, tmp_path / "cifar", filter="data")
            if split == "train":
                break
    for folder in (tmp_path / "cifar" / "test").iterdir():
        for image in sorted(folder.iterdir())[:100]:
            target = tmp_path / "cifar" / "train" / folder.name / image.name
            target.parent.mkdir(parents=True, exist_ok=True)
            image.rename(target)
    monkeypatch.setenv("PRUNEBENCH_DATA", str(tmp_path))
    found = load("image-folder(path=cifar)")
    assert (found.shape, found.classes) == ((3, 32, 32), 10)
    assert len(found.test) == 250
    assert torch.bincount(found.train.y).tolist() == [100] * 10
    # Published for CIFAR-10: mean 0.4914, 0.4822, 0.4465; deviation 0.2470, 0.2435, 0.2616.
    assert torch.allclose(found.train.scale.mean / 255, torch.tensor([0.4914, 0.4822, 0.4465]), atol=0.02)
    assert torch.allclose(found.train.scale.deviation / 255, torch.tensor([0.2470, 0.2435, 0.2616]), atol=0.02)
    drawn = found.train.balanced(10, torch.Generator().manual_seed(0))
    assert drawn.x.shape == (100, 3, 32, 32)
    assert abs(float(drawn.x.mean())) < 0.2
