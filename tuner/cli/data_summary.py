"""What validate says about the rows of a space: the columns, the labels, the splits, lengths, scripts and copies."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tuner.cli.table_layout import Column, lay_out, wrap
from tuner.show_value import show_share

if TYPE_CHECKING:
    from tuner.data.dataset import Dataset
    from tuner.space.load import Space

_WIDTH = 80
_INDENT = "  "
_MOST_LABELS = 10  # rows of the table, besides the rarest label
_MOST_NAMES = 5  # columns in a line
_TASKS = {
    "binary": "one label per row, of two",
    "multiclass": "one label per row",
    "multilabel": "several labels per row",
}


def describe_rows(space: Space, dataset: Dataset, found: Collection[str]) -> dict[str, Any]:
    """Describe the rows of a space as JSON values: what `tuner.data.profile.profile` returns, and more.

    `columns` are the settings that name columns, and `found` those of them that --data found. `read` has the rows in each
    file, and `missing` the labels that a split has no row of.
    """
    from tuner.data.profile import profile
    from tuner.search.lengths import max_lengths
    from tuner.space.task import COLUMN_FIELDS

    profiled = profile(dataset, max_lengths(space))
    columns = {name: value for name in COLUMN_FIELDS if (value := getattr(space.data, name)) is not None}
    splits = profiled["splits"] if dataset.folds is None else {**profiled["splits"], "validation": None}
    return {
        "columns": columns,
        "found": [name for name in columns if name in found],
        "read": dict(dataset.read),
        **{key: value for key, value in profiled.items() if key != "cooccurrence"},
        "missing": {
            name: [label for label, rows in split["labels"].items() if not rows]
            for name, split in splits.items()
            if split is not None
        },
    }


def row_lines(described: Mapping[str, Any], width: int | None = None) -> list[str]:
    """Return what `describe_rows` found out in lines for people, none wider than `width` or 80 unless a word is."""
    width = min(width or _WIDTH, _WIDTH)
    sentences = [
        *(f"rows: {source}: {rows:,} read" for source, rows in described["read"].items()),
        *_left_out(described),
        f"columns: {'; '.join(_show_columns(described))}",
        f"task: {described['task']} ({_TASKS[described['task']]}{_per_row(described)})",
    ]
    lines = [line for sentence in sentences for line in wrap(sentence, width)]
    lines += _label_table(described, width)
    others = [_lengths(described), *_scripts(described), *_copies(described)]
    return lines + [line for sentence in others for line in wrap(sentence, width)]


def _show_columns(described: Mapping[str, Any]) -> Iterator[str]:
    from tuner.data.name_lists import list_names

    for name, value in described["columns"].items():
        names = [repr(each) for each in ([value] if isinstance(value, str) else value)]
        yield f"{name} {list_names(names, most=_MOST_NAMES)}{' (found)' if name in described['found'] else ''}"


def _judged(described: Mapping[str, Any]) -> list[str]:
    """Return the splits that have rows of their own: with folds, validation has those of train."""
    return list(described["missing"])


def _label_rows(described: Mapping[str, Any]) -> dict[str, int]:
    """Return the rows of each label in all splits, the commonest first."""
    splits = [described["splits"][name]["labels"] for name in _judged(described)]
    totals = {label: sum(split[label] for split in splits) for label in splits[0]}
    return dict(sorted(totals.items(), key=lambda item: -item[1]))


def _total(described: Mapping[str, Any]) -> int:
    return sum(described["splits"][name]["rows"] for name in _judged(described))


def _left_out(described: Mapping[str, Any]) -> list[str]:
    read, used = sum(described["read"].values()), _total(described)
    return [] if read == used else [f"rows used: {used:,}; {read - used:,} left out"]


def _per_row(described: Mapping[str, Any]) -> str:
    if described["task"] != "multilabel":
        return ""
    splits, total = [described["splits"][name] for name in _judged(described)], _total(described)
    mean = sum(split["labels_per_row"]["mean"] * split["rows"] for split in splits) / total
    most = max(split["labels_per_row"]["max"] for split in splits)
    none = sum(split["labels_per_row"]["none"] for split in splits)
    return f": {mean:.1f} on average, at most {most}, none on {none:,} of {total:,} rows"


def _label_table(described: Mapping[str, Any], width: int) -> list[str]:
    """Return a table of the commonest labels and the rarest, with their rows in all splits together and in each."""
    totals, splits = _label_rows(described), _judged(described)
    shown = list(totals)
    if len(shown) > _MOST_LABELS + 2:
        shown = [*shown[:_MOST_LABELS], shown[-1]]
    counts = {name: described["splits"][name] for name in splits}
    columns = {
        "rows": [f"{_total(described):,}", *(f"{totals[label]:,}" for label in shown)],
        "share": ["", *(_share(totals[label] / _total(described)) for label in shown)],
        **{
            name: [f"{split['rows']:,}", *(f"{split['labels'][label]:,}" for label in shown)]
            for name, split in counts.items()
        },
    }
    name_width = max(16, min(40, max(map(len, shown))))
    names = Column(" " * min(name_width, width // 3), ["all rows", *shown])
    numbers = [Column(name, cells, is_number=True) for name, cells in columns.items()]
    layout = lay_out([names, *numbers], width - len(_INDENT), drop=("share", *splits))
    lines = [f"labels: {len(totals):,}", *(f"{_INDENT}{line}" for line in layout.lines)]
    if left := len(totals) - len(shown):
        lines.insert(-1, f"{_INDENT}… and {left:,} more, down to the rarest:")
    if layout.dropped:
        lines += wrap(f"{_INDENT}not shown: {', '.join(layout.dropped)}; a wider terminal shows them", width)
    return lines


def _lengths(described: Mapping[str, Any]) -> str:
    train = described["splits"]["train"]
    lengths, unit = train["lengths"], train["lengths"]["unit"]
    cuts = [f"{_share(rows / train['rows'])} at {int(most):,}" for most, rows in lengths["cut"].items()]
    return (
        f"lengths: half of the training rows have {lengths['50']:,} {unit} or fewer, 95 % {lengths['95']:,} or fewer, "
        f"the longest {lengths['100']:,}; space.max_length cuts {', '.join(cuts)}"
    )


def _share(share: float) -> str:
    return "under 1 %" if 0 < share < 0.005 else show_share(share)


def _scripts(described: Mapping[str, Any]) -> list[str]:
    shares = [f"{name} {_share(share)}" for name, share in described["scripts"]["seen"].items()]
    if not shares:
        return []
    rest = f" and {len(shares) - _MOST_NAMES} more" if len(shares) > _MOST_NAMES else ""
    return [f"scripts: {', '.join(shares[:_MOST_NAMES])}{rest} (of the letters)"]


def _copies(described: Mapping[str, Any]) -> list[str]:
    counts = {
        f"{name} has {described['splits'][name]['duplicates']:,}": described["splits"][name]
        for name in _judged(described)
    }
    facts = [fact for fact, split in counts.items() if split["duplicates"]]
    facts += [f"{rows:,} rows of {name} are also in train" for name, rows in described["overlap"].items() if rows]
    return [f"copies of an earlier row: {'; '.join(facts) or 'none'}"]
