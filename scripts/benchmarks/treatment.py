"""Follow the first advice of a diagnosis, and see whether the score rises."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from benchmarks.sick import Answers, Patient, PlantedFault, SickData, Treatment, observe

_DIVERGED = -1.0  # the score of a trial without a model: that of a constant answer, or worse
_LEAST_GAIN = 0.005


@dataclass(frozen=True)
class Treated:
    """The advice for a fault, and the scores before and after. `after` is None if there was nothing to apply."""

    cause: str
    advice: str
    before: float
    after: float | None

    @property
    def is_raised(self) -> bool:
        """Whether the score rose by more than rounding."""
        return self.after is not None and self.after > self.before + _LEAST_GAIN

    def __str__(self) -> str:
        return f"{self.advice}: {self.before:.3f} to {'–' if self.after is None else f'{self.after:.3f}'}"


def treat(fault: PlantedFault, material: SickData, patient: Patient, *, seed: int) -> Treated | None:
    """Apply the first cause's advice and measure again; None if no cause is named."""
    from tuner.diagnosis.causes.diagnose import diagnose

    causes = diagnose(patient.evidence).causes
    if not causes:
        return None
    first, before = causes[0], _score(patient.evidence)
    if patient.answers is not None:
        after = _mended(patient.answers, first.advice)
        return Treated(first.name, first.advice, before, after)
    if not first.setting or first.setting.startswith("--set data."):
        return Treated(first.name, first.advice, before, None)
    again = observe(fault, material, seed=seed, treatment=_read(first.setting))
    return Treated(first.name, first.setting, before, _score(again.evidence))


def _score(evidence: Any) -> float:
    facts = evidence.decisions
    return _DIVERGED if facts is None else float(facts.macro_f1 - facts.constant_penalty)


def _read(setting: str) -> Treatment:
    """Return the settings of "--set key=value --set …"."""
    chosen, epochs = {}, None
    for assignment in shlex.split(setting)[1::2]:
        key, _, value = assignment.partition("=")
        read = YAML(typ="safe", pure=True).load(value)
        section, _, name = key.partition(".")
        if section == "space":
            chosen[name] = read
        elif name == "max_epochs":
            epochs = float(read)
    return Treatment(chosen=chosen, epochs=epochs)


def _mended(answers: Answers, advice: str) -> float | None:
    """Return the score of the answers after what the advice says; None if it is about the training."""
    from tuner.diagnosis.facts.decisions import decide_plainly, decision_facts
    from tuner.scoring.blocks import halves
    from tuner.scoring.thresholds import cross_fitted_decisions

    probabilities, truth, task = answers.probabilities, answers.truth, answers.task
    if advice.startswith("fit a threshold"):
        decided = cross_fitted_decisions(probabilities, truth, task, parts=halves(truth, answers.blocks))
    elif advice.startswith("decide for the most probable"):
        decided = decide_plainly(probabilities, task)
    elif advice.startswith("multiply each label's probability"):
        decided = decide_plainly(_with_mean(probabilities, truth.mean(axis=0)), task)
    elif advice.startswith("decide for the label whose probability exceeds its mean"):
        decided = decide_plainly(probabilities / probabilities.mean(axis=0), task)
    else:
        return None
    labels = [str(label) for label in range(truth.shape[1])]
    facts = decision_facts(decided, probabilities, truth, task=task, labels=labels, blocks=answers.blocks)
    return float(facts.macro_f1 - facts.constant_penalty)


def _with_mean(probabilities: Any, shares: Any) -> Any:
    """Multiply each column by a factor and normalise the rows, until each column's mean is its share."""
    scaled = np.asarray(probabilities, np.float64)
    for _ in range(200):
        scaled = scaled * (shares / np.maximum(scaled.mean(axis=0), 1e-12))
        scaled = scaled / scaled.sum(axis=1, keepdims=True)
    return scaled
