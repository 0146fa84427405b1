"""Write a commented space for one's own rows: what was found in them, and a search that fits their number."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuner.data.dataset import Dataset, label_counts
from tuner.data.name_lists import list_names, number_of_rows
from tuner.data.sequences import Sequences
from tuner.errors import printable
from tuner.search.lengths import count_tokens, reads_characters
from tuner.search.own_data import LONG, OwnData
from tuner.search.reading import load_checked
from tuner.show_value import show_yaml
from tuner.space.assignment import yaml_value
from tuner.space.file_settings import path_from, paths_for_folder
from tuner.space.load import Space, find_space, load_space, read_space
from tuner.space.overrides import rewrite
from tuner.space.task import Inputs

_FEW_ROWS = 1_000  # with fewer, a validation split has too few rows to compare trials on
_FOLDS = 5
_MOST_STRETCHED = 4  # times as many epochs for few rows, at most
_MOST_EPOCHS = 40
_MOST_NAMED = 8  # labels in a comment
_MOST_UNUSED = 40  # columns in a comment

_MEASURED: Mapping[Inputs, tuple[int, float]] = {"text": (3_873, 14.5), "sequence": (750, 8.0)}
"""Rows of the built-in sets that the shipped times are for, and their mean words or steps."""


def compose_space(own: OwnData, overrides: Sequence[str], path: str, say: Callable[[str], None]) -> str:
    """Return a space for one's own rows as YAML with comments; `path` is where it will be written.

    Raises InputError if the rows cannot be read with the columns found.
    """
    if not any(each.startswith(("data.folds", "data.validation")) for each in overrides):
        own = _with_folds(own)
    loaded = load_space(own.space, overrides, found=own.assignments)
    space, dataset = load_checked(loaded, say)
    unit, lengths = _lengths(space, dataset)
    budget = _fit_budget(space, dataset, lengths)
    for note in dataset.notes:
        say(f"note: {note}")
    search = _search_text(own, loaded, space)
    for key, value in budget.settings.items():
        search = _set_line(search, key, value=yaml_value(value))
    for name, comment in {**budget.comments, "max_length": _say_lengths(lengths, unit)}.items():
        search = _set_line(search, name, comment=comment)
    folder = Path(path).parent
    text = "\n".join([*_head(own, dataset, lengths, unit, path), *_data_section(own, space, dataset, folder), search])
    written = read_space(text, overrides)  # our own mistake would be found here, before anything is written
    return rewrite(text, [*overrides, *paths_for_folder(written.document, folder)]) if overrides else text


def _search_text(own: OwnData, loaded: Space, space: Space) -> str:
    """Return the sections after the data: those of the shipped space, with what was changed for these rows."""
    text = find_space(own.space)[0].read_text(encoding="utf-8")
    before, after = (each.document.tree["space"] for each in (loaded, space))
    names = {name for name in after if after[name] != before.get(name)}
    names |= {key.partition(".")[2] for key in own.changes if key.startswith("space.")}
    if all(re.search(rf"(?m)^  {name}: +[^\s#]", text) for name in names):
        for name in sorted(names):  # the comment of a shipped space is about what it was
            text = _set_line(text, name, value=yaml_value(after[name]), comment="")
    else:
        text = space.text  # rewriting changes how lists of options look
    return text[text.index("\nsearch:") :]


@dataclass(frozen=True)
class _Budget:
    """Settings of the section search that fit the number of rows, and comments on some."""

    settings: Mapping[str, object]
    comments: Mapping[str, str]


def _set_line(text: str, name: str, *, value: str | None = None, comment: str | None = None) -> str:
    """Replace the value or the comment of a setting of a section. A shipped space has each on one line."""

    def change(line: re.Match[str]) -> str:
        said = line["comment"] if comment is None else comment
        return f"  {name}: {value or line['value']}{f' # {said}' if said else ''}"

    return re.sub(rf"(?m)^  {name}: (?P<value>.*?)(?: +# (?P<comment>.*))?$", change, text)


def _with_folds(own: OwnData) -> OwnData:
    """Validate on every training row in turn if there are few rows."""
    if own.n_rows >= _FEW_ROWS or "split_column" in own.settings:
        return own
    return replace(own, settings={**own.settings, "folds": _FOLDS, "validation": None})


def _lengths(space: Space, dataset: Dataset) -> tuple[str, NDArray[np.int64]]:
    """Return what the length of a row counts, such as words or steps, and the length of every training row."""
    inputs = dataset.train.inputs
    if isinstance(inputs, Sequences):
        return "steps", inputs.lengths
    return count_tokens(inputs, reads_characters(space))


def _fit_budget(space: Space, dataset: Dataset, lengths: NDArray[np.int64]) -> _Budget:
    """Return the epochs and the time for about as many trials as the shipped space gets on its built-in set.

    Few rows get more epochs, because an epoch has few steps. On 2,000 rows, 16 epochs instead of 9 took macro-F1 from 0.74 to
    0.78. Time grows with the rows that a trial trains on, and with their length.
    """
    shipped_rows, shipped_length = _MEASURED[space.inputs]
    rows = len(dataset.train) + len(dataset.test) + (0 if dataset.folds is not None else len(dataset.validation))
    search, seconds = space.search, space.search.seconds
    assert seconds is not None  # every shipped space limits the time
    most = max(1.0, min(_MOST_STRETCHED, _MOST_EPOCHS / search.max_epochs))
    stretch = min(max(1.0, shipped_rows / rows), most)
    epochs, grace = round(search.max_epochs * stretch), max(1, round(search.grace_epochs * stretch))
    length = float(np.mean(np.minimum(lengths, 512)))
    models = 1 if dataset.folds is None else _FOLDS - 1
    work = rows * models * stretch * length / (shipped_rows * shipped_length)
    settings: dict[str, object] = {}
    comments = {}
    if work > 1:
        settings["time"] = show_time(seconds * work)
        comments["time"] = f"for everything; about as many trials as {shipped_rows:,} rows get in {show_time(seconds)}"
    if stretch > 1:
        settings |= {"max_epochs": epochs, "grace_epochs": grace}
        comments["max_epochs"] = f"with {number_of_rows(rows)}, an epoch has few steps"
    return _Budget(settings, comments)


def show_time(seconds: float) -> str:
    """Return a time as a space writes it, in half minutes, minutes or quarters of an hour."""
    step = 30 if seconds < 300 else 60 if seconds < 3_600 else 900
    whole = step * int(np.ceil(round(seconds / step, 3)))
    parts = {"h": whole // 3_600, "m": whole % 3_600 // 60, "s": whole % 60}
    return "".join(f"{number}{unit}" for unit, number in parts.items() if number)


def _head(own: OwnData, dataset: Dataset, lengths: NDArray[np.int64], unit: str, path: str) -> list[str]:
    command, file = shlex.quote(path), shlex.quote(own.file)
    rows = number_of_rows(own.table.num_rows)
    half = int(np.percentile(lengths, 50, method="inverted_cdf"))
    return [
        f"# Written by `tuner init --data {printable(file)}`.",
        "# The columns, the task and the sizes were found in the rows: check them.",
        "#",
        f"#     tuner validate {printable(command)} --with-data",
        f"#     tuner plan {printable(command)}",
        f"#     tuner run {printable(command)}",
        "#",
        f"# {rows}. Half of them have {half:,} {unit} or fewer; {_say_lengths(lengths, unit)}.",
        *_say_labels(dataset),
        "",
        f"task: {dataset.task}",
    ]


def _say_labels(dataset: Dataset) -> list[str]:
    """Return comments on the labels: how many rows each has, and how uneven they are."""
    counts = label_counts(dataset)
    judged = ("train", "test") if dataset.folds is not None else ("train", "validation", "test")
    totals = np.sum([counts[name] for name in judged], axis=0)
    order = np.argsort(-totals, kind="stable")
    shown = [f"{show_yaml(dataset.labels[i])} {totals[i]:,}" for i in order]
    if len(shown) > _MOST_NAMED + 1:
        half = _MOST_NAMED // 2
        shown = [*shown[:half], f"{len(shown) - 2 * half} more", *shown[-half:]]
    lines = [f"# {len(dataset.labels)} labels, with the rows of each: {', '.join(shown)}."]
    if totals[order[-1]]:
        ratio = totals[order[0]] / totals[order[-1]]
        lines.append(f"# The commonest label has {ratio:.1f} times as many rows as the rarest one.")
    return lines


def _say_lengths(lengths: NDArray[np.int64], unit: str) -> str:
    long = int(np.percentile(lengths, LONG, method="inverted_cdf"))
    return f"{LONG} % have {long:,} {unit} or fewer"


def _data_section(own: OwnData, space: Space, dataset: Dataset, folder: Path) -> list[str]:
    settings = {name: value for name, value in own.settings.items() if name not in ("folds", "validation", "test")}
    settings["train"] = path_from(folder, own.file)
    lines = ["", "data:", *(f"  {name}: {yaml_value(value)}" for name, value in settings.items())]
    lines += [f"  # {printable(note)}" for note in own.roles.notes]
    if own.roles.unused:
        unused = list_names([repr(name) for name in own.roles.unused], most=_MOST_UNUSED)
        lines.append(f"  # left unused: {printable(unused)}")
    if dataset.folds is not None:
        lines += [
            f"  folds: {space.data.folds} # with few rows, each validates a model trained on the others",
            "  validation: null",
        ]
    elif "split_column" not in settings:
        lines.append(f"  validation: {yaml_value(space.data.validation)}")
    if "split_column" not in settings:
        lines.append(f"  test: {yaml_value(space.data.test)} # used once, by the champion")
    return lines
