"""Padding never changes a prediction, and the classifier computes the network that its parts describe."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from builders import classifiers
from tuner.model.classifier import SequenceClassifier
from tuner.space.build import builders_of
from tuner.training.batches import Rows
from tuner.training.loop import predict_logits

CELLS, POOLINGS = builders_of("cell"), builders_of("pooling")

TOKENS = 30
CHANNELS = 3


def make_classifier(*, is_numeric: bool = False, **chosen: Any) -> SequenceClassifier:
    torch.manual_seed(3)
    inputs = {"channels": CHANNELS} if is_numeric else {"tokens": TOKENS, "embedding_size": 5, "embedding_scale": 1.0}
    return classifiers.make_classifier(**{"labels": 3, "hidden": 4, **inputs, **chosen})


def lay(rows: list[list[int]], *, extra: int = 0, fill: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows padded on the right, with `extra` steps more than the longest row needs."""
    lengths = torch.tensor([len(row) for row in rows])
    steps = torch.full((len(rows), int(lengths.max()) + extra), fill)
    for number, row in enumerate(rows):
        steps[number, : len(row)] = torch.tensor(row)
    return steps, lengths


def to_values(steps: torch.Tensor) -> torch.Tensor:
    """Turn (batch, time) of numbers below `TOKENS` into (batch, time, channels); equal numbers give equal values."""
    return torch.randn(TOKENS, CHANNELS, generator=torch.Generator().manual_seed(1))[steps]


texts = st.lists(st.lists(st.integers(0, TOKENS - 1), min_size=1, max_size=12), min_size=1, max_size=6)


@pytest.mark.parametrize("is_numeric", [False, True])
@pytest.mark.parametrize(("cell", "pooling"), list(itertools.product(CELLS, POOLINGS)))
def test_a_row_scores_the_same_alone_and_in_any_batch_at_any_padding(cell: str, pooling: str, is_numeric: bool) -> None:
    @settings(max_examples=12, deadline=None)
    @given(
        rows=texts,
        extra=st.integers(0, 20),
        fill=st.integers(0, TOKENS - 1),
        directions=st.sampled_from((1, 2)),
        layers=st.sampled_from((1, 2, 3)),
        layer_norm=st.booleans(),
    )
    def check(rows: list[list[int]], extra: int, fill: int, directions: int, layers: int, layer_norm: bool) -> None:
        model = make_classifier(
            is_numeric=is_numeric,
            cell=cell,
            pooling=pooling,
            directions=directions,
            layers=layers,
            layer_norm=layer_norm,
        ).eval()

        def score(rows: list[list[int]], **padding: int) -> torch.Tensor:
            steps, lengths = lay(rows, **padding)
            logits: torch.Tensor = model(to_values(steps) if is_numeric else steps, lengths)
            return logits

        with torch.inference_mode():
            together = score(rows, extra=extra, fill=fill)
            alone = torch.cat([score([row]) for row in rows])
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)

    check()


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(("cell", "pooling", "directions"), list(itertools.product(CELLS, POOLINGS, (1, 2))))
def test_padding_changes_no_gradient(cell: str, pooling: str, directions: int, layers: int) -> None:
    rows = [[1, 2, 3, 4, 5, 6], [7], [8, 9, 10]]
    gradients = []
    for extra, fill in ((0, 0), (9, 29)):
        model = make_classifier(cell=cell, pooling=pooling, directions=directions, layers=layers, layer_norm=True)
        (model(*lay(rows, extra=extra, fill=fill)) * torch.arange(1.0, 10).view(3, 3)).sum().backward()
        assert model.embedding is not None
        used = model.embedding.weight.grad
        assert used is not None
        used[[0, 29]] = 0.0  # the padding's own rows
        gradients.append([parameter.grad for parameter in model.parameters()])
    for plain, padded in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, padded, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("directions", [1, 2])
def test_the_outputs_equal_torchs_packed_cells_with_the_same_weights(directions: int, layers: int, cell: str) -> None:
    model = make_classifier(is_numeric=True, cell=cell, pooling="last", directions=directions, layers=layers).eval()
    show_pooled(model)
    make = {"lstm": nn.LSTM, "gru": nn.GRU}[cell]
    packed_cells = make(CHANNELS, 4, num_layers=layers, bidirectional=directions == 2, batch_first=True)
    for number, layer in enumerate(model.layers):
        for suffix, ours in zip(("", "_reverse"), layer.get_submodule("directions").children(), strict=False):
            for name, value in ours.named_parameters():
                packed_cells.get_parameter(name.replace("_l0", f"_l{number}") + suffix).data.copy_(value.data)
    steps, lengths = lay([[1, 2, 3], [4], [5, 6, 7, 8, 9], [10, 11]], extra=2)
    values = to_values(steps)
    with torch.inference_mode():
        packed = nn.utils.rnn.pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False)
        last = packed_cells(packed)[1]
        last = last[0] if cell == "lstm" else last
        expected = last[-directions:].transpose(0, 1).flatten(1)  # the last layer's last step of each direction
        torch.testing.assert_close(model(values, lengths), expected, atol=1e-5, rtol=1e-5)


