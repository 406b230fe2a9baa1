"""Durations and sizes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunebench.errors import UsageError
from prunebench.units import parse_duration, parse_size, written_duration, written_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5), ("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86400), ("1.5 h", 5400), (" .5M ", 30),
        ("2.s", 2), ("none", None), (" None", None), (None, None),
    ],
)  # fmt: skip
def test_durations_are_read_in_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "-1s", "0s", "0.0ms", "1e3s", "1 week", "1h30m", "9" * 400 + "s"])
def test_a_duration_needs_a_positive_finite_number_and_a_unit(text):
    with pytest.raises(UsageError, match="needs a positive number with a unit"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4G", 4 * 10**9), ("4GB", 4 * 10**9), ("4GiB", 4 * 2**30), ("4gi", 4 * 2**30), ("1.5 k", 1500),
        ("800m", 800_000_000), ("2TiB", 2**41), ("512B", 512), ("none", None), (None, None),
    ],
)  # fmt: skip
def test_sizes_are_read_in_bytes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "0", "0G", "0.1B", "512", "1iB", "4X", "1e9", "9" * 400])
def test_a_size_is_at_least_one_byte_and_finite(text):
    with pytest.raises(UsageError, match="needs a positive number with a unit"):
        parse_size(text)


@given(st.text("0123456789. msghdkitbone-", max_size=12) | st.text(max_size=8))
@settings(deadline=None)
def test_text_is_a_quantity_or_a_one_line_usage_error(text):
    for parse in (parse_duration, parse_size):
        value, complaint = None, ""
        try:
            value = parse(text)
        except UsageError as error:
            complaint = str(error)
        assert value is None or value > 0
        assert len(complaint.splitlines()) <= 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"), (0.44, "0.4 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 0 s"),
        (200, "3 min 20 s"), (3599.6, "1 h 0 min"), (7500, "2 h 5 min"), (7200 - 0.4, "2 h 0 min"),
    ],
)  # fmt: skip
def test_durations_are_written_for_people_and_never_show_sixty(seconds, text):
    assert written_duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (1024**2 - 1, "1 MiB"), (2 * 1024**3, "2 GiB"),
     (5 * 1024**5, "5120 TiB")],
)  # fmt: skip
def test_a_size_is_written_with_a_unit(size, text):
    assert written_size(size) == text
