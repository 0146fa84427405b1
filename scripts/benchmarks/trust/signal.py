"""Does tuner say "nothing to learn" if that is so, and never if the models could not see the inputs or had too few rows?

The texts are generated. The baselines and everything that judges them are tuner's own. Simulated champions and measurements,
which rank rows at random or as well as stated, stand in for searches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.row import Row, at_least, at_most, explains

REPEATS = 100
TRIALS = 40  # measurements of a search, each with a ranking of its own
_ROWS = {"train": 600, "validation": 200, "test": 200}
_WORDS = [
    f"{first}{last}" for first in ("ba", "de", "fi", "go", "lu", "ma", "ne") for last in ("lor", "mit", "sun", "tek")
]
_SIGNS = [chr(code) for code in range(0x4E00, 0x4E00 + 60)]

Numbers = NDArray[np.int64]
Make = Callable[[np.random.Generator, Numbers], list[str]]


def plain(generator: np.random.Generator, truth: Numbers) -> list[str]:
    """Draw eight words of 28, independent of the label."""
    return [" ".join(generator.choice(_WORDS, 8)) for _ in truth]


def told_by_a_word(generator: np.random.Generator, truth: Numbers) -> list[str]:
    """Draw the same words and one that gives the label away."""
    return [f"{text} {('ham', 'spam')[label]}" for text, label in zip(plain(generator, truth), truth, strict=True)]


def told_by_two_words(generator: np.random.Generator, truth: Numbers) -> list[str]:
    """Put one of two words first and one of two last. The label is whether they match; neither word gives it away alone."""
    first = generator.integers(0, 2, len(truth))
    ends = zip(plain(generator, truth), first, first ^ truth, strict=True)
    return [f"{('hot', 'cold')[a]} {text} {('day', 'night')[b]}" for text, a, b in ends]


def without_spaces(generator: np.random.Generator, truth: Numbers) -> list[str]:
    """Make clauses of 16 characters without spaces, in which two pairs of characters give the label away."""
    texts = []
    for label in truth:
        signs = list(generator.choice(_SIGNS, 16))
        for _ in range(2):
            signs.insert(int(generator.integers(0, 17)), ("很好", "很差")[label])
        texts.append("".join(signs) + "。")
    return texts


def numbers_as_words(generator: np.random.Generator, truth: Numbers) -> list[str]:
    """Draw three numbers of up to six digits. The label is whether their mean is large."""
    centres = np.where(truth == 1, 600_000, 400_000)[:, None]
    return [" ".join(map(str, row)) for row in np.abs(generator.normal(centres, 150_000, (len(truth), 3))).astype(int)]


def measure() -> list[Row]:
    """Draw every kind of data a few hundred times, and count the answers."""
    return [
        _share_of("shuffled labels: none found", plain, "none found", 0.8),
        _share_of("shuffled labels, 5 % positive: none found", plain, "none found", 0.8, share=0.05),
        _never("a word tells the label, every network at chance", told_by_a_word),
        _never("two words tell the label together, every network at chance", told_by_two_words),
        _never("texts without spaces, every network at chance", without_spaces),
        _never("numbers as words, every network at chance", numbers_as_words),
        _never("nothing that linear models see, the champion sees it", plain, lift=1.0),
        _never("nothing that linear models see, one trial sees it", plain, trial_lift=1.5),
        _share_of(
            "one positive row in validation and test, a word tells it: too few rows",
            told_by_a_word,
            "too few rows",
            1.0,
            positives=1,
        ),
        _share_of(
            "one positive row in validation and test, nothing tells it: too few rows",
            plain,
            "too few rows",
            1.0,
            positives=1,
        ),
        _explained("nothing that linear models see, one trial ranks by an AUC of 0.76", plain, trial_lift=1.0),
        _explained(
            "a word in ten positive rows tells the label, every network at chance", told_by_a_word, positives=10
        ),
    ]


def answers(make: Make, repeats: int = REPEATS, **options: Any) -> Counter[str]:
    """Count the answers over some draws of the data."""
    return Counter(answer(make, seed, **options) for seed in range(repeats))


def answer(
    make: Make,
    seed: int,
    *,
    share: float = 0.2,
    positives: int | None = None,
    lift: float = 0.0,
    trial_lift: float = 0.0,
) -> str:
    """Return the answer for one draw.

    A `share` of the rows is positive, or that many rows of validation and of test. The champion's logits are noise of standard
    deviation 1, plus `lift` on positive rows; those of one trial are `trial_lift` higher there.
    """
    from tuner.baselines.baseline import Decided
    from tuner.baselines.run import run_baselines
    from tuner.data.profile import profile
    from tuner.scoring.ranking import auc_per_label, rank_rows
    from tuner.scoring.signal import find_signal, gather_evidence
    from tuner.search.champion_test import decide_validation, describe_baselines, judge

    generator = np.random.default_rng((seed, 17))
    dataset = _dataset(make, generator, share, positives)
    judged = {}
    for split in ("validation", "test"):
        probabilities = _rank(generator, dataset.truth(split), lift)
        decisions = decide_validation(probabilities, dataset) if split == "validation" else probabilities > 0.5
        judged[split] = judge(Decided(decisions, probabilities), dataset, split, penalty_weight=1.0, seed=seed)
    truth = dataset.truth("validation")
    lifts = [trial_lift, *[0.0] * (TRIALS - 1)]
    looks = gather_evidence(
        dataset.task,
        baselines=describe_baselines(run_baselines(dataset, seed=seed), dataset, penalty_weight=1.0, seed=seed),
        profile=profile(dataset),
        configuration={"tokens": "word"},
        rankings=[float(auc_per_label(rank_rows(_rank(generator, truth, each), truth))[1]) for each in lifts],
        **judged,
    )
    return find_signal(looks).answer


def _dataset(make: Make, generator: np.random.Generator, share: float, positives: int | None) -> Any:
    from tuner.data.dataset import Dataset, Split

    splits = {}
    for name, rows in _ROWS.items():
        truth = np.zeros(rows, dtype=np.int64)
        count = round(share * rows) if positives is None else positives * rows // _ROWS["validation"]
        truth[generator.permutation(rows)[:count]] = 1
        splits[name] = Split(tuple(make(generator, truth)), truth, np.arange(1, rows + 1), name, np.arange(rows))
    return Dataset(
        task="binary",
        labels=("no", "yes"),
        seen=np.ones(2, dtype=bool),
        notes=(),
        fingerprints={},
        folds=None,
        **splits,
    )


def _rank(generator: np.random.Generator, truth: NDArray[np.bool_], lift: float) -> NDArray[np.float64]:
    """Return probabilities (rows, 2) of a model whose logits are `lift` higher on positive rows."""
    logits = generator.normal(size=len(truth)) + lift * truth[:, 1]
    yes = 1 / (1 + np.exp(-logits))
    return np.column_stack([1 - yes, yes])


def _describe(counts: Counter[str]) -> str:
    return f"of {counts.total()} draws: {', '.join(f'{count} {name}' for name, count in counts.most_common())}"


def _share_of(name: str, make: Make, wanted: str, floor: float, **options: Any) -> Row:
    counts = answers(make, **options)
    return at_least(name, floor, counts[wanted] / counts.total(), "share", _describe(counts))


def _never(name: str, make: Make, **options: Any) -> Row:
    counts = answers(make, **options)
    return at_most(f"{name}: none found", 0.0, counts["none found"] / counts.total(), "share", _describe(counts))


def _explained(name: str, make: Make, **options: Any) -> Row:
    counts = answers(make, **options)
    return explains(f"{name}: none found", counts["none found"] / counts.total(), "share", _describe(counts))
