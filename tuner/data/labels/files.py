"""Labels of several files of a space: they have one form, and the spellings of a label become one name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuner.data.dataset import Columns
from tuner.data.findings import Findings
from tuner.data.labelled_rows import LabelledRows
from tuner.data.labels.separators import NEVER, WORDS, split_labels
from tuner.data.labels.spellings import join_spellings, join_to_known, name_key
from tuner.data.name_lists import list_names
from tuner.errors import Fault
from tuner.space.assignment import set_option
from tuner.space.task import Task

if TYPE_CHECKING:
    from tuner.space.settings import DataSettings  # imports pydantic


_LEAST_KNOWN = 0.8
"""The share of pieces that must be known labels for a text to be split."""

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
    known = settings.label_names or train.declared or tuple(map(str, range(train.form.places or 0)))
    of_train = f"{settings.train} has {'vectors of 0 and 1' if has_vectors else 'labels'}"
    faults = []
    for uri, rows in sources.items():
        if rows is train or rows.form is None:
            continue
        names = sorted(rows.count_names())
        if has_vectors and rows.form.kind != "vectors" and not _are_spellings(names, known, settings):
            faults.append((uri, f"it holds labels such as {list_names(names, most=3)}, but {of_train}"))
        elif not has_vectors and rows.form.is_vector_like:
            shown = list_names(sorted(train.count_names()), most=3)
            faults.append((uri, f"it holds vectors of 0 and 1, but {of_train} such as {shown}"))
    column = settings.label or settings.labels
    remedy = "write labels in one form in all files"
    if has_vectors and settings.label_names is None:
        remedy += ", or name the places with data.label_names: [NAME, …]"
    return [Fault(f"{uri}: column {column!r}", what, remedy) for uri, what in faults]


def _are_spellings(names: Sequence[str], known: Sequence[str], settings: DataSettings) -> bool:
    keeps_case = settings.label_case == "keep"
    return {name_key(name, keeps_case=keeps_case) for name in names} <= {
        name_key(name, keeps_case=keeps_case) for name in known
    }


def join_labels(
    sources: Mapping[str, LabelledRows], settings: DataSettings, task: Task, findings: Findings
) -> dict[str, LabelledRows]:
    """Give the spellings of a label in all files one name, the most frequent in train, and say so."""
    train = sources[settings.train]
    keeps_case = settings.label_case == "keep"
    if task == "multilabel":
        known = {*train.declared, *train.count_names()}
        sources = {
            uri: rows
            if rows is train
            else split_unknown(rows, known, findings, keeps_case=keeps_case, separator=settings.label_separator)
            for uri, rows in sources.items()
        }
    others = [rows for rows in sources.values() if rows is not train]
    joined = join_spellings(
        [rows.count_names() for rows in (train, *others)],
        keeps_case=keeps_case,
        is_single=task != "multilabel",
        known=train.declared,
    )
    findings.notes += joined.notes(setting=set_option("data.label_case", "keep"))
    renamed = {uri: rows.rename(joined.names) for uri, rows in sources.items()}
    of_train = {*renamed[settings.train].count_names(), *renamed[settings.train].declared}
    for uri, rows in renamed.items():
        names = sorted(rows.count_names())
        if of_train and names and of_train.isdisjoint(names):
            what = f"none of its labels, {list_names(names)}, is in {settings.train} ({list_names(sorted(of_train))})"
            where = f"{uri}: column {settings.label or settings.labels!r}"
            findings.faults.append(Fault(where, what, "write labels in one way in all files"))
    return renamed


def split_unknown(
    rows: LabelledRows, known: Collection[str], findings: Findings, *, keeps_case: bool, separator: str | None
) -> LabelledRows:
    """Split the names that are not in `known` at a separator between names that are. `separator` is the one in use."""
    if separator == NEVER or rows.form is None or rows.form.kind not in ("names", "separated"):
        return rows
    keys = {name_key(name, keeps_case=keeps_case) for name in known}
    unknown = [name for name in rows.count_names() if name_key(name, keeps_case=keeps_case) not in keys]
    for other in WORDS:
        pieces = {name: [piece for piece in split_labels(name, other) if piece] for name in unknown}
        parted = {name: parts for name, parts in pieces.items() if parts != [name]}
        distinct = {name_key(part, keeps_case=keeps_case) for parts in parted.values() for part in parts}
        if not parted or any(split_labels(name, other) != [name] for name in known):
            continue
        if len(distinct & keys) >= _LEAST_KNOWN * len(distinct):
            note = f"{next(iter(parted))!r} is read as labels separated by {WORDS[other]}, as each is known alone"
            whole = findings.or_else("label_separator", NEVER, meaning="if each text is one label")
            findings.notes.append(f"{rows.source}: {note}{whole}")
            return rows.part(parted)
    return rows


def known_spelling(name: str, labels: Sequence[str], settings: DataSettings) -> str:
    """Return the label that a name is a spelling of, or the name itself."""
    joined = join_to_known(Counter([name]), labels, keeps_case=settings.label_case == "keep")
    return name if name in labels else joined.names[name]
