"""Lists of numbers that are written as text, as JSON and as Python prints them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tuner.data.series.written_lists import parse_steps, separator_of

NAN = float("nan")


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("[1, 2.5]", [[1], [2.5]]),
        ('[1, NaN, null, "", "nan"]', [[1], [NAN], [NAN], [NAN], [NAN]]),
        ("[1, nan, None, <NA>]", [[1], [NAN], [NAN], [NAN]]),
        ("[[1, 2], None, nan]", [[1, 2], None, None]),
        ("[1. 2. -3.]", [[1], [2], [-3]]),
        ("[[ 1.e-05  .5]\n [nan -inf]]", [[1e-05, 0.5], [NAN, -np.inf]]),
        ("(1, 2,)", [[1], [2]]),
        ("[(1, 2), (3, 4)]", [[1, 2], [3, 4]]),
        ("[np.float64(1.5), np.int64(2)]", [[1.5], [2]]),
        ("[array([1., 2.]), array([3., 4.], dtype=float32)]", [[1, 2], [3, 4]]),
        ("1 2.5 nan", [[1], [2.5], [NAN]]),
    ],
)
def test_lists_are_read_as_programs_write_them(text: str, steps: object) -> None:
    assert str(parse_steps(text, set())) == str(
        [None if step is None else [float(value) for value in step] for step in steps]  # type: ignore[attr-defined]
    )


@pytest.mark.parametrize(
    "text", ["1, 2", "1,5", "[1 ... 2]", "[a b]", "[True, 1]", "[1,,2]", "1.5", "f(1)", "[1, [2]]", "[" * 9999]
)
def test_what_has_no_single_reading_is_no_list(text: str) -> None:
    assert parse_steps(text, set()) is None


@given(values=arrays.arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(2, 4)), elements=st.floats(-1e9, 1e9)))
def test_what_numpy_prints_is_read_with_the_digits_that_it_prints(values: np.ndarray) -> None:
    with np.printoptions(precision=17, floatmode="unique"):
        assert parse_steps(str(values), set()) == values.tolist()
    assert parse_steps(repr(values.tolist()), set()) == values.tolist()


@pytest.mark.parametrize(
    ("text", "separator"), [("1, 2", ","), ("1;nan;2", ";"), ("1|2", "|"), ("[1, 2]", None), ("a, b", None)]
)
def test_the_separator_of_bare_numbers_is_found(text: str, separator: str | None) -> None:
    assert separator_of(text) == separator
