from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, roc_auc_score

from tuner.scoring.ranking import auc_per_label, average_precision_per_label, rank_auc, rank_rows


@st.composite
def ranked(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Draw one column of up to 20 probabilities, with many ties and both classes."""
    rows = draw(st.integers(2, 20))
    probabilities = draw(arrays(np.float32, (rows, 1), elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0])))
    truth = draw(arrays(bool, (rows, 1)))
    truth[0], truth[1] = True, False
    return probabilities, truth


@given(ranked())
def test_auc_is_scikit_learns_with_ties(case: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, truth = case
    ours = auc_per_label(rank_rows(probabilities, truth))[0]
    assert ours == pytest.approx(roc_auc_score(truth[:, 0], probabilities[:, 0]))


@given(ranked())
def test_average_precision_is_scikit_learns_with_ties(case: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, truth = case
    ours = average_precision_per_label(rank_rows(probabilities, truth))[0]
    assert ours == pytest.approx(average_precision_score(truth[:, 0], probabilities[:, 0]))


def test_labels_with_one_class_are_left_out_of_the_mean_auc() -> None:
    truth = np.array([[1, 1, 0], [0, 1, 0]], dtype=bool)
    probabilities = np.array([[0.9, 0.1, 0.5], [0.2, 0.8, 0.5]])
    assert rank_auc(probabilities, truth) == 1


def test_the_mean_auc_of_no_label_is_unknown() -> None:
    assert np.isnan(rank_auc(np.array([[0.3], [0.4]]), np.array([[True], [True]])))
