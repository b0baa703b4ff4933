"""Formulas as MathML: what browsers' MathML Core and screen readers get."""

import re

import pytest

from courseware.sphinx_ext.formulas import FormulaError, to_mathml


def plainly(tex, **options):
    """The formula's markup without prefixes of its namespace."""
    return re.sub(r"(</?)\w+:", r"\1", to_mathml(tex, **options))


def test_a_fraction_and_a_sum_have_the_shape_that_the_specification_gives_them():
    fraction = "<mfrac><mn>1</mn><mrow><mi>H</mi><mi>W</mi></mrow></mfrac>"
    assert fraction in plainly(r"\frac{1}{HW}")
    assert "munder" in to_mathml(r"\sum_s N_s", display=True)
    assert "munder" not in to_mathml(r"\sum_s N_s")


def test_a_root_is_as_tall_as_a_digit_even_over_a_low_letter():
    assert re.search(r'<msqrt><mi>n</mi><mspace [^>]*height="0.72em"', plainly(r"\sqrt{n}"))


def test_thousands_names_and_slashes_are_set_as_tex_sets_them():
    assert "<mn>4,608</mn>" in plainly(r"32 \cdot 4{,}608")
    assert "<mi>ReLU</mi>" in plainly(r"\mathrm{ReLU}(x)")
    assert "<mi>tanh</mi><mspace" in plainly(r"\tanh a")
    assert '<mo lspace="0" rspace="0">/</mo>' in plainly("1/N")
    assert "<munder><mi>max</mi><mi>i</mi></munder><mspace" in plainly(r"\max_i x_i", display=True)


def test_signs_stand_close_to_their_number_and_functions_apart_from_theirs():
    assert '(</mo><mo form="prefix">−</mo><mi>log</mi>' in plainly(r"(-\log q)")
    assert "]</mo><mo>−</mo>" in plainly("E[x] - 1") and "</mi><mo>−</mo>" in plainly("a - b")
    assert '<mn>2</mn><mspace width="0.167em" /><mi>tanh</mi><mo' in plainly(r"2 \tanh(x)")
    assert plainly(r"\partial L").count("<mo") == 0 and "<mo>E" not in plainly(r"\operatorname{E}[y]")
    assert "<msup>" not in plainly("x''"), "the font's primes are raised already"
    assert "<mtext>num_classes</mtext>" in plainly(r"\text{num\_classes}")


def test_the_source_stays_with_the_formula_and_is_escaped():
    assert 'alttext="a &lt; b"' in to_mathml("a < b")


@pytest.mark.parametrize(
    ("tex", "named"),
    [
        (r"x + \foo{y}", r"\foo"),
        (r"\frac{1}", r"\frac{1}"),
        (r"{x", "braces"),
        ("a & b", "&"),
        (r"\left( x", "cannot be read"),
    ],
)
def test_what_cannot_be_translated_is_refused_by_name(tex, named):
    with pytest.raises(FormulaError) as caught:
        to_mathml(tex)
    assert named in str(caught.value).replace("\\\\", "\\")
