"""What a training has come to, as bytes: tensors as safetensors keep them, the rest as JSON beside them. No pickle.

Whatever remembers something from one step to the next has two methods, `state` and `restore`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

# PyTorch is imported where it is used: the driver reads rows by a module that has states, and trains nothing.

# By name, without a "/" in it: a tensor, a value that JSON has (a list of such, too), or another State.
State = dict[str, Any]
_ENTRY = "state"


@runtime_checkable
class Stateful(Protocol):
    """What can go on where another of its kind, built alike, left off."""

    def state(self) -> State:
        """Return all that it remembers; tensors may be its own, so turn them into bytes before it goes on."""

    def restore(self, state: State) -> None:
        """Take over what another remembered. Raises KeyError, TypeError or ValueError where that does not fit."""


def states_of(parts: Mapping[str, object]) -> State:
    """Return the states of those parts that have one."""
    return {name: part.state() for name, part in parts.items() if isinstance(part, Stateful)}


def restore_all(parts: Mapping[str, object], state: State) -> None:
    """Restore those parts that have a state from what `states_of` returned."""
    for name, part in parts.items():
        if isinstance(part, Stateful):
            part.restore(state[name])


def fitting(value: Tensor, like: Tensor) -> Tensor:
    """Return a copy on the device of the tensor that it is to stand for. Raises ValueError for another shape or number format."""
    if (value.shape, value.dtype) != (like.shape, like.dtype):
        found, wanted = (f"{tuple(each.shape)} {each.dtype}" for each in (value, like))
        raise ValueError(f"a tensor is {found}, but has to be {wanted}")
    return value.to(like.device, copy=True)


def to_bytes(state: State) -> bytes:
    """Return a state, of one tensor or more, as the content of a safetensors file; its metadata have the JSON and a checksum."""
    import safetensors.torch

    tensors: dict[str, Tensor] = {}
    rest = json.dumps(_without_tensors(state, "", tensors))
    # One entry: safetensors writes several in any order.
    return bytes(safetensors.torch.save(tensors, {_ENTRY: json.dumps([_digest(rest, tensors), rest])}))


def from_bytes(content: bytes) -> State:
    """Read what `to_bytes` wrote, tensors on the CPU. Raises ValueError where it is anything else, cut short or changed."""
    import safetensors.torch

    try:
        tensors = safetensors.torch.load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        digest, rest = json.loads(header["__metadata__"][_ENTRY])
        if digest != _digest(rest, tensors):
            raise ValueError("its checksum is another")
        state: State = json.loads(rest)
        for path, tensor in tensors.items():
            *parents, name = path.split("/")
            place = state
            for parent in parents:
                place = place[parent]
            place[name] = tensor
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the bytes are not a state, or not all of one ({error})") from error
    return state


def _digest(rest: str, tensors: Mapping[str, Tensor]) -> str:
    import torch

    digest = hashlib.sha256(rest.encode())
    for path in sorted(tensors):
        digest.update(path.encode())
        digest.update(tensors[path].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _without_tensors(state: State, above: str, tensors: dict[str, Tensor]) -> State:
    """Return what JSON can have of a state; put the rest into `tensors`, each by its path."""
    from torch import Tensor

    rest: State = {}
    for name, value in state.items():
        if isinstance(value, Tensor):
            tensors[f"{above}{name}"] = value.detach().cpu().contiguous()
        else:
            rest[name] = _without_tensors(value, f"{above}{name}/", tensors) if isinstance(value, dict) else value
    return rest
