"""Every class that charts use has a colour, in light and in dark, that is seen and read."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from prunebench.report.charts.svg import SEQUENTIAL, TOKENS
from prunebench.report.looks import COLOURS

CSS = (files("prunebench.report") / "templates/charts.css").read_text(encoding="utf-8")


def palettes():
    """Variables by scheme: light, dark by preference, dark by choice."""
    blocks = re.findall(r"(:root[^{]*)\{([^}]*)\}", CSS)
    found = [(name.strip(), dict(re.findall(r"--chart-(\w+): (#[0-9a-f]{6});", body))) for name, body in blocks]
    return {name: body for name, body in found if body}


def luminance(colour):
    """WCAG 2.2, relative luminance."""
    levels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in levels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_formula_is_that_of_wcag():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#ffffff", "#767676") == pytest.approx(4.54, abs=0.01)


def test_there_are_a_light_and_two_equal_dark_palettes():
    found = palettes()
    assert list(found) == [":root", ':root:not([data-theme="light"])', ':root[data-theme="dark"]']
    light, preferred, chosen = found.values()
    assert preferred == chosen != light
    assert set(light) == set(preferred) == TOKENS


@pytest.mark.parametrize("token", sorted(TOKENS))
def test_every_token_has_a_fill_and_a_stroke(token):
    assert f".chart .f-{token} {{ fill: var(--chart-{token}); }}" in CSS
    assert f".chart .s-{token} {{ stroke: var(--chart-{token}); }}" in CSS


@pytest.mark.parametrize("palette", palettes().values(), ids=palettes())
def test_marks_and_texts_have_contrast(palette):
    for token in (*COLOURS, "ink", "muted"):
        assert contrast(palette[token], palette["paper"]) >= 4.5, token
    for token in (*COLOURS, "ink"):
        assert contrast(palette[token], palette["area"]) >= 3, token


@pytest.mark.parametrize("palette", palettes().values(), ids=palettes())
def test_the_sequential_scale_moves_away_from_the_paper_step_by_step(palette):
    steps = [contrast(palette[token], palette["paper"]) for token in SEQUENTIAL]
    assert steps == sorted(steps)
    assert steps[0] < 1.25
    assert steps[-1] > 7


def test_nothing_is_fetched():
    assert "url(" not in CSS
    assert "@import" not in CSS
