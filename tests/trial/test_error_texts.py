"""What an error's text says about memory and devices."""

from __future__ import annotations

import pytest

from tuner.ray_backend.worker import WorkerFailure, read_failure
from tuner.trial.error_texts import first_line, is_broken_device, is_out_of_memory

OUT_OF_MEMORY = [
    MemoryError(),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
    RuntimeError("could not execute a primitive"),
    RuntimeError("could not create a primitive"),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED, the workspace cannot be allocated"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    "1 worker(s) were killed due to the node running low on memory.\nTop 10 memory users:\nPID  MEM",
]
BROKEN = [
    "CUDA error: an illegal memory access was encountered",
    "CUDA error: device-side assert triggered",
    "CUDA error: unspecified launch failure",
    "CUDA error: uncorrectable ECC error encountered",
    "CUDA error: no CUDA-capable device is detected",
    "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
    "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
    "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`",
    "CUDA driver version is insufficient for CUDA runtime version",
    "No CUDA GPUs are available",
    "Found no NVIDIA driver on your system.",
    "Torch not compiled with CUDA enabled",
    "NCCL error in: unhandled cuda error",
    "NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.",
    "HIP error: invalid device function",
]
NEITHER = [
    ValueError("no label has both classes"),
    KeyError("taxid"),
    RuntimeError("could not create a primitive descriptor for an LSTM forward propagation"),
    RuntimeError(
        "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a non-contiguous input."
    ),
    "The process is killed by SIGKILL by OOM killer due to high memory usage",
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=str)
def test_an_error_that_says_memory_ran_out_is_recognised_and_is_no_broken_device(error: object) -> None:
    assert (is_out_of_memory(error), is_broken_device(error)) == (True, False)


@pytest.mark.parametrize("message", BROKEN)
def test_an_error_after_which_the_process_cannot_use_its_gpu_is_recognised(message: str) -> None:
    error = RuntimeError(message)
    assert (is_out_of_memory(error), is_broken_device(error)) == (False, True)


@pytest.mark.parametrize("error", NEITHER, ids=str)
def test_other_errors_are_neither(error: object) -> None:
    assert (is_out_of_memory(error), is_broken_device(error)) == (False, False)


def test_of_an_error_of_cuda_the_first_line_is_shown() -> None:
    error = RuntimeError(
        "CUDA error: unspecified launch failure\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1"
    )
    assert first_line(error) == "RuntimeError: CUDA error: unspecified launch failure"


def test_the_message_of_a_failure_is_read_from_what_ray_recorded() -> None:
    name = f"{WorkerFailure.__module__}.{WorkerFailure.__name__}"
    recorded = f"ray::TrialOnWorker.train() (pid=1, ip=::1)\n  raise ...\n{name}: RuntimeError: CUDA error: no: really"
    assert read_failure(recorded) == "RuntimeError: CUDA error: no: really"
    assert read_failure("ray::TrialOnWorker.train()\nMemoryError: out of memory") is None
    assert read_failure("") is None
