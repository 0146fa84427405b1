"""The quick part of `scripts/bench trust`: fewer repeats, so that bounds leave room for their noise. Seeds are fixed."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.trust import coverage, dependence, small_splits
from benchmarks.trust.draws import Labels, many_labels


@pytest.mark.parametrize("together", [0.0, 0.9])
def test_equal_models_on_groups_that_err_together_are_seldom_told_apart(together: float) -> None:
    assert max(dependence.told_apart(60, 10, together, repeats=150)) <= 0.05


def test_cross_fitting_over_groups_agrees_with_fresh_groups() -> None:
    fitted, fresh, single = dependence.cross_fitted(60, 10, 0.9, repeats=60)
    assert abs(fitted - fresh) <= 0.025
    assert single > fitted + 0.01


@pytest.mark.parametrize("rows", [20, 100])
def test_equal_models_of_many_labels_are_seldom_told_apart_on_few_rows(rows: int) -> None:
    assert max(small_splits.called_ahead(many_labels(28, 0.6), rows, repeats=150)) <= 0.05


def test_models_of_equal_macro_f1_that_err_differently_are_seldom_told_apart() -> None:
    share = np.array([0.1])
    careful, bold = Labels(share, np.array([0.5]), np.array([0.00617])), Labels(share, np.array([0.9]), np.array([0.1]))
    assert careful.macro_f1 == pytest.approx(bold.macro_f1, abs=0.001)
    assert max(small_splits.called_ahead(careful, 50, repeats=150, other=bold)) <= 0.05


@pytest.mark.parametrize(
    "kind", ["binary, 1 % positive", "binary, 1 % positive, few errors", "28 Zipf labels, the rare ones seldom found"]
)
def test_intervals_hold_even_if_labels_have_hardly_any_true_rows(kind: str) -> None:
    below, above, _ = coverage.missed(coverage.KINDS[kind], 150, repeats=60)
    assert below + above <= 0.07


def test_a_guess_on_few_rows_is_seldom_called_better_than_a_constant() -> None:
    assert small_splits.guess_has_skill(small_splits.KINDS["10 even classes"], 50, repeats=100) <= 0.05
