"""The only reader of bundle.json, and the checks that every reader of a bundle's files needs.

This module does not import torch, because `tuner diagnose` and `tuner compare` read bundle.json without the weights.
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

FORMAT = 4
_OLDER = 3  # with one model, whose configuration stands beside the task
FILES = ("bundle.json", "preparation.json", "weights.safetensors")
ROWS = "rows.safetensors"
"""A file that a bundle may have; see `tuner.bundle.known_rows`."""
_KEYS = ("format", "task", "labels", "seen", "thresholds", "columns", "record")
LSTM, LINEAR = "lstm", "linear"
_MEMBER_KEYS: Mapping[str, tuple[str, ...]] = {
    LSTM: ("kind", "weight", "trial", "configuration", "preparation"),
    LINEAR: ("kind", "weight", "name", "always", "preparation"),
}
_LARGEST = 1 << 31  # number in the description of a member
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
"""Keys of a record: where the model comes from, how it was chosen, and figures about its data and training."""
_MAX_MESSAGE = 300  # characters of another library's message
_NEEDED_RECORD = ("penalty_weight",)
_MAX_JSON_BYTES = 1 << 28  # ten times the size of a vocabulary of a million long words
THRESHOLDS: Mapping[str, int | None] = {"binary": 1, "multiclass": 0, "multilabel": None}
"""How many thresholds a bundle of each task has; None means one per label."""


def bundle_folder(location: str | Path) -> Folder:
    """Return the folder of a bundle at a local path or URI, or that of the champion if a run is there."""
    folder = Folder.at(location)
    return folder.below("champion") if folder.exists("champion/bundle.json") else folder


def read_bundle_json(folder: Folder) -> Mapping[str, Any]:
    """Read and check bundle.json, and describe a bundle of format 3 as one of format 4 with a single member. Raises BundleError.

    The format is checked first, because another format may have other files and keys. The callers check the configurations, the
    columns and the values in the record.
    """
    check_plain_file(folder, "bundle.json")
    with as_bundle_error(folder):
        described: dict[str, Any] = _parse(folder.read("bundle.json"))
        if not isinstance(described, dict) or "format" not in described:
            raise ValueError("bundle.json is not an object with a format")
    if described["format"] not in (_OLDER, FORMAT):
        remedy = "load it with the version of tuner that wrote it"
        written = repr(described["format"])[:_MAX_MESSAGE]
        raise bundle_error(folder, f"bundle format {written}, but this tuner reads {_OLDER} and {FORMAT}", remedy)
    with as_bundle_error(folder):
        if described["format"] == _OLDER:
            described = _with_members(described)
        _check(described)
        _check_members(described["members"], labels=len(described["labels"]))
    return described


def leading_configuration(described: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the configuration of the first member of a bundle, the best single model."""
    configuration: Mapping[str, Any] = described["members"][0]["configuration"]
    return configuration


def has_prefixes(described: Mapping[str, Any]) -> bool:
    """Return whether the names of the weights begin with the number of their member, and preparation.json holds a list."""
    return bool(described["format"] != _OLDER)


