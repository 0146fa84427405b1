"""Padding never changes a prediction, and the classifier is the LSTM that it says it is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tuner.model.build import to_probabilities
from tuner.model.classifier import SequenceClassifier
from tuner.model.dropout import Dropout
from tuner.model.pooling import POOLINGS
from tuner.training.batches import Rows
from tuner.training.loop import predict_logits

SHAPES = list(itertools.product(POOLINGS, (1, 2), (1, 2)))
VOCABULARY = 30


def make_classifier(pooling: str, *, directions: int, layers: int, dropout: float = 0.0) -> SequenceClassifier:
    torch.manual_seed(3)
    return SequenceClassifier(
        vocabulary=VOCABULARY,
        labels=3,
        embedding=5,
        hidden=4,
        layers=layers,
        directions=directions,
        pooling=pooling,
        embedding_scale=1.0,
        embedding_dropout=dropout,
        dropout=dropout,
    )


def lay(rows: list[list[int]], *, extra: int = 0, fill: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows side by side, filled up on the right, with some steps of padding more than the longest row needs."""
    lengths = torch.tensor([len(row) for row in rows])
    ids = torch.full((len(rows), int(lengths.max()) + extra), fill)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
    return ids, lengths


texts = st.lists(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=12), min_size=1, max_size=6)


@pytest.mark.parametrize(("pooling", "directions", "layers"), SHAPES)
def test_a_row_scores_the_same_alone_and_in_any_batch_at_any_padding(
    pooling: str, directions: int, layers: int
) -> None:
    model = make_classifier(pooling, directions=directions, layers=layers).eval()

    @settings(max_examples=15, deadline=None)
    @given(rows=texts, extra=st.integers(0, 20), fill=st.integers(0, VOCABULARY - 1))
    def check(rows: list[list[int]], extra: int, fill: int) -> None:
        with torch.inference_mode():
            together = model(*lay(rows, extra=extra, fill=fill))
            alone = torch.cat([model(*lay([row])) for row in rows])
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)

    check()


@pytest.mark.parametrize(("pooling", "directions", "layers"), SHAPES)
def test_padding_changes_no_gradient(pooling: str, directions: int, layers: int) -> None:
    rows = [[1, 2, 3, 4, 5, 6], [7], [8, 9, 10]]
    gradients = []
    for extra, fill in ((0, 0), (9, 29)):
        model = make_classifier(pooling, directions=directions, layers=layers)
        (model(*lay(rows, extra=extra, fill=fill)) * torch.arange(1.0, 10).view(3, 3)).sum().backward()
        used = model.embedding.weight.grad
        assert used is not None
        used[[0, 29]] = 0.0  # the padding's own rows
        gradients.append([parameter.grad for parameter in model.parameters()])
    for plain, padded in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, padded, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("directions", [1, 2])
def test_the_outputs_are_those_of_torchs_packed_lstm_with_the_same_weights(directions: int, layers: int) -> None:
    model = make_classifier("last", directions=directions, layers=layers).eval()
    model.head = nn.Linear(4 * directions, 4 * directions)
    with torch.no_grad():
        model.head.weight.copy_(torch.eye(4 * directions))
        model.head.bias.zero_()
    packed_lstm = nn.LSTM(5, 4, num_layers=layers, bidirectional=directions == 2, batch_first=True)
    for layer, both in enumerate(model.layers):
        for suffix, lstm in zip(("", "_reverse"), both.children(), strict=False):
            for name, value in lstm.named_parameters():
                target = packed_lstm.get_parameter(name.replace("_l0", f"_l{layer}") + suffix)
                target.data.copy_(value.data)
    ids, lengths = lay([[1, 2, 3], [4], [5, 6, 7, 8, 9], [10, 11]], extra=2)
    with torch.inference_mode():
        packed = nn.utils.rnn.pack_padded_sequence(
            model.embedding(ids), lengths, batch_first=True, enforce_sorted=False
        )
        _, (last, _) = packed_lstm(packed)
        expected = last[-directions:].transpose(0, 1).flatten(1)  # the last layer's last step of each direction
        torch.testing.assert_close(model(ids, lengths), expected, atol=1e-5, rtol=1e-5)


