"""Measurements of a predictor, as plain values. A value is None if it could not be measured.

The readers make evidence from a run, a bundle or a file of predictions. `tuner.diagnosis.causes` reads nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tuner.scoring.signal import Signal
from tuner.space.load import Space
from tuner.space.task import Task

EndedBy = Literal["budget", "patience", "rung", "gate", "clock", "interruption", "divergence", "failure"]
"""What ended a training: its epochs, search.patience, ASHA, the gate, the run's time or cost, Ctrl-C, a number that is not
finite, or an error."""


@dataclass(frozen=True, kw_only=True)
class LabelFacts:
    """One label on the evaluated rows.

    `support` counts its true rows; `prevalence` and `decision_rate` are shares of all rows. `fitted_f1` is its F1 with
    thresholds fitted on other rows, or in multi-class with the most probable class. `mean_probability` is over all rows.
    `highest_undecided` is the highest probability among rows without the label in their decision, `lowest_decided` the lowest
    among rows with it. `train_rows` counts its true rows in training.
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
    """Decisions on rows with known truth, with the measures of `tuner.scoring.measures`.

    `skill_low` and `skill_high` are the 95 % interval of the skill. `chance_skill` is the skill of a guess by prevalence; it
    is above 0 in tasks with one label per row. `auc_margin` is two standard errors of an uninformative AUC.
    `fitted_macro_f1` is the macro-F1 of the same probabilities with decisions fitted on other rows. `logit_spread` and
    `probability_spread` measure how much the probabilities differ between rows.
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
    """How a training went, from its measurements. Losses are means between two measurements.

    `late_rise` is the gain in score over the last third of the measurements. `score_noise` is how much the score varies from
    one measurement to the next around its trend. `gradient_norm`, `gradient_ratio`, `tiny_gradient_share`, `loss_spread` and
    `clip_rate` are medians over measurements; `gradient_norm_most` is the largest norm of a step. `gate_saturation`,
    `dead_units`, `train_score` and the spreads come from the last measurement that has them. A bundle does not record its
    training; it has 0 steps. `ended_by` is None if that is not known.
    """

    ending: str | None
    ended_by: EndedBy | None = None
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
    """What the rows are like. All shares are between 0 and 1.

    `unknown_share` is a share of the tokens of the evaluated rows, `truncated_share` of the evaluated rows. `read_share` is
    the share of a median-length row that is read. `empty_share`, `conflict_share` (copies of an earlier row with other
    labels) and `overlap_share` are shares of rows. `seen_share` comes from `tuner.baselines`, which measure it if a model of
    words hardly beats chance. `unit` is what the profile counts. If it is characters, `unspaced_share` is the share of texts in
    a script without spaces, and 95 % of the texts have at most `characters`. `label_rows` counts the rows of each label in
    training.
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
    unit: str = "words"
    unspaced_share: float | None = None
    characters: int | None = None


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The skill of a plain model on the same rows, give or take `margin` (two standard errors).

    `control_skill` is the skill of the same model trained on shuffled labels.
    """

    name: str
    skill: float
    margin: float
    control_skill: float | None = None


@dataclass(frozen=True, kw_only=True)
class SettingShare:
    """How many trials with one value of a setting collapsed or diverged, with the 95 % interval of their share.

    `rest` is the share among the other trials. `setting` is the change to a space that avoids the value; empty if that would
    leave no value.
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
    """A search as a whole: how its trials ended, the most likely cause of each faulty one, and the settings involved."""

    trials: int
    endings: Mapping[str, int]
    causes: Mapping[str, int]
    settings: tuple[SettingShare, ...]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """How the predictor came about: the command that searches again, to which settings can be added.

    `search_longer` is the command that gives its run more time or trials; "" if that would change nothing.
    """

    run_again: tuple[str, ...]
    search_longer: str = ""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that is known about one predictor. `configuration` is flat, as the samplers make it.

    `space` is the space that it was drawn from. `max_epochs` is the budget of the training. `signal` says whether any model
    of the search, or of the file, predicts better than chance. `missing` lists what is not known, and how to find out.
    """

    subject: str
    task: Task
    decisions: DecisionFacts | None = None
    training: TrainingFacts | None = None
    configuration: Mapping[str, Any] | None = None
    space: Space | None = None
    origin: Origin | None = None
    max_epochs: float | None = None
    data: DataFacts | None = None
    reference: Reference | None = None
    signal: Signal | None = None
    search: SearchFacts | None = None
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
