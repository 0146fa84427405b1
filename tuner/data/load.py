"""Make a `Dataset` from the `data` section of a space: read files, divide rows, order labels, and note anything odd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tuner.data.builtin import Say
from tuner.data.dataset import Columns, Dataset, Split
from tuner.data.findings import Findings
from tuner.data.formats.content import Reading
from tuner.data.label_notes import label_notes
from tuner.data.labelled_rows import LabelledRows, to_labelled_rows, without_unusable
from tuner.data.labels.files import form_faults, join_labels, known_spelling, label_reading, split_unknown
from tuner.data.labels.spellings import join_to_known, name_key
from tuner.data.name_lists import list_names, near_name, number_of_rows, suggest_name
from tuner.data.overlap import overlap_notes
from tuner.data.sequences import Sequences
from tuner.data.source_files import locate_quietly
from tuner.data.splits import deal_folds, divide
from tuner.data.stratification import linked_rows, row_keys
from tuner.data.table_reader import fingerprint, read_table
from tuner.data.token_lists import are_token_lists
from tuner.errors import DataError, Fault
from tuner.space.assignment import set_option, set_options
from tuner.space.task import Task
from tuner.space.text_format import FOUND_OUT, TextFormat

if TYPE_CHECKING:
    from tuner.space.settings import DataSettings  # imports pydantic

Targets = NDArray[np.uint8] | NDArray[np.int64]
Check: TypeAlias = Callable[[Mapping[str, LabelledRows], Findings], list[Fault]]
"""Takes the labelled rows of each source. Returns faults, and may add notes."""


def load_data(
    settings: DataSettings, task: Task, seed: int, say: Say | None = None, check: Check | None = None
) -> Dataset:
    """Read every file of the settings, carve missing splits out of train, and encode the labels.

    With `settings.folds`, the training rows are dealt to folds and are also the validation rows. The same settings, files and
    seed give the same splits and folds. `say` gets lines about slow work, and `check` the rows of each source before they are
    divided. Raises DataError with all faults of one stage: first of the files, then of the rows, then of splits and labels.
    """
    findings = Findings()
    sources = _read_sources(settings, task, findings, say)
    if settings.label_columns is None:
        sources = join_labels(sources, settings, task, findings)
    if check is not None and (faults := check(sources, findings)):
        raise DataError([*findings.faults, *faults])
    if task == "binary":
        _refuse_more_than_two(sources, settings)
    splits = divide(settings, sources, seed, findings)
    labels = _order_labels(splits, task, settings, findings)
    judged = ("validation", "test") if settings.folds is None else ("test",)
    findings.notes += [note for name in judged for note in overlap_notes(name, splits)]
    folds = None if settings.folds is None else deal_folds(splits["train"], settings.folds, task, seed, findings)
    encoded = {name: _encode(rows, labels, task) for name, rows in splits.items() if name in ("train", *judged)}
    trained = set(_names_in(splits["train"]))
    dataset = Dataset(
        task=task,
        labels=labels,
        seen=np.array([label in trained for label in labels], dtype=bool),
        train=encoded["train"],
        validation=encoded.get("validation", encoded["train"]),
        test=encoded["test"],
        notes=(),
        fingerprints={uri: fingerprint(uri) for uri in sources},
        folds=folds,
        label_reading=label_reading(Columns.of(settings), sources[settings.train]),
        read=findings.read,
    )
    return replace(dataset, notes=(*findings.notes, *label_notes(dataset)))


def read_labelled(
    uri: str,
    columns: Columns,
    *,
    task: Task,
    labels: Sequence[str],
    skip_unusable: bool = False,
    say: Say | None = None,
    is_group_optional: bool = True,
    text_format: TextFormat = FOUND_OUT,
    note_rows: Callable[[NDArray[np.int64]], None] | None = None,
    setting: str | None = None,
) -> tuple[Split, tuple[str, ...]]:
    """Read another file for a model with these labels. Return its rows, and notes as in `Dataset`.

    If `is_group_optional`, the group column may be missing. A note then says so, and only exact copies count as dependent. Notes
    also name labels that the model does not know: multi-label rows lose such a label, and rows of other tasks are left out.
    A label of the model without a column gets a note too.
    `note_rows` gets the numbers of all rows, or series, in the file. `setting` is the setting that names the file, None if an
    argument of a command does. Raises DataError.
    """
    findings = Findings(are_options=setting is None)
    columns = replace(columns, split=None)
    rows = _read_rows(
        uri,
        columns,
        skip_unusable=skip_unusable,
        findings=findings,
        say=say,
        is_group_optional=is_group_optional,
        without_groups="so rows of one group count as independent, and intervals may be too narrow",
        text_format=text_format,
        setting=setting,
        note_rows=note_rows,
        single=None if task == "multilabel" else task,
    )
    keeps_case = columns.label_case == "keep"
    if task == "multilabel":
        rows = split_unknown(rows, labels, findings, keeps_case=keeps_case, separator=columns.label_separator)
    joined = join_to_known(rows.count_names(), labels, keeps_case=keeps_case, is_single=task != "multilabel")
    named = {name_key(name, keeps_case=keeps_case) for name in columns.label_columns or labels}
    missing = [repr(label) for label in labels if name_key(label, keeps_case=keeps_case) not in named]
    if missing:
        note = f"no column is named for {list_names(missing)}, so every row counts as one without it"
        findings.notes.append(f"{uri}: {note}; name all of them with --label-columns")
    findings.notes += [f"{uri}: {note}" for note in joined.notes()]
    rows = _drop_unknown_labels(rows.rename(joined.names), labels, task, findings)
    return _encode(rows, tuple(labels), task), tuple(findings.notes)


def _drop_unknown_labels(rows: LabelledRows, labels: Sequence[str], task: Task, findings: Findings) -> LabelledRows:
    """Drop labels that a model does not know, and rows of single-label tasks with them. Raises DataError if none is left."""
    is_unknown = np.array([name not in labels for name in rows.names], dtype=bool)
    counts = np.bincount(rows.codes, minlength=len(rows.names))
    unknown = [f"{rows.names[i]!r} ({number_of_rows(counts[i])})" for i in np.flatnonzero(is_unknown & (counts > 0))]
    if unknown:
        effect = "left out of their rows" if task == "multilabel" else "their rows are left out"
        findings.notes.append(f"{rows.source}: unknown to the model, so {effect}: {list_names(unknown)}")
        is_known_pair = ~is_unknown[rows.codes]
        if task == "multilabel":
            rows = replace(rows, owners=rows.owners[is_known_pair], codes=rows.codes[is_known_pair])
        else:
            rows = rows.take(is_known_pair)  # one pair per row
    if not len(rows) or (unknown and not len(rows.codes)):
        remedy = f"the model's labels are {list_names(labels)}"
        raise DataError([Fault(rows.source, "no row has a label that the model knows", remedy)])
    return rows


# --- files ----------------------------------------------------------------------------------------------------------


def _read_rows(
    uri: str,
    columns: Columns,
    *,
    skip_unusable: bool,
    findings: Findings,
    say: Say | None,
    is_group_optional: bool = False,
    without_groups: str = "so it is not known whether its groups are also in train",
    text_format: TextFormat = FOUND_OUT,
    setting: str | None = None,
    note_rows: Callable[[NDArray[np.int64]], None] | None = None,
    single: Task | None = None,
) -> LabelledRows:
    """Read one source, which `setting` names, and add its notes to `findings`. Raises DataError.

    `single` is the task, if it has one label per row.
    """
    of_source = Findings(are_options=findings.are_options)
    optional = [columns.group] if is_group_optional and columns.group is not None else []
    reading = Reading(text_format, of_source.setting(""), setting, of_source.notes.append)
    try:
        table = read_table(
            uri,
            columns.names,
            say,
            named_by=_named_by(columns, of_source),
            optional=optional,
            patterns=columns.sequences,
            reading=reading,
        )
    except DataError:
        _say_notes(of_source, say)
        raise
    if optional and columns.group not in table.column_names:
        setting = of_source.setting("group")
        of_source.notes.append(f"{uri}: there is no column {columns.group!r}, {without_groups} ({setting})")
        columns = replace(columns, group=None)
    rows = to_labelled_rows(table, uri, columns, of_source)
    if rows is not None:
        findings.read[uri] = len(rows)
        if note_rows is not None:
            note_rows(rows.rows)
        if single is not None:
            _mark_others(rows, columns, single, of_source)
        rows = without_unusable(rows, of_source, skip=skip_unusable)
    if rows is None or of_source.faults:
        _say_notes(of_source, say)
        raise DataError(of_source.faults)
    findings.notes += of_source.notes
    return rows


def _mark_others(rows: LabelledRows, columns: Columns, task: Task, findings: Findings) -> None:
    """Record the rows that have several labels or none in columns that may hold several, for a task with one."""
    if columns.label is not None or (columns.labels is None and columns.label_columns is None):
        return
    counts = np.bincount(rows.owners, minlength=len(rows))
    is_other = counts != 1
    if is_other.any():
        reason = f"task {task} needs one label, but there are {counts[is_other.argmax()]} in the first of them"
        remedy = "fix them" if findings.are_options else f"fix them, or use {set_option('task', 'multilabel')}"
        findings.add_unusable(reason, is_other, remedy)


def _say_notes(findings: Findings, say: Say | None) -> None:
    """Say the notes about a source whose rows are refused: they may tell why."""
    if say is not None:
        for note in findings.notes:
            say(f"note: {note}")


def _named_by(columns: Columns, findings: Findings) -> dict[str, str]:
    """Return the setting or option that names each column. If two name the same column, the first counts."""
    single = {
        "text": columns.text,
        "sequence_id": columns.sequence_id,
        "order": columns.order,
        "label": columns.label,
        "labels": columns.labels,
        "group": columns.group,
        "split_column": columns.split,
    }
    named = [(column, name) for name, column in single.items() if column is not None]
    named += [(column, "sequence") for column in columns.sequences]
    named += [(column, "label_columns") for column in columns.label_columns or ()]
    return {column: findings.setting(name) for column, name in reversed(named)}


def _read_sources(settings: DataSettings, task: Task, findings: Findings, say: Say | None) -> dict[str, LabelledRows]:
    """Read every file of the settings, each once. Raises DataError with the faults of all files."""
    columns = Columns.of(settings)
    wanted = {settings.train: ("data.train", columns)}
    for name, uri in (("validation", settings.validation), ("test", settings.test)):
        if not isinstance(uri, str):
            continue
        if (shared := next(filter(None, (_shared_files(uri, other) for other in wanted)), None)) is not None:
            remedy = f"name another file, or give a fraction of train: {set_options(**{name: 0.15})}"
            findings.faults.append(Fault(f"data.{name}", shared, remedy))
        wanted.setdefault(uri, (f"data.{name}", replace(columns, split=None)))
    sources = {}
    reading: dict[str, Any] = {}
    for uri, (setting, wanted_columns) in wanted.items():
        try:
            sources[uri] = _read_rows(
                uri,
                replace(wanted_columns, **reading),
                skip_unusable=settings.skip_unusable,
                findings=findings,
                say=say,
                is_group_optional=uri != settings.train,
                text_format=settings.text_format,
                setting=setting,
                single=None if task == "multilabel" else task,
            )
        except DataError as error:
            findings.faults += error.faults
        if settings.train in sources:
            reading = label_reading(columns, sources[settings.train])
    findings.faults += form_faults(sources, settings)
    findings.faults += [*_channel_faults(sources, settings.train), *_token_faults(sources, settings.train)]
    if findings.faults:
        raise DataError(findings.faults)
    return sources


def _shared_files(uri: str, other: str) -> str | None:
    """Return what is wrong if two splits read the same file."""
    if uri == other:
        return f"{uri} is already another split"
    found = [locate_quietly(each) for each in (uri, other)]
    paths = [{(str(source.files.type_name), part.path) for part in source.parts} for source in found if source]
    shared = sorted(path for _, path in paths[0] & paths[1]) if len(paths) == 2 else []
    return f"{uri} and {other} both hold {list_names(shared, most=2)}" if shared else None


def _channel_faults(sources: Mapping[str, LabelledRows], train: str) -> list[Fault]:
    """Return a fault for every source with another number of channels than train."""
    channels = {uri: rows.inputs.channels for uri, rows in sources.items() if isinstance(rows.inputs, Sequences)}
    return [
        Fault(
            uri, f"the number of channels is {number}, but {channels[train]} in {train}", "give both the same channels"
        )
        for uri, number in channels.items()
        if train in channels and number != channels[train]
    ]


def _token_faults(sources: Mapping[str, LabelledRows], train: str) -> list[Fault]:
    """Return a fault for every source that has texts where train has lists of tokens, or the reverse."""
    kinds = {
        uri: "lists of tokens" if are_token_lists(rows.inputs) else "texts"
        for uri, rows in sources.items()
        if not isinstance(rows.inputs, Sequences)
    }
    return [
        Fault(uri, f"the rows are {kind}, but {kinds[train]} in {train}", "give both in the same form")
        for uri, kind in kinds.items()
        if kind != kinds.get(train, kind)
    ]


# --- labels ---------------------------------------------------------------------------------------------------------


def _names_in(rows: LabelledRows) -> list[str]:
    """Return the labels that at least one row has, sorted."""
    return sorted(rows.names[code] for code in np.unique(rows.codes))


def _refuse_more_than_two(sources: Mapping[str, LabelledRows], settings: DataSettings) -> None:
    """Raise DataError if a binary task has more than two labels. The message names the first file with a third label."""
    known: set[str] = set()
    for uri, rows in sources.items():
        names = _names_in(rows)
        if len(known.union(names)) > 2:
            of_train = f", besides {list_names(sorted(known))} in {settings.train}" if known else ""
            what = f"task binary needs 2 labels, but there are {len(names)}: {list_names(names)}{of_train}"
            remedy = f"use {set_option('task', 'multiclass')}, or leave only two"
            raise DataError([Fault(f"{uri}: {_label_place(settings)}", what, remedy)])
        known.update(names)


def _order_labels(
    splits: Mapping[str, LabelledRows], task: Task, settings: DataSettings, findings: Findings
) -> tuple[str, ...]:
    """Return the labels of all splits: those in train first, and in a binary task the positive one last. Raises DataError."""
    seen = _names_in(splits["train"])
    everywhere = {name for rows in splits.values() for name in _names_in(rows)} | set(splits["train"].declared)
    labels = [*seen, *sorted(everywhere - set(seen))]
    where = f"{settings.train}: {_label_place(settings)}"
    n_train = len(splits["train"])
    if task == "multilabel":
        if not seen:
            remedy = "check which columns data names"
            findings.faults.append(Fault(where, f"none of the {n_train:,} rows of train has a label", remedy))
    elif len(seen) == 1:
        what = f"all {n_train:,} rows of train are {seen[0]!r}, so there is nothing to learn"
        findings.faults.append(Fault(where, what, "give rows of at least two labels"))
    positive = settings.positive and known_spelling(settings.positive, labels, settings)
    if positive is not None and positive not in labels:
        what = f"no row has the label {positive!r}"
        near = near_name(positive, labels)
        change = f" Then {set_options(positive=near)}" if near else ""
        findings.faults.append(Fault("data.positive", what, suggest_name(positive, labels) + change))
    if findings.faults:
        raise DataError(findings.faults)
    if task == "binary":
        positive = positive or _rarer(splits["train"])
        labels.sort(key=lambda label: label == positive)
    return tuple(labels)


def _label_place(settings: DataSettings) -> str:
    column = settings.label or settings.labels
    return "label_columns" if column is None else f"column {column!r}"


def _rarer(rows: LabelledRows) -> str:
    """Return the label with the fewest rows. Of equally rare labels, return the last in alphabetical order."""
    counts: Counter[str] = Counter(rows.names[code] for code in rows.codes.tolist())
    return min(sorted(counts, reverse=True), key=counts.__getitem__)


def _encode(rows: LabelledRows, labels: tuple[str, ...], task: Task) -> Split:
    index = {label: i for i, label in enumerate(labels)}
    codes = np.array([index.get(name, -1) for name in rows.names], dtype=np.int64)[rows.codes]
    targets: Targets
    if task == "multilabel":
        targets = np.zeros((len(rows), len(labels)), dtype=np.uint8)
        targets[rows.owners, codes] = 1
    else:
        targets = codes  # one pair per row, in the order of the rows
    blocks = linked_rows(row_keys(rows.inputs), rows.groups)
    return Split(inputs=rows.inputs, targets=targets, rows=rows.rows, source=rows.source, blocks=blocks)