def show_pooled(model: SequenceClassifier) -> None:
    """Replace the head by the identity, so that the model returns the pooled vectors."""
    features = model.head.in_features
    model.head = nn.Linear(features, features)
    with torch.no_grad():
        model.head.weight.copy_(torch.eye(features))
        model.head.bias.zero_()


def test_the_backward_direction_reads_what_comes_after() -> None:
    model = make_classifier(pooling="last", directions=2).eval()
    show_pooled(model)
    with torch.inference_mode():
        change = model(*lay([[1, 2, 3]])) - model(*lay([[1, 2, 4]]))
    assert change[:, 4:].abs().max() > 1e-4


def test_layer_norm_gives_every_step_of_every_layer_a_mean_of_0_and_a_deviation_of_1() -> None:
    model = make_classifier(pooling="last", directions=1, hidden=8, layers=2, layer_norm=True).eval()
    show_pooled(model)
    with torch.inference_mode():
        pooled = model(*lay([[1, 2, 3], [4]]))
    torch.testing.assert_close(pooled.mean(1), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(pooled.std(1, correction=0), torch.ones(2), atol=1e-2, rtol=0)
    assert sum("norm" in name for name, _ in model.named_parameters()) == 4


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_logits_in_16_bits_are_near_those_in_32(cell: str, pooling: str) -> None:
    exact, rough = (
        make_classifier(cell=cell, pooling=pooling, layers=2, layer_norm=True, precision=precision).eval()
        for precision in ("float32", "bfloat16")
    )
    batch = lay([[1, 2, 3, 4, 5], [7], [8, 9]])
    logits = rough(*batch)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, exact(*batch), atol=0.05, rtol=0.05)


def test_embedding_and_classifying_is_the_whole_model() -> None:
    model = make_classifier().eval()
    steps, lengths = lay([[1, 2, 3], [4]])
    embedded = model.embed(steps)
    assert embedded.shape == (2, 3, 5)
    assert torch.equal(model.classify(embedded, lengths), model(steps, lengths))


def test_numeric_steps_are_read_as_they_are() -> None:
    model = make_classifier(is_numeric=True)
    values = torch.randn(2, 3, CHANNELS)
    assert model.embedding is None
    assert model.embed(values) is values


def test_an_embedding_is_drawn_with_the_requested_deviation() -> None:
    embedding = make_classifier(tokens=400, embedding_size=50, embedding_scale=0.3).embedding
    assert embedding is not None
    assert float(embedding.weight.detach().std()) == pytest.approx(0.3, rel=0.05)
    assert embedding.weight.requires_grad


def test_given_vectors_are_copied_and_do_not_change_unless_tuned() -> None:
    vectors = np.arange(2.0 * TOKENS, dtype=np.float32).reshape(TOKENS, 2)
    model = make_classifier(embedding_size=None, embedding_vectors=vectors, is_embedding_tuned=False)
    vectors[:] = 0.0
    assert model.embedding is not None
    assert model.embedding.weight[3].tolist() == [6.0, 7.0]
    model(*lay([[1, 2, 3]])).sum().backward()
    assert model.embedding.weight.grad is None
    assert "embedding.weight" in model.state_dict()


def test_given_vectors_are_trained_if_tuned() -> None:
    model = make_classifier(embedding_size=None, embedding_vectors=np.ones((TOKENS, 2), np.float32))
    model(*lay([[1, 2, 3]])).sum().backward()
    assert model.embedding is not None
    assert model.embedding.weight.grad is not None


def test_vectors_of_a_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"vectors are \(7, 5\), but the embedding is \(30, 5\)"):
        make_classifier(embedding_vectors=np.zeros((7, 5), np.float32))


def test_an_embedding_of_unknown_size_is_refused() -> None:
    with pytest.raises(ValueError, match="needs either vectors or a size"):
        make_classifier(embedding_size=None)


@settings(max_examples=15, deadline=None)
@given(rows=texts, tokens_per_batch=st.integers(1, 60))
def test_rows_are_predicted_in_their_order_with_any_batches(rows: list[list[int]], tokens_per_batch: int) -> None:
    model = make_classifier()
    lengths = np.array([len(row) for row in rows])
    starts = np.concatenate([[0], lengths.cumsum()[:-1]])
    table = Rows(
        steps=np.concatenate(rows).astype(np.int32), starts=starts, lengths=lengths, targets=np.zeros(len(rows), int)
    )
    predicted = predict_logits(model, table, tokens_per_batch=tokens_per_batch)
    with torch.inference_mode():
        alone = torch.cat([model(*lay([row])) for row in rows])
    np.testing.assert_allclose(predicted, alone.numpy(), atol=1e-5)
