"""A configuration becomes the model that it describes, and logits become probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tuner.model.build import make_model, to_probabilities
from tuner.model.classifier import SequenceClassifier
from tuner.model.recurrent import RecurrentLayer

Configure = Any


def build(configuration: Any, *, seed: int = 5, **chosen: Any) -> SequenceClassifier:
    arguments = {"tokens": 20, "channels": None, "labels": 3, "precision": "float32", "seed": seed, **chosen}
    return make_model(configuration, **arguments)


def state_of(model: SequenceClassifier) -> dict[str, torch.Tensor]:
    return dict(model.state_dict())


def test_a_configuration_determines_the_parts_of_the_model(configure: Configure) -> None:
    own = {"pooling.self_attention.heads": 2, "cell.lstm.forget_bias": 3.0, "embedding.random.size": 7}
    model = build(
        configure(own, pooling="self_attention", layers=3, hidden=5, directions=1, layer_norm=True, layer_dropout=0.4)
    )
    shapes = {name: tuple(value.shape) for name, value in state_of(model).items()}
    assert shapes["embedding.weight"] == (20, 7)
    assert shapes["layers.0.directions.0.weight_ih_l0"] == (20, 7)
    assert shapes["layers.2.directions.0.weight_ih_l0"] == (20, 5)
    assert shapes["layers.2.norm.weight"] == (5,)
    assert shapes["pooling.project.weight"] == (2 * 3 * 3, 5)
    assert shapes["head.weight"] == (3, 5)
    assert float(state_of(model)["layers.0.directions.0.bias_ih_l0"][5:10].min()) > 2
    assert model.layer_dropout.is_active


def test_parts_that_are_off_have_no_parameters(configure: Configure) -> None:
    names = state_of(build(configure(directions=1)))
    assert sorted({name.split(".")[0] for name in names}) == ["embedding", "head", "layers"]
    assert not any("norm" in name for name in names)


def test_a_sequence_model_has_no_embedding(configure: Configure) -> None:
    model = build(configure(inputs="sequence", cell="gru"), tokens=None, channels=4)
    assert model.embedding is None
    assert model(torch.randn(2, 3, 4), torch.tensor([3, 1])).shape == (2, 3)


@pytest.mark.parametrize("inputs", [{"tokens": None}, {"channels": 2}])
def test_a_model_of_neither_or_of_both_kinds_of_rows_is_refused(configure: Configure, inputs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give exactly one"):
        build(configure(), **inputs)


def test_the_seed_decides_the_first_weights(configure: Configure) -> None:
    configuration = configure(initialisation="xavier_orthogonal", pooling="attention")
    first, again, other = (state_of(build(configuration, seed=seed)) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


@pytest.mark.parametrize("is_tuned", [True, False])
def test_vectors_are_cut_to_the_vocabulary_and_tuned_only_if_asked(configure: Configure, is_tuned: bool) -> None:
    configuration = configure({"embedding.word2vec.is_tuned": is_tuned}, embedding="word2vec")
    vectors = np.random.default_rng(0).normal(size=(25, 8)).astype(np.float32)
    embedding = build(configuration, embedding=vectors).embedding
    assert embedding is not None
    np.testing.assert_array_equal(embedding.weight.detach().numpy(), vectors[:20])
    assert embedding.weight.requires_grad == is_tuned


@pytest.mark.parametrize("is_tuned", [True, False])
def test_a_model_with_vectors_from_a_file_is_restored_from_its_state_alone(
    configure: Configure, is_tuned: bool
) -> None:
    own = {"embedding.file.path": "vectors.txt", "embedding.file.is_tuned": is_tuned}
    configuration = configure(own, embedding="file", pooling="concatenation", layer_norm=True)
    vectors = np.random.default_rng(0).normal(size=(20, 11)).astype(np.float32)
    trained = build(configuration, embedding=vectors).eval()
    restored = build(configuration, seed=0, embedding_size=11).eval()
    restored.load_state_dict(trained.state_dict())
    steps, lengths = torch.tensor([[1, 2, 3], [4, 5, 0]]), torch.tensor([3, 2])
    assert torch.equal(restored(steps, lengths), trained(steps, lengths))


def test_missing_vectors_from_a_file_are_reported(configure: Configure) -> None:
    configuration = configure({"embedding.file.path": "vectors.txt"}, embedding="file")
    with pytest.raises(ValueError, match="needs either vectors or a size"):
        build(configuration)


def test_variational_and_weight_dropout_reach_the_model(configure: Configure) -> None:
    model = build(configure(variational_dropout=True, embedding_dropout=0.5, weight_dropout=0.5)).train()
    dropped = model.embedding_dropout(torch.ones(6, 4, 8))
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    layers = [part for part in model.modules() if isinstance(part, RecurrentLayer)]
    assert [layer.weight_dropout.is_active for layer in layers] == [True]


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
