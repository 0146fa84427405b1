"""Losses and their weights: computed by hand, and finite for any logits."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from tuner.imbalance.loss import Loss, asymmetric, cross_entropy, focal, make_loss, make_soft_loss, soft_f1_loss
from tuner.imbalance.weights import (
    WeightRule,
    count_labels,
    effective_number_weights,
    explicit_weights,
    no_weights,
)
from tuner.space.build import builders_of
from tuner.space.options import Options
from tuner.space.parameters import PARAMETERS
from tuner.space.task import Task

LOSSES, LOSS_WEIGHTS = builders_of("loss"), builders_of("loss_weights")

MULTILABEL = np.array([[1, 0], [0, 0], [0, 0], [0, 0], [0, 0]], dtype=np.uint8)  # 4 negatives for 1 positive; none
CLASSES = np.array([0, 0, 0, 0, 0, 0, 1, 1])  # 6 and 2 of 8: the mean count is 4
CERTAIN = math.log(2)  # the loss of a logit of 0
LABELS = ("a", "b", "c")

OWN: dict[str, dict[str, float]] = {
    "effective_number": {"beta": 0.9},
    "explicit": {"b": 3.0},
    "cross_entropy": {"label_smoothing": 0.1},
    "focal": {"gamma": 2.0},
    "asymmetric": {"gamma_positive": 0.5, "gamma_negative": 4.0, "margin": 0.05},
}


def build(targets: NDArray[Any], **changed: Any) -> Loss:
    """A loss with weights by name or as a rule; plain cross-entropy unless another loss is given."""
    task: Task = "multilabel" if targets.ndim == 2 else "multiclass"
    labels = LABELS[: targets.shape[1]] if targets.ndim == 2 else LABELS
    given: dict[str, Any] = {"loss": cross_entropy(), "weights": no_weights(), "soft_f1": 0.0, "logit_adjustment": 0.0}
    return make_loss(targets, labels=labels, task=task, **(given | changed))


def weights_of(name: str) -> WeightRule:
    return LOSS_WEIGHTS[name](**OWN.get(name, {}))


@pytest.mark.parametrize(("parameter", "registry"), [("loss", LOSSES), ("loss_weights", LOSS_WEIGHTS)])
def test_a_registry_has_the_options_that_a_space_can_choose(parameter: str, registry: dict[str, Any]) -> None:
    options = PARAMETERS["text"][parameter]
    assert isinstance(options, Options)
    assert set(registry) == set(options.options)
    for name, entry in registry.items():
        keywords = [
            each.name for each in inspect.signature(entry).parameters.values() if each.kind is each.KEYWORD_ONLY
        ]
        assert keywords == list(options.options[name].parameters)


@pytest.mark.parametrize(("weights", "expected"), [("none", 1.0), ("balanced", 4.0), ("root", 2.0)])
def test_a_positive_of_a_rare_label_weighs_as_much_as_its_negatives(weights: str, expected: float) -> None:
    loss = build(MULTILABEL, weights=weights_of(weights))
    one_positive = loss(torch.zeros(1, 2), torch.tensor([[1, 0]], dtype=torch.uint8))
    assert float(one_positive) == pytest.approx((expected * CERTAIN + CERTAIN) / 2)


@pytest.mark.parametrize("weights", ["none", "balanced", "root", "effective_number"])
def test_a_label_without_a_training_row_has_weight_one(weights: str) -> None:
    loss = build(MULTILABEL, weights=weights_of(weights))
    absent_label = loss(torch.zeros(1, 2), torch.tensor([[0, 1]], dtype=torch.uint8))
    assert float(absent_label) == pytest.approx(CERTAIN)


@pytest.mark.parametrize(
    ("weights", "times_rarer"), [("none", 1.0), ("balanced", 3.0), ("root", math.sqrt(3.0)), ("explicit", 3.0)]
)
@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_classes_weigh_by_rarity_and_the_mean_weight_of_training_rows_is_one(
    loss: str, weights: str, times_rarer: float
) -> None:
    """Six rows of one class and two of the other, with logits that give all rows the same loss."""
    built = make_loss(
        CLASSES,
        labels=("a", "b"),
        task="binary",
        loss=LOSSES[loss](**OWN[loss]),
        weights=weights_of(weights),
        soft_f1=0,
        logit_adjustment=0,
    )
    of_common, of_rare = (float(built(torch.zeros(1, 2), torch.tensor([label]))) for label in (0, 1))
    of_all = float(built(torch.zeros(8, 2), torch.from_numpy(CLASSES)))
    assert of_rare / of_common == pytest.approx(times_rarer, rel=1e-5)
    assert of_all == pytest.approx((6 * of_common + 2 * of_rare) / 8, rel=1e-5)
    assert of_all == pytest.approx(CERTAIN * (0.25 if loss == "focal" else 1), rel=1e-5)


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_a_class_has_the_same_share_of_an_epochs_gradient_whatever_the_batch_size(loss: str) -> None:
    built = build(CLASSES, loss=LOSSES[loss](**OWN[loss]), weights=weights_of("balanced"))

    def slope_of_an_epoch(batch_size: int) -> Tensor:
        logits = torch.zeros(len(CLASSES), 3, requires_grad=True)
        parts = zip(logits.split(batch_size), torch.from_numpy(CLASSES).split(batch_size), strict=True)
        (slope,) = torch.autograd.grad(sum(built(*part) * batch_size for part in parts), logits)
        return slope

    for batch_size in (1, 2, 4):
        torch.testing.assert_close(slope_of_an_epoch(batch_size), slope_of_an_epoch(len(CLASSES)))


def test_a_class_without_a_training_row_changes_no_other_weight() -> None:
    """The third class has no row. Balanced, the others weigh 4/6 and 2, so the mean over rows is 1."""
    logits = torch.tensor([[0.0, 1.0, 2.0], [0.5, 0.0, 2.0]])
    with_third = build(CLASSES, weights=weights_of("balanced"))(logits, torch.tensor([0, 1]))
    by_hand = -logits.log_softmax(1)
    assert float(with_third) == pytest.approx(float((4 / 6 * by_hand[0, 0] + 2 * by_hand[1, 1]) / 2), rel=1e-5)


@pytest.mark.parametrize("weights", LOSS_WEIGHTS)
def test_a_label_on_every_training_row_still_has_a_gradient(weights: str) -> None:
    targets = np.array([[1, 1], [1, 0], [1, 0]], dtype=np.uint8)
    logits = torch.zeros(3, 2, requires_grad=True)
    (slope,) = torch.autograd.grad(
        build(targets, weights=weights_of(weights))(logits, torch.from_numpy(targets)), logits
    )
    assert (slope[:, 0] != 0).all()


def test_the_effective_number_of_rows_is_a_geometric_sum() -> None:
    counts = count_labels(CLASSES, ("a", "b"), "binary")
    of_common, of_rare = (sum(0.9**power for power in range(rows)) for rows in (6, 2))
    mean = (of_common + of_rare) / 2
    assert effective_number_weights(beta=0.9)(counts) == pytest.approx([mean / of_common, mean / of_rare])


@pytest.mark.parametrize("targets", [CLASSES, np.array([[1, 1], [0, 1], [0, 1], [0, 0]], np.uint8)])
@pytest.mark.parametrize(("beta", "like"), [(1 - 1e-9, "balanced"), (1e-9, "none")])
def test_effective_numbers_lie_between_balanced_weights_and_none(targets: NDArray[Any], beta: float, like: str) -> None:
    counts = count_labels(targets, ("a", "b"), "multilabel" if targets.ndim == 2 else "multiclass")
    assert effective_number_weights(beta=beta)(counts) == pytest.approx(weights_of(like)(counts), rel=1e-5)


def test_explicit_weights_are_given_by_label_name() -> None:
    counts = count_labels(MULTILABEL, ("self", "not a name"), "multilabel")
    assert explicit_weights(**{"not a name": 7.0})(counts).tolist() == [1.0, 7.0]
    assert explicit_weights(self=2.0)(counts).tolist() == [2.0, 1.0]


def test_a_weight_of_an_unknown_label_is_refused() -> None:
    with pytest.raises(ValueError, match="'rear' has a weight, but is not a label; did you mean 'rare'"):
        explicit_weights(rear=2.0)(count_labels(MULTILABEL, ("rare", "often"), "multilabel"))


def test_label_smoothing_moves_the_truth_towards_even_odds() -> None:
    logits = torch.tensor([[0.3, -1.2, 2.0]])
    classes = build(CLASSES, loss=cross_entropy(label_smoothing=0.3))(logits, torch.tensor([1]))
    truth = torch.tensor([0.1, 0.8, 0.1])
    assert float(classes) == pytest.approx(float(-(truth * logits.log_softmax(1)[0]).sum()), rel=1e-5)
    labels = build(np.eye(3, dtype=np.uint8), loss=cross_entropy(label_smoothing=0.2))(
        logits, torch.tensor([[1, 0, 0]])
    )
    by_hand = F.binary_cross_entropy(logits.sigmoid(), torch.tensor([[0.9, 0.1, 0.1]]))
    assert float(labels) == pytest.approx(float(by_hand), rel=1e-5)


@pytest.mark.parametrize("weights", LOSS_WEIGHTS)
@pytest.mark.parametrize("smoothing", [0.05, 0.2])
def test_weights_do_not_reverse_the_effect_of_smoothing_on_a_class(weights: str, smoothing: float) -> None:
    """For any weights of two classes, the best probability of the wrong class is half the smoothing."""
    one_in_200 = (np.arange(200) == 0).astype(np.int64)
    rule = LOSS_WEIGHTS[weights](**{"effective_number": {"beta": 0.999}, "explicit": {"a": 9.0}}.get(weights, {}))
    common: dict[str, Any] = {"weights": rule, "loss": cross_entropy(label_smoothing=smoothing), "soft_f1": 0.0}
    built = make_loss(one_in_200, labels=("b", "a"), task="binary", logit_adjustment=0.0, **common)
    logits = torch.tensor([[0.0, math.log(smoothing / 2 / (1 - smoothing / 2))]], requires_grad=True)
    (slope,) = torch.autograd.grad(built(logits, torch.tensor([0])), logits)
    assert slope.abs().max() == pytest.approx(0, abs=1e-6)


def test_in_multilabel_the_positive_share_of_the_smoothed_truth_has_the_weight() -> None:
    """One row in five has the label. Balanced, the positive share of 0.05 weighs four times as much as the 0.95."""
    built = build(MULTILABEL, weights=weights_of("balanced"), loss=cross_entropy(label_smoothing=0.1))
    best = 4 * 0.05 / (4 * 0.05 + 0.95)
    logits = torch.tensor([[math.log(best / (1 - best)), 0.0]], requires_grad=True)
    (slope,) = torch.autograd.grad(built(logits, torch.tensor([[0, 0]])), logits)
    assert slope[0, 0] == pytest.approx(0, abs=1e-6)


def test_focal_loss_weighs_a_class_by_its_uncertainty() -> None:
    logits = torch.tensor([[0.5, -1.0, 0.2], [3.0, 0.0, 0.0]])
    probability = logits.softmax(1)[:, 0]
    by_hand = -((1 - probability) ** 2 * probability.log()).mean()
    assert float(build(CLASSES, loss=focal(gamma=2.0))(logits, torch.tensor([0, 0]))) == pytest.approx(float(by_hand))


def test_focal_loss_weighs_a_label_by_its_uncertainty() -> None:
    logits = torch.tensor([[0.5, -1.0], [3.0, 0.0]])
    probability = logits.sigmoid()
    by_hand = -torch.stack(
        [
            (1 - probability[0, 0]) ** 2 * probability[0, 0].log(),
            probability[0, 1] ** 2 * (1 - probability[0, 1]).log(),
            probability[1, 0] ** 2 * (1 - probability[1, 0]).log(),
            (1 - probability[1, 1]) ** 2 * probability[1, 1].log(),
        ]
    ).mean()
    loss = build(MULTILABEL, loss=focal(gamma=2.0))
    assert float(loss(logits, torch.tensor([[1, 0], [0, 1]]))) == pytest.approx(float(by_hand))


def test_asymmetric_loss_follows_its_paper() -> None:
    logits = torch.tensor([[0.5, -1.0], [-4.0, 0.0]])
    probability = logits.sigmoid()
    shifted = (probability - 0.05).clamp(min=0)
    by_hand = -torch.stack(
        [
            (1 - probability[0, 0]) * probability[0, 0].log(),
            shifted[0, 1] ** 3 * (1 - shifted[0, 1]).log(),
            torch.tensor(0.0),  # below the margin
            (1 - probability[1, 1]) * probability[1, 1].log(),
        ]
    ).mean()
    loss = build(MULTILABEL, loss=asymmetric(gamma_positive=1.0, gamma_negative=3.0, margin=0.05))
    assert float(loss(logits, torch.tensor([[1, 0], [0, 1]]))) == pytest.approx(float(by_hand))


def test_asymmetric_loss_refuses_rows_with_one_label() -> None:
    loss = build(CLASSES, loss=asymmetric(gamma_positive=0.0, gamma_negative=4.0, margin=0.05))
    with pytest.raises(ValueError, match="several labels, but these have one each; use focal"):
        loss(torch.zeros(2, 3), torch.tensor([0, 1]))


@pytest.mark.parametrize("targets", [CLASSES, MULTILABEL])
@pytest.mark.parametrize("weights", LOSS_WEIGHTS)
def test_without_gamma_and_margin_every_loss_is_cross_entropy(targets: NDArray[Any], weights: str) -> None:
    labels = 2 if targets.ndim == 2 else 3
    logits = torch.randn(len(targets), labels, generator=torch.Generator().manual_seed(0))
    truth = torch.from_numpy(targets)
    plain = build(targets, weights=weights_of(weights))(logits, truth)
    losses = [focal(gamma=0.0)]
    if targets.ndim == 2:
        losses.append(asymmetric(gamma_positive=0.0, gamma_negative=0.0, margin=0.0))
    for loss in losses:
        assert float(build(targets, weights=weights_of(weights), loss=loss)(logits, truth)) == pytest.approx(
            float(plain)
        )


def test_logit_adjustment_adds_the_log_of_a_classes_share() -> None:
    logits, truth = torch.tensor([[0.3, -0.2, 0.1]]), torch.tensor([1])
    adjusted = (
        logits + 1.5 * torch.tensor([6 / 8, 2 / 8, 0.5 / 8]).log()
    )  # the third was never seen, and counts as half a row
    value = build(CLASSES, logit_adjustment=1.5)(logits, truth)
    assert float(value) == pytest.approx(float(F.cross_entropy(adjusted, truth)))


def test_logit_adjustment_adds_the_log_odds_of_a_label() -> None:
    logits, truth = torch.tensor([[0.3, -0.2]]), torch.tensor([[1.0, 0.0]])
    adjusted = logits + 0.5 * torch.tensor([1 / 4, 0.5 / 4.5]).log()
    value = build(MULTILABEL, logit_adjustment=0.5)(logits, truth)
    assert float(value) == pytest.approx(float(F.binary_cross_entropy_with_logits(adjusted, truth)))


@given(
    seed=st.integers(0, 2**32 - 1), is_multilabel=st.booleans(), weights=st.sampled_from(["none", "root", "balanced"])
)
@settings(max_examples=30)
def test_with_probabilities_of_0_and_1_the_soft_loss_is_the_loss_of_the_labels(
    seed: int, is_multilabel: bool, weights: str
) -> None:
    generator = np.random.default_rng(seed)
    logits = torch.tensor(generator.normal(scale=3, size=(5, 3)), requires_grad=True)
    targets = generator.integers(2, size=(5, 3)) if is_multilabel else generator.integers(3, size=5)
    common: dict[str, Any] = {
        "labels": LABELS,
        "task": "multilabel" if is_multilabel else "multiclass",
        "weights": LOSS_WEIGHTS[weights](),
    }
    truth = torch.tensor(targets)
    certain = truth if is_multilabel else F.one_hot(truth, 3)
    hard = make_loss(targets, loss=cross_entropy(), soft_f1=0.0, logit_adjustment=0.0, **common)(logits, truth)
    soft = make_soft_loss(targets, **common)(logits, certain.float())
    torch.testing.assert_close(soft, hard)
    slopes = [torch.autograd.grad(loss, logits)[0] for loss in (soft, hard)]
    torch.testing.assert_close(slopes[0], slopes[1])


@pytest.mark.parametrize("weights", ["none", "balanced"])
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_the_soft_loss_is_least_at_the_probabilities_whatever_the_weights(task: Task, weights: str) -> None:
    probabilities = torch.tensor([[0.2, 0.7, 0.1]])
    targets = np.array([0, 1, 1, 1, 2]) if task == "multiclass" else np.array([[1, 0, 0], [0, 1, 0], [1, 1, 1]])
    loss = make_soft_loss(targets, labels=LABELS, task=task, weights=LOSS_WEIGHTS[weights]())
    best = probabilities.log() if task == "multiclass" else probabilities.logit()
    at_best = float(loss(best, probabilities))
    for step in torch.eye(3) * 0.1:
        assert min(float(loss(best + step, probabilities)), float(loss(best - step, probabilities))) > at_best


def test_soft_f1_is_macro_f1_of_probabilities_over_labels_that_the_batch_has() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.0, 1.0, -2.0]])
    truth = torch.tensor([[1, 0, 0], [1, 1, 0]], dtype=torch.uint8)
    p = logits.sigmoid()
    first = 2 * (p[0, 0] + p[1, 0]) / (p[0, 0] + p[1, 0] + 2)
    second = 2 * p[1, 1] / (p[0, 1] + p[1, 1] + 1)
    assert float(soft_f1_loss(logits, truth)) == pytest.approx(float(1 - (first + second) / 2))


@pytest.mark.parametrize("truth", [torch.tensor([0, 2, 2]), torch.tensor([[1, 0, 1], [0, 0, 1], [1, 0, 0]])])
def test_soft_f1_of_certain_and_correct_logits_is_one(truth: Tensor) -> None:
    is_true = F.one_hot(truth, 3) if truth.ndim == 1 else truth
    assert float(soft_f1_loss((2.0 * is_true - 1) * 50, truth)) == pytest.approx(0.0, abs=1e-6)


def test_soft_f1_of_a_batch_without_labels_is_zero() -> None:
    logits = torch.zeros(2, 3, requires_grad=True)
    value = soft_f1_loss(logits, torch.zeros(2, 3))
    (slope,) = torch.autograd.grad(value, logits)
    assert value.item() == 0
    assert torch.isfinite(slope).all()


def test_soft_f1_uses_logits_without_adjustment() -> None:
    logits, truth = torch.tensor([[0.3, -0.2, 0.1], [0.0, 1.0, 0.0]]), torch.tensor([1, 0])
    plain = build(CLASSES, logit_adjustment=1.0)(logits, truth)
    value = build(CLASSES, logit_adjustment=1.0, soft_f1=0.25)(logits, truth)
    assert float(value) == pytest.approx(float(0.75 * plain + 0.25 * soft_f1_loss(logits, truth)))


def test_descending_soft_f1_raises_it() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = (torch.rand(40, 3, generator=generator) < 0.3).float()
    logits = torch.randn(40, 3, generator=generator, requires_grad=True)
    before = soft_f1_loss(logits, truth)
    (slope,) = torch.autograd.grad(before, logits)
    assert soft_f1_loss(logits - slope * 100, truth).item() < before.item() - 0.03


extreme = st.sampled_from([-1e4, -100.0, -1.0, 0.0, 1e-3, 1.0, 100.0, 1e4])


@settings(max_examples=300, deadline=None)
@given(
    task=st.sampled_from(["binary", "multiclass", "multilabel"]),
    loss=st.sampled_from(sorted(LOSSES)),
    weights=st.sampled_from(sorted(LOSS_WEIGHTS)),
    gamma=st.sampled_from([0.0, 0.01, 0.5, 1.0, 2.0, 10.0]),
    share=st.sampled_from([0.0, 0.05, 0.9]),
    adjustment=st.sampled_from([0.0, 1.0, 10.0]),
    values=st.lists(extreme, min_size=12, max_size=12),
    seed=st.integers(0, 9),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_value_and_gradient_are_finite_for_any_logits_in_every_combination(
    task: Any, loss: str, weights: str, gamma: float, share: float, adjustment: float, values: list[float], seed: int,
    dtype: torch.dtype,
) -> None:  # fmt: skip
    n_labels = 2 if task == "binary" else 3
    generator = np.random.default_rng(seed)
    targets = generator.integers(n_labels, size=30) if task != "multilabel" else generator.integers(2, size=(30, 3))
    parameters = {
        "cross_entropy": {"label_smoothing": share},
        "focal": {"gamma": gamma},
        "asymmetric": {"gamma_positive": gamma, "gamma_negative": 10 - gamma, "margin": share},
    }
    built = make_loss(
        targets.astype(np.uint8) if task == "multilabel" else targets,
        labels=LABELS[:n_labels],
        task=task,
        loss=LOSSES["focal" if task != "multilabel" and loss == "asymmetric" else loss](
            **parameters["focal" if task != "multilabel" and loss == "asymmetric" else loss]
        ),
        weights=LOSS_WEIGHTS[weights](**({"b": 1e6} if weights == "explicit" else OWN.get(weights, {}))),
        soft_f1=share,
        logit_adjustment=adjustment,
    )
    logits = torch.tensor(values[: 4 * n_labels], dtype=dtype).reshape(4, n_labels).requires_grad_()
    value = built(logits, torch.from_numpy(targets[:4]))
    (slope,) = torch.autograd.grad(value, logits)
    assert value.dtype == torch.float32
    assert value.ndim == 0
    assert torch.isfinite(value)
    assert value >= 0
    assert torch.isfinite(slope).all()
