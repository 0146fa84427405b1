"""Does the score rank real trials like macro-F1 on fresh rows? With 200 labels of Zipf frequencies, and on real texts."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.material import shared
from benchmarks.row import Row, SkippedError, at_least
from benchmarks.sick import predict

LABELS = 200
_COLUMNS = "{train: none.parquet, text: text, labels: labels}"
REAL: dict[tuple[str, str], tuple[str, str, int]] = {
    ("nlupp", "all.parquet"): ("multilabel", "labels: labels", 12),
    ("goemotions", "train.parquet"): ("multilabel", "labels: labels", 2),
    ("davidson_hate", "all.parquet"): ("multiclass", "label: label", 2),
}
MOST_ROWS = 8000  # of a real set
ROWS = 6000
FRESH = 20_000
TRIALS = 16
EPOCHS = 4
AT_LEAST = 0.95
JUDGED = 1000
SPACE = """
task: {task}
data: {columns}
search: {{trials: 16, algorithm: random, max_epochs: {epochs}}}
space:
  max_length: 24
  embedding: {{random: {{size: [32, 64], scale: [0.1, 0.3]}}}}
  hidden: [32, 64]
  directions: 2
  pooling: [last, max, attention]
  dropout: {{low: 0.0, high: 0.6}}
  learning_rate: {{low: 3e-4, high: 3e-2, scale: log}}
  batch_size: [32, 64]
  loss_weights: [none, root, balanced]
