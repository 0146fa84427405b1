"""Checks that weights from outside fit a model: their names, shapes and types are compared before they are read."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tuner.model.build import make_model
from tuner.model.classifier import SequenceClassifier
from tuner.model.weight_shapes import Shapes, check_shapes
from tuner.space.configuration import Configuration

_WIDEST = 1 << 16  # word vectors in a file may have any size; common ones have 300
_TABLE, _BIAS = "embedding.weight", "head.bias"
_RECURRENT = "layers.0.directions.0.weight_hh_l0"


def fitting_model(shapes: Shapes, configuration: Configuration, *, channels: int | None) -> SequenceClassifier:
    """Build the model that a configuration describes, for weights of these shapes. `channels` is None if rows are texts.

    Its weights have shapes but no values, and take no memory until `filled` loads them. Raises ValueError if such a model has
    other weights.
    """
    _check_sizes(shapes, configuration)
    table, bias = shapes.get(_TABLE, ()), shapes.get(_BIAS, ())
    if len(bias) != 1 or len(table) != (2 if channels is None else 0):
        raise ValueError(f"{_BIAS} or {_TABLE} is missing from the weights, or has a wrong shape")
    with torch.device("meta"):  # creates shapes without values
        model = make_model(
            configuration,
            tokens=table[0] if table else None,
            channels=channels,
            embedding_size=table[1] if table else None,
            labels=bias[0],
            precision="float32",
            seed=0,
        )
    check_shapes(shapes, {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()})
    return model


def filled(model: SequenceClassifier, tensors: Mapping[str, Tensor]) -> SequenceClassifier:
    """Load weights by name into a `fitting_model`, ready to predict. Raises ValueError if one is not finite."""
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"the weights {name!r} have a value that is not finite")
    # Clones, because PyTorch aligns its own memory. `to_empty` would need no clones, but imports sympy.
    model.load_state_dict({name: tensor.clone() for name, tensor in tensors.items()}, assign=True)
    return model.eval()


def _check_sizes(shapes: Shapes, configuration: Configuration) -> None:
    """Raise ValueError if a configuration asks for layers of another size than its weights have."""
    for name, weights in {"hidden": _RECURRENT, "embedding.random.size": _TABLE}.items():
        size, asked = (0, *shapes.get(weights, ()))[-1], configuration.get(name)
        if size > _WIDEST or asked not in (None, size):
            raise ValueError(f"the weights {weights!r} have shape {shapes.get(weights)}, but {name} is {asked}")
