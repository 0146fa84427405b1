"""Faults planted in real trials: data, configurations, and the evidence that the trials leave.

Each fault lists the causes that may rightly come first. `tests/diagnosis/test_faults.py` plants a few of the faults, the
benchmark `diagnosis` plants all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

Tamper = Callable[[Any, np.random.Generator], Any]
"""A function that takes a Dataset and returns one with a fault."""


@dataclass(frozen=True, kw_only=True)
class SickData:
    """A data set, and a configuration that learns it in a few seconds."""

    task: str
    train: str
    columns: Mapping[str, Any]
    rows: int
    epochs: float
    configuration: Mapping[str, Any]
    is_calibration: bool = True

    @property
    def inputs(self) -> str:
        return "sequence" if "sequence" in self.columns else "text"


_TEXT = {
    "embedding": {"random": {"size": 48}},
    "hidden": 48,
    "max_length": 48,
    "learning_rate": 0.005,
    "batch_size": 32,
    "precision": "float32",
}
_SEQUENCE = {"hidden": 48, "learning_rate": 0.005, "batch_size": 16, "precision": "float32"}

MATERIALS: dict[str, SickData] = {
    "docstrings": SickData(
        task="multilabel",
        train="builtin:docstrings",
        columns={"text": "text", "labels": "labels", "group": "function"},
        rows=2000,
        epochs=14,
        configuration={
            **_TEXT,
            "learning_rate": 0.01,
        },  # with 8 epochs at 0.005 the diagnosis rightly says that the training is too short
    ),
    "is_method": SickData(
        task="binary",
        train="builtin:docstrings",
        columns={"text": "text", "label": "is_method", "group": "function"},
        rows=2000,
        epochs=6,
        configuration=_TEXT,
    ),
    "library": SickData(
        task="multiclass",
        train="builtin:docstrings",
        columns={"text": "text", "label": "library", "group": "function"},
        rows=2000,
        epochs=8,
        configuration=_TEXT,
    ),
    "digits": SickData(
        task="multiclass",
        train="builtin:digits",
        columns={"sequence": "sequence", "label": "label"},
        rows=600,
        epochs=30,
        configuration=_SEQUENCE,
        is_calibration=False,
    ),
    "davidson_hate": SickData(
        task="multiclass",
        train="davidson_hate/all.parquet",
        columns={"text": "text", "label": "label"},
        rows=2000,
        epochs=6,
        configuration=_TEXT,
        is_calibration=False,
    ),
    "sms_spam": SickData(
        task="binary",
        train="sms_spam/all.parquet",
        columns={"text": "text", "label": "label"},
        rows=1500,
        epochs=6,
        configuration=_TEXT,
        is_calibration=False,
    ),
    "japanesevowels": SickData(
        task="multiclass",
        train="uea_japanesevowels/test.parquet",
        columns={"sequence": "sequence", "label": "label"},
        rows=260,
        epochs=40,
        configuration=_SEQUENCE,
        is_calibration=False,
    ),
}


@dataclass(frozen=True, kw_only=True)
class PlantedFault:
    """A fault: what it changes, and which causes may rightly be named first (none for a healthy trial).

    `chosen` is written as in a space. `forced` goes into the configuration, past the space's bounds. `weights` changes the
    initial weights. `budget` is the share of the material's epochs, or the number of epochs if it is below 0. `answer` turns
    the probabilities into a predictions file, of which only decisions, probabilities and truth are known.
    """

    name: str
    right: tuple[str, ...]
    chosen: Mapping[str, Any] = field(default_factory=dict)
    forced: Mapping[str, Any] = field(default_factory=dict)
    tamper: Tamper | None = None
    budget: float = 1.0
    weights: Callable[[Any], None] | None = None
    answer: Callable[[Any, str], tuple[Any, Any]] | None = None
    materials: tuple[str, ...] = tuple(MATERIALS)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Probabilities and truth of the evaluated rows, and the task."""

    probabilities: Any
    truth: Any
    task: Any
    blocks: Any


