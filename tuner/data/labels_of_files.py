"""Labels of several files of a space: they have one form, and the spellings of a label become one name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tuner.data.dataset import Columns
from tuner.data.findings import Findings
from tuner.data.label_spellings import join_spellings
from tuner.data.labelled_rows import LabelledRows
from tuner.data.name_lists import list_names
from tuner.errors import Fault
from tuner.space.assignment import set_option
from tuner.space.settings import DataSettings, Task

_WORDS = {"lists": "lists of names", "separated": "names in texts", "objects": "objects"}


def label_reading(columns: Columns, train: LabelledRows) -> dict[str, Any]:
    """Return how the labels of train were read, as fields of `Columns`, so that other files are read in the same way."""
    form, given = train.form, {"label_case": columns.label_case}
    if form is None:
        return given
    is_vector = form.kind == "vectors"
    return given | {
        "label_form": "vectors" if is_vector else "lists",
        "label_names": train.declared or columns.label_names if is_vector else None,
        "label_separator": columns.label_separator
        or form.separator
        or ("|" if columns.labels and not is_vector else None),
    }


def form_faults(sources: Mapping[str, LabelledRows], settings: DataSettings) -> list[Fault]:
    """Return a fault for every source that has vectors where train has names, or the other way round."""
    train = sources.get(settings.train)
    if train is None or train.form is None:
        return []
    has_vectors = train.form.kind == "vectors"
    given = "label_names" if settings.label_names else "label_form" if settings.label_form == "vectors" else None
    if given is not None and not has_vectors:
        what = f"it is for vectors of 0 and 1, but the labels of {settings.train} are {_WORDS.get(train.form.kind, 'names')}"
        return [Fault(f"data.{given}", what, f"leave it out: {set_option(f'data.{given}', None)}")]
    if settings.label_form is not None:
        return []
    of_train = f"{settings.train} has {'vectors of 0 and 1' if has_vectors else 'labels'}"
    faults = []
    for uri, rows in sources.items():
        if rows is train or rows.form is None:
            continue
        names = sorted(rows.count_names())
        if has_vectors and rows.form.kind != "vectors" and not set(names) <= set(train.declared):
            faults.append((uri, f"it holds labels such as {list_names(names, most=3)}, but {of_train}"))
        elif not has_vectors and rows.form.is_vector_like:
            shown = list_names(sorted(train.count_names()), most=3)
            faults.append((uri, f"it holds vectors of 0 and 1, but {of_train} such as {shown}"))
    column = settings.label or settings.labels
    remedy = "write labels in one form in all files"
    if has_vectors and settings.label_names is None:
        remedy += ", or name the places with data.label_names: [NAME, …]"
    return [Fault(f"{uri}: column {column!r}", what, remedy) for uri, what in faults]


def join_labels(
    sources: Mapping[str, LabelledRows], settings: DataSettings, task: Task, findings: Findings
) -> dict[str, LabelledRows]:
    """Give the spellings of a label in all files one name, the most frequent in train, and say so."""
    train = sources[settings.train]
    others = [rows for rows in sources.values() if rows is not train]
    joined = join_spellings(
        [rows.count_names() for rows in (train, *others)],
        keeps_case=settings.label_case == "keep",
        is_single=task != "multilabel",
        known=train.declared,
    )
    findings.notes += joined.notes(setting=set_option("data.label_case", "keep"))
    return {uri: rows.rename(joined.names) for uri, rows in sources.items()}


def known_spelling(name: str, labels: Sequence[str], settings: DataSettings) -> str:
    """Return the label that a name is a spelling of, or the name itself."""
    joined = join_spellings([Counter(), Counter([name])], keeps_case=settings.label_case == "keep", known=labels)
    return name if name in labels else joined.names[name]
