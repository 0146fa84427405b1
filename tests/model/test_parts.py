"""Poolings, cells, initial weights and dropout do what the papers say."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from builders.classifiers import make_classifier
from builders.options import defaults_of
from tuner.model.dropout import Dropout
from tuner.model.pooling import SelfAttention
from tuner.model.recurrent import RecurrentLayer, permute, reverse_within_length
from tuner.space.build import builders_of

CELLS, POOLINGS, INITIALISATIONS = builders_of("cell"), builders_of("pooling"), builders_of("initialisation")

GATES = {"lstm": 4, "gru": 3}


def make_cell(name: str = "lstm", *, initialisation: str = "pytorch", **own: float) -> nn.RNNBase:
    torch.manual_seed(2)
    return CELLS[name](3, 5, INITIALISATIONS[initialisation](), **own)


def make_layer(*, weight_dropout: float, directions: int = 1) -> RecurrentLayer:
    return RecurrentLayer(
        make_cell, directions=directions, weight_dropout=weight_dropout, layer_norm=False, seed=7
    ).train()


def read(layer: RecurrentLayer, values: torch.Tensor) -> torch.Tensor:
    lengths = torch.full((len(values),), values.shape[1])
    outputs: torch.Tensor = layer(values, reverse_within_length(lengths, values.shape[1]))
    return outputs


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("last", [3.0, -6.0]),
        ("mean", [2.0, -4.0]),
        ("max", [3.0, -2.0]),
        ("concatenation", [3.0, -6.0, 2.0, -4.0, 3.0, -2.0]),
    ],
)
def test_a_pooling_of_three_real_steps_and_one_of_padding_matches_a_hand_calculation(
    pooling: str, expected: list[float]
) -> None:
    outputs = torch.tensor([[[1.0, -2.0], [2.0, -4.0], [3.0, -6.0], [9.0, 9.0]]])
    pooled = POOLINGS[pooling](2, 1)(outputs, torch.tensor([3]))
    assert pooled.tolist() == [expected]


def test_the_first_of_equal_maxima_gets_the_gradient() -> None:
    outputs = torch.tensor([[[1.0], [2.0], [2.0], [2.0]]], requires_grad=True)
    POOLINGS["max"](1, 1)(outputs, torch.tensor([3])).backward()
    assert outputs.grad is not None
    assert outputs.grad.flatten().tolist() == [0.0, 1.0, 0.0, 0.0]


def test_the_last_step_of_the_backward_direction_is_the_first_of_the_row() -> None:
    pooled = POOLINGS["last"](8, 2)(torch.arange(24.0).view(1, 3, 8), torch.tensor([3]))
    assert pooled.tolist() == [[16.0, 17.0, 18.0, 19.0, 4.0, 5.0, 6.0, 7.0]]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_pooling_returns_the_number_of_features_it_declares(pooling: str) -> None:
    made = POOLINGS[pooling](8, 2, **defaults_of("pooling", pooling))
    assert made(torch.randn(4, 6, 8), torch.tensor([6, 1, 2, 3])).shape == (4, made.features)


def test_attention_gives_a_single_real_step_the_whole_weight() -> None:
    attention = POOLINGS["attention"](2, 1)
    outputs = torch.tensor([[[1.0, -2.0], [50.0, 50.0]]])
    assert attention(outputs, torch.tensor([1])).tolist() == [[1.0, -2.0]]


def test_self_attention_equals_torchs_with_the_same_weights() -> None:
    ours = SelfAttention(8, 2, heads=2)
    theirs = nn.MultiheadAttention(8, 2, bias=False, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.project.weight)
        theirs.out_proj.weight.copy_(ours.combine.weight)
        ours.combine.bias.zero_()
    outputs, lengths = torch.randn(3, 5, 8), torch.tensor([5, 1, 3])
    padding = torch.arange(5) >= lengths.unsqueeze(1)
    attended = theirs(outputs, outputs, outputs, key_padding_mask=padding, need_weights=False)[0]
    expected = (outputs + attended).masked_fill(padding.unsqueeze(-1), 0.0).sum(1) / lengths.unsqueeze(1)
    torch.testing.assert_close(ours(outputs, lengths), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("features", "heads"), [(6, 4), (2, 64), (5, 1)])
def test_any_number_of_heads_goes_with_any_size_and_every_weight_learns(features: int, heads: int) -> None:
    pooling = SelfAttention(features, 1, heads=heads)
    (pooling(torch.randn(3, 4, features), torch.tensor([4, 2, 3])) ** 2).sum().backward()
    assert [name for name, weight in pooling.named_parameters() if weight.grad is None or not weight.grad.any()] == []


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5), extra=st.integers(0, 4))
def test_reversing_within_the_length_twice_changes_nothing_and_leaves_padding_where_it_is(
    lengths: list[int], extra: int
) -> None:
    time = max(lengths) + extra
    reversal = reverse_within_length(torch.tensor(lengths), time)
    values = torch.arange(float(len(lengths) * time)).view(len(lengths), time, 1)
    once = permute(values, reversal)
    for row, length in enumerate(lengths):
        assert torch.equal(once[row, :length], values[row, :length].flip(0))
        assert torch.equal(once[row, length:], values[row, length:])
    assert torch.equal(permute(once, reversal), values)


def test_the_forget_bias_is_added_to_the_forget_gate_and_to_no_other() -> None:
    plain, biased = make_cell(), make_cell(forget_bias=1.5)
    added = sum(
        (biased.get_parameter(name) - plain.get_parameter(name)).detach() for name in ("bias_ih_l0", "bias_hh_l0")
    )
    torch.testing.assert_close(added, torch.tensor([0.0, 1.5, 0.0, 0.0]).repeat_interleave(5))


def test_a_forget_bias_makes_a_cell_keep_what_it_remembers() -> None:
    """Only the behaviour of the cell shows which of the gates is the forget gate."""
    kept = []
    for forget_bias in (0.0, 20.0):
        cell = make_cell(forget_bias=forget_bias)
        state = (torch.zeros(1, 1, 5), torch.full((1, 1, 5), 100.0))
        with torch.inference_mode():
            kept.append(cell(torch.zeros(1, 1, 3), state)[1][1])
    assert (kept[0] < 80).all()
    torch.testing.assert_close(kept[1], torch.full((1, 1, 5), 100.0), atol=1.0, rtol=0)


def test_the_forget_bias_stays_where_biases_are_set_to_zero() -> None:
    cell = make_cell(initialisation="xavier_orthogonal", forget_bias=2.0)
    biases = cell.get_parameter("bias_ih_l0") + cell.get_parameter("bias_hh_l0")
    assert biases.tolist() == [0.0] * 5 + [2.0] * 5 + [0.0] * 10


@pytest.mark.parametrize("name", CELLS)
def test_every_gate_is_drawn_orthogonal_between_steps_and_by_xavier_from_inputs(name: str) -> None:
    cell = make_cell(name, initialisation="xavier_orthogonal")
    between = cell.get_parameter("weight_hh_l0").detach().view(GATES[name], 5, 5)
    torch.testing.assert_close(between @ between.mT, torch.eye(5).expand_as(between), atol=1e-5, rtol=0)
    bound = (6 / (3 + 5)) ** 0.5
    largest = float(cell.get_parameter("weight_ih_l0").detach().abs().max())
    assert 0.8 * bound < largest <= bound
    assert not cell.get_parameter("bias_ih_l0").any()
    assert not cell.get_parameter("bias_hh_l0").any()


def test_pytorchs_initial_weights_are_kept() -> None:
    torch.manual_seed(2)
    expected = nn.LSTM(3, 5, batch_first=True).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in make_cell().state_dict().items())


@pytest.mark.parametrize("name", CELLS)
def test_weight_dropout_is_a_plain_cell_whose_weights_between_steps_are_dropped(name: str) -> None:
    layer = RecurrentLayer(lambda: make_cell(name), directions=1, weight_dropout=0.5, layer_norm=False, seed=7).train()
    plain = copy.deepcopy(layer.directions[0])
    weights = plain.get_parameter("weight_hh_l0")
    weights.data = Dropout(0.5, seed=7)(weights.data)
    values = torch.randn(2, 6, 3)
    torch.testing.assert_close(read(layer, values), plain(values)[0])
    assert float((weights == 0).float().mean()) > 0.2


def test_dropped_weights_get_no_gradient_and_the_others_do() -> None:
    layer = make_layer(weight_dropout=0.5)
    kept = Dropout(0.5, seed=7)(torch.ones(20, 5)) > 0
    read(layer, torch.randn(2, 6, 3)).sum().backward()  # type: ignore[no-untyped-call]
    gradient = layer.directions[0].get_parameter("weight_hh_l0").grad
    assert gradient is not None
    assert torch.equal(gradient != 0, kept)


def test_weight_dropout_drops_the_same_weights_for_every_row_and_others_the_next_time() -> None:
    layer = make_layer(weight_dropout=0.5)
    values = torch.randn(1, 6, 3).expand(2, 6, 3)
    first, second = read(layer, values), read(layer, values)
    torch.testing.assert_close(first[0], first[1])
    assert (first - second).abs().max() > 1e-3


def test_weight_dropout_leaves_the_weights_themselves_and_evaluation_alone() -> None:
    layer, plain = make_layer(weight_dropout=0.9, directions=2), make_layer(weight_dropout=0.0, directions=2)
    values = torch.randn(2, 6, 3)
    read(layer, values)
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in layer.state_dict().items())
    assert torch.equal(read(layer.eval(), values), read(plain, values))


def test_dropout_keeps_the_mean_and_drops_the_requested_share() -> None:
    dropped = Dropout(0.3, seed=1)(torch.ones(400, 400))
    assert float((dropped == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.01)


def test_variational_dropout_zeroes_the_same_features_at_every_step_and_others_in_every_row() -> None:
    dropped = Dropout(0.3, seed=1, is_variational=True)(torch.ones(40, 7, 100))
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert float((dropped == 0).float().mean()) == pytest.approx(0.3, abs=0.03)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.05)
    assert not torch.equal(dropped[0], dropped[1])


@pytest.mark.parametrize("is_variational", [False, True])
def test_dropout_repeats_itself_with_the_same_seed_and_not_with_another(is_variational: bool) -> None:
    values = torch.ones(20, 3, 20)
    first, again, other = (Dropout(0.5, seed=seed, is_variational=is_variational)(values) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_dropout_is_the_identity_in_evaluation() -> None:
    values = torch.arange(6.0)
    assert torch.equal(Dropout(0.9, seed=0).eval()(values), values)


def test_dropout_at_the_highest_rate_that_a_space_allows_stays_finite() -> None:
    almost_one = float(np.nextafter(1.0, 0.0))
    assert torch.isfinite(Dropout(almost_one, seed=0)(torch.ones(50))).all()


def classify_ones(**chosen: float) -> torch.Tensor:
    """Return training logits of a batch that repeats one row. They differ only by dropout."""
    torch.manual_seed(4)
    model = make_classifier(channels=3, labels=2, hidden=6, directions=1, seed=9, **chosen)  # type: ignore[arg-type]
    logits: torch.Tensor = model.train()(torch.ones(8, 5, 3), torch.full((8,), 5))
    return logits


def test_layer_dropout_acts_between_layers_only() -> None:
    assert torch.equal(classify_ones(layers=1, layer_dropout=0.5), classify_ones(layers=1))
    assert not torch.equal(classify_ones(layers=2, layer_dropout=0.5), classify_ones(layers=2))


@pytest.mark.parametrize("place", ["embedding_dropout", "layer_dropout"])
def test_variational_dropout_changes_dropout_on_the_embedding_and_between_layers(place: str) -> None:
    step_by_step, variational = (
        classify_ones(layers=2, variational_dropout=is_variational, **{place: 0.5}) for is_variational in (False, True)
    )
    assert not torch.equal(step_by_step, variational)
    assert len({tuple(row) for row in variational.tolist()}) > 1  # rows lose features of their own


def test_no_dropout_of_one_model_repeats_another_of_the_model_with_the_next_seed() -> None:
    def firsts(seed: int) -> list[bytes]:
        rates = {"dropout": 0.5, "layer_dropout": 0.5, "weight_dropout": 0.5, "embedding_dropout": 0.5}
        model = make_classifier(channels=3, labels=2, hidden=6, layers=3, seed=seed, **rates)  # type: ignore[arg-type]
        dropouts = [module for module in model.modules() if isinstance(module, Dropout)]
        return [module._factors((100,)).tobytes() for module in dropouts]

    streams = [stream for seed in range(4) for stream in firsts(seed)]
    assert len(streams) == 4 * 6
    assert len(set(streams)) == len(streams)
