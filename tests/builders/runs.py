"""Made-up runs for tests, written with the real ledger and scored with the real measures."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tuner.ledger.predictions import PREDICTIONS
from tuner.ledger.run_directory import Ledger
from tuner.samplers.random import RandomSampler
from tuner.scoring.blocks import single_rows
from tuner.scoring.evaluation import describe, evaluate
from tuner.scoring.indicator import Indicator
from tuner.scoring.measures import measure
from tuner.scoring.paired import paired_difference
from tuner.scoring.thresholds import decide, fit_thresholds
from tuner.space.configuration import configuration_hash

LABELS = ("joy", "anger", "fear & awe", "rare")
SPACE = """\
task: {task}
data: {{train: emotions.parquet, text: text, {column}}}
search: {{algorithm: random, time: 10m, max_epochs: 9, grace_epochs: 1, reduction_factor: 3, finalists: 2, seeds: 2}}
space:
  learning_rate: {{low: 1e-4, high: 1e-1, scale: log}}
  hidden: {{low: 32, high: 256, step: 32}}
  dropout: {{low: 0.0, high: 0.6}}
  pooling: [max, mean, last]
  optimiser: [adam, {{adamw: {{weight_decay: {{low: 1e-4, high: 0.1, scale: log}}}}}}]
  clipping: [none, {{norm: {{threshold: {{low: 0.5, high: 5, scale: log}}}}}}]
  loss_weights: [none, balanced]
