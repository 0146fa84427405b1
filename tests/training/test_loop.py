"""The training loop, compared with plain PyTorch loops."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from builders.classifiers import make_classifier
from tuner.imbalance.training_pass import Pass, TrainingRows
from tuner.model.classifier import SequenceClassifier
from tuner.training.augment import make_augment
from tuner.training.averaging import ema, no_averaging, swa
from tuner.training.batches import Rows
from tuner.training.clipping import Clipped, no_clipping
from tuner.training.loop import Recipe, Training, predict_logits
from tuner.training.optimisers import adam, adamw, sgd
from tuner.training.schedules import constant, plateau, step

N_ROWS = 50
INPUTS = ("text", "sequence", "frozen")
PLAIN_SGD = sgd(momentum=0.0, weight_decay=0.0)


def make_rows(inputs: str = "text", *, seed: int = 0) -> Rows:
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, 8, N_ROWS)
    starts = np.concatenate([[0], lengths.cumsum()[:-1]])
    targets = (np.arange(N_ROWS) % 5 == 0).astype(np.int64)
    steps: Any = generator.integers(2, 40, lengths.sum()).astype(np.int32)
    if inputs == "sequence":
        steps = generator.normal(size=(lengths.sum(), 3)).astype(np.float32)
    return Rows(steps=steps, starts=starts, lengths=lengths, targets=targets)


def make_model(inputs: str = "text") -> SequenceClassifier:
    torch.manual_seed(1)
    inputs_of: dict[str, Any] = {"channels": 3} if inputs == "sequence" else {"tokens": 60, "embedding_size": 6}
    return make_classifier(labels=2, hidden=5, is_embedding_tuned=inputs != "frozen", **inputs_of)


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits, targets)


def every_row(data: TrainingRows, _generator: np.random.Generator) -> Pass:
    return Pass(np.arange(len(data.targets)), np.zeros(len(data.targets), np.int64))


def make_training(model: SequenceClassifier, rows: Rows, **changes: Any) -> Training:
    parts: dict[str, Any] = {
        "task": "binary",
        "loss": cross_entropy,
        "resample": every_row,
        "vectors": None,
        "augment": None,
        "mixup": 0.0,
        "make_optimiser": adam(weight_decay=0.0),
        "learning_rate": 0.01,
        "schedule": constant(),
        "clip": no_clipping(),
        "batch_size": 8,
        "accumulation": 1,
        "l1": 0.0,
        "averaging": no_averaging(),
        "budget": 10 * len(rows),
    }
    generator = changes.pop("generator", None) or np.random.default_rng(0)
    return Training(model, rows, Recipe(**(parts | changes)), generator=generator)


def weights_of(model: SequenceClassifier) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def logits_of(model: SequenceClassifier, rows: Rows, chosen: Any) -> torch.Tensor:
    logits: torch.Tensor = model(torch.from_numpy(rows.padded(chosen)), torch.from_numpy(rows.lengths[chosen]))
    return logits


@pytest.mark.parametrize("drawn", [10, 50, 130])
def test_examples_are_counted_as_they_are_read_whatever_resampling_does(drawn: int) -> None:
    def resample(data: TrainingRows, generator: np.random.Generator) -> Pass:
        return Pass(generator.integers(0, len(data.targets), drawn), np.zeros(drawn, np.int64))

    training = make_training(make_model(), make_rows(), resample=resample)
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


def test_training_up_to_examples_already_read_takes_no_step() -> None:
    training = make_training(make_model(), make_rows())
    training.train_until(40)
    examples = training.examples
    progress = training.train_until(20)
    assert (progress.steps, training.examples, progress.non_finite_step) == (0, examples, None)


@pytest.mark.parametrize("inputs", INPUTS)
def test_a_step_is_the_optimisers_step_on_the_whole_model(inputs: str) -> None:
    """One step of plain SGD on one batch of all rows is weights minus rate times gradient, the embedding included."""
    rows, model = make_rows(inputs), make_model(inputs)
    expected = copy.deepcopy(model)
    cross_entropy(logits_of(expected, rows, np.arange(N_ROWS)), torch.from_numpy(rows.targets)).backward()  # type: ignore[no-untyped-call]
    make_training(model, rows, make_optimiser=PLAIN_SGD, learning_rate=0.5, batch_size=N_ROWS).train_until(N_ROWS)
    for stepped, start in zip(model.parameters(), expected.parameters(), strict=True):
        gradient = torch.zeros_like(start) if start.grad is None else start.grad
        torch.testing.assert_close(stepped.detach(), start.detach() - 0.5 * gradient, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize(("batch_size", "accumulation"), [(10, 5), (25, 2), (30, 2), (49, 2)])
def test_accumulated_batches_make_the_step_of_one_large_batch(inputs: str, batch_size: int, accumulation: int) -> None:
    rows, in_parts, at_once = make_rows(inputs), make_model(inputs), make_model(inputs)
    common: dict[str, Any] = {"make_optimiser": PLAIN_SGD, "learning_rate": 0.5}
    training = make_training(in_parts, rows, batch_size=batch_size, accumulation=accumulation, **common)
    progress = training.train_until(N_ROWS)
    whole = make_training(at_once, rows, batch_size=N_ROWS, **common).train_until(N_ROWS)
    assert (training.steps, training.examples) == (1, N_ROWS)
    assert progress.loss == pytest.approx(whole.loss, rel=1e-5)
    assert progress.gradient_norm == pytest.approx(whole.gradient_norm, rel=1e-4)
    for one, other in zip(in_parts.parameters(), at_once.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("inputs", INPUTS)
def test_l1_adds_the_slope_of_the_sum_of_all_weights_that_a_step_trains(inputs: str) -> None:
    rows, model = make_rows(inputs), make_model(inputs)
    expected = copy.deepcopy(model)
    loss = cross_entropy(logits_of(expected, rows, np.arange(N_ROWS)), torch.from_numpy(rows.targets))
    table = None if expected.embedding is None else expected.embedding.weight
    used = torch.from_numpy(np.unique(rows.padded(np.arange(N_ROWS)))) if inputs == "text" else None
    sizes = [p.abs().sum() for p in expected.parameters() if p.requires_grad and p is not table]
    if table is not None and used is not None:
        sizes.append(table[used].abs().sum())
    (loss + 0.1 * torch.stack(sizes).sum()).backward()  # type: ignore[no-untyped-call]
    common: dict[str, Any] = {"make_optimiser": PLAIN_SGD, "learning_rate": 0.5, "batch_size": N_ROWS}
    make_training(model, rows, l1=0.1, **common).train_until(N_ROWS)
    for stepped, start in zip(model.parameters(), expected.parameters(), strict=True):
        gradient = torch.zeros_like(start) if start.grad is None else start.grad
        torch.testing.assert_close(stepped.detach(), start.detach() - 0.5 * gradient, atol=1e-6, rtol=1e-4)


def test_l1_is_clipped_with_the_rest_of_the_gradient() -> None:
    norms = []

    def clip(parameters: Any) -> Clipped:
        norms.append(torch.nn.utils.get_total_norm([p.grad for p in parameters]))
        return Clipped(norms[-1], None)

    for l1 in (0.0, 10.0):
        make_training(make_model(), make_rows(), l1=l1, clip=clip, batch_size=N_ROWS).train_until(N_ROWS)
    assert norms[1] > 10 * norms[0]


@pytest.mark.parametrize("inputs", INPUTS)
def test_partners_are_mixed_in_after_the_embedding(inputs: str) -> None:
    """Compared with each pair alone, without a batch: the loss of (1 - weight) × row + weight × partner."""
    rows, model = make_rows(inputs), make_model(inputs)
    generator = np.random.default_rng(3)
    partners, weights = generator.integers(0, N_ROWS, N_ROWS), generator.random(N_ROWS, np.float32)
    weights[::3] = 0

    def resample(_data: TrainingRows, _generator: np.random.Generator) -> Pass:
        return Pass(np.arange(N_ROWS), np.zeros(N_ROWS, np.int64), partners, weights)

    losses = []
    for row, (partner, weight) in enumerate(zip(partners, weights, strict=True)):
        own, other = (model.embed(torch.from_numpy(rows.padded(np.array([number]))))[0] for number in (row, partner))
        mixed = torch.zeros(max(len(own), len(other)), own.shape[1])
        mixed[: len(own)] += (1 - float(weight)) * own
        mixed[: len(other)] += float(weight) * other
        length = max(1, round((1 - float(weight)) * len(own) + float(weight) * len(other)))
        logits = model.classify(mixed[None, :length], torch.tensor([length]))
        losses.append(cross_entropy(logits, torch.from_numpy(rows.targets[[row]])).detach())
    progress = make_training(model, rows, resample=resample, batch_size=N_ROWS).train_until(N_ROWS)
    assert progress.loss == pytest.approx(float(torch.stack(losses).mean()), rel=1e-5)


def test_the_targets_that_a_pass_brings_are_those_that_are_learnt() -> None:
    rows = make_rows()
    own = 1 - rows.targets

    def resample(_data: TrainingRows, _generator: np.random.Generator) -> Pass:
        return Pass(np.arange(N_ROWS), np.zeros(N_ROWS, np.int64), targets=own)

    model = make_model()
    expected = cross_entropy(logits_of(model, rows, np.arange(N_ROWS)), torch.from_numpy(own))
    progress = make_training(model, rows, resample=resample, batch_size=N_ROWS).train_until(N_ROWS)
    assert progress.loss == pytest.approx(float(expected.detach()), rel=1e-5)


@pytest.mark.parametrize("inputs", INPUTS)
def test_mixup_mixes_rows_and_losses_by_one_share_for_a_batch(inputs: str) -> None:
    """Compared with the definition; the order of the batch and the share are read from the calls of the loss."""
    rows, model = make_rows(inputs), make_model(inputs)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        seen.append((logits.detach().clone(), targets.clone()))
        return cross_entropy(logits, targets)

    progress = make_training(model, rows, loss=loss, mixup=0.4, batch_size=N_ROWS).train_until(N_ROWS)
    (logits, own), (same, partners) = seen
    assert torch.equal(logits, same)
    assert torch.equal(own.sort().values, partners.sort().values)
    assert not torch.equal(own, partners)
    losses = [float(cross_entropy(logits, targets)) for targets in (own, partners)]
    share = (progress.loss - losses[0]) / (losses[1] - losses[0])
    assert -1e-4 <= share <= 1 + 1e-4


def test_mixup_leaves_the_order_of_batches_as_it_is_without() -> None:
    orders = []
    for mixup in (0.0, 0.5):
        seen: list[list[int]] = []

        def loss(logits: torch.Tensor, targets: torch.Tensor, seen: Any = seen) -> torch.Tensor:
            seen.append(targets.tolist())
            return cross_entropy(logits, targets)

        make_training(make_model(), make_rows(), loss=loss, mixup=mixup).train_until(N_ROWS)
        orders.append(seen[:: 2 if mixup else 1])
    assert orders[0] == orders[1]


def test_augmentation_changes_what_is_trained_on_and_not_the_rows() -> None:
    rows, plain, changed = make_rows(), make_model(), make_model()
    before = rows.steps.copy()
    augment = make_augment("text", vocabulary=60, generator=np.random.default_rng(0), token_dropout=0.5)
    make_training(plain, rows).train_until(N_ROWS)
    make_training(changed, rows, augment=augment).train_until(N_ROWS)
    assert np.array_equal(rows.steps, before)
    assert not torch.equal(plain.head.weight, changed.head.weight)


def test_a_frozen_embedding_does_not_change_while_the_rest_learns() -> None:
    model = make_model("frozen")
    before = weights_of(model)
    make_training(model, make_rows(), make_optimiser=adamw(weight_decay=0.5), l1=0.1).train_until(200)
    same = [name for name, value in weights_of(model).items() if torch.equal(value, before[name])]
    assert same == ["embedding.weight"]


def test_the_average_is_held_for_a_while_and_training_goes_on_from_its_own_weights() -> None:
    plain, averaged = make_model(), make_model()
    make_training(plain, make_rows()).train_until(200)
    training = make_training(averaged, make_rows(), averaging=ema(decay=0.9))
    training.train_until(100)
    trained = weights_of(averaged)
    with training.averaged():
        held = weights_of(averaged)
    training.train_until(200)
    assert not any(torch.equal(held[name], trained[name]) for name in trained)
    assert all(torch.equal(one, other) for one, other in zip(plain.parameters(), averaged.parameters(), strict=True))


def test_on_a_short_budget_the_plain_average_covers_every_step_from_its_start() -> None:
    model = make_model()
    training = make_training(model, make_rows(), averaging=swa(start=0.5), batch_size=10, budget=500)
    weights = []
    for number in range(1, 51):
        training.train_until(10 * number)
        weights.append(model.head.weight.detach().clone())
    with training.averaged():
        # Step 26 is the first that begins with half of the budget spent.
        torch.testing.assert_close(model.head.weight.detach(), torch.stack(weights[25:]).mean(0))


def test_without_averaging_the_model_holds_its_own_weights() -> None:
    model = make_model()
    training, trained = make_training(model, make_rows()), weights_of(model)
    with training.averaged():
        assert all(torch.equal(value, trained[name]) for name, value in weights_of(model).items())


def test_training_passes_scores_on_to_its_schedule() -> None:
    model = make_model()
    training = make_training(model, make_rows(), schedule=plateau(patience=1, factor=1e-30), make_optimiser=PLAIN_SGD)
    training.observe(0.5)
    training.observe(0.4)
    before = weights_of(model)
    training.train_until(50)
    assert all(torch.equal(value, before[name]) for name, value in weights_of(model).items())


def test_embedding_rows_that_no_text_has_keep_their_initial_values() -> None:
    model = make_model()
    assert model.embedding is not None
    before = model.embedding.weight.detach().clone()
    make_training(model, make_rows(), make_optimiser=adamw(weight_decay=0.5)).train_until(200)
    used = np.unique(make_rows().steps)
    unused = np.setdiff1d(np.arange(1, 60), used)
    assert torch.equal(model.embedding.weight[unused], before[unused])
    assert not torch.equal(model.embedding.weight[used], before[used])


def test_the_learning_rate_follows_the_schedule_over_the_budget() -> None:
    model, rows = make_model(), make_rows()
    reference = copy.deepcopy(model)
    training = make_training(
        model,
        rows,
        schedule=step(every=0.5, factor=0.1),
        budget=2 * N_ROWS,
        make_optimiser=PLAIN_SGD,
        batch_size=N_ROWS,
    )
    training.train_until(2 * N_ROWS)
    optimiser = torch.optim.SGD(reference.parameters(), lr=0.01)
    for factor in (1.0, 0.1):
        optimiser.zero_grad()
        cross_entropy(logits_of(reference, rows, np.arange(N_ROWS)), torch.from_numpy(rows.targets)).backward()  # type: ignore[no-untyped-call]
        optimiser.param_groups[0]["lr"] = 0.01 * factor
        optimiser.step()
    for one, other in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-7, rtol=1e-4)


def test_a_number_that_is_not_finite_stops_training_and_names_its_step() -> None:
    model, rows = make_model(), make_rows()
    calls = 0

    def loss(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return cross_entropy(logits, truth) * (float("inf") if calls == 4 else 1.0)

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


@pytest.mark.parametrize("inputs", ["text", "sequence"])
def test_training_on_learnable_rows_lowers_the_loss(inputs: str) -> None:
    rows = make_rows(inputs)
    first_step = np.where(rows.targets == 1, 2, 3)
    rows.steps[rows.starts] = first_step if inputs == "text" else first_step[:, None] * 2 - 5
    training = make_training(make_model(inputs), rows, learning_rate=0.02)
    first, *_, last = [training.train_until(examples) for examples in range(50, 1001, 50)]
    assert last.loss < first.loss / 4


@pytest.mark.parametrize("batch_size", [1, 8, 64, 1000])
def test_any_batch_size_trains(batch_size: int) -> None:
    training = make_training(make_model(), make_rows(), batch_size=batch_size)
    progress = training.train_until(100)
    assert progress.non_finite_step is None
    assert training.examples >= 100


# --- prediction ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("tokens_per_batch", [1, 20, 8192])
def test_logits_come_in_the_rows_own_order_whatever_the_batches(inputs: str, tokens_per_batch: int) -> None:
    rows, model = make_rows(inputs), make_model(inputs)
    logits = predict_logits(model, rows, tokens_per_batch=tokens_per_batch)
    one_by_one = [logits_of(model, rows, np.array([row])).detach() for row in range(N_ROWS)]
    np.testing.assert_allclose(logits, torch.cat(one_by_one).numpy(), atol=1e-5)


@pytest.mark.parametrize("inputs", ["text", "sequence"])
def test_no_rows_have_no_logits(inputs: str) -> None:
    rows = make_rows(inputs)
    none = Rows(steps=rows.steps[:0], starts=rows.starts[:0], lengths=rows.lengths[:0], targets=rows.targets[:0])
    assert predict_logits(make_model(inputs), none).shape == (0, 2)
