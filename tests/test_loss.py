"""Loss weights, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tuner.imbalance.loss import LOSS_WEIGHTS, make_loss

MULTILABEL = np.array([[1, 0], [0, 0], [0, 0], [0, 0], [0, 0]], dtype=np.uint8)  # 4 negatives for 1 positive; none
CLASSES = np.array([0, 0, 0, 0, 0, 0, 1, 1])  # 6 and 2 of 8: the mean count is 4
CERTAIN = math.log(2)  # the loss of a logit of 0


@pytest.mark.parametrize(("weights", "expected"), [("none", 1.0), ("balanced", 4.0), ("root", 2.0)])
def test_a_positive_of_a_rare_label_weighs_as_many_negatives_as_there_are(weights: str, expected: float) -> None:
    loss = make_loss(MULTILABEL, 2, "multilabel", weights=weights)
    one_positive = loss(torch.zeros(1, 2), torch.tensor([[1, 0]], dtype=torch.uint8))
    assert float(one_positive) == pytest.approx((expected * CERTAIN + CERTAIN) / 2)


@pytest.mark.parametrize("weights", LOSS_WEIGHTS)
def test_a_label_without_a_training_row_has_weight_one(weights: str) -> None:
    loss = make_loss(MULTILABEL, 2, "multilabel", weights=weights)
    absent_label = loss(torch.zeros(1, 2), torch.tensor([[0, 1]], dtype=torch.uint8))
    assert float(absent_label) == pytest.approx(CERTAIN)


@pytest.mark.parametrize(
    ("weights", "of_common", "of_rare"),
    [("none", 1.0, 1.0), ("balanced", 4 / 6, 2.0), ("root", math.sqrt(4 / 6), math.sqrt(2.0))],
)
def test_a_class_weighs_the_mean_count_over_its_own(weights: str, of_common: float, of_rare: float) -> None:
    loss = make_loss(CLASSES, 2, "binary", weights=weights)
    logits = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    of_class = (-logits.log_softmax(1)[0]).tolist()
    expected = (of_common * of_class[0] + of_rare * of_class[1]) / (of_common + of_rare)
    assert float(loss(logits, torch.tensor([0, 1]))) == pytest.approx(expected, rel=1e-5)


def test_a_class_without_a_training_row_changes_no_other_weight() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0], [0.5, 0.0, 2.0]])
    with_third = make_loss(CLASSES, 3, "multiclass", weights="balanced")(logits, torch.tensor([0, 1]))
    by_hand = -logits.log_softmax(1)
    assert float(with_third) == pytest.approx(
        float((4 / 6 * by_hand[0, 0] + 2 * by_hand[1, 1]) / (4 / 6 + 2)), rel=1e-5
    )


@pytest.mark.parametrize("weights", LOSS_WEIGHTS)
def test_a_label_on_every_training_row_still_has_a_gradient(weights: str) -> None:
    targets = np.array([[1, 1], [1, 0], [1, 0]], dtype=np.uint8)
    logits = torch.zeros(3, 2, requires_grad=True)
    make_loss(targets, 2, "multilabel", weights=weights)(logits, torch.from_numpy(targets)).backward()
    assert logits.grad is not None
    assert (logits.grad[:, 0] != 0).all()