@dataclass(frozen=True, kw_only=True)
class Patient:
    """A trial with a fault: its evidence and, if the fault is in its answers, these."""

    evidence: Any
    answers: Answers | None = None


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """Settings to train with again: as in a space, and the epochs if they change."""

    chosen: Mapping[str, Any] = field(default_factory=dict)
    epochs: float | None = None


def make(fault: PlantedFault, material: SickData, *, seed: int) -> Any:
    """Train with the fault and return the evidence."""
    return observe(fault, material, seed=seed).evidence


def observe(fault: PlantedFault, material: SickData, *, seed: int, treatment: Treatment = Treatment()) -> Patient:
    """Train with the fault, and with a treatment if one is given.

    New initial weights replace the planted ones. A treated parameter replaces what was forced.
    """
    from benchmarks.material import parameters
    from tuner.data.profile import profile
    from tuner.data.trial_data import prepare
    from tuner.diagnosis.facts.data import data_facts
    from tuner.diagnosis.facts.decisions import decision_facts
    from tuner.diagnosis.facts.evidence import Evidence
    from tuner.diagnosis.facts.reference import measure_baselines, reference
    from tuner.diagnosis.facts.training import training_facts
    from tuner.scoring.signal import find_signal, gather_evidence
    from tuner.scoring.thresholds import cross_fitted_decisions
    from tuner.trial.order import TrialSettings
    from tuner.trial.trial import Trial

    dataset = read(material, seed)
    if fault.tamper is not None:
        dataset = fault.tamper(dataset, np.random.default_rng(seed))
    before = {**material.configuration, **fault.chosen}
    setting = {"task": material.task, "inputs": material.inputs}
    after = {**before, **treatment.chosen}
    if after.get("layers", 1) == 1:
        after.pop("layer_dropout", None)
    domains = parameters(**setting, **after)
    data = prepare(dataset, domains)
    config = middle(domains, middle(parameters(**setting, **before)))
    config |= {name: value for name, value in fault.forced.items() if name.split(".")[0] not in treatment.chosen}
    epochs = -fault.budget if fault.budget < 0 else material.epochs * fault.budget
    epochs = epochs if treatment.epochs is None else treatment.epochs
    settings = TrialSettings(max_epochs=epochs, reports_per_epoch=1, penalty_weight=1.0)
    trial = Trial(config, data, settings, seed=seed)
    if fault.weights is not None and "initialisation" not in treatment.chosen:
        fault.weights(trial.model)
    measurements = [trial.next_measurement()]
    while not measurements[-1].is_last:
        measurements.append(trial.next_measurement())
    ending = "diverged" if measurements[-1].diverged_at_step is not None else "completed"
    profiled = profile(dataset)
    if fault.answer is not None:
        probabilities, decided = fault.answer(predict(trial, data, config), data.task)
        blocks, truth = dataset.validation.blocks, data.validation_truth
        facts = decision_facts(decided, probabilities, truth, task=data.task, labels=data.labels, blocks=blocks)
        return Patient(
            evidence=Evidence(subject="predictions", task=data.task, decisions=facts),
            answers=Answers(probabilities=probabilities, truth=truth, task=data.task, blocks=blocks),
        )
    decisions = None
    if ending != "diverged":
        probabilities = predict(trial, data, config)
        truth = data.validation_truth
        decided = cross_fitted_decisions(probabilities, truth, data.task, parts=data.parts, seen=data.seen)
        decisions = decision_facts(
            decided,
            probabilities,
            truth,
            task=data.task,
            labels=data.labels,
            blocks=dataset.validation.blocks,
            train_rows=profiled["splits"]["train"]["labels"],
        )
    rows = [asdict(measurement) for measurement in measurements]
    baselines = measure_baselines(dataset)
    looks = gather_evidence(
        data.task,
        baselines=baselines,
        profile=profiled,
        configuration=config,
        rankings=[measurement.auc for measurement in measurements],
    )
    evidence = Evidence(
        subject="trial",
        task=data.task,
        decisions=decisions,
        training=training_facts(rows, ending=ending),
        configuration=config,
        max_epochs=epochs,
        data=data_facts(profiled, configuration=config, measured=rows[-1], baselines=baselines),
        reference=reference(baselines),
        signal=find_signal(looks),
    )
    return Patient(evidence=evidence)


