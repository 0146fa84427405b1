"""What is known of a predictor, measured: plain values, None where nothing could be measured.

Evidence is made from a run, a bundle or somebody's predictions; `tuner.diagnosis.causes.find` reads nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuner.scoring.signal import Signal
from tuner.space.settings import Task


@dataclass(frozen=True, kw_only=True)
class LabelFacts:
    """One label on the judged rows.

    `support` counts its true rows; `prevalence` and `decision_rate` are shares of the rows. `fitted_f1` is its F1 at
    thresholds fitted on other rows (one label a row: where the largest probability decides). `mean_probability` is over
    all rows; `highest_undecided` and `lowest_decided` are the probabilities that its decisions lie between.
    `train_rows` counts its true rows in training.
    """

    name: str
    support: int
    prevalence: float
    decision_rate: float
    f1: float
    auc: float | None = None
    average_precision: float | None = None
    fitted_f1: float | None = None
    mean_probability: float | None = None
    highest_undecided: float | None = None
    lowest_decided: float | None = None
    train_rows: int | None = None


@dataclass(frozen=True, kw_only=True)
class DecisionFacts:
    """What a predictor decides on rows whose truth is known. Measures are those of `tuner.scoring.measures`.

    `skill_low` and `skill_high` bound the skill with 95 % confidence; `chance_skill` is what a guess by prevalence earns,
    above 0 where a row has one label. `auc_margin` is two standard errors of an AUC without information.
    `fitted_macro_f1` is what the same probabilities earn with decisions fitted on other rows. `logit_spread` and
    `probability_spread` say how far probabilities differ between rows.
    """

    rows: int
    labels: tuple[LabelFacts, ...]
    macro_f1: float
    constant_penalty: float
    skill: float
    skill_low: float | None = None
    skill_high: float | None = None
    chance_skill: float = 0.0
    fitted_macro_f1: float | None = None
    auc: float | None = None
    auc_margin: float = 0.0
    average_precision: float | None = None
    logit_spread: float | None = None
    probability_spread: float | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingFacts:
    """How a training went, from its reports. Losses are means between two reports.

    `late_rise` is what the score gained over the last third of the reports, and `score_noise` what it moves by from one
    report to the next around its course. `gradient_norm` is the median over reports, `gradient_norm_most` the largest
    of a step; `gradient_ratio`, `tiny_gradient_share`, `loss_spread` and `clip_rate` are medians over reports;
    `gate_saturation`, `dead_units`, `train_score` and the spreads are those of the last report that has them. Of a bundle
    the course is not known: it has 0 steps.
    """

    ending: str | None
    measurements: int
    steps: int
    epochs: float
    examples: int
    parameters: int | None
    score: float | None
    best_score: float | None
    skill: float | None
    constant_penalty: float | None
    auc: float | None
    late_rise: float | None
    score_noise: float | None
    first_loss: float | None
    least_loss: float | None
    last_loss: float | None
    train_score: float | None
    gradient_norm: float | None
    gradient_norm_most: float | None
    tiny_gradient_share: float | None
    gradient_ratio: float | None
    clip_rate: float | None
    loss_spread: float | None
    gate_saturation: float | None
    dead_units: float | None
    logit_spread: float | None
    probability_spread: float | None
    diverged_at_step: int | None


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """What the rows are like. Shares are within 0 and 1.

    `unknown_share` is of the judged rows' tokens, `truncated_share` of the judged rows that are cut; `read_share` of
    the words that a row of median length has and that are read. `empty_share`, `conflict_share` (copies of an earlier
    row with other labels) and `overlap_share` are of rows. `seen_share` is that of `tuner.baselines`, known where a model of
    words hardly beats chance. `label_rows` counts each label's rows in training.
    """

    train_rows: int | None = None
    label_rows: Mapping[str, int] | None = None
    unknown_share: float | None = None
    truncated_share: float | None = None
    read_share: float | None = None
    empty_share: float | None = None
    conflict_share: float | None = None
    overlap_share: float | None = None
    seen_share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a plain model reaches on the same rows: its skill, give or take `margin` (two standard errors).

    `control_skill` is that of the same model trained on shuffled labels.
    """

    name: str
    skill: float
    margin: float
    control_skill: float | None = None


@dataclass(frozen=True, kw_only=True)
class SettingShare:
    """How many trials with one value of a setting collapsed or diverged, with the 95 % interval of the share.

    `setting` is what a space would say to keep out of it, empty where nothing would be left.
    """

    parameter: str
    value: str
    trials: int
    faulty: int
    low: float
    high: float
    rest: float
    setting: str


@dataclass(frozen=True, kw_only=True)
class SearchFacts:
    """A search as a whole: how its trials ended, the likeliest cause of each faulty one, and where they lie."""

    trials: int
    endings: Mapping[str, int]
    causes: Mapping[str, int]
    settings: tuple[SettingShare, ...]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that is known of one predictor. `configuration` is a flat one, as `tuner.samplers.base` makes them.

    `max_epochs` is the budget that the training had. `signal` says whether any model of the search, or of the file, was seen to
    predict better than chance. `missing` says what was not known, and what would tell it.
    """

    subject: str
    task: Task
    decisions: DecisionFacts | None = None
    training: TrainingFacts | None = None
    configuration: Mapping[str, Any] | None = None
    max_epochs: float | None = None
    data: DataFacts | None = None
    reference: Reference | None = None
    signal: Signal | None = None
    search: SearchFacts | None = None
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
