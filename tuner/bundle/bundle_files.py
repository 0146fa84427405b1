"""The files of a bundle, read and checked without torch: what each holds, and whether they fit together.

Whether the weights fit the network of the configuration is checked by `tuner.bundle.model_bundle.load`, which builds it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.bundle.bundle_json import (
    FILES,
    ROWS,
    THRESHOLDS,
    as_bundle_error,
    bundle_error,
    bundle_folder,
    check_keys,
    check_plain_file,
    is_list_of,
    is_name,
    read_bundle_json,
)
from tuner.data.name_lists import list_names
from tuner.data.preparation import Preparation, kind_of, preparation_setting, read_preparation
from tuner.data.tokenisers import Tokeniser
from tuner.model.weight_shapes import MAX_HEADER_BYTES, Shapes, read_shapes
from tuner.space.configuration import check_configuration
from tuner.space.task import LABEL_FIELDS, LABEL_FORM_FIELDS, STEP_FIELDS
from tuner.storage import Folder

WEIGHTS = "weights.safetensors"
_INPUTS = ("text", "sequence")
_FORM = (*LABEL_FORM_FIELDS, "label_case")
_LISTS = ("label_columns", "label_names")
_NEEDED_CONFIGURATION = ("max_length", "truncation")


@dataclass(frozen=True, eq=False)
class BundleFiles:
    """A bundle's folder, the content of bundle.json, the preparation, and the shapes of the weights."""

    folder: Folder
    described: Mapping[str, Any]
    preparation: Preparation
    shapes: Shapes


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
        preparation = read_preparation(folder.read("preparation.json"))
        _check_fit(described, preparation)
        shapes = _shapes_of_file(folder)
        _check_counts(described, preparation, shapes)
    return BundleFiles(folder, described, preparation, shapes)


def _run_status(folder: Folder) -> str:
    """Return the status in a run's manifest. `tuner.ledger` has a reader too, but bundles may not import it."""
    with as_bundle_error(folder):
        return (
            str(json.loads(folder.read("manifest.json"))["status"]) if folder.exists("manifest.json") else "unfinished"
        )


def _check_fit(described: Mapping[str, Any], preparation: Preparation) -> None:
    """Raise ValueError unless configuration and columns are possible, and belong to the preparation."""
    configuration, is_text = described["configuration"], isinstance(preparation, Tokeniser)
    check_configuration(configuration, "text" if is_text else "sequence")
    check_keys("the configuration", configuration, known=tuple(configuration), needed=_NEEDED_CONFIGURATION)
    if kind_of(preparation) != (wanted := preparation_setting(configuration).name):
        raise ValueError(f"preparation.json is for {kind_of(preparation)}, but the configuration is for {wanted}")
    _check_columns(described["columns"], is_text=is_text)


def _check_counts(described: Mapping[str, Any], preparation: Preparation, shapes: Shapes) -> None:
    """Raise ValueError unless there are as many labels, thresholds and tokens as the weights are for."""
    labels, thresholds = described["labels"], THRESHOLDS[described["task"]]
    counts = {
        "labels": (len(labels), (*shapes.get("head.bias", ()), 0)[0]),
        "seen": (len(described["seen"]), len(labels)),
        "thresholds": (len(described["thresholds"]), len(labels) if thresholds is None else thresholds),
    }
    if isinstance(preparation, Tokeniser):
        counts["tokens"] = (len(preparation), (*shapes.get("embedding.weight", ()), 0)[0])
    for name, (given, expected) in counts.items():
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
