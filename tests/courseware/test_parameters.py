"""Names and values of notebooks' parameters."""

import pytest

from courseware.parameters import known_parameters, parse_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-1", -1),
        ("0.5", 0.5),
        ("1e-3", 0.001),
        ("true", True),
        ("False", False),
        ("none", None),
        ("smoke", "smoke"),
        ("no", "no"),
        ("[1, 2]", [1, 2]),
        ("", ""),
    ],
)
def test_parameters_are_typed(text, value):
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)


def test_parameters_are_found_in_plain_annotated_and_magic_lines(make_notebook):
    source = "%matplotlib inline\nrun = 'smoke'  # smoke | colab\nseed: int = 0\na.b = 3"
    assert known_parameters(make_notebook((source, "parameters"), "other = 1")) == ["run", "seed"]
