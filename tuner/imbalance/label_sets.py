"""Resample multi-label rows by their whole set of labels; each set counts as a class (label powerset).

Charte et al. (2013), A first approach to deal with imbalance in multi-label datasets.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuner.imbalance.training_pass import Pass, Resample, RowNumbers, Targets, TrainingRows, one_stratum

# As a multiple of the data. Half of goemotions' 707 sets have one or two rows. A pass that raises all of them to the 12,568
# rows of the most frequent set would be 209 times the data: longer than a training.
_LONGEST_PASS = 4


def label_set_oversample(*, ratio: float) -> Resample:
    """Repeat rows until each set of labels has at least `ratio` times the rows of the most frequent set (LP-ROS).

    Each row is read as often as the others of its set, or once more. A pass is at most four times the data. A longer pass is
    cut to that length with the same shares of the sets; each pass then has other rows of the frequent sets.
    """

    def draw(data: TrainingRows, generator: np.random.Generator) -> Pass:
        members = members_of_label_sets(data.targets)
        sizes = np.array([len(member) for member in members])
        raised = np.maximum(sizes, round(ratio * sizes.max()))
        wanted = _rounded(raised * min(1.0, _LONGEST_PASS * len(data) / raised.sum()))
        rows = []
        for member, number in zip(members, wanted, strict=True):
            rows += [np.tile(member, number // len(member)), generator.permutation(member)[: number % len(member)]]
        return one_stratum(np.concatenate(rows))

    return draw


def label_set_undersample(*, share: float) -> Resample:
    """Drop `share` of the rows, evenly from all sets of labels with more rows than the mean (LP-RUS).

    No set is cut below the mean, so fewer rows may be dropped than `share` asks for.
    """

    def draw(data: TrainingRows, generator: np.random.Generator) -> Pass:
        members = sorted(members_of_label_sets(data.targets), key=len)
        mean = len(data) / len(members)
        left_out = round(share * len(data))
        kept = [member for member in members if len(member) <= mean]
        frequent = [member for member in members if len(member) > mean]
        for number, member in enumerate(frequent):  # smallest first: larger sets make up for rows that it cannot drop
            fewer = min(int(len(member) - mean), left_out // (len(frequent) - number))
            left_out -= fewer
            kept.append(generator.permutation(member)[fewer:])
        return one_stratum(np.sort(np.concatenate(kept)))

    return draw


def members_of_label_sets(targets: Targets) -> list[RowNumbers]:
    """Return the rows of each set of labels that occurs. Rows without a label are one of the sets."""
    _, number = np.unique(np.packbits(targets > 0, axis=1), axis=0, return_inverse=True)
    order = np.argsort(number, kind="stable")
    return np.split(order, np.cumsum(np.bincount(number))[:-1])


def _rounded(shares: NDArray[np.float64]) -> RowNumbers:
    """Round to whole numbers that add up to the sum of the shares, rounded down. The largest remainders are rounded up."""
    whole = np.floor(shares + 1e-9).astype(np.int64)
    over = int(shares.sum() + 1e-9) - int(whole.sum())
    whole[np.argsort(whole - shares, kind="stable")[:over]] += 1
    return whole
