"""Vega's SVG made compact: what stays, what goes, what is refused."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from prunebench.report.charts.svg import MARK, compact
from tests.report.charts.seen import elements


def drawn(inside):
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" class="marks"><g transform="translate(10,20)">'
        f'<g class="mark-group role-frame"><path class="background" d="M0,0h9v9h-9Z"/>{inside}</g></g></svg>'
    )


def made(inside, title="A title", description="What there is."):
    return compact(drawn(inside), 100, 50.04, title, description)


def test_groups_are_flattened_and_their_translations_added_up():
    svg = made('<g transform="translate(1.25,2)"><line transform="translate(3,4)" x2="5" y2="0" stroke="grid"/></g>')
    (line,) = elements(svg)
    assert line.d == "M14.2,26L19.2,26"


def test_a_line_without_length_is_a_dot():
    svg = made('<line transform="translate(3,4)" x2="0" y2="0" stroke="m2" stroke-linecap="round" stroke-width="3"/>')
    (dot,) = elements(svg)
    assert (dot.d, dot.attributes["stroke-linecap"], dot.classes) == ("M13,24h0", "round", ("s-m2",))


def test_colours_become_classes_and_the_usual_is_left_out():
    svg = made('<path d="M0,0L1,1" fill="m0" stroke="paper" opacity="1" stroke-width="1" fill-opacity="0.08"/>')
    (path,) = elements(svg)
    assert path.attributes == {"class": "f-m0 s-paper", "fill-opacity": "0.08", "d": "M10,20L11,21"}


def test_transparent_is_no_colour():
    (path,) = elements(made('<path d="M0,0L1,1" fill="transparent" stroke="none"/>'))
    assert path.classes == ()


@pytest.mark.parametrize("colour", ["black", "#4c78a8", "url(#gradient)"])
def test_a_colour_that_is_no_class_is_refused(colour):
    with pytest.raises(ValueError, match="which is no class"):
        made(f'<path d="M0,0L1,1" fill="{colour}"/>')


@pytest.mark.parametrize("tag", ["image", "clipPath", "script", "style", "foreignObject"])
def test_what_is_no_mark_is_refused(tag):
    with pytest.raises(ValueError, match=f"<{tag}>"):
        made(f"<{tag}/>")


def test_a_mark_has_its_method_and_says_what_it_is():
    svg = made(f'<path aria-label="7{MARK}a &lt;b&gt; &amp; c" transform="translate(1,1)" d="M0,-2L2,2Z" fill="m1"/>')
    (mark,) = elements(svg)
    assert (mark.method, mark.title, mark.x, mark.y) == ("7", "a <b> & c", 11, 21)
    assert "<b>" not in svg


def test_a_mark_of_no_method_has_words_only():
    (mark,) = elements(made(f'<path aria-label="{MARK}a line" d="M0,0L2,2" stroke="ink"/>'))
    assert (mark.method, mark.title) == (None, "a line")


def test_neighbours_of_one_style_are_one_path_unless_they_say_something():
    line = '<line transform="translate(0,{y})" x2="9" y2="0" stroke="{colour}"/>'
    lines = "".join(line.format(y=y, colour=c) for y, c in ((1, "grid"), (2, "grid"), (3, "ink"), (4, "grid")))
    assert [one.d.count("M") for one in elements(made(lines))] == [2, 1, 1]
    spoken = "".join(f'<path aria-label="1{MARK}n" d="M{x},0L9,9" stroke="m1"/>' for x in (1, 2))
    assert len(elements(made(spoken))) == 2


def test_curves_and_arcs_are_moved_whole():
    svg = made('<path d="M1,2C3,4,5,6,7,8A2,2,0,1,1,9,10H11V12h1v1Z" stroke="ink"/>')
    (path,) = elements(svg)
    assert path.d == "M11,22C13,24,15,26,17,28A2,2,0,1,1,19,30H21V32h1v1Z"


def test_texts_keep_size_and_anchor_but_no_font():
    svg = made(
        '<text text-anchor="end" transform="translate(5,6)" font-family="Arial" font-size="10px" fill="ink">8×</text>'
    )
    (text,) = elements(svg)
    assert text.attributes == {"class": "f-ink", "text-anchor": "end", "font-size": "10", "x": "15", "y": "26"}
    assert text.text == "8×"


def test_a_turned_text_keeps_its_turn():
    svg = made('<text transform="translate(5,6) rotate(-90) translate(0,-2.04)" font-size="11px" fill="ink">y</text>')
    assert 'transform="translate(15,26) rotate(-90) translate(0,-2)"' in svg


def test_the_whole_has_a_size_a_name_and_a_description_and_no_identifier():
    root = ET.fromstring(made("", 'T <"&>', "D <&>"))
    assert (root.get("viewBox"), root.get("width"), root.get("height")) == ("0 0 100 50", "100", "50")
    assert (root.get("role"), root.get("aria-label")) == ("img", 'T <"&>')
    assert root[0].tag.endswith("desc")
    assert root[0].text == "D <&>"
    assert not [one for one in root.iter() if one.get("id") or one.get("style")]