def test_the_backward_direction_reads_what_comes_after() -> None:
    model = make_classifier("last", directions=2, layers=1).eval()
    ids, lengths = lay([[1, 2, 3]])
    other, _ = lay([[1, 2, 4]])
    with torch.inference_mode():
        outputs = [
            model.pooling(torch.arange(24.0).view(1, 3, 8), lengths),
            model(ids, lengths) - model(other, lengths),
        ]
    assert outputs[0].tolist() == [[16.0, 17.0, 18.0, 19.0, 4.0, 5.0, 6.0, 7.0]]
    assert outputs[1].abs().max() > 1e-4


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [("last", [3.0, -6.0]), ("mean", [2.0, -4.0]), ("max", [3.0, -2.0])],
)
def test_a_pooling_of_three_real_steps_and_one_of_padding_is_worked_out_by_hand(
    pooling: str, expected: list[float]
) -> None:
    outputs = torch.tensor([[[1.0, -2.0], [2.0, -4.0], [3.0, -6.0], [9.0, 9.0]]])
    pooled = POOLINGS[pooling](2, 1)(outputs, torch.tensor([3]))
    assert pooled.tolist() == [expected]


def test_attention_is_a_weighted_mean_that_a_single_real_step_takes_whole() -> None:
    attention = POOLINGS["attention"](2, 1)
    outputs = torch.tensor([[[1.0, -2.0], [50.0, 50.0]]])
    assert attention(outputs, torch.tensor([1])).tolist() == [[1.0, -2.0]]


@settings(max_examples=25, deadline=None)
@given(rows=texts, tokens_per_batch=st.integers(1, 60))
def test_rows_are_predicted_in_their_own_order_whatever_the_batches(
    rows: list[list[int]], tokens_per_batch: int
) -> None:
    model = make_classifier("max", directions=2, layers=1)
    lengths = np.array([len(row) for row in rows])
    starts = np.concatenate([[0], lengths.cumsum()[:-1]])
    table = Rows(
        ids=np.concatenate(rows).astype(np.int32), starts=starts, lengths=lengths, targets=np.zeros(len(rows), int)
    )
    predicted = predict_logits(model, table, tokens_per_batch=tokens_per_batch)
    with torch.inference_mode():
        alone = torch.cat([model(*lay([row])) for row in rows])
    np.testing.assert_allclose(predicted, alone.numpy(), atol=1e-5)


def test_dropout_keeps_the_mean_and_drops_the_share_that_it_is_asked_for() -> None:
    dropped = Dropout(0.3, seed=1)(torch.ones(400, 400))
    assert float((dropped == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.01)


def test_dropout_repeats_itself_with_the_same_seed_and_not_with_another() -> None:
    values = torch.ones(20, 20)
    first, again, other = (Dropout(0.5, seed=seed)(values) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_dropout_is_the_identity_in_evaluation() -> None:
    values = torch.arange(6.0)
    assert torch.equal(Dropout(0.9, seed=0).eval()(values), values)


def test_dropout_at_the_highest_rate_that_a_space_allows_stays_finite() -> None:
    almost_one = float(np.nextafter(1.0, 0.0))
    assert torch.isfinite(Dropout(almost_one, seed=0)(torch.ones(50))).all()


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_probabilities_of_one_label_a_row_sum_to_one(task: str) -> None:
    logits = np.array([[1.0, 2.0], [300.0, -300.0]], dtype=np.float32)
    probabilities = to_probabilities(logits, task, seen=np.ones(2, bool))  # type: ignore[arg-type]
    np.testing.assert_allclose(probabilities.sum(1), 1.0)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_label_never_seen_in_training_has_probability_zero(task: str) -> None:
    logits = np.full((2, 3), 5.0, dtype=np.float32)
    probabilities = to_probabilities(logits, task, seen=np.array([True, False, True]))  # type: ignore[arg-type]
    assert (probabilities[:, 1] == 0).all()
    assert (probabilities[:, [0, 2]] > 0.4).all()
