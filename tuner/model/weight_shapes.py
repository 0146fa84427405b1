"""The names, shapes and types of the weights in a safetensors file, read from its header without torch."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Mapping
from typing import TypeAlias

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]

MAX_HEADER_BYTES = 1_000_000  # the largest model, with 8 layers, needs 10,000
_LENGTH_BYTES = 8  # before the header of a safetensors file
_FLOAT_BYTES = 4


def read_shapes(content: bytes, *, size: int | None = None) -> Shapes:
    """Return the shapes of the weights in a safetensors file from its beginning, `content`, and its length, `size`.

    Without `size`, `content` is the whole file. Raises ValueError if the file is shorter or longer than its header says, or
    has weights that are not float32.
    """
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    if length > MAX_HEADER_BYTES - _LENGTH_BYTES or len(content) < _LENGTH_BYTES + length:
        raise ValueError("the weights are cut short, or not a safetensors file")
    described = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + length])
    try:
        tensors = {name: each for name, each in described.items() if name != "__metadata__"}
        shapes = {name: tuple(map(operator.index, each["shape"])) for name, each in tensors.items()}
        kinds = {name: each["dtype"] for name, each in tensors.items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"the header of the weights is incomplete ({type(error).__name__}: {error})") from error
    for name, kind in kinds.items():
        if kind != "F32":
            raise ValueError(f"the weights {name!r} are {kind!r}, but must be F32")
    wanted = _LENGTH_BYTES + length + _FLOAT_BYTES * sum(map(math.prod, shapes.values()))
    length_in_bytes = len(content) if size is None else size
    if length_in_bytes != wanted:
        raise ValueError(f"the header of the weights promises {wanted:,} bytes, but the file has {length_in_bytes:,}")
    return shapes


def check_shapes(shapes: Shapes, wanted: Shapes) -> None:
    """Raise ValueError for weights that are missing, unknown to the model, or of another shape than `wanted`."""
    for problem, names in (("lack", wanted.keys() - shapes.keys()), ("include", shapes.keys() - wanted.keys())):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ValueError(f"the weights {problem} {min(names)!r}{more}, so they belong to another model")
    for name, shape in wanted.items():
        if shapes[name] != shape:
            raise ValueError(f"the weights {name!r} have shape {shapes[name]}, but the model needs {shape}")
