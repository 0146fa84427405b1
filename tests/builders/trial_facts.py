"""Trials of a made-up search, as `tuner.analysis` reads them from a ledger."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tuner.analysis.trials import TrialFacts
from tuner.samplers.sampler import RandomSampler
from tuner.space.load import read_space

SPACE = """\
task: multilabel
data: {train: a.parquet, text: text, labels: labels}
search: {trials: 10}
space:
  learning_rate: {low: 1e-5, high: 1e-1, scale: log}
  hidden: {low: 32, high: 256, step: 32}
  dropout: {low: 0.0, high: 0.6}
  layers: [1, 2]
  layer_dropout: {low: 0.0, high: 0.5}
  pooling: [max, mean, last]
  layer_norm: [true, false]
  clipping: [none, {norm: {threshold: {low: 0.1, high: 10, scale: log}}}, {value: {threshold: [0.1, 1]}}]
  resampling: [none, {oversample: {ratio: [0.25, 0.5, 1.0]}}]
"""
_NUMBERS = itertools.count()


def trial_facts(
    configuration: Mapping[str, Any], *, score: float | None = 0.5, ending: str = "completed"
) -> TrialFacts:
    return TrialFacts(
        number=next(_NUMBERS),
        phase="search",
        parent=None,
        ending=ending,
        reason="",
        score=score,
        configuration=configuration,
        epochs=1.0,
        train_seconds=1.0,
        ended_s=1.0,
    )


def sampled_configurations() -> list[Mapping[str, Any]]:
    """Draw 240 configurations from SPACE."""
    sampler = RandomSampler(read_space(SPACE).parameters, seed=1)
    return [sampler.ask(number) for number in range(240)]


def scored_trials(
    configurations: list[Mapping[str, Any]], score: Callable[[Mapping[str, Any]], float]
) -> list[TrialFacts]:
    """Return completed trials whose scores follow a rule, plus a little noise."""
    generator = np.random.default_rng(0)
    return [trial_facts(each, score=score(each) + generator.normal(0, 0.02)) for each in configurations]
