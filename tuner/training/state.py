"""The state of a training as bytes: tensors in safetensors format, the rest as JSON in the same file. No pickle.

A part that remembers anything from one step to the next has two methods, `state` and `restore`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

# PyTorch is imported late: the driver imports this module to read rows, and trains nothing.

# Names, without "/", to values: a tensor, a JSON value (or a list of them), or another State.
State = dict[str, Any]
_ENTRY = "state"


@runtime_checkable
class Stateful(Protocol):
    """An object that can continue from the state of an equally built one."""

    def state(self) -> State:
        """Return everything it remembers. Tensors may be shared, so turn them into bytes before the object changes."""

    def restore(self, state: State) -> None:
        """Take over a state. Raises KeyError, TypeError or ValueError if it does not fit."""


def states_of(parts: Mapping[str, object]) -> State:
    """Return the states of the parts that have one."""
    return {name: part.state() for name, part in parts.items() if isinstance(part, Stateful)}


def restore_all(parts: Mapping[str, object], state: State) -> None:
    """Restore the parts that have a state from what `states_of` returned."""
    for name, part in parts.items():
        if isinstance(part, Stateful):
            part.restore(state[name])


def fitting(value: Tensor, like: Tensor) -> Tensor:
    """Copy `value` to the device of `like`. Raises ValueError if their shapes or number formats differ."""
    if (value.shape, value.dtype) != (like.shape, like.dtype):
        given, expected = (f"{tuple(tensor.shape)} {tensor.dtype}" for tensor in (value, like))
        raise ValueError(f"a tensor is {given}, but should be {expected}")
    return value.to(like.device, copy=True)


def to_bytes(state: State) -> bytes:
    """Return a state as the content of a safetensors file, with the JSON and a checksum in its metadata."""
    import safetensors.torch

    tensors: dict[str, Tensor] = {}
    rest = json.dumps(_without_tensors(state, "", tensors))
    # A single entry, because safetensors writes several in no fixed order.
    return bytes(safetensors.torch.save(tensors, {_ENTRY: json.dumps([_digest(rest, tensors), rest])}))


def from_bytes(content: bytes) -> State:
    """Read what `to_bytes` wrote, with tensors on the CPU. Raises ValueError for anything else, and for a cut or changed file."""
    import safetensors.torch

    try:
        tensors = safetensors.torch.load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        digest, rest = json.loads(header["__metadata__"][_ENTRY])
        if digest != _digest(rest, tensors):
            raise ValueError("the checksum differs")
        state: State = json.loads(rest)
        for path, tensor in tensors.items():
            *parents, name = path.split("/")
            place = state
            for parent in parents:
                place = place[parent]
            place[name] = tensor
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the file holds no complete training state ({error})") from error
    return state


def _digest(rest: str, tensors: Mapping[str, Tensor]) -> str:
    import torch

    digest = hashlib.sha256(rest.encode())
    for path in sorted(tensors):
        digest.update(path.encode())
        digest.update(tensors[path].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _without_tensors(state: State, above: str, tensors: dict[str, Tensor]) -> State:
    """Return the part of a state that JSON can hold; put each tensor into `tensors` by its path."""
    from torch import Tensor

    rest: State = {}
    for name, value in state.items():
        if isinstance(value, Tensor):
            tensors[f"{above}{name}"] = value.detach().cpu().contiguous()
        else:
            rest[name] = _without_tensors(value, f"{above}{name}/", tensors) if isinstance(value, dict) else value
    return rest