def _with_members(described: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a bundle.json of format 3 with a list of members, which has its one model."""
    check_keys("bundle.json", described, known=(*_KEYS, "configuration"), needed=(*_KEYS, "configuration"))
    record = described["record"]
    trial = record.get("trial") if isinstance(record, dict) else None
    configuration = described.pop("configuration")
    member = {"kind": LSTM, "weight": 1, "trial": trial, "configuration": configuration, "preparation": 0}
    return {**described, "members": [member]}


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        raise ValueError(f"bundle.json is not valid JSON: {error}") from error


def _without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if twice:
        raise ValueError(f"the key {twice[0]!r} occurs twice")
    return dict(pairs)


def check_plain_file(folder: Folder, name: str) -> None:
    """Raise BundleError unless a file is a plain file. A link may lead anywhere, and a pipe or a device is not a file."""
    if folder.is_local and (path := Path(folder.path, name)).is_symlink():
        problem = f"{name} is a link to {path.readlink()}, but a bundle's files must be in its own folder"
        raise bundle_error(folder, problem, "copy the bundle together with the linked files, as `cp -rL` does")
    with as_bundle_error(folder):
        info = folder.files.get_file_info(f"{folder.path}/{name}")
    if info.type != fs.FileType.File:
        raise bundle_error(folder, f"{name} is not a plain file", "copy it again from its run")
    if name.endswith(".json") and info.size > _MAX_JSON_BYTES:
        problem = f"{name} has {info.size:,} bytes, but no bundle needs more than {_MAX_JSON_BYTES:,}"
        raise bundle_error(folder, problem, "copy it again from its run")


@contextmanager
def as_bundle_error(folder: Folder) -> Iterator[None]:
    """Turn every error that reading a bundle's files may raise, here or in a library, into a BundleError."""
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
        message = " ".join(str(error).split())[:_MAX_MESSAGE]  # PyTorch reports one wrong shape in several lines
        if type(error) is not ValueError:  # ValueErrors are mostly our own
            message = f"{type(error).__name__}: {message}"
        raise bundle_error(folder, f"the bundle cannot be read ({message})", "copy it again from its run") from error


def _check(described: Mapping[str, Any]) -> None:
    """Raise ValueError for a part of bundle.json that is missing, unknown, of a wrong type or out of range."""
    check_keys("bundle.json", described, known=(*_KEYS, "members"), needed=(*_KEYS, "members"))
    check_keys("record", described["record"], known=RECORD, needed=_NEEDED_RECORD)
    labels, weight = described["labels"], described["record"]["penalty_weight"]
    rules = {
        "task": (isinstance(described["task"], str) and described["task"] in THRESHOLDS, "a known task"),
        "labels": (
            isinstance(labels, list) and all(map(is_name, labels)) and len(set(labels)) == len(labels) > 0,
            "a list of distinct texts",
        ),
        "seen": (
            is_list_of(described["seen"], lambda value: isinstance(value, bool)) and any(described["seen"]),
            "a list of true and false with at least one true",
        ),
        "thresholds": (
            is_list_of(described["thresholds"], lambda value: value is None or is_finite_number(value)),
            "a list of finite numbers, or null for a threshold that is never reached",
        ),
        "record.penalty_weight": (is_finite_number(weight) and weight >= 0, "a finite number of at least zero"),
    }
    for name, (is_valid, rule) in rules.items():
        if not is_valid:
            raise ValueError(f"{name} in bundle.json is not {rule}")


def _check_members(members: Any, *, labels: int) -> None:
    """Raise ValueError unless there are members, a recurrent model first, each with the keys and values of its kind."""
    if not isinstance(members, list) or not members or not all(isinstance(each, dict) for each in members):
        raise ValueError("members in bundle.json is not a list of at least one object")
    for number, member in enumerate(members):
        where, kind = f"members[{number}]", member.get("kind")
        kinds = tuple(_MEMBER_KEYS) if number else (LSTM,)
        if kind not in kinds:
            raise ValueError(f"{where}.kind in bundle.json is {kind!r}, but must be {' or '.join(kinds)}")
        check_keys(where, member, known=_MEMBER_KEYS[kind], needed=_MEMBER_KEYS[kind])
        rules = {
            "weight": (_is_count(member["weight"]) and member["weight"] > 0, "a whole number above 0"),
            "preparation": (_is_count(member["preparation"]), "the number of a preparation"),
            "trial": (member.get("trial") is None or _is_count(member["trial"]), "the number of a trial, or null"),
            "name": (kind == LSTM or is_name(member["name"]), "a name"),
            "always": (kind == LSTM or _are_switches(member["always"], labels), "true or false for each label"),
        }
        for name, (is_valid, rule) in rules.items():
            if not is_valid:
                raise ValueError(f"{where}.{name} in bundle.json is not {rule}")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST


def _are_switches(value: object, count: int) -> bool:
    return is_list_of(value, lambda each: isinstance(each, bool)) and isinstance(value, list) and len(value) == count


def is_name(value: object) -> bool:
    """Return whether a JSON value can be a name: a text that is not empty."""
    return isinstance(value, str) and value != ""


def is_list_of(value: object, is_one: Callable[[object], bool]) -> bool:
    """Return whether a JSON value is a list whose items all pass `is_one`."""
    return isinstance(value, list) and all(map(is_one, value))


def check_keys(where: str, content: Mapping[str, Any], *, known: Sequence[str], needed: Sequence[str]) -> None:
    """Raise ValueError naming the keys that are missing or unknown."""
    if not isinstance(content, Mapping):
        raise ValueError(f"{where} is not an object")
    missing = [name for name in needed if name not in content]
    unknown = sorted(set(content) - set(known))
    problems = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has unknown {', '.join(unknown)}"] * bool(unknown)
    if problems:
        raise ValueError(f"{where} {' and '.join(problems)}")


def bundle_error(folder: Folder, problem: str, remedy: str) -> BundleError:
    """Return the error that names a bundle, the problem and the remedy."""
    return BundleError([Fault(str(folder), problem, remedy)])
