"""The training loop and its parts: batches, optimisers on touched rows, clipping, schedules."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tuner.imbalance.loss import make_loss
from tuner.imbalance.resample import RESAMPLINGS, every_row, undersample
from tuner.model.classifier import SequenceClassifier
from tuner.training.batches import Rows, bucketed, pad
from tuner.training.clipping import clip_by_norm, clip_by_value, no_clipping
from tuner.training.loop import Training
from tuner.training.optimisers import MakeOptimiser, TouchedRows, adam, adamw, sgd
from tuner.training.schedules import SCHEDULES, constant, cosine, one_cycle

# --- batches ------------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.integers(0, 49), min_size=1, max_size=400),
    batch_size=st.integers(1, 20),
    strata=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_one_pass_yields_every_row_as_often_as_it_was_drawn(
    rows: list[int], batch_size: int, strata: int, seed: int
) -> None:
    drawn, lengths = np.array(rows), np.random.default_rng(seed).integers(1, 30, 50)
    batches = list(
        bucketed(
            drawn,
            np.arange(len(rows)) % strata,
            lengths,
            batch_size=batch_size,
            generator=np.random.default_rng(seed),
        )
    )
    assert np.sort(np.concatenate(batches)).tolist() == sorted(rows)
    assert all(0 < len(batch) <= batch_size for batch in batches)


def test_batches_are_of_like_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 101, 640)
    batches = bucketed(np.arange(640), np.zeros(640, int), lengths, batch_size=10, generator=np.random.default_rng(0))
    assert max(int(np.ptp(lengths[batch])) for batch in batches) <= 6  # at random it would be about 80


def test_batches_come_in_another_order_every_time() -> None:
    generator = np.random.default_rng(0)
    passes = [
        [
            batch.tolist()
            for batch in bucketed(np.arange(99), np.zeros(99, int), np.ones(99, int), batch_size=9, generator=generator)
        ]
        for _ in range(2)
    ]
    assert passes[0] != passes[1]


def test_rows_are_laid_side_by_side_and_filled_up_on_the_right() -> None:
    laid = pad(np.array([5, 6, 7, 8], np.int32), np.array([3, 0]), np.array([1, 3]), padding=0)
    assert laid.tolist() == [[8, 0, 0], [5, 6, 7]]


# --- optimisers on touched rows -----------------------------------------------------------------------------------------

TABLE = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
BATCHES = [[0, 2], [2, 3], [0, 5], [2], [0, 2, 3]]


def gradient_of(step: int, rows: list[int]) -> torch.Tensor:
    return torch.randn(len(rows), 3, generator=torch.Generator().manual_seed(10 + step))


def step_touched(make_optimiser: MakeOptimiser) -> torch.Tensor:
    """The table after all batches."""
    table = nn.Parameter(TABLE.clone())
    touched = TouchedRows(table)
    optimiser = make_optimiser([touched.parameter], 0.05)
    for step, rows in enumerate(BATCHES):
        leaf = touched.gather(torch.tensor(rows))
        leaf.grad = gradient_of(step, rows)
        touched.load(leaf, torch.tensor(rows), optimiser)
        optimiser.step()
        touched.store(torch.tensor(rows), optimiser)
    return table.detach()


def test_adam_steps_touched_rows_as_torchs_sparse_adam_does() -> None:
    table = nn.Parameter(TABLE.clone())
    optimiser = torch.optim.SparseAdam([table], lr=0.05)
    for step, rows in enumerate(BATCHES):
        table.grad = torch.sparse_coo_tensor(
            torch.tensor([rows]), gradient_of(step, rows), (6, 3), check_invariants=True
        )
        optimiser.step()
    torch.testing.assert_close(step_touched(adam()), table.detach(), atol=1e-6, rtol=1e-5)


def test_sgd_keeps_a_momentum_of_its_own_for_every_row() -> None:
    table, momentum = TABLE.clone(), torch.zeros(6, 3)
    for step, rows in enumerate(BATCHES):
        momentum[rows] = 0.9 * momentum[rows] + gradient_of(step, rows)
        table[rows] -= 0.05 * momentum[rows]
    torch.testing.assert_close(step_touched(sgd(momentum=0.9)), table, atol=1e-6, rtol=1e-5)


def test_weight_decay_acts_on_touched_rows_once_a_touch() -> None:
    table, momenta = TABLE.clone(), torch.zeros(2, 6, 3)
    for step, rows in enumerate(BATCHES, start=1):
        gradient = gradient_of(step - 1, rows)
        table[rows] *= 1 - 0.05 * 0.1
        momenta[0, rows] = 0.9 * momenta[0, rows] + 0.1 * gradient
        momenta[1, rows] = 0.999 * momenta[1, rows] + 0.001 * gradient**2
        mean, square = momenta[0, rows] / (1 - 0.9**step), momenta[1, rows] / (1 - 0.999**step)
        table[rows] -= 0.05 * mean / (square.sqrt() + 1e-8)
    torch.testing.assert_close(step_touched(adamw(weight_decay=0.1)), table, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    "make_optimiser",
    [adam(), adamw(weight_decay=0.5), sgd(momentum=0.9), sgd(momentum=0.0)],
    ids=["adam", "adamw", "sgd", "plain sgd"],
)
def test_rows_that_no_batch_touches_keep_still(make_optimiser: MakeOptimiser) -> None:
    stepped = step_touched(make_optimiser)
    assert torch.equal(stepped[[1, 4]], TABLE[[1, 4]])
    assert not torch.isclose(stepped[[0, 2, 3, 5]], TABLE[[0, 2, 3, 5]]).any()


# --- clipping -----------------------------------------------------------------------------------------------------------


def parameters_with_gradients(*gradients: list[float]) -> list[nn.Parameter]:
    parameters = []
    for gradient in gradients:
        parameter = nn.Parameter(torch.zeros(len(gradient)))
        parameter.grad = torch.tensor(gradient)
        parameters.append(parameter)
    return parameters


def gradients_of(parameters: list[nn.Parameter]) -> list[float]:
    return torch.cat([parameter.grad for parameter in parameters if parameter.grad is not None]).tolist()


@pytest.mark.parametrize("clip", [no_clipping(), clip_by_norm(threshold=1.0), clip_by_value(threshold=1.0)])
def test_a_clipping_returns_the_norm_as_it_was(clip: Any) -> None:
    assert float(clip(parameters_with_gradients([3.0], [0.0, -4.0]))) == pytest.approx(5.0)


def test_no_clipping_leaves_gradients_alone() -> None:
    parameters = parameters_with_gradients([30.0], [0.0, -4e8])
    no_clipping()(parameters)
    assert gradients_of(parameters) == [30.0, 0.0, -4e8]


def test_clipping_by_norm_scales_all_gradients_together() -> None:
    parameters = parameters_with_gradients([3.0], [0.0, -4.0])
    clip_by_norm(threshold=0.5)(parameters)
    assert gradients_of(parameters) == pytest.approx([0.3, 0.0, -0.4], rel=1e-4)


def test_clipping_by_value_cuts_entries_one_by_one() -> None:
    parameters = parameters_with_gradients([3.0], [0.1, -4.0])
    clip_by_value(threshold=0.5)(parameters)
    assert gradients_of(parameters) == pytest.approx([0.5, 0.1, -0.5])


@pytest.mark.parametrize("clip", [clip_by_norm(threshold=6.0), clip_by_value(threshold=6.0)])
def test_gradients_below_the_threshold_are_left_alone(clip: Any) -> None:
    parameters = parameters_with_gradients([3.0], [0.0, -4.0])
    clip(parameters)
    assert gradients_of(parameters) == [3.0, 0.0, -4.0]


@pytest.mark.parametrize("clip", [no_clipping(), clip_by_norm(threshold=1.0), clip_by_value(threshold=1.0)])
@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_shows_in_the_norm(clip: Any, broken: float) -> None:
    assert not torch.isfinite(clip(parameters_with_gradients([3.0], [broken])))


# --- schedules ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "start", "peak_at", "end"),
    [
        (constant(), 1.0, 0.5, 1.0),
        (cosine(warm_up=0.0), 1.0, 0.0, 0.0),
        (cosine(warm_up=0.2), 1e-3, 0.2, 0.0),
        (one_cycle(warm_up=0.3), 1 / 25, 0.3, 1 / 25_000),
    ],
)
def test_a_schedule_has_its_start_its_peak_and_its_end(schedule: Any, start: float, peak_at: float, end: float) -> None:
    assert schedule(0.0) == pytest.approx(start)
    assert schedule(peak_at) == pytest.approx(1.0)
    assert schedule(1.0) == pytest.approx(end, abs=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
@given(spent=st.floats(0, 1), warm_up=st.floats(0.001, 0.999))
def test_a_factor_is_never_negative_and_never_above_one(name: str, spent: float, warm_up: float) -> None:
    own = {} if name == "constant" else {"warm_up": warm_up}
    assert 0 <= SCHEDULES[name](**own)(spent) <= 1


@pytest.mark.parametrize("schedule", [cosine(warm_up=0.4), one_cycle(warm_up=0.4)])
def test_a_warm_up_only_rises_and_what_follows_only_falls(schedule: Any) -> None:
    factors = [schedule(spent) for spent in np.linspace(0, 1, 101)]
    assert (np.diff(factors[:41]) > 0).all()
    assert (np.diff(factors[40:]) < 0).all()


# --- the loop -----------------------------------------------------------------------------------------------------------

N_ROWS = 50


def make_rows(seed: int = 0) -> Rows:
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, 8, N_ROWS)
    starts = np.concatenate([[0], lengths.cumsum()[:-1]])
    targets = (np.arange(N_ROWS) % 5 == 0).astype(np.int64)
    return Rows(
        ids=generator.integers(2, 40, lengths.sum()).astype(np.int32), starts=starts, lengths=lengths, targets=targets
    )


def make_model() -> SequenceClassifier:
    torch.manual_seed(1)
    return SequenceClassifier(
        vocabulary=60,
        labels=2,
        embedding=6,
        hidden=5,
        layers=1,
        directions=2,
        pooling="max",
        embedding_scale=0.1,
        embedding_dropout=0.0,
        dropout=0.0,
    )


def make_training(model: SequenceClassifier, rows: Rows, **changes: Any) -> Training:
    parts: dict[str, Any] = {
        "task": "binary",
        "loss": make_loss(rows.targets, 2, "binary", weights="none"),
        "resample": every_row(),
        "make_optimiser": adam(),
        "learning_rate": 0.01,
        "schedule": constant(),
        "clip": no_clipping(),
        "batch_size": 8,
        "budget": 10 * len(rows),
        "generator": np.random.default_rng(0),
    }
    return Training(model, rows, **(parts | changes))


@pytest.mark.parametrize("name", RESAMPLINGS)
def test_examples_are_counted_as_they_are_read_whatever_resampling_does(name: str) -> None:
    own = {"ratio": 0.9} if name in ("oversample", "undersample") else {}
    training = make_training(make_model(), make_rows(), resample=RESAMPLINGS[name](**own))
    progress = training.train_until(3 * N_ROWS)
    assert 3 * N_ROWS <= training.examples < 3 * N_ROWS + 8
    assert progress.steps == training.steps >= 3 * N_ROWS // 8


def test_a_smaller_last_batch_counts_its_own_rows_only() -> None:
    training = make_training(make_model(), make_rows(), batch_size=32)  # 50 rows: 32 and 18
    training.train_until(N_ROWS)
    assert (training.examples, training.steps) == (N_ROWS, 2)


def test_training_goes_on_where_it_stopped() -> None:
    in_one, in_parts = make_model(), make_model()
    make_training(in_one, make_rows()).train_until(120)
    training = make_training(in_parts, make_rows())
    progress = [training.train_until(examples) for examples in (40, 80, 120)]
    assert sum(part.steps for part in progress) == training.steps
    assert all(torch.equal(one, other) for one, other in zip(in_one.parameters(), in_parts.parameters(), strict=True))


def test_training_until_what_was_read_already_takes_no_step_and_fails_nothing() -> None:
    training = make_training(make_model(), make_rows())
    training.train_until(40)
    examples = training.examples
    progress = training.train_until(20)
    assert (progress.steps, training.examples, progress.non_finite_step) == (0, examples, None)


def test_a_step_is_the_optimisers_step_on_the_whole_model() -> None:
    """One step of plain SGD on one batch of all rows is weights minus rate times gradient, the embedding included."""
    rows, model = make_rows(), make_model()
    expected = copy.deepcopy(model)
    logits = expected(torch.from_numpy(rows.padded(np.arange(N_ROWS))), torch.from_numpy(rows.lengths))
    F.cross_entropy(logits, torch.from_numpy(rows.targets)).backward()
    make_training(model, rows, make_optimiser=sgd(momentum=0.0), learning_rate=0.5, batch_size=N_ROWS).train_until(
        N_ROWS
    )
    for stepped, start in zip(model.parameters(), expected.parameters(), strict=True):
        assert start.grad is not None
        torch.testing.assert_close(stepped.detach(), start.detach() - 0.5 * start.grad, atol=1e-6, rtol=1e-4)


def test_embedding_rows_that_no_text_has_keep_their_initial_values() -> None:
    model = make_model()
    before = model.embedding.weight.detach().clone()
    make_training(model, make_rows(), make_optimiser=adamw(weight_decay=0.5)).train_until(200)
    used = np.unique(make_rows().ids)
    unused = np.setdiff1d(np.arange(1, 60), used)
    assert torch.equal(model.embedding.weight[unused], before[unused])
    assert not torch.equal(model.embedding.weight[used], before[used])


def test_the_learning_rate_follows_the_schedule_over_the_budget() -> None:
    model = make_model()
    before = copy.deepcopy(model.state_dict())
    training = make_training(
        model,
        make_rows(),
        schedule=lambda spent: float(spent < 0.5),
        budget=100,
        make_optimiser=sgd(momentum=0.0),
        batch_size=10,
    )
    training.train_until(50)
    at_half = copy.deepcopy(model.state_dict())
    training.train_until(150)
    after = model.state_dict()
    assert not torch.equal(before["head.weight"], at_half["head.weight"])
    assert all(torch.equal(at_half[name], after[name]) for name in after)


def test_a_number_that_is_not_finite_stops_training_and_names_its_step() -> None:
    model, rows = make_model(), make_rows()
    calls = 0
    healthy = make_loss(rows.targets, 2, "binary", weights="none")

    def loss(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return healthy(logits, truth) * (float("inf") if calls == 4 else 1.0)

    training = make_training(model, rows, loss=loss)
    first = training.train_until(16)
    second = training.train_until(400)
    assert first.non_finite_step is None
    assert second.non_finite_step == 4
    assert training.steps == 4


def test_a_gradient_that_is_not_finite_stops_training_though_the_loss_is_finite() -> None:
    model, rows = make_model(), make_rows()

    def loss(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        return (logits - logits.detach()).sqrt().sum()  # 0, with an infinite slope

    assert make_training(model, rows, loss=loss).train_until(80).non_finite_step == 1


def test_training_on_learnable_rows_lowers_the_loss() -> None:
    rows = make_rows()
    rows.ids[rows.starts] = np.where(rows.targets == 1, 2, 3)
    training = make_training(make_model(), rows, learning_rate=0.02)
    first, *_, last = [training.train_until(examples) for examples in range(50, 1001, 50)]
    assert last.loss < first.loss / 4


@pytest.mark.parametrize("batch_size", [1, 8, 64, 1000])
def test_any_batch_size_trains(batch_size: int) -> None:
    training = make_training(make_model(), make_rows(), batch_size=batch_size, resample=undersample(ratio=1.0))
    progress = training.train_until(100)
    assert progress.non_finite_step is None
    assert training.examples >= 100
