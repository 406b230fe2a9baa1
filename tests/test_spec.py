"""Specs and densities."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prunebench.errors import SpecError, UsageError
from prunebench.spec import Spec, canonical_density, parse_density, written

LETTERS = "abcxyzABCXYZ"
words = st.builds(str.__add__, st.sampled_from(LETTERS), st.text(LETTERS + "0189_.+-", max_size=8))
names = st.one_of(words, st.builds("{}:{}".format, words, words))
keys = st.builds(str.__add__, st.sampled_from(LETTERS + "_"), st.text(LETTERS + "019_éλ", max_size=8))
scalars = st.one_of(
    st.booleans(),
    st.integers(-(10**18) + 1, 10**18 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.text("()[]{}\"'\\,=: \n\t\0"),
    st.sampled_from(["", "true", "False", "1", "-1.5", "1e3", "nan", "[]", "a b", "=", ",", ")", "λ", "\u2028"]),
)
values = st.one_of(scalars, st.lists(scalars, max_size=4).map(tuple))


def outcome(parse, text, expected):
    """The value, or the message of the one error that is allowed."""
    try:
        return parse(text), None
    except expected as error:
        return None, str(error)


specs = st.builds(lambda name, params: Spec(name, tuple(params.items())), names, st.dictionaries(keys, values))


@given(specs)
@settings(deadline=None)
def test_a_spec_that_is_written_and_read_is_the_same_with_all_its_types(spec):
    assert repr(Spec.parse(str(spec))) == repr(spec)  # `repr` tells 1 from 1.0 and from true


@given(names, st.dictionaries(keys, values, min_size=1))
@settings(deadline=None)
def test_both_ways_of_writing_mean_the_same(name, params):
    arguments = ",".join(f"{key}={written(value)}" for key, value in params.items())
    assert repr(Spec.parse(f"{name}({arguments})")) == repr(Spec.parse(f"{name}:{arguments}"))


@given(names, st.dictionaries(keys, values, min_size=1), st.text(" \t\n", max_size=3))
@settings(deadline=None)
def test_spaces_around_names_keys_and_values_mean_nothing(name, params, space):
    items = [space.join(["", key, "=", written(value), ""]) for key, value in params.items()]
    assert Spec.parse(space.join(["", name, "(" + ",".join(items) + ")", ""])) == Spec(name, tuple(params.items()))


@given(st.one_of(st.text(), st.text('ab:=,()[]"\\.-+ 1e\n', max_size=30), specs.map(str).map(lambda s: s[:-1])))
@settings(deadline=None)
@example('a(k="\n")')
@example("a(k=1e999)")
@example("a(k=[1][2])")
@example("a(k=]1,2[)")
def test_text_is_a_spec_or_a_one_line_spec_error(text):
    spec, complaint = outcome(Spec.parse, text, SpecError)
    if complaint is None:
        assert repr(Spec.parse(str(spec))) == repr(spec)
    else:
        assert len(complaint.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("snip", ()),
        ("snip()", ()),
        ("snip(rounds=100, mode=eval)", (("mode", "eval"), ("rounds", 100))),
        ("snip:rounds=100,mode=eval", (("mode", "eval"), ("rounds", 100))),
        ("snip(rate=.5)", (("rate", 0.5),)),
        ("snip(rate=-1e-3)", (("rate", -0.001),)),
        ("snip(on=true, off=False)", (("off", False), ("on", True))),
        ("snip(word=\"true\", comma='x')".replace("'x'", '"a, b"'), (("comma", "a, b"), ("word", "true"))),
        ("snip(ratios=[1, 0.5, x, true])", (("ratios", (1, 0.5, "x", True)),)),
        ("snip(ratios=[])", (("ratios", ()),)),
    ],
)
def test_values_are_read_as_numbers_truths_words_strings_and_lists(text, params):
    assert repr(Spec.parse(text)) == repr(Spec("snip", params))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "write NAME"),
        ("1a", "write NAME"),
        ("a b", "write NAME"),
        ("a(k=1", "write NAME"),
        ("a(k=1)b", "write NAME"),
        ("a:b:c:k=1", "'a:b:c' is no name"),
        ("a(k)", "'k' is not key=value"),
        ("a(k=)", "'k=' is not key=value"),
        ("a(=1)", "'=1' is not key=value"),
        ("a(1k=1)", "'1k=1' is not key=value"),
        ("a(k=1,,j=2)", "'' is not key=value"),
        ("a(k=1,)", "after the last comma"),
        ("a:k=1,", "after the last comma"),
        ("a(k=1, k=2)", "'k' is given twice"),
        ('a(k="x)', "a quote or bracket is not closed"),
        ("a(k=[1)", "a quote or bracket is not closed"),
        ("a(k=[1, [2]])", "lists do not nest"),
        ("a(k=[1] 2)", "'[1] 2' is no list"),
        ('a(k="\\q")', "no quoted string"),
        ("a(k=1e999)", "not a finite number"),
        ("a(k=1 2)", "'1 2' is no number"),
        ("a(k=--1)", "'--1' is no number"),
    ],
)
def test_a_malformed_spec_is_refused_where_it_stops_making_sense(text, place):
    with pytest.raises(SpecError) as caught:
        Spec.parse(text)
    assert repr(text) in str(caught.value)
    assert place in str(caught.value)


def test_parameters_are_written_in_one_order():
    assert Spec("a", (("z", 1), ("b", 2))) == Spec("a", (("b", 2), ("z", 1)))
    assert str(Spec.parse("a(z=1, b=2)")) == "a(b=2, z=1)"


def test_words_stay_bare_and_other_strings_are_quoted():
    assert str(Spec("a", (("k", "eval"), ("l", "two words"), ("m", "true"), ("n", "1")))) == (
        'a(k=eval, l="two words", m="true", n="1")'
    )


def test_other_parameters_leave_the_spec_itself_alone():
    spec = Spec.parse("a(k=1)")
    mapping = spec.mapping
    mapping["k"] = 2
    assert str(spec) == "a(k=1)"
    assert str(spec.with_params(mapping)) == "a(k=2)"


@given(st.integers(1, 10_000))
@settings(deadline=None)
def test_one_minus_a_sparsity_is_the_density_that_one_would_write(parts):
    assert parse_density(1 - (10_000 - parts) / 10_000) == parse_density(f"{parts / 10_000}") == parts / 10_000


def test_densities_that_differ_in_the_tenth_digit_are_different():
    assert 1 - 0.95 != 0.05
    assert parse_density(1 - 0.95) == 0.05
    assert parse_density(0.1234567891) != parse_density(0.1234567892)


@given(st.floats(0, 1, exclude_min=True))
@settings(deadline=None)
@example(5e-324)
@example(0.999999999999)
def test_a_canonical_density_is_its_own_and_in_range(density):
    found = parse_density(density)
    assert 0 < found <= 1
    assert parse_density(found) == parse_density(repr(found)) == canonical_density(found) == found
    assert found == pytest.approx(density, rel=1e-9)


@pytest.mark.parametrize("density", [0, -0.1, 1.5, "1.5", "2\n", "nan", float("nan"), "inf", "-inf", 1e999, 10**400])
def test_a_density_outside_zero_to_one_is_refused_in_one_line(density):
    with pytest.raises(UsageError, match=r"^density \S+ is outside \(0, 1\]") as caught:
        parse_density(density)
    assert len(str(caught.value).splitlines()) == 1


@given(st.text())
@settings(deadline=None)
@example("")
@example("5 %")
@example("a\nb")
def test_text_is_a_density_or_a_one_line_usage_error(text):
    density, complaint = outcome(parse_density, text, UsageError)
    assert 0 < density <= 1 if complaint is None else len(complaint.splitlines()) == 1


@pytest.mark.parametrize("density", ["dense", "", None, [0.5]])
def test_a_density_that_is_no_number_is_refused(density):
    with pytest.raises(UsageError, match="is not a number"):
        parse_density(density)


def test_an_integer_of_many_digits_stays_one():
    spec = Spec.parse("random(seed=12345678901234567890123)")
    assert spec.mapping["seed"] == 12345678901234567890123
    assert str(spec) == "random(seed=12345678901234567890123)"


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ("reinit(of=lottery(rewind=0.1))", "lottery(rewind=0.1)"),
        ("reinit:of=lottery(rewind=0.1),long=true", "lottery(rewind=0.1)"),
        ("a(of=b(of=c(x=1), y=2), z=3)", 'b(of="c(x=1)", y=2)'),
    ],
)
def test_a_spec_within_a_spec_needs_no_quotes(text, inner):
    found = Spec.parse(text)
    assert found.mapping["of"] == inner
    assert Spec.parse(str(found)) == found


@pytest.mark.parametrize("text", ["a(b=c(d)", "a(b=c(d=1)", "a(b=c(d))", "a(b=(c))", "a(b=c)d)"])
def test_a_spec_within_a_spec_that_is_none_is_refused(text):
    with pytest.raises(SpecError):
        Spec.parse(text)
