"""bundle.json, which says of a bundle what it is: its one reader, with the checks that every reader needs.

It imports no torch, for what a bundle says is read without its weights too: by `tuner diagnose` and `tuner compare`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import safetensors
from pyarrow import fs

from tuner.errors import BundleError, Fault
from tuner.space.configuration import is_finite_number
from tuner.storage import Folder

FORMAT = 3
FILES = ("bundle.json", "preparation.json", "weights.safetensors")
_KEYS = ("format", "task", "labels", "seen", "thresholds", "configuration", "columns", "record")
RECORD = (
    "run",
    "trial",
    "seed",
    "penalty_weight",
    "validation_scores",
    "rankings",
    "data",
    "validation",
    "baselines",
    "health",
    "profile",
)
"""What a record may tell: where the model comes from, what it was chosen by, and how its data and training looked."""
_TOLD = 300  # characters of what another library says
_NEEDED_RECORD = ("penalty_weight",)
_MAX_JSON_BYTES = 1 << 28  # a vocabulary of a million long words has a tenth of it
THRESHOLDS: Mapping[str, int | None] = {"binary": 1, "multiclass": 0, "multilabel": None}
"""How many thresholds a bundle of each task has; None: one a label."""


def read_description(folder: Folder) -> Mapping[str, Any]:
    """Read and check bundle.json. Raises BundleError.

    The format is looked at before all else: another one may have other files and other keys. The configuration, the columns
    and what stands below the record's keys are looked at by whoever needs them.
    """
    check_plain(folder, "bundle.json")
    with faults_told(folder):
        described = _parse(folder.read("bundle.json"))
        if not isinstance(described, dict) or "format" not in described:
            raise ValueError("bundle.json is no object with a format")
    if described["format"] != FORMAT:
        remedy = "load it with the version of tuner that wrote it"
        told = f"bundle format {repr(described['format'])[:_TOLD]}, but this tuner reads {FORMAT}"
        raise bundle_error(folder, told, remedy)
    with faults_told(folder):
        _check(described)
    return described


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        raise ValueError(f"bundle.json is not valid JSON: {error}") from error


def _without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if twice:
        raise ValueError(f"the key {twice[0]!r} is there twice")
    return dict(pairs)


def check_plain(folder: Folder, name: str) -> None:
    """Raise BundleError unless a file is the bundle's own: no link, which may lead anywhere, no pipe and no device."""
    if folder.is_local and (path := Path(folder.path, name)).is_symlink():
        told = f"{name} is a link to {path.readlink()}, but a bundle's files stand in its own folder"
        raise bundle_error(folder, told, "copy the bundle with what it links to, as `cp -rL` does")
    with faults_told(folder):
        info = folder.files.get_file_info(f"{folder.path}/{name}")
    if info.type != fs.FileType.File:
        raise bundle_error(folder, f"{name} is no plain file", "copy it again from its run")
    if name.endswith(".json") and info.size > _MAX_JSON_BYTES:
        told = f"{name} has {info.size:,} bytes, but no bundle needs more than {_MAX_JSON_BYTES:,} there"
        raise bundle_error(folder, told, "copy it again from its run")


@contextmanager
def faults_told(folder: Folder) -> Iterator[None]:
    """Raise BundleError, with what is wrong, for whatever a file of a bundle makes another library raise."""
    try:
        yield
    except (
        ArithmeticError,
        LookupError,
        MemoryError,
        TypeError,
        ValueError,
        RuntimeError,
        safetensors.SafetensorError,
        OSError,
        pa.ArrowException,
    ) as error:
        told = " ".join(str(error).split())[:_TOLD]  # PyTorch tells of one wrong shape in several lines
        named = told if type(error) is ValueError else f"{type(error).__name__}: {told}"  # which are our own, mostly
        what = f"the bundle cannot be read ({named})"
        raise bundle_error(folder, what, "copy it again from its run") from error


def _check(described: Mapping[str, Any]) -> None:
    """Raise ValueError for a part of bundle.json that is missing, not known, or of another type or range."""
    check_keys("bundle.json", described, known=_KEYS, needed=_KEYS)
    check_keys("record", described["record"], known=RECORD, needed=_NEEDED_RECORD)
    labels, weight = described["labels"], described["record"]["penalty_weight"]
    rules = {
        "task": (isinstance(described["task"], str) and described["task"] in THRESHOLDS, "a task that is known"),
        "labels": (
            isinstance(labels, list) and all(map(is_name, labels)) and len(set(labels)) == len(labels) > 0,
            "a list of distinct texts",
        ),
        "seen": (
            is_list_of(described["seen"], lambda value: isinstance(value, bool)) and any(described["seen"]),
            "a list of true and false, one of them true",
        ),
        "thresholds": (
            is_list_of(described["thresholds"], lambda value: value is None or is_finite_number(value)),
            "a list of finite numbers, or null where one is never reached",
        ),
        "record.penalty_weight": (is_finite_number(weight) and weight >= 0, "a finite number of at least zero"),
    }
    for name, (is_so, wanted) in rules.items():
        if not is_so:
            raise ValueError(f"{name} in bundle.json is not {wanted}")


def is_name(value: object) -> bool:
    """Return whether a value read from JSON can be a name: a text that is not empty."""
    return isinstance(value, str) and value != ""


def is_list_of(value: object, is_one: Callable[[object], bool]) -> bool:
    """Return whether a value read from JSON is a list of nothing but such values."""
    return isinstance(value, list) and all(map(is_one, value))


def check_keys(where: str, found: Mapping[str, Any], *, known: Sequence[str], needed: Sequence[str]) -> None:
    """Raise ValueError naming the keys that are missing or unknown."""
    if not isinstance(found, Mapping):
        raise ValueError(f"{where} is no object")
    missing = [name for name in needed if name not in found]
    unknown = sorted(set(found) - set(known))
    told = [f"without {', '.join(missing)}"] * bool(missing) + [f"with {', '.join(unknown)}, not known"] * bool(unknown)
    if told:
        raise ValueError(f"{where} is {' and '.join(told)}")


def bundle_error(folder: Folder, what: str, remedy: str) -> BundleError:
    """Return the error that names a bundle, what is wrong with it and the remedy."""
    return BundleError([Fault(str(folder), what, remedy)])