"""


def measure() -> list[Row]:
    rows = _rows_of("200 Zipf labels", _space(_COLUMNS, "multilabel", EPOCHS), _dataset(), floor=AT_LEAST)
    for name, (task, columns, epochs) in REAL.items():
        try:
            path = shared("data", *name)
        except SkippedError:
            continue
        space = _space(f"{{train: '{path}', text: text, {columns}}}", task, epochs)
        rows += _rows_of(name[0], space, _real(space), floor=None)
    return rows


def _rows_of(name: str, space: Any, dataset: Any, *, floor: float | None) -> list[Row]:
    """Rank trials by the score and by the former score. The score must rank at least as well, or reach its floor."""
    rows = trials(space, dataset)
    fresh = [row["fresh"] for row in rows]
    current, mean, weighted, plain = (
        spearman([row[key] for row in rows], fresh) for key in ("score", "mean", "weighted", "macro_f1")
    )
    listed = "; ".join(f"{row['score']:.3f} / {row['fresh']:.3f}" for row in rows)
    before = f"with a mean over labels {mean:.3f}, weighted by impurity {weighted:.3f}, without a penalty {plain:.3f}"
    return [
        at_least(
            f"Spearman of score with macro-F1 on fresh rows, {name}",
            mean if floor is None else floor,
            current,
            "",
            f"{before}; {len(rows)} trials, score / fresh: {listed}",
        )
    ]


def trials(space: Any, dataset: Any) -> list[dict[str, float]]:
    """Train trials of one space. Judge each on validation, as a search does, and on fresh rows with its own thresholds."""
    from tuner.data.trial_data import prepare
    from tuner.scoring.f1 import macro_f1
    from tuner.scoring.indicator import as_indicator
    from tuner.scoring.thresholds import cross_fitted_decisions, decide, fit_thresholds
    from tuner.trial.order import TrialSettings
    from tuner.trial.trial import Trial

    task, labels = dataset.task, len(dataset.labels)
    data = prepare(dataset, space.parameters)
    fresh_data = prepare(
        replace(dataset, validation=dataset.test), space.parameters
    )  # fitted on the same training rows
    settings = TrialSettings(
        max_epochs=space.search.max_epochs,
        reports_per_epoch=1,
        penalty_weight=1.0,
        patience=None,
        threads=1,
        device="cpu",
        rungs=(),
    )
    truth, fresh_truth = (as_indicator(dataset.splits[name].targets, labels) for name in ("validation", "test"))
    rows = []
    for number, configuration in enumerate(_configurations(space)):
        trial = Trial(configuration, data, settings, seed=number)
        measurement = trial.next_measurement()
        while not measurement.is_last:
            measurement = trial.next_measurement()
        if trial.probabilities is None:
            continue  # a diverged trial has no rank
        decisions = cross_fitted_decisions(trial.probabilities, truth, task, parts=data.parts, seen=data.seen)
        thresholds = fit_thresholds(trial.probabilities, truth, task, seen=data.seen)
        fresh = decide(predict(trial, fresh_data, configuration), thresholds, task)
        rows.append(
            {
                "score": measurement.score,
                "macro_f1": measurement.macro_f1,
                "mean": measurement.macro_f1 - mean_penalty(decisions, truth, task, is_weighted=False),
                "weighted": measurement.macro_f1 - mean_penalty(decisions, truth, task, is_weighted=True),
                "fresh": macro_f1(fresh, fresh_truth),
            }
        )
    return rows


def mean_penalty(decisions: np.ndarray, truth: np.ndarray, task: Any, *, is_weighted: bool) -> float:
    """Return the former penalty: a mean over the labels whose truth varies, or one weighted by the impurity of the truth."""
    from tuner.scoring.penalty import constant_penalty

    if task != "multilabel":
        return constant_penalty(decisions, truth, task)  # with one column both means are the same
    decided, true = (2 * rates * (1 - rates) for rates in (decisions.mean(axis=0), truth.mean(axis=0)))
    varies = true > 0
    penalties = np.maximum(0.0, 1 - decided[varies] / true[varies] / 0.1)
    return float(np.average(penalties, weights=true[varies] if is_weighted else None))


def spearman(values: list[float], others: list[float]) -> float:
    """Return the rank correlation."""
    from scipy.stats import spearmanr

    return float(spearmanr(values, others).statistic)


def _configurations(space: Any) -> list[Any]:
    from tuner.samplers.base import make_sampler

    sampler = make_sampler(space)
    return [sampler.ask(number) for number in range(TRIALS)]


def _space(columns: str, task: str, epochs: int) -> Any:
    from tuner.space.load import load_space

    with tempfile.TemporaryDirectory(prefix="tuner-trust-") as folder:
        path = Path(folder) / "space.yaml"
        path.write_text(SPACE.format(columns=columns, task=task, epochs=epochs))
        return load_space(str(path))


def _real(space: Any) -> Any:
    """Split a set: half of the rows to train on, a sixth for validation as in a search, and a third as fresh rows."""
    from tuner.data.dataset import count_targets
    from tuner.data.load import load_data

    read = load_data(space.data.model_copy(update={"validation": 1 / 6, "test": 1 / 3}), space.task, seed=0)
    kept = {name: split.take(np.arange(min(len(split), MOST_ROWS))) for name, split in read.splits.items()}
    return replace(read, **kept, seen=count_targets(kept["train"].targets, len(read.labels)) > 0)


def _split(rows: int, name: str, generator: np.random.Generator) -> Any:
    """Make texts of ten words. A true label leaves its word in seven of ten rows; each row has one random label's word too."""
    from tuner.data.dataset import Split

    rates = 0.3 / np.arange(1, LABELS + 1)
    truth = generator.random((rows, LABELS)) < rates
    shown = truth & (generator.random(truth.shape) < 0.7)
    stray = generator.choice(LABELS, rows, p=rates / rates.sum())
    noise = generator.integers(0, 500, (rows, 8))
    texts = []
    for row in range(rows):
        words = [f"label{label}" for label in [*np.flatnonzero(shown[row]), stray[row]]]
        words += [f"word{number}" for number in noise[row]]
        texts.append(" ".join(generator.permutation(words)))
    numbers = np.arange(rows)
    return Split(tuple(texts), truth.astype(np.uint8), numbers + 1, name, numbers)


def _dataset() -> Any:
    from tuner.data.dataset import Dataset

    generator = np.random.default_rng(0)
    train, validation, test = (
        _split(rows, name, generator) for rows, name in ((ROWS, "train"), (JUDGED, "validation"), (FRESH, "fresh"))
    )
    return Dataset(
        task="multilabel",
        labels=tuple(f"label{number}" for number in range(LABELS)),
        seen=train.targets.any(axis=0),
        train=train,
        validation=validation,
        test=test,
        notes=(),
        fingerprints={},
    )
