"""The device that trials train on: its name, and what a process asks of a GPU."""

from __future__ import annotations

import functools
import gc
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

# PyTorch is imported late: the driver of a search names the device, and trains nothing. A process that trains has one GPU, so
# functions of PyTorch that take a GPU get none, and use that one.

CPU = "cpu"
GPU = "cuda"

# What a process takes of a GPU beside its tensors: the driver's context and the kernels of the libraries.
CONTEXT_BYTES = 600 << 20


def device_of(gpus: float) -> str:
    """Return the device of a trial that has `gpus`."""
    return GPU if gpus else CPU


def choose_device(gpus: float) -> str:
    """Return the device of a trial that has `gpus`, if this process can use it, else the CPU."""
    return GPU if gpus and _module(GPU).is_available() else CPU


def find_problem(device: str) -> str | None:
    """Return why this process cannot train on a device, None if it can."""
    if not is_gpu(device) or _module(device).is_available():
        return None
    import torch

    return f"PyTorch {torch.__version__} cannot use the GPU; install its build for CUDA"


def is_gpu(device: str) -> bool:
    """Return whether a device is a GPU."""
    return not device.startswith(CPU)


def has_bfloat16(device: str) -> bool:
    """Return whether a GPU computes in bfloat16 itself."""
    return bool(_module(device).is_bf16_supported(including_emulation=False))


def prepare_gpu(device: str, share: float) -> None:
    """Free what earlier trials of this process left on a GPU, and bound what this one may take to its share of the memory.

    A trial that needs more runs out of memory itself. Without the bound it would take the memory of the others on the GPU.
    """
    _leave_imports_alone()
    gc.collect()  # a model and what trains it refer to each other
    module = _module(device)
    module.empty_cache()
    _, total = module.mem_get_info()
    module.set_per_process_memory_fraction(memory_share(share, total))


@functools.cache
def _leave_imports_alone() -> None:
    """Make the garbage collector pass over what this process has imported, which would take it 0.1 s for each trial."""
    gc.freeze()


def memory_share(share: float, total_bytes: int) -> float:
    """Return what the tensors of a trial may take of a GPU's memory: its share of it, without what its process takes."""
    return max(share - CONTEXT_BYTES / total_bytes, share / 2)


def describe_gpu(device: str) -> tuple[str, int]:
    """Return the name of a GPU and the bytes of its memory."""
    module = _module(device)
    _, total = module.mem_get_info()
    return str(module.get_device_name()), int(total)


def peak_bytes(device: str) -> int:
    """Return the most that the tensors of this process have taken of a GPU's memory."""
    return int(_module(device).max_memory_reserved())


def wait_for(device: str) -> None:
    """Wait until a GPU has done what it was given; nothing on a CPU."""
    if is_gpu(device):
        _module(device).synchronize()


def random_state(device: str) -> Tensor:
    """Return the state of a GPU's random generator."""
    state: Tensor = _module(device).get_rng_state()
    return state


def set_random_state(device: str, state: Tensor) -> None:
    """Continue the random numbers of a GPU from a state."""
    _module(device).set_rng_state(state)


def _module(device: str) -> Any:
    import torch

    return torch.get_device_module(device)
