"""Health checks: their fixed rows, when they happen, and what the reading of rows loses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tuner.training.batches import Rows
from tuner.training.health import HealthCheckSchedule, draw_samples, probability_spread, reading_shares


def make_rows(lengths: list[int], *, steps: list[int] | None = None) -> Rows:
    sizes = np.array(lengths)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    numbers = np.array(steps if steps is not None else np.arange(2, 2 + sizes.sum()), np.int32)
    return Rows(steps=numbers, starts=starts, lengths=sizes, targets=np.arange(len(sizes)))


@pytest.mark.parametrize(("rows", "scored", "watched"), [(7, 4, 4), (200, 100, 64), (3000, 512, 64)])
def test_samples_are_unchanged_rows_and_at_most_half_of_them(rows: int, scored: int, watched: int) -> None:
    source = make_rows(np.random.default_rng(0).integers(1, 60, rows).tolist())
    samples = draw_samples(source, source, reading={}, generator=np.random.default_rng(0))
    assert (len(samples.trained), len(samples.watched)) == (scored, watched)
    assert len(set(samples.trained.targets)) == scored
    assert samples.trained.lengths.tolist() == source.lengths[samples.trained.targets].tolist()
    assert samples.watched.lengths.max() <= 32
    for number, row in enumerate(samples.trained.targets[:3]):
        sample = samples.trained.padded(np.array([number]))
        assert sample.tolist() == source.padded(np.array([row])).tolist()


def test_a_model_is_checked_regularly_and_at_the_end() -> None:
    checks = HealthCheckSchedule()
    examples = range(6_000, 61_000, 6_000)
    due = [checks.is_due(seen, is_collapsed=False, is_last=seen == 60_000) for seen in examples]
    assert [seen for seen, is_due in zip(examples, due, strict=True) if is_due] == [24_000, 48_000, 60_000]


def test_a_model_that_shows_collapse_is_checked_less_and_less_often() -> None:
    checks = HealthCheckSchedule()
    due = [checks.is_due(measurement, is_collapsed=measurement > 3, is_last=False) for measurement in range(1, 21)]
    assert [number for number, is_due in enumerate(due, 1) if is_due] == [4, 7, 19]


def test_what_reading_loses_is_counted_over_tokens_and_rows() -> None:
    rows = make_rows([3, 2, 4, 1], steps=[2, 1, 3, 1, 5, 1, 1, 1, 7, 1])
    whole = rows.lengths
    cut = Rows(rows.steps, rows.starts, np.minimum(whole, 2), rows.targets)
    shares = reading_shares(cut, whole, unknown=1)
    assert shares == {"unknown_share": 0.6, "truncated_share": 0.5, "empty_share": 0.5}
    assert reading_shares(rows, whole, unknown=1)["empty_share"] == 0.25


def test_sequences_have_no_unknown_token() -> None:
    shares = reading_shares(make_rows([3, 2]), np.array([3, 4]), unknown=None)
    assert shares["truncated_share"] == 0.5
    assert math.isnan(shares["unknown_share"])
    assert math.isnan(shares["empty_share"])


def test_probability_spread_is_the_mean_over_labels() -> None:
    assert probability_spread(np.array([[0.2, 0.5], [0.4, 0.5]])) == pytest.approx(0.05)
