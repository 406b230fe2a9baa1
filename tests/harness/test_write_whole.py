"""A file is written whole or not at all."""

from __future__ import annotations

import os

import pytest

from prunebench.errors import StoreError
from prunebench.harness.files import write_whole


def broken():
    yield b"new"
    raise StoreError("the series are gone")


@pytest.mark.parametrize("content", [b"new text", [b"new", b" ", b"text"], iter((b"new ", b"text"))])
def test_content_comes_whole_or_in_pieces(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    write_whole(path, content)
    assert path.read_bytes() == b"new text"
    assert [*tmp_path.iterdir()] == [path]


def test_pieces_that_do_not_come_leave_what_was_there(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(StoreError, match="gone"):
        write_whole(path, broken())
    assert path.read_bytes() == b"old"
    assert [*tmp_path.iterdir()] == [path]


def test_what_is_no_plain_file_is_written_into(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(path, [b"new", b" text"])
        assert os.read(reader, 100) == b"new text"
    finally:
        os.close(reader)
