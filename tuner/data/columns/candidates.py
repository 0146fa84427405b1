"""List the columns that may hold the inputs, the labels or the splits of a table, and how well each fits."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from tuner.data.columns.facts import MOST_VALUES, ColumnFacts
from tuner.data.columns.names import (
    LABEL,
    LITERAL,
    LITERAL_LABELS,
    OTHER,
    PART,
    SEQUENCE,
    SPLIT,
    TEXT,
    TOKENS,
    USUAL,
    is_group,
    is_id,
    is_mask,
    rank_of,
    words_of,
)
from tuner.data.name_lists import list_names
from tuner.data.splits import SPLIT_NAMES
from tuner.space.assignment import set_option
from tuner.space.task import Task

_FEW_WORDS = 3  # a text usually has at least so many
_LONGER = 3  # times as many words make the longest of several texts the input
_FEWEST_STEPS = 8  # columns with numbered names that are the steps of a sequence
_NUMBERED = re.compile(r"(.*?)\d+(?:\.\d+)?(\D*)")
_DAYS = re.compile(r"\d{4}\D\d\d?\D(\d\d?|\*)")
_REPEATS = 5  # rows per label, at least, on average
_MOST_CALLED_SO = 1_000  # labels of a column that is called so
_FEW_LABELS = 10  # so few need only two rows each


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A setting of the data section that some columns would fit. The candidate with the lowest `rank` fits best."""

    setting: str
    value: str | list[str]
    columns: tuple[str, ...]
    rank: int
    shown: str

    @property
    def option(self) -> str:
        """The option that chooses this candidate, ready to paste."""
        return set_option(f"data.{self.setting}", self.value)


def split_columns(columns: Sequence[ColumnFacts]) -> list[Candidate]:
    """Return the columns that divide the rows: they are called so, and each value is the name of a split."""
    known = {word for words in SPLIT_NAMES.values() for word in words}
    candidates = []
    for each in columns:
        words = {value.strip().lower() for value in each.values}
        if SPLIT & set(words_of(each.name)) and len(words) > 1 and words <= known and words & set(SPLIT_NAMES["train"]):
            rank = rank_of(each.name, frozenset({"split"}), SPLIT)
            shown = f"split_column {each.name!r}"
            candidates.append(_candidate("split_column", each.name, rank, shown))
    return candidates


def input_columns(columns: Sequence[ColumnFacts]) -> list[Candidate]:
    """Return the columns that may be the input: texts, sequences, or a column for each step."""
    texts = [each for each in columns if _may_be_text(each)]
    longest = max((each.words for each in texts), default=0.0)
    candidates = []
    for each in texts:
        rank = rank_of(each.name, frozenset({"text"}), TEXT)
        is_short = rank == OTHER and each.words * _LONGER < longest
        candidates.append(_input("text", each.name, rank + is_short))
    for each in columns:
        if each.kind == "words":
            rank = rank_of(each.name, frozenset({"text"}), TEXT | TOKENS)
            if rank <= USUAL or not _may_be_labels(each):
                candidates.append(_input("text", each.name, rank))
        elif each.kind == "sequence" and not is_mask(each.name):
            is_tokens = rank_of(each.name, frozenset(), TOKENS) <= USUAL
            rank = rank_of(each.name, frozenset({"sequence"}), SEQUENCE)
            candidates.append(_input("text", each.name, USUAL) if is_tokens else _input("sequence", each.name, rank))
    return (
        candidates or _wide(columns) or [_input("text", each.name, OTHER) for each in columns if _may_be_phrase(each)]
    )


def label_columns(columns: Sequence[ColumnFacts], task: Task | None) -> list[Candidate]:
    """Return the columns that may be the labels of a task (None: of any task).

    Several flags that are called labels, or that are written alike, are taken together, as one label each.
    """
    ranks = {each.name: rank_of(each.name, LITERAL_LABELS, LABEL) for each in columns}
    flags = [each for each in columns if each.flag is not None and not is_id(each.name)]
    called_so = [each for each in flags if ranks[each.name] <= PART]
    alike = [[each for each in flags if each.flag == flag] for flag in sorted({each.flag or 0 for each in flags})]
    groups = [group for group in ([called_so] if called_so else alike) if len(group) > 1]
    together = {each.name for group in groups for each in group}
    others = {each.name for each in flags if each not in called_so} if called_so or groups else set()
    candidates = [
        _label(each, ranks[each.name], is_several=task == "multilabel")
        for each in columns
        if each.name not in together | others and _may_be_labels(each)
    ]
    candidates += [_together(group, min(ranks[each.name] for each in group)) for group in groups]
    return [each for each in candidates if task is None or (each.setting == "label") == (task != "multilabel")]


