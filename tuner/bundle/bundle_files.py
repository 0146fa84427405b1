"""The files of a bundle, read and checked without torch: what each holds, and whether they fit together.

Whether weights fit the network of a configuration is checked by `tuner.bundle.member_files.load_members`, which builds it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tuner.baselines.linear_model import FlatFeatures
from tuner.bundle.bundle_json import (
    FILES,
    LINEAR,
    ROWS,
    THRESHOLDS,
    as_bundle_error,
    bundle_error,
    bundle_folder,
    check_keys,
    check_plain_file,
    has_prefixes,
    is_list_of,
    is_name,
    read_bundle_json,
)
from tuner.bundle.linear_files import LinearPreparation, check_linear, restore_linear_preparation
from tuner.data.name_lists import list_names
from tuner.data.preparation import Preparation, kind_of, preparation_setting, restore_preparation
from tuner.data.sequences import Standardiser
from tuner.data.terms import Terms
from tuner.data.tokenisers import Tokeniser
from tuner.model.weight_shapes import MAX_HEADER_BYTES, Shapes, read_shapes
from tuner.space.configuration import check_configuration
from tuner.space.task import LABEL_FIELDS, LABEL_FORM_FIELDS, STEP_FIELDS
from tuner.storage import Folder

WEIGHTS = "weights.safetensors"
_INPUTS = ("text", "sequence")
_FORM = (*LABEL_FORM_FIELDS, "label_case")
_LISTS = ("label_columns", "label_names")
_BIAS, _TABLE = "head.bias", "embedding.weight"
_NEEDED_CONFIGURATION = ("max_length", "truncation")


@dataclass(frozen=True, eq=False)
class MemberFiles:
    """A member: its part of bundle.json, how its rows are prepared, and the shapes of its weights.

    In the file, the names of the weights begin with `prefix`.
    """

    described: Mapping[str, Any]
    preparation: Preparation | LinearPreparation
    shapes: Shapes
    prefix: str


@dataclass(frozen=True, eq=False)
class BundleFiles:
    """A bundle's folder, the content of bundle.json, and its members."""

    folder: Folder
    described: Mapping[str, Any]
    members: tuple[MemberFiles, ...]


def read_files(location: str | Path) -> BundleFiles:
    """Read the files of a bundle, or of a run's champion, except the values of the weights. Raises BundleError."""
    folder = bundle_folder(location)
    if folder.exists("bundle.json"):
        described = read_bundle_json(folder)
    missing = [name for name in FILES if not folder.exists(name)]
    if missing and folder.exists("environment.json"):
        remedy = "give a run that finished; `tuner show` says how far this one got"
        raise bundle_error(folder, f"the run has no champion (it is {_run_status(folder)})", remedy)
    if missing:
        raise bundle_error(folder, f"{', '.join(missing)} not found", "give the champion/ folder of a finished run")
    extra = [name for name in folder.names() if name not in (*FILES, ROWS)]
    if extra:
        problem = f"the folder also holds {list_names([repr(name) for name in extra])}, which is not part of a bundle"
        raise bundle_error(folder, problem, f"move it elsewhere: a bundle is {', '.join(FILES)} and no other file")
    for name in FILES:
        check_plain_file(folder, name)
    with as_bundle_error(folder):
        preparations = _read_preparations(folder, described)
        is_text = not isinstance(preparations[described["members"][0]["preparation"]], Standardiser)
        for number, member in enumerate(described["members"]):
            with of_member(number, described["members"]):
                _check_fit(member, preparations[member["preparation"]], is_text=is_text)
        _check_columns(described["columns"], is_text=is_text)
        members = _members(described, preparations, _shapes_of_file(folder))
        _check_counts(described, members)
    return BundleFiles(folder, described, members)


@contextmanager
def of_member(number: int, members: Sequence[object]) -> Iterator[None]:
    """Name the member in the message of every ValueError, if there are several."""
    try:
        yield
    except ValueError as error:
        if len(members) == 1:
            raise
        raise ValueError(f"members[{number}]: {error}") from error


def _run_status(folder: Folder) -> str:
    """Return the status in a run's manifest. `tuner.ledger` has a reader too, but bundles may not import it."""
    with as_bundle_error(folder):
        return (
            str(json.loads(folder.read("manifest.json"))["status"]) if folder.exists("manifest.json") else "unfinished"
        )


def _read_preparations(folder: Folder, described: Mapping[str, Any]) -> list[Preparation | LinearPreparation]:
    """Read preparation.json. Raises ValueError unless every preparation belongs to a member."""
    content = json.loads(folder.read("preparation.json"))
    if has_prefixes(described) and not isinstance(content, list):
        raise ValueError("preparation.json is not a list")
    parts = content if has_prefixes(described) else [content]
    used = {member["preparation"] for member in described["members"]}
    if used != set(range(len(parts))):
        raise ValueError(f"the members have the preparations {sorted(used)}, but preparation.json holds {len(parts)}")
    return [restore_linear_preparation(each) or restore_preparation(each) for each in parts]


