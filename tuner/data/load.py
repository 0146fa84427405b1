"""From the `data` section of a space to a `Dataset`: read, divide into splits, order the labels, tell what is odd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tuner.data.builtin import Say
from tuner.data.dataset import Columns, Dataset, RowInputs, Split, label_counts
from tuner.data.labelling import Findings, LabelledRows, labelled_rows, without_unusable
from tuner.data.overlap import input_word, overlap_notes
from tuner.data.read import fingerprint, listed, name_rows, nearest, read_table
from tuner.data.sequences import Sequences
from tuner.data.split import linked_rows, row_keys, stratify
from tuner.errors import DataError, Fault, did_you_mean
from tuner.scoring.measures import FEWEST_TRUE
from tuner.space.settings import DataSettings, Task

__all__ = ["Columns", "Dataset", "RowInputs", "Split", "label_counts", "load_data", "read_inputs", "read_labelled"]

Targets = NDArray[np.uint8] | NDArray[np.int64]

_SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}


def load_data(settings: DataSettings, task: Task, seed: int, say: Say | None = None) -> Dataset:
    """Read every file of the settings, carve the splits that are missing out of train, and encode the labels.

    With `settings.folds` the training rows are dealt out to folds and are the validation rows too. The same settings, files
    and seed give the same splits and folds. `say` hears of slow work. Raises DataError with all faults that were found: of
    the files first, then of rows, then of splits and labels.
    """
    findings = Findings()
    sources = _read_sources(settings, findings, say)
    if task == "binary":
        _refuse_more_than_two(sources, settings)
    splits = _divide(settings, sources, seed, findings)
    labels = _order_labels(splits, task, settings, findings)
    judged = ("validation", "test") if settings.folds is None else ("test",)
    findings.notes += [note for name in judged for note in overlap_notes(name, splits)]
    folds = None if settings.folds is None else _deal_folds(splits["train"], settings.folds, task, seed, findings)
    encoded = {name: _encode(rows, labels, task) for name, rows in splits.items() if name in ("train", *judged)}
    encoded.setdefault("validation", encoded["train"])
    trained = set(_names_in(splits["train"]))
    dataset = Dataset(
        task=task,
        labels=labels,
        seen=np.array([label in trained for label in labels], dtype=bool),
        **encoded,
        notes=(),
        fingerprints={uri: fingerprint(uri) for uri in sources},
        folds=folds,
    )
    return replace(dataset, notes=(*findings.notes, *_label_notes(dataset)))


def read_inputs(
    uri: str, columns: Columns, *, skip_unusable: bool = False, say: Say | None = None
) -> tuple[RowInputs, NDArray[np.int64], tuple[str, ...]]:
    """Read the texts or sequences of a file, its other columns not: inputs, row numbers from 1, notes. Raises DataError.

    Rows that cannot be used are refused, or with `skip_unusable` left out and noted.
    """
    findings = Findings(are_options=True)
    own = Columns(text=columns.text, sequence=columns.sequence)
    rows = _read_rows(uri, own, skip_unusable=skip_unusable, findings=findings, say=say)
    return rows.inputs, rows.rows, tuple(findings.notes)


def read_labelled(
    uri: str,
    columns: Columns,
    *,
    task: Task,
    labels: Sequence[str],
    skip_unusable: bool = False,
    say: Say | None = None,
    is_group_optional: bool = True,
) -> tuple[Split, tuple[str, ...]]:
    """Read another file with the labels of a model: its rows, and notes as in `Dataset`.

    The column of groups may be missing, unless `is_group_optional` is false: then only copies are known to depend on each
    other, which is noted. A label that is not one of `labels` is noted: it is left out of a multi-label row, and a row of
    another task that has no other label is left out. A label of the model without a column of its own is noted too. Raises
    DataError.
    """
    findings = Findings(are_options=True)
    columns = replace(columns, split=None)
    rows = _read_rows(
        uri,
        columns,
        skip_unusable=skip_unusable,
        findings=findings,
        say=say,
        is_group_optional=is_group_optional,
        group_missing="so rows of one group count as independent, and intervals may be too narrow",
    )
    lacking = [repr(label) for label in labels if columns.label_columns and label not in columns.label_columns]
    if lacking:
        told = f"no column is named for {listed(lacking)}, so every row counts as one without it"
        findings.notes.append(f"{uri}: {told}; name all of them with --label-columns")
    is_unknown = np.array([name not in labels for name in rows.names], dtype=bool)
    counts = np.bincount(rows.codes, minlength=len(rows.names))
    unknown = [f"{rows.names[i]!r} ({_rows(counts[i])})" for i in np.flatnonzero(is_unknown & (counts > 0))]
    if unknown:
        told = "left out of their rows" if task == "multilabel" else "their rows are left out"
        findings.notes.append(f"{uri}: unknown to the model, so {told}: {listed(unknown)}")
        is_known_pair = ~is_unknown[rows.codes]
        if task == "multilabel":
            rows = replace(rows, owners=rows.owners[is_known_pair], codes=rows.codes[is_known_pair])
        else:
            rows = rows.take(is_known_pair)  # one pair a row
    if not len(rows) or (unknown and not len(rows.codes)):
        remedy = f"the model's labels are {listed(labels)}"
        raise DataError([Fault(uri, "no row has a label that the model knows", remedy)])
    return _encode(rows, tuple(labels), task), tuple(findings.notes)


# --- files ----------------------------------------------------------------------------------------------------------


def _read_rows(
    uri: str,
    columns: Columns,
    *,
    skip_unusable: bool,
    findings: Findings,
    say: Say | None,
    is_group_optional: bool = False,
    group_missing: str = "so it is not known whether its groups stand in train too",
) -> LabelledRows:
    """Read one source, with notes to `findings`. Raises DataError."""
    own = Findings(are_options=findings.are_options)
    optional = [columns.group] if is_group_optional and columns.group is not None else []
    table = read_table(uri, columns.names, say, named_by=_named_by(columns, own), optional=optional)
    if optional and columns.group not in table.column_names:
        setting = own.setting("group")
        own.notes.append(f"{uri}: there is no column {columns.group!r}, {group_missing} ({setting})")
        columns = replace(columns, group=None)
    rows = labelled_rows(table, uri, columns, own)
    if rows is not None:
        rows = without_unusable(rows, own, skip=skip_unusable)
    if rows is None or own.faults:
        raise DataError(own.faults)
    findings.notes += own.notes
    return rows


def _named_by(columns: Columns, findings: Findings) -> dict[str, str]:
    """Return the setting or option that names each column; of two that name one column the first."""
    single = {
        "text": columns.text,
        "sequence": columns.sequence,
        "label": columns.label,
        "labels": columns.labels,
        "group": columns.group,
        "split_column": columns.split,
    }
    named = [(column, name) for name, column in single.items() if column is not None]
    named += [(column, "label_columns") for column in columns.label_columns or ()]
    return {column: findings.setting(name) for column, name in reversed(named)}


def _read_sources(settings: DataSettings, findings: Findings, say: Say | None) -> dict[str, LabelledRows]:
    columns = Columns.of(settings)
    wanted = {settings.train: columns}
    for name, uri in (("validation", settings.validation), ("test", settings.test)):
        if not isinstance(uri, str):
            continue
        if uri in wanted:
            remedy = "name another file, or give a fraction of train such as 0.15"
            findings.faults.append(Fault(f"data.{name}", f"{uri} is already another split", remedy))
        wanted.setdefault(uri, replace(columns, split=None))
    sources = {}
    for uri, own_columns in wanted.items():
        try:
            sources[uri] = _read_rows(
                uri,
                own_columns,
                skip_unusable=settings.skip_unusable,
                findings=findings,
                say=say,
                is_group_optional=uri != settings.train,
            )
        except DataError as error:
            findings.faults += error.faults
    findings.faults += _channel_faults(sources, settings.train)
    if findings.faults:
        raise DataError(findings.faults)
    return sources


def _channel_faults(sources: Mapping[str, LabelledRows], train: str) -> list[Fault]:
    """Return a fault for every source whose sequences have other channels than those of train."""
    channels = {uri: rows.inputs.channels for uri, rows in sources.items() if isinstance(rows.inputs, Sequences)}
    return [
        Fault(uri, f"the number of channels is {own}, but {channels[train]} in {train}", "give both the same channels")
        for uri, own in channels.items()
        if train in channels and own != channels[train]
    ]


# --- splits ---------------------------------------------------------------------------------------------------------


def _divide(
    settings: DataSettings, sources: Mapping[str, LabelledRows], seed: int, findings: Findings
) -> dict[str, LabelledRows]:
    """Return train, validation and test, in this order; with folds validation is train. Raises DataError."""
    rows = sources[settings.train]
    splits = {"train": rows} if settings.split_column is None else _split_by_column(rows, settings.split_column)
    if settings.folds is not None and "validation" in splits:
        told = f"some rows of column {settings.split_column!r} are validation, but with folds every row of train is"
        raise DataError([Fault(settings.train, told, "call those rows train, or remove data.folds")])
    fractions: dict[str, float] = {}
    for name, given in (("validation", settings.validation), ("test", settings.test)):
        if isinstance(given, str):
            splits[name] = sources[given]
        elif name not in splits and given is not None:
            fractions[name] = given
            if settings.split_column is not None:
                told = f"no row of column {settings.split_column!r} is {name}, so {given:g} of train is carved"
                findings.notes.append(f"{settings.train}: {told}")
    faults = [
        Fault(settings.train, f"no row of column {settings.split_column!r} is {name}", remedy)
        for name, remedy in (
            ("train", "name another split_column"),
            ("validation", "give data.validation a fraction such as 0.15"),
            ("test", "give data.test a fraction such as 0.15"),
        )
        if name not in splits and name not in fractions and (name != "validation" or settings.folds is None)
    ]
    if faults:
        raise DataError(faults)
    if fractions:
        splits |= _carve(splits["train"], fractions, seed, findings)
    splits.setdefault("validation", splits["train"])
    return {name: splits[name] for name in _SPLIT_NAMES}


def _split_by_column(rows: LabelledRows, column: str) -> dict[str, LabelledRows]:
    known = {word: name for name, words in _SPLIT_NAMES.items() for word in words}
    words = np.array([(part or "").strip().lower() for part in rows.parts], dtype=object)
    present = sorted(set(words))
    faults = []
    for word in (word for word in present if word not in known):
        where = f"{rows.source}: {name_rows(rows.rows[words == word].tolist())}"
        told = f"{word!r} in column {column!r} is none of train, validation and test"
        faults.append(Fault(where, told, did_you_mean(word, known)))
    if faults:
        raise DataError(faults)
    names = np.array([known[word] for word in words], dtype=object)
    return {name: rows.take(names == name) for name in {known[word] for word in present}}


def _carve(
    rows: LabelledRows, fractions: Mapping[str, float], seed: int, findings: Findings
) -> dict[str, LabelledRows]:
    total = sum(fractions.values())
    if total >= 1:
        where = " and ".join(f"data.{name}" for name in fractions)
        raise DataError(
            [Fault(where, f"they take {total:g} of train, which leaves it no row", "use smaller fractions")]
        )
    blocks = linked_rows(row_keys(rows.inputs), rows.groups)
    parts = stratify(rows.owners, rows.codes, blocks, tuple(fractions.values()), n_labels=len(rows.names), seed=seed)
    carved = {name: rows.take(parts == part) for part, name in enumerate(["train", *fractions])}
    why = _why_not_even(rows, len(carved))
    faults = []
    for name, fraction in {"train": 1 - total, **fractions}.items():
        asked, got = fraction * len(rows), len(carved[name])
        told = f"{fraction:g} of its {len(rows):,} rows should go to {name}, but {got or 'none'} did"
        if not got:
            faults.append(Fault(rows.source, told, f"give more rows or another fraction; {why}"))
        elif abs(got - asked) > 0.2 * asked + 2:
            findings.notes.append(f"{rows.source}: {told}, as {why}")
    if faults:
        raise DataError(faults)
    return carved


def _why_not_even(rows: LabelledRows, n_parts: int) -> str:
    """Say what keeps rows from being dealt out evenly: labels with too few rows, or rows that stay together."""
    counts = np.bincount(rows.codes, minlength=len(rows.names))
    is_of_rare_label = np.zeros(len(rows), dtype=bool)
    is_of_rare_label[rows.owners[counts[rows.codes] < n_parts]] = True
    if 2 * is_of_rare_label.sum() < len(rows):
        return f"rows with one {input_word(rows)} or one group stay together"
    return f"{_rows(is_of_rare_label.sum())} have a label of fewer than {n_parts} rows, and train comes first"


def _deal_folds(rows: LabelledRows, folds: int, task: Task, seed: int, findings: Findings) -> NDArray[np.int64]:
    """Return the fold of each training row, from 0, stratified as splits are. Raises DataError."""
    blocks = linked_rows(row_keys(rows.inputs), rows.groups)
    fractions = [1 / folds] * (folds - 1)
    fold_of = stratify(rows.owners, rows.codes, blocks, fractions, n_labels=len(rows.names), seed=seed)
    sizes = np.bincount(fold_of, minlength=folds)
    held = np.zeros((folds, len(rows.names)), dtype=np.int64)  # rows of each label in each fold
    np.add.at(held, (fold_of[rows.owners], rows.codes), 1)
    total = held.sum(axis=0)
    trained = ((total - held) > 0).sum(axis=1)  # labels to learn from where a fold is left out
    together = f"rows with one {input_word(rows)} or one group are in one fold"
    if not sizes.all():
        told = f"its {len(rows):,} training rows fill only {np.count_nonzero(sizes)} of {folds} folds, as {together}"
        raise DataError([Fault("data.folds", told, "use fewer folds, or give validation instead")])
    if trained.min() < (1 if task == "multilabel" else 2):
        told = f"without fold {trained.argmin() + 1} of {folds} there is nothing to learn from"
        raise DataError([Fault("data.folds", told, "give more rows of the rare labels")])
    lone = [f"{rows.names[i]!r} ({_rows(total[i])})" for i in np.flatnonzero((total > 0) & (held == total).any(axis=0))]
    if lone:
        told = "all rows of these labels are in one fold, so they cannot be learnt there and count with F1 0"
        findings.notes.append(f"{rows.source}: {told}: {listed(lone)}")
    return fold_of


# --- labels ---------------------------------------------------------------------------------------------------------


def _names_in(rows: LabelledRows) -> list[str]:
    """Return the labels that some row has, sorted."""
    return sorted(rows.names[code] for code in np.unique(rows.codes))


def _refuse_more_than_two(sources: Mapping[str, LabelledRows], settings: DataSettings) -> None:
    """Raise DataError where a binary task has more than two labels, naming the first file that brings a third."""
    known: set[str] = set()
    for uri, rows in sources.items():
        own = _names_in(rows)
        if len(known.union(own)) > 2:
            of_train = f", beside {listed(sorted(known))} of {settings.train}" if known else ""
            told = f"task binary needs 2 labels, but there are {len(own)}: {listed(own)}{of_train}"
            raise DataError(
                [Fault(f"{uri}: column {settings.label!r}", told, "use task: multiclass, or leave only two")]
            )
        known.update(own)


def _order_labels(
    splits: Mapping[str, LabelledRows], task: Task, settings: DataSettings, findings: Findings
) -> tuple[str, ...]:
    """Return the labels of all splits, those seen in train first; in binary the positive one last. Raises DataError."""
    seen = _names_in(splits["train"])
    everywhere = {name for rows in splits.values() for name in _names_in(rows)} | set(settings.label_columns or ())
    labels = [*seen, *sorted(everywhere - set(seen))]
    column = settings.label or settings.labels
    where = f"{settings.train}: {'label_columns' if column is None else f'column {column!r}'}"
    n_train = len(splits["train"])
    if task == "multilabel":
        if not seen:
            remedy = "check which columns data names"
            findings.faults.append(Fault(where, f"none of the {n_train:,} rows of train has a label", remedy))
    elif len(seen) == 1:
        told = f"all {n_train:,} rows of train are {seen[0]!r}, so there is nothing to learn"
        findings.faults.append(Fault(where, told, "give rows of at least two labels"))
    if settings.positive is not None and settings.positive not in labels:
        told = f"no row has the label {settings.positive!r}"
        findings.faults.append(Fault("data.positive", told, nearest(settings.positive, labels)))
    if findings.faults:
        raise DataError(findings.faults)
    if task == "binary":
        positive = settings.positive or _rarer(splits["train"])
        labels.sort(key=lambda label: label == positive)
    return tuple(labels)


def _rarer(rows: LabelledRows) -> str:
    """Return the label with the fewest rows, of equals the last by spelling."""
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
        targets = codes  # one pair a row, in the order of the rows
    blocks = linked_rows(row_keys(rows.inputs), rows.groups)
    return Split(inputs=rows.inputs, targets=targets, rows=rows.rows, source=rows.source, blocks=blocks)


def _label_notes(dataset: Dataset) -> list[str]:
    counts = label_counts(dataset)
    notes = []
    unseen = [
        f"{dataset.labels[i]!r} ({_rows(counts['validation'][i])} of validation, {counts['test'][i]:,} of test)"
        for i in np.flatnonzero(~dataset.seen)
    ]
    if unseen:
        notes.append(
            f"no row of train has these labels, so they cannot be learnt and count with F1 0: {listed(unseen)}"
        )
    for name in ("validation", "test"):
        held = counts[name]
        absent = [
            f"{dataset.labels[i]!r} ({_rows(counts['train'][i])} of train)"
            for i in np.flatnonzero(dataset.seen & (held == 0))
        ]
        if absent:
            notes.append(f"no row of {name} has these labels, so they are not judged there: {listed(absent)}")
        is_rare = dataset.seen & (held > 0) & (held < FEWEST_TRUE)
        rare = [f"{dataset.labels[i]!r} ({_rows(held[i])})" for i in np.flatnonzero(is_rare)]
        if rare:
            told = f"fewer than {FEWEST_TRUE} rows of {name} have these labels, so their F1 there is largely chance"
            notes.append(f"{told}: {listed(rare)}")
    return notes


def _rows(n: int) -> str:
    return "1 row" if n == 1 else f"{n:,} rows"
