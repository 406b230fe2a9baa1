"""Small data in the formats of the published sets, and a server that has files."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image


def md5(data):
    return hashlib.md5(data).hexdigest()


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def mnist_files(images, labels):
    """The four compressed files of `(train, test)` images `[n, 28, 28]` and labels."""
    found = {}
    for prefix, x, y in zip(("train", "t10k"), images, labels, strict=True):
        found[f"{prefix}-images-idx3-ubyte.gz"] = gzip.compress(struct.pack(">4I", 0x803, *x.shape) + x.tobytes())
        found[f"{prefix}-labels-idx1-ubyte.gz"] = gzip.compress(struct.pack(">2I", 0x801, len(y)) + bytes(y))
    return found


def patch_mnist(monkeypatch, source, files, mirrors=()):
    names = [name for name, _ in source.resources]
    monkeypatch.setattr(source, "resources", [(name, md5(files[name])) for name in names])
    monkeypatch.setattr(source, "mirrors", list(mirrors))


def cifar_files(train, test, labels="labels"):
    """Pickled batches: `train` is a list of (images `[n, 3, 32, 32]`, labels), `test` one of them."""
    names = [f"data_batch_{i + 1}" for i in range(len(train))] if labels == "labels" else ["train"]
    batches = dict(zip(names, train, strict=True))
    batches["test_batch" if labels == "labels" else "test"] = test
    found = {
        name: pickle.dumps({"data": x.reshape(len(x), -1), labels: list(y)}, protocol=2)
        for name, (x, y) in batches.items()
    }
    meta = "batches.meta" if labels == "labels" else "meta"
    key = "label_names" if labels == "labels" else "fine_label_names"
    return {**found, meta: pickle.dumps({key: ["a", "b"]}, protocol=2)}


def patch_cifar(monkeypatch, source, files, url="", archive=b""):
    *batches, meta = files
    monkeypatch.setattr(source, "train_list", [[name, md5(files[name])] for name in batches[:-1]])
    monkeypatch.setattr(source, "test_list", [[batches[-1], md5(files[batches[-1]])]])
    monkeypatch.setattr(source, "meta", {**source.meta, "filename": meta, "md5": md5(files[meta])})
    monkeypatch.setattr(source, "url", url)
    monkeypatch.setattr(source, "tgz_md5", md5(archive))


def tar_gz(top, files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def encoded(array, kind="PNG"):
    out = io.BytesIO()
    Image.fromarray(array).save(out, kind)
    return out.getvalue()


def write_images(folder, tree):
    """Write `{split/class/name: array}`, encoded by suffix."""
    for name, array in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(array, "JPEG" if path.suffix.lower() in {".jpg", ".jpeg"} else "PNG"))


def tree(per_class=4, classes=("ant", "bee"), side=32, splits=("train", "test"), seed=0):
    """Random square images as PNG."""
    names = [f"{s}/{c}/{i:02}.png" for s in splits for c in classes for i in range(per_class)]
    return dict(zip(names, pixels(len(names), side, side, 3, seed=seed), strict=True))


def tiny_imagenet_zip(classes=200):
    """One training image a class, two validation images of which one is grey, and a test split without labels."""
    wnids = [f"n{i:08}" for i in reversed(range(classes))]
    images = pixels(classes + 2, 64, 64, 3)
    files = {f"train/{w}/images/{w}_0.JPEG": encoded(x, "JPEG") for w, x in zip(wnids, images[:classes], strict=True)}
    files["val/images/val_1.JPEG"] = encoded(images[classes], "JPEG")
    files["val/images/val_0.JPEG"] = encoded(images[classes + 1][:, :, 0], "JPEG")
    files["val/val_annotations.txt"] = (
        f"val_1.JPEG\t{wnids[0]}\t0\t0\t9\t9\nval_0.JPEG\t{wnids[-1]}\t0\t0\t9\t9\n".encode()
    )
    files["test/images/test_0.JPEG"] = encoded(images[0], "JPEG")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"tiny-imagenet-200/{name}", data)
    return out.getvalue(), files


@contextmanager
def served(files):
    """A server on this machine that has some files by path; gives its address and the list of paths asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            data = files.get(self.path.lstrip("/"))
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
