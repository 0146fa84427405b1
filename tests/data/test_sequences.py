"""Numeric sequences: laid end to end, standardised by the training rows, resampled to one length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from tuner.data.preparation import read_preparation
from tuner.data.row_vectors import sequence_vectors
from tuner.data.sequences import Sequences, Standardiser, resampled
from tuner.errors import DataError

VALUES = st.floats(-1e6, 1e6, width=32)


@st.composite
def several_rows(draw: st.DrawFn) -> list[np.ndarray]:
    """Between 1 and 6 rows of 1 to 7 steps, all with the same number of channels."""
    channels = draw(st.integers(1, 3))
    lengths = draw(st.lists(st.integers(1, 7), min_size=1, max_size=6))
    return [draw(arrays.arrays(np.float32, (length, channels), elements=VALUES)) for length in lengths]


@given(rows=several_rows())
def test_every_row_is_found_again(rows: list[np.ndarray]) -> None:
    sequences = Sequences.of(rows)
    assert len(sequences) == len(rows)
    assert sequences.lengths.tolist() == [len(row) for row in rows]
    for number, row in enumerate(rows):
        np.testing.assert_array_equal(sequences.row(number), row)


@given(rows=several_rows(), data=st.data())
def test_taken_rows_come_in_the_order_asked_for_and_as_often(rows: list[np.ndarray], data: st.DataObject) -> None:
    positions = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=9))
    taken = Sequences.of(rows).take(np.array(positions, dtype=np.int64))
    assert len(taken) == len(positions)
    assert taken.values.shape[1] == rows[0].shape[1]
    for number, position in enumerate(positions):
        np.testing.assert_array_equal(taken.row(number), rows[position])


def test_a_row_of_plain_numbers_is_one_channel() -> None:
    assert Sequences.of([[1, 2, 3], [4]]).values.tolist() == [[1], [2], [3], [4]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no row"),
        ([[[1, 2]], [[1, 2, 3]]], "the same number of channels, but there are: 2, 3"),
        ([[1], []], "row 2 is empty"),
        ([[1], [float("nan")]], "row 2 has only NaN"),
        ([[1], [1, float("nan"), 2]], "row 2 has NaN before its end"),
        ([[[1, 2]], [[1, float("nan")]]], "row 2 has NaN .*in some channels only"),
        ([[float("inf")]], r"row 1 has a value that is infinite, or above 1e\+300"),
        ([[1e301]], r"row 1 has a value that is infinite, or above 1e\+300"),
        ([[10**400]], r"row 1 has a value above 1e\+300"),
        ([5], r"row 1 must be \(steps,\) or"),
        ([[1], ["abc"]], "row 2 is not a list of numbers"),
        ([[[1, 2], [3]]], "row 1 is not a list of numbers, or of steps of equally many numbers"),
    ],
)
def test_rows_that_are_not_sequences_are_refused(rows: list[object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sequences.of(rows)


# --- standardised ---------------------------------------------------------------------------------------------------


@pytest.fixture
def uneven() -> Sequences:
    """Forty rows of 1 to 9 steps, with very different means and scales of the channels."""
    generator = np.random.default_rng(0)
    scales, means = np.array([1e-3, 1, 1e4]), np.array([1e3, 0, -5e5])
    return Sequences.of(generator.normal(means, scales, (length, 3)) for length in generator.integers(1, 10, 40))


def test_standardised_training_rows_have_mean_0_and_deviation_1_in_every_channel(uneven: Sequences) -> None:
    values = Standardiser.fit(uneven).standardise(uneven).values
    assert values.dtype == np.float32
    np.testing.assert_allclose(values.mean(axis=0, dtype=np.float64), 0, atol=1e-6)
    np.testing.assert_allclose(values.std(axis=0, dtype=np.float64), 1, atol=1e-6)


def test_other_rows_are_standardised_by_the_training_rows() -> None:
    standardiser = Standardiser.fit(Sequences.of([[0, 2], [4]]))
    deviation = np.sqrt(8 / 3)
    np.testing.assert_allclose(
        standardiser.standardise(Sequences.of([[2, 2 + deviation]])).values, [[0], [1]], rtol=1e-6
    )


@pytest.mark.parametrize("value", [0.0, 0.1, 1e30])
def test_a_channel_that_is_constant_in_training_has_scale_1(value: float) -> None:
    standardiser = Standardiser.fit(Sequences.of([np.full(7, value)] * 3))
    assert standardiser.scale.tolist() == [1]
    assert abs(standardiser.standardise(Sequences.of([[value]])).values).item() < 1e15 * np.finfo(np.float64).eps


def test_a_value_far_out_of_range_is_clipped() -> None:
    far = Standardiser.fit(Sequences.of([[0, 1e-20]])).standardise(Sequences.of([[1e30, -1e30]]))
    assert far.values.ravel().tolist() == [1e6, -1e6]


WHOLE = [[3, 1, 4, 1], [5, 9], [2, 6, 5, 3, 5]]
"""Rows of whole numbers: a constant can be added to them without rounding."""


def _standardised(change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.floating[Any]]:
    sequences = Sequences.of([change(np.array(row, np.float64)) for row in WHOLE])
    return Standardiser.fit(sequences).standardise(sequences).values


@pytest.mark.parametrize("constant", [-7, 1 << 24, 1_700_000_000, 10**12, 1 << 52])
def test_a_constant_added_to_a_channel_of_whole_numbers_changes_no_bit(constant: int) -> None:
    moved = _standardised(lambda row: row + constant)
    np.testing.assert_array_equal(moved, _standardised(lambda row: row))
    assert len(np.unique(moved)) == 7


@pytest.mark.parametrize("factor", [1e-300, 1e-12, 3.7, 1e12, 1e290])
def test_a_factor_on_a_channel_changes_nothing_but_the_sign(factor: float) -> None:
    plain = _standardised(lambda row: row)
    np.testing.assert_allclose(_standardised(lambda row: row * factor), plain, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(_standardised(lambda row: row * -factor), -plain, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(("factor", "constant"), [(1, 1_700_000_000), (1, 10**12), (1e-12, 0), (-1e12, 0)])
def test_vectors_of_rows_do_not_depend_on_the_units_of_a_channel(factor: float, constant: int) -> None:
    plain, moved = (
        sequence_vectors(Sequences.of([np.array(row) * a + b for row in WHOLE]))
        for a, b in ((1, 0), (factor, constant))
    )
    moved[:, 1:] *= np.sign(factor)  # the first value is the length
    np.testing.assert_allclose(moved, plain, rtol=1e-5, atol=1e-6)


def test_padding_of_nan_at_both_ends_of_a_row_is_cut_off() -> None:
    nan = float("nan")
    sequences = Sequences.of([[nan, 1, 2, nan, nan], [3, 4], [None, 5]])
    assert [sequences.row(number).ravel().tolist() for number in range(3)] == [[1, 2], [3, 4], [5]]
    assert Sequences.of([[[nan, nan], [1, 2], [nan, nan]]]).values.tolist() == [[1, 2]]


def test_an_encoding_has_the_standardised_steps_and_the_rows_own_offsets(uneven: Sequences) -> None:
    standardiser = Standardiser.fit(uneven)
    encoded = standardiser.encode(uneven)
    np.testing.assert_array_equal(encoded.steps, standardiser.standardise(uneven).values)
    assert encoded.offsets.tolist() == uneven.offsets.tolist()


def test_rows_of_other_channels_and_texts_are_refused(uneven: Sequences) -> None:
    standardiser = Standardiser.fit(uneven)
    with pytest.raises(DataError, match="the number of channels is 1, but 3 in the training data"):
        standardiser.encode(Sequences.of([[1.0]]))
    with pytest.raises(DataError, match="they are texts"):
        standardiser.encode(("a text",))


def test_a_standardiser_survives_its_bytes_bit_for_bit(uneven: Sequences) -> None:
    standardiser = Standardiser.fit(uneven)
    again = read_preparation(standardiser.to_bytes())
    assert isinstance(again, Standardiser)
    assert again.mean.tolist() == standardiser.mean.tolist()
    assert again.scale.tolist() == standardiser.scale.tolist()


def test_a_standardiser_written_without_an_origin_still_loads() -> None:
    old = Standardiser.from_json({"kind": "standardiser", "mean": [2.0], "scale": [4.0]})
    assert old.standardise(Sequences.of([[2, 10]])).values.ravel().tolist() == [0, 2]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"kind": "word"}',
        b'{"kind": "standardiser", "mean": [0]}',
        b'{"kind": "standardiser", "mean": [0], "scale": [0]}',
        b'{"kind": "standardiser", "mean": [0], "scale": [NaN]}',
        b'{"kind": "standardiser", "mean": [0, 1], "scale": [1]}',
        b'{"kind": "standardiser", "mean": ["a"], "scale": [1]}',
        b'{"kind": "standardiser", "mean": {}, "scale": {}}',
    ],
)
def test_bytes_that_do_not_describe_a_standardiser_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_preparation(content)


# --- resampled ------------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(rows=several_rows(), steps=st.integers(1, 9))
def test_resampling_is_numpys_interpolation_of_every_row_and_channel(rows: list[np.ndarray], steps: int) -> None:
    result = resampled(Sequences.of(rows), steps).reshape(len(rows), steps, -1)
    assert result.dtype == np.float32
    shares = np.linspace(0, 1, steps) if steps > 1 else np.array([0.5])
    for row, values in zip(rows, result, strict=True):
        for channel in range(row.shape[1]):
            expected = np.interp(shares * (len(row) - 1), np.arange(len(row)), row[:, channel])
            np.testing.assert_allclose(values[:, channel], expected, rtol=1e-5, atol=0.5)


def test_a_row_of_the_wanted_length_stays_as_it_is() -> None:
    rows = [[[1, 5], [2, 4], [9, 3]]]
    assert resampled(Sequences.of(rows), 3).tolist() == [[1, 5, 2, 4, 9, 3]]


def test_resampling_no_rows_gives_no_rows() -> None:
    assert resampled(Sequences.of([[[1, 2]]]).take(np.arange(0)), 4).shape == (0, 8)
