"""Whether weights that come from outside are those of a model: their names, shapes and types, before they are read."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Mapping
from functools import partial
from typing import TypeAlias

import safetensors.torch
import torch
from torch import nn

from tuner.model.build import make_model
from tuner.model.classifier import SequenceClassifier
from tuner.space.configuration import Configuration

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]

_LENGTH_BYTES = 8  # before the header of a safetensors file
_FLOAT_BYTES = 4
_WIDEST = 1 << 16  # vectors of a file may have any size; those in use have 300
_TABLE, _BIAS = "embedding.weight", "head.bias"
_RECURRENT = "layers.0.directions.0.weight_hh_l0"
MAX_HEADER_BYTES = 1_000_000  # the largest model, with 8 layers, needs 10,000


def read_shapes(content: bytes, *, size: int | None = None) -> Shapes:
    """Return the shapes of the weights in a safetensors file, of which `content` is the beginning and `size` the length.

    Without `size` it is the whole file. Raises ValueError where the file has another length than it tells, or weights of
    another type than float32.
    """
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    if length > MAX_HEADER_BYTES - _LENGTH_BYTES or len(content) < _LENGTH_BYTES + length:
        raise ValueError("the weights are cut short, or no safetensors file")
    described = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + length])
    try:
        tensors = {name: each for name, each in described.items() if name != "__metadata__"}
        shapes = {name: tuple(map(operator.index, each["shape"])) for name, each in tensors.items()}
        kinds = {name: each["dtype"] for name, each in tensors.items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"the header of the weights is not whole ({type(error).__name__}: {error})") from error
    for name, kind in kinds.items():
        if kind != "F32":
            raise ValueError(f"the weights {name!r} are {kind!r}, but must be F32")
    wanted = _LENGTH_BYTES + length + _FLOAT_BYTES * sum(map(math.prod, shapes.values()))
    found = len(content) if size is None else size
    if found != wanted:
        raise ValueError(f"the weights tell of {wanted:,} bytes, but the file has {found:,}")
    return shapes


def fitting_model(shapes: Shapes, configuration: Configuration, *, channels: int | None) -> SequenceClassifier:
    """Build the model that a configuration describes, for weights of these shapes; `channels` is None where rows are texts.

    Raises ValueError where such a model has other weights. Nothing is made that is larger than the weights are.
    """
    _check_sizes(shapes, configuration)
    table, bias = shapes.get(_TABLE, ()), shapes.get(_BIAS, ())
    if len(bias) != 1 or len(table) != (2 if channels is None else 0):
        raise ValueError(f"{_BIAS} or {_TABLE} is not among the weights, or has no such shape")
    make = partial(
        make_model,
        configuration,
        tokens=table[0] if table else None,
        channels=channels,
        embedding_size=table[1] if table else None,
        labels=bias[0],
        precision="float32",
        seed=0,
    )
    with torch.device("meta"):  # which makes shapes alone
        _check_shapes(shapes, make())
    return make()


def filled(model: SequenceClassifier, weights: bytes) -> SequenceClassifier:
    """Return the model with the weights of a safetensors file, ready to predict. Raises ValueError for one not finite."""
    tensors = safetensors.torch.load(weights)
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"the weights {name!r} have a value that is not finite")
    model.load_state_dict(tensors)
    return model.eval()


def _check_sizes(found: Shapes, configuration: Configuration) -> None:
    """Raise ValueError where a configuration asks for larger layers than its weights have."""
    for name, weights in {"hidden": _RECURRENT, "embedding.random.size": _TABLE}.items():
        size, asked = (0, *found.get(weights, ()))[-1], configuration.get(name)
        if size > _WIDEST or asked not in (None, size):
            raise ValueError(f"the weights {weights!r} have shape {found.get(weights)}, but {name} is {asked}")


def _check_shapes(found: Shapes, model: nn.Module) -> None:
    """Raise ValueError naming the weights that a model has not, lacks, or has in another shape."""
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    for told, names in (("without", wanted.keys() - found.keys()), ("with", found.keys() - wanted.keys())):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ValueError(f"the weights are {told} {min(names)!r}{more}, so they are of another model")
    for name, shape in wanted.items():
        if found[name] != shape:
            raise ValueError(f"the weights {name!r} have shape {found[name]}, but the model needs {shape}")
