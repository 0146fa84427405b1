"""Resample multi-label rows by labels that are rarer than the mean.

The rarity of a label is the count of the most frequent label divided by its own (IRLbl of Charte et al. 2015, Addressing
imbalance in multilabel classification). Labels without a row are ignored.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuner.imbalance.neighbours import nearest
from tuner.imbalance.training_pass import Pass, Resample, RowNumbers, Targets, TrainingRows, one_stratum


def ml_ros(*, share: float) -> Resample:
    """Repeat `share` of the rows, drawn in turn from labels rarer than the mean (ML-ROS, Charte et al. 2015).

    A label drops out once it is no rarer than the mean was at the start, so fewer rows may be added.
    """

    def draw(data: TrainingRows, generator: np.random.Generator) -> Pass:
        targets = data.targets
        counts = targets.sum(0, dtype=np.float64)
        rarity = rarity_of(counts)
        mean = rarity[counts > 0].mean()
        bags = {int(label): np.flatnonzero(targets[:, label]) for label in _in_any_order(targets, generator)}
        added: list[int] = []
        while bags and len(added) < round(share * len(targets)):
            turn = [int(generator.choice(bag)) for bag in bags.values()]
            added += turn
            counts += targets[turn].sum(0, dtype=np.float64)
            rarity = rarity_of(counts)
            bags = {label: bag for label, bag in bags.items() if rarity[label] > mean}
        again = np.array(added[: round(share * len(targets))], np.int64)
        return one_stratum(np.concatenate([np.arange(len(targets)), again]))

    return draw


def ml_rus(*, share: float) -> Resample:
    """Drop `share` of the rows, only those without a label rarer than the mean (ML-RUS, Charte et al. 2015).

    If there are fewer such rows, fewer are dropped. No label loses its last row.
    """

    def draw(data: TrainingRows, generator: np.random.Generator) -> Pass:
        targets = data.targets
        candidates = generator.permutation(without_rare_labels(targets))
        has_row = np.delete(targets, candidates, axis=0).any(0)
        needed = {int(targets[candidates, label].argmax()) for label in np.flatnonzero(~has_row & targets.any(0))}
        left_out = np.delete(candidates, sorted(needed))[: round(share * len(targets))]
        return one_stratum(np.delete(np.arange(len(targets)), left_out))

    return draw


def mlsmote(*, share: float, neighbours: int) -> Resample:
    """Add a `share` of new rows: for each rare label in turn, one between a row and one of its `neighbours` nearest rows.

    The neighbours have the rare label too. The new row has the rare label, and every label that at least half of the row and
    its neighbours have. Charte et al. (2015), MLSMOTE.
    """

    def draw(data: TrainingRows, generator: np.random.Generator) -> Pass:
        targets = data.targets
        bags = [np.flatnonzero(targets[:, label]) for label in _in_any_order(targets, generator)]
        wanted = round(share * len(targets))
        all_rows = np.arange(len(targets))
        rows, partners, labels = [all_rows], [all_rows], [targets]
        for turn, bag in enumerate(bags):
            number = len(range(turn, wanted, len(bags)))
            others = _others_near(data, bag, neighbours)
            seeds = generator.integers(len(bag), size=number)
            rows.append(bag[seeds])
            partners.append(others[seeds, generator.integers(neighbours, size=number)])
            labels.append(_labels_by_ranking(targets, bag, others)[seeds])
        row_numbers = np.concatenate(rows)
        weights = generator.random(len(row_numbers), np.float32)
        weights[: len(targets)] = 0
        strata = np.zeros(len(row_numbers), np.int64)
        return Pass(row_numbers, strata, np.concatenate(partners), weights, np.concatenate(labels))

    return draw


def rarity_of(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest count divided by each count; infinite for labels without a row."""
    rarity = np.full(len(counts), np.inf)
    np.divide(counts.max(), counts, out=rarity, where=counts > 0)
    return rarity


def rare_labels(targets: Targets) -> RowNumbers:
    """Return the numbers of labels that are rarer than the mean over labels with a row."""
    counts = targets.sum(0, dtype=np.float64)
    rarity = rarity_of(counts)
    is_present = counts > 0
    # The mean of equal rarities may be off by rounding.
    return np.flatnonzero(is_present & (rarity > rarity[is_present].mean() * (1 + 1e-9)))


def _in_any_order(targets: Targets, generator: np.random.Generator) -> RowNumbers:
    """Return the rare labels, shuffled. A pass may add fewer rows than there are labels, and each should get its turn."""
    return generator.permutation(rare_labels(targets))


def without_rare_labels(targets: Targets) -> RowNumbers:
    """Return the rows without a label that is rarer than the mean."""
    return np.flatnonzero(~targets[:, rare_labels(targets)].any(1))


def _others_near(data: TrainingRows, bag: RowNumbers, neighbours: int) -> RowNumbers:
    """Return the `neighbours` nearest other rows of `bag` for each of its rows, shape (bag, neighbours)."""
    if len(bag) <= neighbours:
        raise ValueError(f"a rare label has {len(bag)} rows, but {neighbours} neighbours need {neighbours + 1}")
    _, places = nearest(data, of=bag, among=bag, count=neighbours + 1)
    others: RowNumbers = bag[places[:, 1:]]
    return others


def _labels_by_ranking(targets: Targets, bag: RowNumbers, others: RowNumbers) -> Targets:
    together = targets[bag].astype(np.int64) + targets[others].sum(1, dtype=np.int64)
    has_half: NDArray[np.bool_] = 2 * together >= 1 + others.shape[1]
    return has_half.astype(targets.dtype)
