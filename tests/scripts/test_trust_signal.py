"""The answers for generated data, from texts to the verdict: the quick part of `scripts/bench trust`."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.trust import signal


@pytest.mark.parametrize(
    ("make", "options", "expected"),
    [
        (signal.plain, {}, "none found"),
        (signal.told_by_a_word, {}, "signal"),
        (signal.told_by_two_words, {}, "signal"),
        (signal.without_spaces, {}, "signal"),
        (signal.numbers_as_words, {}, "signal"),
        (signal.plain, {"lift": 1.0}, "signal"),
        (signal.plain, {"trial_lift": 1.5}, "signal"),
        (signal.told_by_a_word, {"positives": 1}, "too few rows"),
    ],
)
def test_the_answer_is_the_one_that_is_true_of_the_data(make: Any, options: dict[str, Any], expected: str) -> None:
    assert [signal.answer(make, seed, **options) for seed in range(2)] == [expected] * 2
