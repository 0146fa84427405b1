"""The columns that a bundle reads from a file: the ones it was trained on, unless options name others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tuner.errors import Fault, UsageError

_OF_STEPS = ("sequence_id", "order")


def labelled_columns(trained: Mapping[str, Any], given: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the columns of inputs, labels and groups, by the names of `tuner.data.dataset.Columns`.

    `trained` are the bundle's columns, `given` the options of `column_options`. Raises UsageError if the options name
    labels of another kind than the bundle's.
    """
    columns = {**trained, "group": given.get("group") or trained.get("group")}
    named = {name: given[name] for name in ("label", "labels", "label_columns") if given[name]}
    options = [f"--{name.replace('_', '-')}" for name in named]
    if len(named) > 1:
        raise UsageError(
            [Fault(" and ".join(options), "only one of these can name the labels", f"give {options[0]} alone")]
        )
    if named and trained.get("label") and "label" not in named:
        message = "this option is for several labels per row, but the bundle was trained on one label per row"
        raise UsageError([Fault(options[0], message, "name the column of labels with --label")])
    if named:
        columns |= {"label": None, "labels": None, "label_columns": None} | named
    if "labels" in named and trained.get("label_columns"):
        columns["label_names"] = trained["label_columns"]  # of vectors
    if isinstance(columns.get("label_columns"), str):
        columns["label_columns"] = split_names("--label-columns", columns["label_columns"])
    for name in ("label_columns", "label_names"):
        if columns.get(name):
            columns[name] = tuple(columns[name])
    return columns | input_columns(trained, given)


def input_columns(trained: Mapping[str, Any], given: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the columns of texts or sequences: the given ones, or the bundle's. Raises UsageError for the wrong kind."""
    kind, other = ("sequence", "text") if trained.get("sequence") else ("text", "sequence")
    from tuner.space.assignment import column_option

    refused = [other] if kind == "sequence" else [other, *_OF_STEPS]
    for name in refused:
        if given.get(name):
            message = f"{given[name]!r} names a column of {other}s, but the bundle was trained on {kind}s"
            use = (
                f"use {column_option(f'--{kind}', given[name] or '')}, or leave it out"
                if name == other
                else "leave it out"
            )
            raise UsageError([Fault(f"--{name.replace('_', '-')}", message, use)])
    if kind == "text":
        return {"text": given["text"] or str(trained["text"])}
    # An empty option says that the file has no such column: each row is a whole series.
    of_steps = {name: trained.get(name) if given.get(name) is None else given[name] or None for name in _OF_STEPS}
    if of_steps["sequence_id"] is None:
        of_steps["order"] = None
    named = trained["sequence"] if given["sequence"] is None else _read_names(given["sequence"])
    return {"sequence": tuple(named) if isinstance(named, list) else named, **of_steps}


def _read_names(text: str) -> str | list[str]:
    """Read one name, or several as [a, b]."""
    if not (text.startswith("[") and text.endswith("]")):
        return text
    from tuner.space.document import parse_document
    from tuner.space.overrides import override

    document = override(parse_document("columns: null", "--sequence"), [f"columns={text}"])
    names = document.tree["columns"]
    if document.faults or not names or not all(isinstance(name, str) and name for name in names):
        raise UsageError([Fault("--sequence", f"{text!r} is not a list of names", "write it like '[x_*, y_*]'")])
    return list(names)


def split_names(option: str, text: str) -> list[str]:
    """Read the value of an option that names several columns. Raises UsageError."""
    names = _json_names(text) or [name.strip() for name in text.split(",")]
    if not all(names) or len(set(names)) < len(names):
        message = f"{text!r} has an empty name, or the same name twice"
        raise UsageError([Fault(option, message, "write each name once, separated by commas, or write a JSON list")])
    return names


def _json_names(text: str) -> list[str] | None:
    """Return the names in a JSON list, for names with a comma or an outer space. Return None if this is not one."""
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None
