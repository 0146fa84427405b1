"""What a node is like, found out on the node. The code is sent there by value, because tuner may not be installed there.

So this module imports only the standard library at its top.
"""

from __future__ import annotations

import hashlib
import importlib
import platform
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

WHAT_TRIALS_IMPORT = ("tuner.ray_backend.worker", "tuner.trial.trial")
_SMI = ("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
_SMI_TIMEOUT_S = 20.0


class Problem(Exception):
    """Why no trial can run here."""


def examine(question: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts about the node that this runs on, as plain values. `problems` says what a trial would fail at.

    `question` has `gpus`, the number that Ray counts here; `device`, on which to make a tensor; and for the run directory
    `folder`, the file `theirs` with `content` to read there, and the file `ours` to write. None leaves a part out.
    """
    facts: dict[str, Any] = {"began": time.time(), "host": socket.gethostname(), "problems": {}}
    facts["gpu_models"], facts["gpu_driver"] = _name_gpus() if question["gpus"] else ([], None)
    parts: list[tuple[str, Callable[[], dict[str, Any] | None]]] = [("tuner", _import_tuner)]
    if question["gpus"] and question["device"] is not None:
        parts.append(("device", lambda: _try_device(question["device"], question["gpus"])))
    if question["folder"] is not None:
        parts.append(("storage", lambda: _try_folder(question)))
    for part, look in parts:
        if "tuner" in facts["problems"]:
            break
        try:
            facts.update(look() or {})
        except Exception as error:  # noqa: BLE001 (whatever it is, it is a fault of this node, and the driver says so)
            name = "" if isinstance(error, Problem) else f"{type(error).__name__}: "
            facts["problems"][part] = f"{name}{error}"
    facts["clock"] = time.time()
    return facts


def versions() -> dict[str, str]:
    """Return the versions that must be the same on all nodes."""
    tuner = importlib.import_module("tuner")
    return {
        "python": platform.python_version(),
        "tuner": str(tuner.__version__),
        "code": _digest(tuner),
        "torch": version("torch"),
    }


def _digest(package: ModuleType) -> str:
    """Return a fingerprint of a package's code, because two revisions may have the same version."""
    folder, digest = Path(str(package.__file__)).parent, hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _import_tuner() -> dict[str, Any]:
    for name in WHAT_TRIALS_IMPORT:
        importlib.import_module(name)
    return {**versions(), "cuda": importlib.import_module("torch").version.cuda}


def _try_device(device: str, gpus: float) -> None:
    torch = importlib.import_module("torch")
    count = torch.get_device_module(device).device_count()
    if count < gpus:
        raise Problem(f"Ray counts {gpus:g}, but torch {torch.__version__} sees {count}")
    for index in range(count):
        torch.ones(2, device=f"{device}:{index}").sum().item()


def _try_folder(question: Mapping[str, Any]) -> None:
    storage, errors = importlib.import_module("tuner.storage"), importlib.import_module("tuner.errors")
    folder = storage.Folder.at(question["folder"])
    try:
        if folder.read(question["theirs"]) != question["content"]:
            raise Problem("a file that the driver has written there has other content")
        folder.write(question["ours"], question["content"])
    except errors.MissingFileError:
        raise Problem("a file that the driver has written there is missing") from None
    except errors.StorageError as error:
        raise Problem(" and ".join(f"{fault.where} {fault.what}" for fault in error.faults)) from None


def _name_gpus() -> tuple[list[str], str | None]:
    """Return the models of the GPUs, and the version of their driver. Both are unknown without `nvidia-smi`."""
    try:
        done = subprocess.run(_SMI, capture_output=True, text=True, timeout=_SMI_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return [], None
    rows = [line.split(", ") for line in done.stdout.splitlines() if ", " in line]
    return [row[0] for row in rows], rows[0][1] if rows else None