def middle(domains: Mapping[str, Any], before: Mapping[str, Any] | None = None, prefix: str = "") -> dict[str, Any]:
    """Return the configuration in the middle of a space: the geometric middle of a range, the mean if it starts at 0.

    Of several values or options, it has the first that is not in the configuration `before`.
    """
    from tuner.space.domains import Choice, Conditional, Fixed, FloatRange, IntRange, OptionChoice

    config: dict[str, Any] = {}
    for name, domain in domains.items():
        path, old = f"{prefix}{name}", (before or {}).get(f"{prefix}{name}")
        inner = domain.domain if isinstance(domain, Conditional) else domain
        if isinstance(domain, Conditional) and not float(config[domain.need.name]) >= domain.need.least:
            continue
        if isinstance(inner, OptionChoice):
            drawn = [
                {path: option, **middle(parameters, before, f"{path}.{option}.")}
                for option, parameters in inner.options
            ]
            config |= next((each for each in drawn if not each.items() <= (before or {}).items()), drawn[0])
        elif isinstance(inner, Choice):
            config[path] = next((value for value in inner.values if value != old), inner.values[0])
        elif isinstance(inner, IntRange | FloatRange):
            value = math.sqrt(inner.low * inner.high) if inner.low > 0 else (inner.low + inner.high) / 2
            config[path] = round(value) if isinstance(inner, IntRange) else value
        else:
            assert isinstance(inner, Fixed)
            config[path] = inner.value
    return config


def predict(trial: Any, data: Any, config: Mapping[str, Any]) -> Any:
    """Return a trial's present probabilities: shape (validation rows, labels)."""
    from tuner.data.model_rows import make_rows
    from tuner.data.preparation import preparation_setting
    from tuner.data.trial_data import vocabulary_size
    from tuner.model.build import to_probabilities
    from tuner.training.loop import predict_logits

    part = data.prepared[preparation_setting(config)][0]
    rows = make_rows(
        part.validation,
        np.zeros(len(part.validation), np.int64),
        vocabulary=None if part.counts is None else vocabulary_size(part.counts, config),
        max_length=int(config["max_length"]),
        truncation=str(config["truncation"]),
    )
    with trial.averaged():
        return to_probabilities(predict_logits(trial.model, rows), data.task, seen=data.seen)


@cache
def _load(train: str, task: str, columns: tuple[tuple[str, Any], ...]) -> Any:
    from benchmarks.material import shared
    from tuner.data.load import load_data
    from tuner.space.settings import DataSettings

    file = train if train.startswith("builtin:") else str(shared("data", *train.split("/")))
    return load_data(DataSettings(train=file, validation=0.25, test=0.05, **dict(columns)), task, seed=0)  # type: ignore[arg-type]


def read(material: SickData, seed: int) -> Any:
    """Return the material's data with its number of training rows, drawn by the seed."""
    dataset = _load(material.train, material.task, tuple(material.columns.items()))
    generator = np.random.default_rng((seed, 7))
    train, validation = dataset.train, dataset.validation
    train = train.take(np.sort(generator.permutation(len(train))[: material.rows]))
    validation = validation.take(np.arange(min(len(validation), 800)))
    return with_seen(replace(dataset, train=train, validation=validation))


def with_seen(dataset: Any) -> Any:
    """Return the data set with `seen` computed from its training rows."""
    from tuner.data.dataset import count_targets

    return replace(dataset, seen=count_targets(dataset.train.targets, len(dataset.labels)) > 0)
