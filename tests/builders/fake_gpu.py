"""A GPU that is not there: PyTorch takes it for a device, its tensors hold no numbers, and everything that reads them counts.

PyTorch lets Python define one device of its own ("PrivateUse1"). Its tensors here are PyTorch's own fake tensors: they have a
shape, a number format and a device, and an operation that mixes devices raises, as it would on a GPU. Those on the CPU are real.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend
from torch.utils.weak import WeakTensorKeyDictionary

FAKE_GPU = "fakegpu"
_aten = torch.ops.aten
_COMPOSITE = "CompositeImplicitAutograd"


class FakeGpu(TorchDispatchMode):
    """Inside, the fake device works. `counts` says how often the host had to wait for it, and how arrays were copied to it.

    - `waits`: something read a number, or copied a tensor to the CPU and waited.
    - `blocking copies`: a tensor was copied to the device from memory that is not pinned, or the host waited for the copy.
    - `copies`: the other copies to the device. `late reads`: copies to the CPU that nobody waits for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self._fake = FakeTensorMode(allow_non_fake_inputs=True)
        self._pinned = WeakTensorKeyDictionary()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is torch.ops.prim.device.default and isinstance(args[0], FakeTensor):  # two of three calls
            return args[0].fake_device
        kwargs = dict(kwargs or {})
        leaves = tree_leaves((args, kwargs))
        is_here = any(isinstance(leaf, FakeTensor) for leaf in leaves)
        if func in (_aten.pin_memory.default, _aten._pin_memory.default):
            return self._pin(args[0])
        if func is _aten.is_pinned.default:
            return args[0] in self._pinned
        if func in (_aten._local_scalar_dense.default, _aten.item.default) and is_here:
            self.counts["waits"] += 1
            return _stand_in(args[0]).item()
        if func is _aten._to_copy.default and "device" in kwargs:
            moved = self._move(args[0], kwargs)
            if moved is not None:
                return moved
        if func.namespace == "aten" and torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), _COMPOSITE):
            with self:  # made of others, which in inference mode come here as one
                return func.decompose(*args, **kwargs)
        if func in _WITHOUT_SHAPES:
            return _WITHOUT_SHAPES[func](*args)
        if is_here or any(isinstance(leaf, torch.device) and leaf.type == FAKE_GPU for leaf in leaves):
            with self._fake:
                return func(*args, **kwargs)
        return func(*args, **kwargs)

    def _pin(self, tensor: Tensor) -> Tensor:
        copy = tensor.clone()
        self._pinned[copy] = True
        return copy

    def _move(self, tensor: Tensor, kwargs: Mapping[str, Any]) -> Tensor | None:
        """Copy a tensor between the CPU and the device; None if it stays where it is."""
        is_fake, to_fake = isinstance(tensor, FakeTensor), kwargs["device"].type == FAKE_GPU
        dtype, is_late = kwargs.get("dtype") or tensor.dtype, bool(kwargs.get("non_blocking"))
        if is_fake == to_fake:
            return None
        if is_fake:
            self.counts["late reads" if is_late else "waits"] += 1
            return _stand_in(tensor).to(dtype)
        self.counts["copies" if is_late and tensor in self._pinned else "blocking copies"] += 1
        with self._fake:
            return torch.empty(tensor.shape, dtype=dtype, device=FAKE_GPU)


def _stand_in(tensor: Tensor) -> Tensor:
    """Return numbers between 0 and 1 in place of those that a tensor on the device would hold."""
    numbers = torch.linspace(0.1, 0.9, max(tensor.numel(), 1))[: tensor.numel()].reshape(tensor.shape)
    return numbers > 0 if tensor.dtype == torch.bool else numbers.to(tensor.dtype)


def _gru_step(gates: Tensor, _recurrent: Tensor, state: Tensor, *_biases: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(state), state.new_empty(state.shape[0], 5 * state.shape[1])


def _gru_step_backward(gradient: Tensor, workspace: Tensor, has_bias: bool) -> tuple[Tensor | None, ...]:
    rows, hidden = gradient.shape
    gates = [gradient.new_empty(rows, 3 * hidden) for _ in range(2)]
    biases = [gradient.new_empty(3 * hidden) if has_bias else None for _ in range(2)]
    return (*gates, torch.empty_like(gradient), *biases)


# PyTorch knows what these return on a real GPU only.
_WITHOUT_SHAPES: Mapping[Any, Any] = {
    _aten._thnn_fused_gru_cell.default: _gru_step,
    _aten._thnn_fused_gru_cell_backward.default: _gru_step_backward,
    _aten._fused_sgd_.default: lambda *_: None,
}


class _Module:
    """What PyTorch asks of a device, as `torch.cuda` answers it."""

    Event: Any

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def is_initialized(self) -> bool:
        return True

    def is_available(self) -> bool:
        return True

    def _is_in_bad_fork(self) -> bool:
        return False

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def manual_seed_all(self, seed: int) -> None:
        self.calls.append(("manual_seed_all", seed))

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]

    def is_bf16_supported(self, *, including_emulation: bool) -> bool:
        return not including_emulation

    def get_rng_state(self) -> Tensor:
        return torch.zeros(16, dtype=torch.uint8)

    def set_rng_state(self, state: Tensor) -> None:
        self.calls.append(("set_rng_state", state))

    def mem_get_info(self) -> tuple[int, int]:
        return 60 << 30, 80 << 30

    def set_per_process_memory_fraction(self, share: float) -> None:
        self.calls.append(("set_per_process_memory_fraction", share))

    def get_device_name(self) -> str:
        return "a GPU that is not there"

    def max_memory_reserved(self) -> int:
        return 1 << 30

    def synchronize(self) -> None:
        self.calls.append(("synchronize", None))

    def empty_cache(self) -> None:
        self.calls.append(("empty_cache", None))


class _Event:
    def record(self) -> None:
        pass

    def query(self) -> bool:
        return True


def _make_known() -> _Module:
    """Make the device known to PyTorch, and return its module."""
    module = _Module()
    module.Event = _Event
    _setup_privateuseone_for_python_backend(FAKE_GPU, backend_module=module)
    library = torch.library.Library("_", "IMPL", "AutocastPrivateUse1")
    library.fallback(torch.library.fallthrough_kernel)
    module.library = library  # type: ignore[attr-defined] - it acts as long as it lives
    return module


# At import, and so before any test: the first gradients that a process computes settle for which devices there are any.
_MODULE = _make_known()


@contextmanager
def fake_gpu() -> Iterator[tuple[FakeGpu, _Module]]:
    """Yield the device's counts, and its module, whose `calls` say what it was asked for."""
    module = _MODULE
    module.calls.clear()
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # a real parameter cannot become a fake one
    try:
        with FakeGpu() as gpu:
            yield gpu, module
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)
