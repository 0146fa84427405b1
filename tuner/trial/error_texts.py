"""What the text of an error says: memory ran out, or the device or its driver is broken. Pure functions."""

from __future__ import annotations

import re

# oneDNN says no more than its last two if it cannot allocate a workspace. A "primitive descriptor" it lacks for other reasons.
# A library of CUDA that cannot allocate what its handle needs says that it is not initialised.
_OUT_OF_MEMORY = re.compile(
    "MemoryError|OutOfMemory|out of memory|can't allocate memory|not enough memory|low on memory"
    "|could not execute a primitive|could not create a primitive(?! descriptor)"
    r"|CU[A-Z]+_STATUS_\w*ALLOC(ATION)?_FAILED|CU[A-Z]+_STATUS_NOT_INITIALIZED.*(Create|[Aa]lloc)"
)
# After these the process cannot use its GPU any more, or never could. NVIDIA lists them in "CUDA Runtime API, Error Handling",
# and what the driver logs in "Xid Errors".
_BROKEN_DEVICE = re.compile(
    "CUDA error|CUDA driver|CUDA initialization|CUDA unknown error|CUDA-capable device|No CUDA GPUs|not compiled with CUDA"
    "|NVIDIA driver|device-side assert|illegal memory access|unspecified launch failure|ECC error|HIP error|NCCL error|NVML"
    r"|\bXid\b|ncclUnhandled|CU[A-Z]+_STATUS_(?!NOT_SUPPORTED|BAD_PARAM|INVALID_VALUE|SUCCESS)\w+"
)


def is_out_of_memory(error: object) -> bool:
    """Return whether an error of Python, PyTorch or Ray says that memory ran out."""
    if isinstance(error, MemoryError):
        return True
    return _OUT_OF_MEMORY.search(_text(error)) is not None


def is_broken_device(error: object) -> bool:
    """Return whether an error says that a GPU, its driver or a library of CUDA failed, so that this process is of no use."""
    return not is_out_of_memory(error) and _BROKEN_DEVICE.search(_text(error)) is not None


def first_line(error: BaseException) -> str:
    """Return the type and the first line of an error. CUDA adds three lines of advice for programmers."""
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"


def _text(error: object) -> str:
    return error if isinstance(error, str) else f"{type(error).__name__}: {error}"
