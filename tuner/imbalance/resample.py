"""Resampling: which training rows a pass reads, and how often. Rows are never changed; some rules mix two of them.

The samplers of imbalanced-learn take one target per row. For several labels per row there are other strategies, each with its
source. Each pass draws anew, so undersampling reads different rows every time.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuner.imbalance.training_pass import Pass, Resample, RowNumbers, Targets, TrainingRows, one_stratum
from tuner.space.task import Task


def every_row() -> Resample:
    """Read every row once."""
    return lambda data, _generator: one_stratum(np.arange(len(data)))


def oversample(*, ratio: float) -> Resample:
    """Repeat rows until each class has at least `ratio` times the largest class's rows.

    Multi-label: repeat-factor sampling (Gupta et al. 2019, LVIS) without the square root. A label asks for
    ratio × largest label count / label count repeats. The label that asks for most decides how often a row is read, at least
    once. Fractions are rounded at random.
    """

    def draw(data: TrainingRows, generator: np.random.Generator) -> Pass:
        targets = data.targets
        if data.task == "multilabel":
            counts = targets.sum(0, dtype=np.float64)
            wanted = np.maximum(1.0, ratio * counts.max() / np.maximum(counts, 1))
            repeats = np.maximum(1.0, np.where(targets > 0, wanted, 1.0).max(1))
            return one_stratum(np.repeat(np.arange(len(targets)), _round_by_chance(repeats, generator)))
        counts = np.bincount(targets)
        goal = {label: max(int(n), round(ratio * counts.max())) for label, n in enumerate(counts) if n}
        return _by_imbalanced_learn("over", goal, targets, generator)

    return draw


def undersample(*, ratio: float) -> Resample:
    """Drop rows until no class has more rows than the smallest class / `ratio`.

    Multi-label: a label keeps a row with probability smallest label count / ratio / label count. A row stays with the
    highest probability among its labels, so rows with a rare label stay. Rows without a label count as one more label.
    """

    def draw(data: TrainingRows, generator: np.random.Generator) -> Pass:
        targets = data.targets
        if data.task == "multilabel":
            counts = targets.sum(0, dtype=np.float64)
            cap = counts[counts > 0].min() / ratio
            chance = np.where(targets > 0, np.minimum(1.0, cap / np.maximum(counts, 1)), 0.0).max(1)
            unlabelled = ~targets.any(1)
            chance[unlabelled] = min(1.0, cap / max(int(unlabelled.sum()), 1))
            return one_stratum(np.flatnonzero(generator.random(len(targets)) < chance))
        counts = np.bincount(targets)
        cap = round(counts[counts > 0].min() / ratio)
        goal = {label: min(int(n), cap) for label, n in enumerate(counts) if n}
        return _by_imbalanced_learn("under", goal, targets, generator)

    return draw


def balanced_batches() -> Resample:
    """Give every class the same number of rows in every batch, in a pass as long as the data.

    Multi-label: labels take the place of classes, and a row counts for the label it was drawn for. Rows without a label
    count as one more label. If there are more labels than rows, a pass has one row for each label.
    """

    def draw(data: TrainingRows, generator: np.random.Generator) -> Pass:
        members = _members(data.targets, data.task)
        length = max(len(data), len(members))
        # Shuffle the classes for each pass, because some get one row more than others.
        strata = generator.permutation(len(members))[np.arange(length) % len(members)]
        rows = np.empty(length, np.int64)
        for number, member in enumerate(members):
            rows[strata == number] = generator.choice(member, size=int((strata == number).sum()))
        return Pass(rows, strata)

    return draw


def fixed_number(*, rows: int) -> Resample:
    """Give every class the same number of `rows` in each pass.

    A larger class is read in part, with other rows in each pass. A smaller class is repeated: each row is read equally often,
    or once more.
    """

    def draw(data: TrainingRows, generator: np.random.Generator) -> Pass:
        drawn = []
        for member in _members(data.targets, data.task):
            drawn += [np.tile(member, rows // len(member)), generator.permutation(member)[: rows % len(member)]]
        return one_stratum(np.concatenate(drawn))

    return draw


def _members(targets: Targets, task: Task) -> list[RowNumbers]:
    if task == "multilabel":
        members = [np.flatnonzero(column) for column in targets.T]
        members.append(np.flatnonzero(~targets.any(1)))
    else:
        members = [np.flatnonzero(targets == label) for label in range(int(targets.max()) + 1)]
    return [member for member in members if len(member)]


def _by_imbalanced_learn(
    direction: Literal["over", "under"], goal: dict[int, int], targets: Targets, generator: np.random.Generator
) -> Pass:
    # Imported here, because the import takes about two seconds. Workers whose trials do not resample skip it.
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler

    sampler = (RandomOverSampler if direction == "over" else RandomUnderSampler)(
        sampling_strategy=goal, random_state=int(generator.integers(2**31))
    )
    sampler.fit_resample(np.arange(len(targets))[:, None], targets)
    return one_stratum(sampler.sample_indices_.astype(np.int64))


def _round_by_chance(values: NDArray[np.float64], generator: np.random.Generator) -> RowNumbers:
    whole = np.floor(values)
    return (whole + (generator.random(len(values)) < values - whole)).astype(np.int64)
