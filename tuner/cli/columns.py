"""The columns that a bundle reads from a file: the ones it was trained on, unless options name others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.errors import Fault, UsageError


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
        columns["label_columns"] = _split_names(columns["label_columns"])
    for name in ("label_columns", "label_names"):
        if columns.get(name):
            columns[name] = tuple(columns[name])
    return columns | input_column(trained, given)


def input_column(trained: Mapping[str, Any], given: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the column of texts or sequences: the given one, or the bundle's. Raises UsageError for the wrong kind."""
    kind, other = ("sequence", "text") if trained.get("sequence") else ("text", "sequence")
    if given[other]:
        message = f"{given[other]!r} names a column of {other}s, but the bundle was trained on {kind}s"
        raise UsageError([Fault(f"--{other}", message, f"use --{kind} {given[other]}, or leave it out")])
    return {kind: given[kind] or str(trained[kind])}


def _split_names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names) or len(set(names)) < len(names):
        message = f"{text!r} has an empty name, or the same name twice"
        raise UsageError([Fault("--label-columns", message, "write each name once, separated by commas")])
    return names