"""
_ROWS = {"train": 900, "validation": 240, "test": 260}
_COLUMNS = {"multilabel": "labels: labels", "multiclass": "label: label", "binary": "label: label"}


def write_run(
    folder: Path,
    *,
    trials: int = 90,
    task: str = "multilabel",
    labels: Sequence[str] = LABELS,
    has_baselines: bool = True,
    has_champion: bool = True,
    has_profile: bool = True,
    is_finished: bool = True,
    texts: Sequence[str] = ("what a day",),
) -> Path:
    """Write a run below `folder` and return its location. Trials with a high learning rate and no clipping collapse."""
    space_text = SPACE.format(task=task, column=_COLUMNS[task])
    location = folder / "made-up"
    ledger = Ledger.create(location, space=space_text, environment=_environment(task, labels))
    data = {name: _truth(task, rows, len(labels), seed) for seed, (name, rows) in enumerate(_ROWS.items())}
    if has_profile:
        ledger.write_json("data", _profile(task, labels, data))
    scores = _write_trials(ledger, folder, space_text, trials)
    if has_baselines:
        ledger.write_json("baselines", _baselines(task, labels, data["validation"]))
    if has_champion:
        _write_champion(ledger, task, labels, data, scores, texts)
    ledger.flush()
    if is_finished:
        verdict = (
            {"verdict": "beats_baselines", "ended_by": "time"} if has_champion else {"error": "no trial has a score"}
        )
        ledger.finish({"status": "finished" if has_champion else "failed", "seconds": 601.5, "trials": {}, **verdict})
    return location


def _environment(task: str, labels: Sequence[str]) -> dict[str, Any]:
    counts = {
        name: _truth(task, rows, len(labels), seed).sum(axis=0).tolist()
        for seed, (name, rows) in enumerate(_ROWS.items())
    }
    return {
        "started_at": "2026-11-21T09:30:00+00:00",
        "command": ["tuner", "run", "spaces/emotions.yaml", "--set", "space.hidden={low: 32, high: 256, step: 32}"],
        "space": "spaces/emotions.yaml",
        "seed": 7,
        "versions": {"python": "3.11.7", "tuner": "0.1.0", "torch": "2.13.0"},
        "platform": "Linux",
        "machines": {"cpus": 2.0, "gpus": 0.0, "nodes": 1},
        "git": {"revision": "c0ffee", "has_changes": False},
        "data": {
            "labels": list(labels),
            "rows": dict(_ROWS),
            "label_counts": counts,
            "sources": dict.fromkeys(_ROWS, "emotions.parquet"),
            "fingerprints": {"emotions.parquet": "ab" * 32},
            "notes": [],
        },
    }


def _truth(task: str, rows: int, n_labels: int, seed: int) -> Indicator:
    generator = np.random.default_rng(seed)
    shares = np.linspace(0.45, 0.06, n_labels)
    if task == "multilabel":
        return np.asarray(generator.random((rows, n_labels)) < shares)
    return np.eye(n_labels, dtype=bool)[generator.choice(n_labels, rows, p=shares / shares.sum())]


def _probabilities(task: str, truth: Indicator, *, signal: float, seed: int) -> np.ndarray:
    generator = np.random.default_rng((seed, 9))
    logits = generator.normal(size=truth.shape) + signal * (2.0 * truth - 1)
    if task == "multilabel":
        return 1 / (1 + np.exp(-logits))
    odds = np.exp(logits)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _write_trials(ledger: Ledger, folder: Path, space_text: str, trials: int) -> dict[int, float]:
    from tuner.space.load import load_space

    path = folder / "space-of-the-run.yaml"
    path.write_text(space_text)
    sampler = RandomSampler(load_space(str(path)).parameters, seed=3)
    generator = np.random.default_rng(5)
    scores: dict[int, float] = {}
    for number in range(trials):
        configuration = sampler.ask(number)
        ending, curve = _course(configuration, generator)
        if ending in ("completed", "stopped"):
            scores[number] = max(score for _, score in curve)
        _write_trial(ledger, number, configuration, ending, curve, at_s=5.0 * (number + 1))
    finalists = sorted(scores, key=lambda number: -scores[number])[:2]
    for place, parent in enumerate([each for each in finalists for _ in range(2)]):
        curve = [(float(epoch), scores[parent] * (1 - 0.6**epoch) - 0.01 * place) for epoch in range(1, 10)]
        at_s = 5.0 * (trials + 1 + place)
        _write_trial(ledger, trials + place, sampler.ask(parent), "completed", curve, at_s=at_s, parent=parent)
    return scores


def _course(configuration: Mapping[str, Any], generator: np.random.Generator) -> tuple[str, list[tuple[float, float]]]:
    """Return the ending and the curve of a made-up trial, whose score depends mostly on the learning rate."""
    rate = math.log10(configuration["learning_rate"])
    if rate > -2 and configuration["clipping"] == "none":
        ending = "diverged" if generator.random() < 0.3 else "collapsed"
        return ending, [(1.0, -0.9), (2.0, math.nan if ending == "diverged" else -0.95)]
    best = 0.65 - 0.18 * abs(rate + 2.7) + 0.03 * (configuration["pooling"] == "max") + generator.normal(0, 0.01)
    epochs = int(generator.choice([1, 3, 9], p=[0.6, 0.25, 0.15]))
    curve = [(float(epoch), best * (1 - 0.5**epoch)) for epoch in range(1, epochs + 1)]
    return ("completed" if epochs == 9 else "stopped"), curve


def _write_trial(
    ledger: Ledger,
    number: int,
    configuration: Mapping[str, Any],
    ending: str,
    curve: Sequence[tuple[float, float]],
    *,
    at_s: float,
    parent: int | None = None,
) -> None:
    known = [(epochs, score) for epochs, score in curve if not math.isnan(score)]
    best = max(known, key=lambda point: point[1])
    for epochs, score in curve:
        row = {"trial": number, "start": 1, "examples": int(900 * epochs), "epochs": epochs, "score": score}
        ledger.add("reports", {**row, "macro_f1": score, "reported_s": at_s + epochs})
    ledger.add(
        "trials",
        {
            "trial": number,
            "phase": "search" if parent is None else "finalist",
            "parent": parent,
            "seed": number,
            "configuration": json.dumps(dict(configuration)),
            "configuration_hash": configuration_hash(configuration),
            "ending": ending,
            "score": best[1],
            "macro_f1": max(0.0, best[1]),
            "constant_penalty": 0.0 if best[1] > 0 else 0.9,
            "skill": best[1] - 0.2,
            "best_epochs": best[0],
            "epochs": curve[-1][0],
            "examples": int(900 * curve[-1][0]),
            "starts": 1,
            "unknown_share": 0.04,
            "truncated_share": 0.02 * (number % 3),
            "train_seconds": 3.0 * curve[-1][0],
            "started_s": at_s,
            "ended_s": at_s + curve[-1][0],
        },
    )


def _baselines(task: Any, labels: Sequence[str], truth: Indicator) -> list[dict[str, Any]]:
    rows = []
    for name, kind, decisions in _rules(task, truth):
        measures = measure(decisions, truth, task, penalty_weight=1.0, names=labels)
        rows.append({"name": name, "kind": kind, "seconds": 0.1, "validation": describe(measures, labels)})
    return rows


def _rules(task: str, truth: Indicator) -> list[tuple[str, str, Indicator]]:
    constant = np.zeros_like(truth)
    constant[:, 0] = True
    chance = np.random.default_rng(2).permutation(truth)
    model = _probabilities(task, truth, signal=0.7, seed=4)
    model_decides = decide(model, fit_thresholds(model, truth, task), task)  # type: ignore[arg-type]
    return [
        ("most frequent", "constant", constant),
        ("stratified guess", "chance", chance),
        ("tfidf + logistic regression", "model", model_decides),
        ("shuffled labels + logistic regression", "control", np.random.default_rng(8).permutation(truth)),
    ]


def _write_champion(
    ledger: Ledger,
    task: Any,
    labels: Sequence[str],
    data: Mapping[str, Indicator],
    scores: Mapping[int, float],
    texts: Sequence[str],
) -> None:
    probabilities = {name: _probabilities(task, data[name], signal=1.2, seed=6) for name in ("validation", "test")}
    thresholds = fit_thresholds(probabilities["validation"], data["validation"], task)
    decisions = {name: decide(each, thresholds, task) for name, each in probabilities.items()}
    seen = np.ones(len(labels), bool)
    judged = {
        name: evaluate(
            decisions[name], probabilities[name], data[name],
            task=task, labels=labels, seen=seen, penalty_weight=1.0, blocks=single_rows(len(data[name])), seed=0,
        )
        for name in decisions
    }  # fmt: skip
    test_baselines = []
    for name, kind, other in _rules(task, data["test"]):
        if kind != "control":
            difference = paired_difference(
                decisions["test"], other, data["test"], blocks=single_rows(len(data["test"])), seed=0
            )
            macro_f1 = measure(other, data["test"], task, penalty_weight=1.0).macro_f1
            row = {"name": name, "macro_f1": macro_f1, "score": macro_f1, "champion_ahead": difference.value}
            test_baselines.append({**row, "champion_ahead_ci": [difference.low, difference.high]})
    best = sorted(scores, key=lambda number: -scores[number])[:2]
    at_half = [{**row, "f1": row["f1"] * 0.9} for row in judged["test"]["labels"]]
    is_one = task != "multilabel"
    ledger.write_json(
        "champion",
        {
            "trial": len(scores), "parent": best[0], "seed": 1, "epochs": 7.0, "config": {},
            "finalists": [
                {"trial": n, "scores": [scores[n] - 0.02, scores[n] - 0.04], "mean": scores[n] - 0.03,
                 "spread": 0.01, "lower": scores[n] - 0.08, "seeds": 2}
                for n in best
            ],
            **judged, "test_baselines": test_baselines, "verdict": "beats_baselines", "bundle": "champion",
            "health": {"gradient_norm": 0.4, "train_score": 0.9},
            "selection": {
                "epochs": 3.0, "search_score": 0.5, "finalist_scores": [0.48, 0.46], "range": [0.41, 0.53],
            },
            "kind": "finalist",
            "committee": describe_blend(len(scores)),
            "finalist_differences": [{"trial": best[0], "other": best[1], "value": 0.01, "low": -0.02, "high": 0.04}],
            "labels_at_half": None if task == "multiclass" else at_half,
            "confusion": (data["test"].T.astype(int) @ decisions["test"].astype(int)).tolist() if is_one else None,
            "most_wrong": [
                {"row": 3 + place, "excerpt": text, "truth": [labels[0]], "decided": [labels[-1]], "loss": 4.25}
                for place, text in enumerate(texts)
            ],
            "reason": "On test the champion is ahead of every baseline.",
            "thresholds": np.asarray(thresholds).tolist(),
        },
    )  # fmt: skip
    for name in ("validation", "test"):
        ledger.write_table(f"predictions/{name}", _predictions(data[name], decisions[name], probabilities[name]))


def describe_blend(trial: int) -> dict[str, Any]:
    """Return what champion.json says about a blend of two runs and the linear baseline."""
    members = [
        (trial, None, 3, 0.55, 0.02),
        (1, None, 1, 0.53, 0.004),
        (None, "tfidf + logistic regression", 2, 0.5, 0.01),
    ]
    alternatives = [("single", 1, 0.0, 0.2), ("committee", 2, 0.01, 0.4), ("blend", 3, 0.02, 0.5)]
    return {
        "asked": "blend", "kind": "blend", "reason": "on validation its macro-F1 is +0.020 against the best single model's",
        "members": [
            {"trial": number, "baseline": name, "weight": weight, "score": score, "adds": adds}
            for number, name, weight, score, adds in members
        ],
        "alternatives": [
            {"kind": kind, "models": models, "validation": {"score": 0.55 + ahead, "macro_f1": 0.55 + ahead},
             "test": {"macro_f1": 0.54 + ahead, "macro_f1_ci": [0.5, 0.6]},
             "ahead": {"value": ahead, "low": ahead - 0.01, "high": ahead + 0.01}, "seconds_per_1000_rows": seconds}
            for kind, models, ahead, seconds in alternatives
        ],
    }  # fmt: skip


def _predictions(truth: Indicator, decisions: Indicator, probabilities: np.ndarray) -> pa.Table:
    rows = len(truth)
    champion = {
        "model": ["champion"] * rows,
        "row": list(range(1, rows + 1)),
        "block": list(range(rows)),
        "truth": [np.flatnonzero(row).tolist() for row in truth],
        "decided": [np.flatnonzero(row).tolist() for row in decisions],
        "probabilities": probabilities.astype(np.float32).tolist(),
    }
    rule = {**champion, "model": ["most frequent"] * rows, "decided": [[0]] * rows, "probabilities": [None] * rows}
    return pa.concat_tables([pa.table(each, schema=PREDICTIONS) for each in (champion, rule)])


def _profile(task: str, labels: Sequence[str], data: Mapping[str, Indicator]) -> dict[str, Any]:
    splits = {}
    for name, truth in data.items():
        quantiles = dict(zip(("0", "5", "25", "50", "75", "95", "100"), (1, 3, 8, 14, 22, 41, 180), strict=True))
        counts = truth.sum(axis=1)
        splits[name] = {
            "rows": len(truth),
            "labels": dict(zip(labels, truth.sum(axis=0).tolist(), strict=True)),
            "labels_per_row": {
                "mean": float(counts.mean()),
                "max": int(counts.max()),
                "none": int((counts == 0).sum()),
            },
            "lengths": {"unit": "words", **quantiles},
            "empty_rows": 2,
            "duplicates": 11,
            "conflicting_duplicates": 3,
        }
    train = data["train"].astype(int)
    together = {"labels": list(labels), "counts": (train.T @ train).tolist()} if task == "multilabel" else None
    return {
        "task": task, "inputs": "text", "splits": splits, "cooccurrence": together,
        "overlap": {"validation": 4, "test": 5}, "unknown_words": {"validation": 0.031, "test": 0.04},
        "notes": ["2 of 900 rows of train have no word"],
    }  # fmt: skip