def _together(flags: Sequence[ColumnFacts], rank: int) -> Candidate:
    names = [each.name for each in flags]
    shown = f"labels {list_names([repr(name) for name in names], most=4)} ({flags[0].written_as}, several per row)"
    return Candidate(setting="label_columns", value=names, columns=tuple(names), rank=rank, shown=shown)


def _show_labels(facts: ColumnFacts) -> str:
    """Return how many labels a column has, and which if they are few."""
    if facts.form.is_several:
        return f"{facts.labels:,} labels, several per row"
    is_pair = len(facts.values) == 2 and not facts.is_list
    return " and ".join(sorted(map(repr, facts.values))) if is_pair else f"{facts.labels:,} labels"


def _candidate(setting: str, name: str, rank: int, shown: str) -> Candidate:
    return Candidate(setting=setting, value=name, columns=(name,), rank=rank, shown=shown)


def _input(setting: str, name: str, rank: int) -> Candidate:
    return _candidate(setting, name, rank, f"{setting} {name!r}")


def _label(facts: ColumnFacts, rank: int, *, is_several: bool) -> Candidate:
    """Return a column of labels. Lists of one label each have one label per row, unless the task `is_several`."""
    setting = "labels" if facts.form.is_several or (facts.is_list and is_several) else "label"
    return _candidate(setting, facts.name, rank, f"{setting} {facts.name!r} ({_show_labels(facts)})")


def _may_be_text(facts: ColumnFacts) -> bool:
    rank = rank_of(facts.name, frozenset({"text"}), TEXT)
    is_varied = facts.distinct > MOST_VALUES or _REPEATS * facts.distinct >= facts.filled
    is_long = facts.words >= _FEW_WORDS
    if facts.kind != "text" or is_id(facts.name):
        return False
    return rank == LITERAL or (is_varied and (is_long or rank == USUAL) and not _may_be_labels(facts))


def _may_be_phrase(facts: ColumnFacts) -> bool:
    return facts.kind == "text" and 2 * facts.distinct >= facts.filled and not is_id(facts.name)


def _may_be_labels(facts: ColumnFacts) -> bool:
    """Return whether there are few labels for the rows. A column that is called so may have more."""
    rank = rank_of(facts.name, LITERAL_LABELS, LABEL)
    if is_id(facts.name) or is_mask(facts.name) or (rank == OTHER and _is_of_something_else(facts)):
        return False
    if not facts.is_list and facts.kind not in ("text", "number"):
        return False
    rows_per_label = 2 if rank <= USUAL or facts.labels <= _FEW_LABELS else _REPEATS
    most = _MOST_CALLED_SO if rank <= USUAL else MOST_VALUES
    return 2 <= facts.labels <= most and rows_per_label * facts.labels <= facts.filled


def _is_of_something_else(facts: ColumnFacts) -> bool:
    """Return whether a column is called a group or a fold, or holds codes such as user17."""
    codes = sum(re.fullmatch(r".*[^\W\d].*\d", value) is not None for value in facts.values)
    has_codes = len(facts.values) > _FEW_LABELS and 2 * codes > len(facts.values)
    return is_group(facts.name) or bool(SPLIT & set(words_of(facts.name))) or has_codes


def _wide(columns: Sequence[ColumnFacts]) -> list[Candidate]:
    """Return the columns t0, t1, … of numbers as one sequence, if there are enough of them."""
    steps: dict[str, list[str]] = defaultdict(list)
    for each in columns:
        match = _NUMBERED.fullmatch(each.name)
        if match is not None and each.kind in ("number", "fraction"):
            steps[f"{match[1]}*{match[2]}"].append(each.name)
    patterns = [pattern for pattern, names in steps.items() if len(names) >= _FEWEST_STEPS]
    if not patterns or any(pattern.replace("*", "-*") in steps for pattern in patterns):  # values in place of names
        return []
    if len(patterns) > 1 and all(map(_DAYS.fullmatch, patterns)):  # months are no channels
        days = sorted((each.name for each in columns if _DAYS.fullmatch(each.name)), key=_numbers_in)
        shown = f"sequence {days[0]!r} to {days[-1]!r} (a column for each step)"
        return [Candidate(setting="sequence", value=days, columns=tuple(days), rank=OTHER, shown=shown)]
    value = patterns[0] if len(patterns) == 1 else patterns
    shown = f"sequence {' and '.join(map(repr, patterns))} (a column for each step)"
    columns_of_steps = tuple(name for pattern in patterns for name in steps[pattern])
    return [Candidate(setting="sequence", value=value, columns=columns_of_steps, rank=OTHER, shown=shown)]


def _numbers_in(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]