def _check_fit(member: Mapping[str, Any], preparation: Preparation | LinearPreparation, *, is_text: bool) -> None:
    """Raise ValueError unless a member reads texts or sequences as the bundle does, with a preparation of its kind."""
    if isinstance(preparation, Terms | FlatFeatures) != (member["kind"] == LINEAR):
        raise ValueError(f"its preparation is not that of a model of kind {member['kind']}")
    if isinstance(preparation, Terms | Tokeniser) != is_text:
        raise ValueError("it reads other rows than the first member: one reads texts, and the other sequences")
    if isinstance(preparation, Terms | FlatFeatures):
        return
    configuration = member["configuration"]
    check_configuration(configuration, "text" if is_text else "sequence")
    check_keys("the configuration", configuration, known=tuple(configuration), needed=_NEEDED_CONFIGURATION)
    if kind_of(preparation) != (wanted := preparation_setting(configuration).name):
        raise ValueError(f"preparation.json is for {kind_of(preparation)}, but the configuration is for {wanted}")


def _members(
    described: Mapping[str, Any], preparations: Sequence[Preparation | LinearPreparation], shapes: Shapes
) -> tuple[MemberFiles, ...]:
    """Divide the weights among the members. Raises ValueError for weights of no member."""
    prefixes = [f"{number}." if has_prefixes(described) else "" for number in range(len(described["members"]))]
    parts: dict[str, dict[str, tuple[int, ...]]] = {prefix: {} for prefix in prefixes}
    for name, shape in shapes.items():
        prefix = name[: name.find(".") + 1] if has_prefixes(described) else ""
        if prefix not in parts:
            raise ValueError(f"the weights include {name!r}, which belongs to no member")
        parts[prefix][name.removeprefix(prefix)] = shape
    return tuple(
        MemberFiles(member, preparations[member["preparation"]], parts[prefix], prefix)
        for member, prefix in zip(described["members"], prefixes, strict=True)
    )


def _check_counts(described: Mapping[str, Any], members: Sequence[MemberFiles]) -> None:
    """Raise ValueError unless there are as many labels, thresholds and tokens as the weights are for."""
    labels, thresholds, seen = described["labels"], THRESHOLDS[described["task"]], np.array(described["seen"])
    _check_equal("seen", len(seen), len(labels))
    _check_equal("thresholds", len(described["thresholds"]), len(labels) if thresholds is None else thresholds)
    for number, member in enumerate(members):
        with of_member(number, members):
            if isinstance(member.preparation, Terms | FlatFeatures):
                check_linear(member.described, member.preparation, member.shapes, task=described["task"], seen=seen)
                continue
            _check_equal("labels", len(labels), (*member.shapes.get(_BIAS, ()), 0)[0])
            if isinstance(member.preparation, Tokeniser):
                known = (each.shapes for each in members if each.preparation is member.preparation)
                tokens = max((*shapes.get(_TABLE, ()), 0)[0] for shapes in known)
                _check_equal("tokens", len(member.preparation), tokens)


def _check_equal(name: str, given: int, expected: int) -> None:
    if given != expected:
        raise ValueError(f"{given} {name}, but the rest of the bundle has {expected}")


def _shapes_of_file(folder: Folder) -> Shapes:
    """Read only the header of the weights. Raises ValueError if the file is not as long as its header says."""
    with folder.files.open_input_file(f"{folder.path}/{WEIGHTS}") as file:
        return read_shapes(file.read(MAX_HEADER_BYTES), size=file.size())


def _check_columns(columns: Mapping[str, Any], *, is_text: bool) -> None:
    """Raise ValueError unless the columns name inputs of the model's kind, and one kind of labels."""
    names = (*_INPUTS, *STEP_FIELDS, *LABEL_FIELDS, *_FORM, "group")
    check_keys("columns", columns, known=names, needed=_INPUTS)
    inputs = [name for name in _INPUTS if columns[name] is not None]
    if inputs != [_INPUTS[0] if is_text else _INPUTS[1]]:
        raise ValueError(
            f"the columns name {' and '.join(inputs) or 'no inputs'}, but the model reads a {_INPUTS[not is_text]}"
        )
    labels = [name for name in LABEL_FIELDS if columns.get(name) is not None]
    others = [name for name in ("group", *STEP_FIELDS) if columns.get(name) is not None]
    forms = [name for name in _FORM if columns.get(name) is not None]
    for name in (*inputs, *labels, *others, *forms):
        is_list = name in _LISTS or (name == "sequence" and isinstance(columns[name], list))
        if not (is_list_of(columns[name], is_name) if is_list else is_name(columns[name])) or columns[name] == []:
            rule = "a name or a list of names" if name in forms else "the name of a column"
            raise ValueError(f"columns.{name} in bundle.json is not {rule}")
    if len(labels) != 1:
        raise ValueError(f"the columns name {len(labels)} kinds of labels ({', '.join(labels)}), but must name one")
