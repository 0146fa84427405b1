"""The figures about the steps between two measurements, compared with the noted numbers."""

from __future__ import annotations

import math

import pytest
import torch

from builders.classifiers import make_classifier
from tuner.training.clipping import Clipped
from tuner.training.progress import StepLog, gradient_ratio


def note(log: StepLog, losses: list[float], norms: list[float], changed: list[bool] | None = None) -> None:
    for number, (loss, norm) in enumerate(zip(losses, norms, strict=True)):
        is_changed = None if changed is None else torch.tensor(changed[number])
        log.note(torch.tensor(loss), Clipped(torch.tensor(norm), is_changed))


def test_steps_are_summed_up() -> None:
    log = StepLog(steps_before=5)
    note(log, [1.0, 3.0, 2.0, 2.0], [0.5, 2.0, 5e-5, 1.5], [False, True, False, True])
    progress = log.progress()
    assert progress.steps == 4
    assert progress.loss == 2.0
    assert progress.loss_spread == pytest.approx(math.sqrt(0.5) / 2)
    assert progress.gradient_norm_least == pytest.approx(5e-5)
    assert progress.gradient_norm_most == 2.0
    assert progress.tiny_gradient_share == 0.25
    assert progress.clip_rate == 0.5
    assert progress.non_finite_step is None


def test_a_step_that_is_not_finite_is_named_and_left_out_of_the_extremes() -> None:
    log = StepLog(steps_before=5)
    note(log, [1.0, 3.0, math.inf], [0.5, 2.0, math.nan])
    progress = log.progress()
    assert progress.non_finite_step == 8
    assert (progress.gradient_norm_least, progress.gradient_norm_most) == (0.5, 2.0)
    assert progress.loss_spread == 0.5


@pytest.mark.parametrize("losses", [[], [math.nan]])
def test_without_a_finite_step_nothing_is_known(losses: list[float]) -> None:
    log = StepLog(steps_before=0)
    note(log, losses, losses)
    progress = log.progress()
    unknown = (progress.gradient_norm_most, progress.tiny_gradient_share, progress.loss_spread, progress.clip_rate)
    assert all(map(math.isnan, unknown))


def test_every_twentieth_step_of_the_training_has_its_ratio_noted() -> None:
    due = []
    for before in (0, 7, 43):
        log = StepLog(steps_before=before)
        for _ in range({0: 7, 7: 36, 43: 1}[before]):
            due.append(log.is_ratio_due)
            note(log, [1.0], [1.0])
    assert [step for step, is_due in enumerate(due) if is_due] == [0, 20, 40]


def test_the_gradient_ratio_is_that_of_the_first_layers_weights_over_the_heads() -> None:
    torch.manual_seed(0)
    model = make_classifier(channels=2, labels=3, hidden=4, layers=2)
    model(torch.randn(5, 6, 2), torch.full((5,), 6)).square().sum().backward()
    first = [model.layers[0].directions[d].get_parameter(f"weight_{p}_l0").grad for d in (0, 1) for p in ("ih", "hh")]
    expected = torch.cat([gradient.flatten() for gradient in first]).norm() / model.head.weight.grad.norm()
    assert float(gradient_ratio(model)) == pytest.approx(float(expected), rel=1e-5)
