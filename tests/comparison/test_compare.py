from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tuner.comparison.changes import configuration_changes, data_changes, environment_changes, space_changes
from tuner.comparison.compare import DecidedRows, ModelTask, champion_rows, compare, match_rows
from tuner.errors import UsageError
from tuner.ledger.predictions import PREDICTIONS
from tuner.scoring.blocks import single_rows
from tuner.scoring.f1 import f1_per_label, macro_f1
from tuner.scoring.indicator import Indicator, as_indicator
from tuner.scoring.measures import measure
from tuner.scoring.paired import paired_difference
from tuner.space.load import read_space
from tuner.space.task import Task

LABELS = ("a", "b", "c")


def decided(truth: Indicator, decisions: Indicator, **other: Any) -> DecidedRows:
    model = {"name": "run", "task": "multilabel", "labels": LABELS, "penalty_weight": 1.0}
    changes = {name: other.pop(name) for name in list(other) if name in model}
    made = {
        "source": "sha",
        "rows": np.arange(1, len(truth) + 1),
        "blocks": single_rows(len(truth)),
        "truth": truth,
        "decisions": decisions,
    }
    return DecidedRows(**{**made, **other, "model": ModelTask(**{**model, **changes})})


def guesses(rows: int, accuracy: float, *, seed: int = 0) -> tuple[Indicator, Indicator]:
    """Multi-label truth with 50, 20 and 5 % positives, and decisions with the given accuracy."""
    generator = np.random.default_rng(seed)
    truth = generator.random((rows, 3)) < [0.5, 0.2, 0.05]
    decisions = np.where(generator.random((rows, 3)) < accuracy, truth, ~truth)
    return truth, decisions


def test_differences_are_b_minus_a_and_agree_with_the_measures() -> None:
    truth, better = guesses(400, 0.95)
    worse = np.where(np.random.default_rng(1).random(truth.shape) < 0.2, ~better, better)
    result = compare(match_rows(decided(truth, worse), decided(truth, better)))
    for name in ("macro_f1", "score"):
        a, b = (getattr(measure(each, truth, "multilabel"), name) for each in (worse, better))
        assert result[name]["a"] == pytest.approx(a)
        assert result[name]["b"] == pytest.approx(b)
        assert result[name]["difference"] == pytest.approx(b - a)
    assert result["macro_f1"]["told_apart"] is True
    rows = {row["label"]: row for row in result["labels"]}
    differences = f1_per_label(better, truth) - f1_per_label(worse, truth)
    assert [rows[label]["difference"] for label in LABELS] == pytest.approx(differences.tolist())


def test_the_interval_is_that_of_the_paired_bootstrap() -> None:
    truth, a = guesses(300, 0.9)
    b = guesses(300, 0.9)[1] ^ (np.random.default_rng(2).random(truth.shape) < 0.05)
    result = compare(match_rows(decided(truth, a), decided(truth, b)), seed=3)["macro_f1"]
    known = paired_difference(b, a, truth, blocks=single_rows(len(truth)), seed=3)
    assert result["difference"] == pytest.approx(known.value)
    assert abs(result["low"] - known.low) < 0.005
    assert abs(result["high"] - known.high) < 0.005


def test_a_collapsed_model_is_behind_in_score_by_the_penalty() -> None:
    truth, b = guesses(300, 0.9)
    result = compare(match_rows(decided(truth, np.ones_like(truth)), decided(truth, b)))["score"]
    assert result["a"] == pytest.approx(measure(np.ones_like(truth), truth, "multilabel").score)
    assert result["low"] > 1


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_scores_of_one_label_tasks_are_those_of_a_search(task: Task) -> None:
    generator = np.random.default_rng(0)
    labels = LABELS[: 2 if task == "binary" else 3]
    drawn = generator.choice(len(labels), size=(2, 200), p=[0.7, 0.3] if task == "binary" else [0.7, 0.2, 0.1])
    truth, b = (as_indicator(each, len(labels)) for each in drawn)
    a = as_indicator(np.zeros(200, np.int64), len(labels))
    result = compare(
        match_rows(decided(truth, a, task=task, labels=labels), decided(truth, b, task=task, labels=labels))
    )
    assert result["score"]["a"] == pytest.approx(measure(a, truth, task).score)
    assert result["score"]["b"] == pytest.approx(measure(b, truth, task).score)


@pytest.mark.parametrize(
    ("flipped", "conclusion"),
    [
        ("b", "A is ahead by 0.\\d{3} macro-F1 \\(95 % 0.\\d{3} to 0.\\d{3}\\): the difference is clear on 400 rows"),
        ("a", "B is ahead by 0.\\d{3} macro-F1 \\(95 % 0.\\d{3} to 0.\\d{3}\\): the difference is clear on 400 rows"),
        ("", "A and B have the same macro-F1 \\(95 % 0.000 to 0.000\\) on 400 rows"),
    ],
)
def test_the_conclusion_says_in_plain_words_who_is_ahead(flipped: str, conclusion: str) -> None:
    truth, decisions = guesses(400, 0.95)
    worse = np.where(np.random.default_rng(1).random(truth.shape) < 0.3, ~decisions, decisions)
    models = [decided(truth, worse if name == flipped else decisions) for name in "ab"]
    assert re.fullmatch(conclusion, compare(match_rows(*models))["conclusion"])


def test_a_difference_within_noise_is_not_told_apart() -> None:
    truth, a = guesses(1234, 0.9)
    b = a.copy()
    b[:6, 0] ^= True
    result = compare(match_rows(decided(truth, a), decided(truth, b)))
    assert result["macro_f1"]["low"] < 0 < result["macro_f1"]["high"]
    assert result["conclusion"].endswith(": the difference is not clear on 1,234 rows")
    assert "(95 % −0.0" in result["conclusion"]


def test_rows_are_counted_by_who_is_right() -> None:
    truth = np.eye(3, dtype=bool)[[0, 1, 2, 0]]
    a, b = (np.eye(3, dtype=bool)[right] for right in ([0, 1, 0, 1], [0, 2, 2, 1]))
    assert compare(match_rows(decided(truth, a), decided(truth, b)))["agreement"] == {
        "both_right": 1,
        "only_a_right": 1,
        "only_b_right": 1,
        "both_wrong": 1,
    }


def test_a_label_without_a_true_row_has_no_difference() -> None:
    truth, a = guesses(100, 0.9)
    truth[:, 2] = False
    result = compare(match_rows(decided(truth, a), decided(truth, truth)))
    assert result["labels"][-1]["label"] == "c"
    assert result["labels"][-1]["difference"] is None
    assert result["macro_f1"]["a"] == pytest.approx(macro_f1(a, truth))


# --- which rows and labels --------------------------------------------------------------------------------------------


def test_rows_are_matched_by_their_numbers_whatever_their_order() -> None:
    truth, decisions = guesses(50, 0.8)
    order = np.random.default_rng(0).permutation(50)
    shuffled = decided(truth[order], decisions[order], rows=order + 1)
    result = compare(match_rows(decided(truth, decisions), shuffled))
    assert (result["rows"], result["macro_f1"]["difference"]) == (50, 0.0)
    assert result["notes"] == []


def test_rows_of_only_one_model_are_left_out_with_a_note() -> None:
    truth, decisions = guesses(50, 0.8)
    paired = match_rows(decided(truth, decisions), decided(truth[20:45], decisions[20:45], rows=np.arange(21, 46)))
    np.testing.assert_array_equal(paired.truth, truth[20:45])
    np.testing.assert_array_equal(paired.a, paired.b)
    assert paired.notes == (
        "their test rows differ: the comparison uses the 25 rows in common and leaves out 25 of A and 0 of B",
    )


def test_labels_are_matched_by_name_and_unshared_ones_left_out() -> None:
    truth, decisions = guesses(50, 0.8)
    other = decided(truth[:, [1, 0]], decisions[:, [1, 0]], labels=("b", "a"))
    paired = match_rows(decided(truth, decisions), other)
    assert paired.labels == ("a", "b")
    np.testing.assert_array_equal(paired.a, paired.b)
    assert paired.notes == ("labels that only A knows are left out: 1 (c)",)


def test_rows_whose_one_label_only_one_model_knows_are_left_out() -> None:
    truth = as_indicator(np.array([0, 1, 2, 0]), 3)
    a = decided(truth, truth, task="multiclass")
    b = decided(truth[:, :2], truth[:, :2], task="multiclass", labels=("a", "b"))
    paired = match_rows(a, b)
    assert len(paired.truth) == 3
    assert "1 rows are left out because only one model knows their true label" in paired.notes


def test_deciding_a_label_that_the_other_model_does_not_know_is_wrong() -> None:
    truth = as_indicator(np.array([0, 1, 0, 1]), 3)
    a = decided(truth, as_indicator(np.array([2, 1, 0, 1]), 3), task="multiclass")
    b = decided(truth[:, :2], truth[:, :2], task="multiclass", labels=("a", "b"))
    result = compare(match_rows(a, b))
    assert (result["agreement"]["only_b_right"], result["macro_f1"]["b"]) == (1, 1.0)
    assert result["macro_f1"]["a"] == pytest.approx((2 / 3 + 1) / 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "multiclass"}, "A is multilabel and B is multiclass.*; compare models with the same task"),
        ({"labels": ("x", "y", "z")}, "A and B have no label in common"),
        ({"source": "other"}, "their 50 and 50 test rows come from files with different contents; .*--data FILE"),
        ({"rows": np.arange(51, 101)}, "A has 50 test rows and B has 50, but none in common; .*--data FILE"),
    ],
)
def test_models_that_cannot_be_compared_are_refused(change: dict[str, Any], message: str) -> None:
    truth, decisions = guesses(50, 0.8)
    with pytest.raises(UsageError, match=message):
        match_rows(decided(truth, decisions), decided(truth, decisions, **change))


def test_rows_whose_truth_differs_are_refused_with_their_number() -> None:
    truth, decisions = guesses(50, 0.8)
    other = truth.copy()
    other[:3, 1] ^= True
    with pytest.raises(UsageError, match="3 of the 50 rows in common have different true labels in A and B"):
        match_rows(decided(truth, decisions), decided(other, decisions))


def test_a_different_penalty_weight_gives_a_note() -> None:
    truth, decisions = guesses(50, 0.8)
    paired = match_rows(decided(truth, decisions), decided(truth, decisions, penalty_weight=2.0))
    assert paired.notes == ("the penalty weight is 1 in A and 2 in B; both scores use the weight of A",)


def test_the_champions_rows_are_read_from_a_table_of_predictions() -> None:
    columns = {
        "model": ["champion", "champion", "majority"],
        "row": [7, 3, 7],
        "block": [1, 0, 1],
        "truth": [[0, 2], [], [0, 2]],
        "decided": [[2], [0, 1], [1]],
        "probabilities": [[0.1, 0.2, 0.9], [0.9, 0.9, 0.1], None],
    }
    model = ModelTask(name="run", task="multilabel", labels=LABELS, penalty_weight=1.0)
    read = champion_rows(pa.table(columns, schema=PREDICTIONS), model, "sha")
    assert read.rows.tolist() == [7, 3]
    assert read.truth.tolist() == [[True, False, True], [False, False, False]]
    assert read.decisions.tolist() == [[False, False, True], [True, True, False]]


# --- what changed -----------------------------------------------------------------------------------------------------

SPACE = """
task: multilabel
data: {train: builtin:docstrings, labels: labels}
search: {time: 5m}
space:
  hidden: [64, 128]
  learning_rate: {low: 1e-3, high: 1e-2, scale: log}
  clipping: [none, {norm: {threshold: {low: 0.5, high: 5}}}]
"""


def test_the_same_space_has_no_changes_however_it_is_written() -> None:
    spelt_out = (
        SPACE.replace("hidden: [64, 128]", "hidden: {choice: [64, 128]}").replace("5m", "300s") + "  layers: 1\n"
    )
    assert space_changes(read_space(SPACE), read_space(spelt_out)) == []


def test_paths_that_differ_only_in_their_ends_are_a_difference() -> None:
    folder = "/" + "a-folder-with-a-long-name/" * 4
    texts = [SPACE.replace("builtin:docstrings", f"{folder}{name}.csv") for name in "ab"]
    (row,) = space_changes(*map(read_space, texts))
    assert (row["a"], row["b"]) == (f"'{folder}a.csv'", f"'{folder}b.csv'")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("time: 5m", "time: 10m", ("search.time", "300", "600", "changed")),
        ("[64, 128]", "[64, 256]", ("space.hidden", "64 or 128", "64 or 256", "changed")),
        ("[64, 128]", "64", ("space.hidden", "64 or 128", "64", "removed")),
        ("\nspace:", "\nspace:\n  layers: [1, 2]", ("space.layers", "1", "1 or 2", "added")),
        (
            "high: 1e-2, scale: log",
            "high: 1e-2",
            ("space.learning_rate", "0.001 to 0.01, log", "0.001 to 0.01", "changed"),
        ),
        ("\nspace:", "\nfirst: {hidden: 64}\nspace:", ("first[0].hidden", None, "64", "changed")),
        ("high: 5}", "high: 9}", ("space.clipping.norm.threshold", "0.5 to 5", "0.5 to 9", "changed")),
    ],
)
def test_settings_and_domains_that_differ_are_listed(old: str, new: str, expected: tuple[str, ...]) -> None:
    rows = space_changes(read_space(SPACE), read_space(SPACE.replace(old, new)))
    assert tuple(rows[0].values()) == expected


def test_a_domain_of_an_option_that_is_gone_is_removed() -> None:
    without = SPACE.replace("[none, {norm: {threshold: {low: 0.5, high: 5}}}]", "none")
    rows = {row["setting"]: row for row in space_changes(read_space(SPACE), read_space(without))}
    assert rows["space.clipping"]["change"] == "removed"
    assert rows["space.clipping.norm.threshold"] == {
        "setting": "space.clipping.norm.threshold",
        "a": "0.5 to 5",
        "b": None,
        "change": "removed",
    }


def test_configurations_are_compared_by_their_values() -> None:
    assert configuration_changes({"hidden": 64, "layers": 1}, {"hidden": 96, "layers": 1, "x.y": 0.5}) == [
        {"parameter": "hidden", "a": 64, "b": 96},
        {"parameter": "x.y", "a": None, "b": 0.5},
    ]


def test_data_are_compared_by_rows_fingerprints_and_labels() -> None:
    a = {
        "labels": ["a", "b"],
        "rows": {"train": 10, "test": 5},
        "sources": {"train": "x.csv", "test": "x.csv"},
        "fingerprints": {"x.csv": "0123456789abcdef"},
    }
    b = {**a, "labels": ["a", "c"], "rows": {"train": 12, "test": 5}, "fingerprints": {"x.csv": "fedcba9876543210"}}
    assert data_changes(a, a) == []
    assert data_changes(a, b) == [
        {"what": "rows of train", "a": 10, "b": 12},
        {"what": "fingerprint of train", "a": "0123456789ab", "b": "fedcba987654"},
        {"what": "fingerprint of test", "a": "0123456789ab", "b": "fedcba987654"},
        {"what": "labels of one only", "a": "b", "b": "c"},
    ]


def test_a_bundle_and_a_run_are_compared_by_fingerprints_and_labels_alone() -> None:
    run = {
        "labels": ["a"],
        "rows": {"train": 10},
        "sources": {"train": "x.csv"},
        "fingerprints": {"x.csv": "0123456789abcdef"},
    }
    assert data_changes(run, {"labels": ["a"], "fingerprints": {"moved/x.csv": "0123456789abcdef"}}) == []


def test_environments_are_compared_by_versions_machines_and_revision() -> None:
    a = {
        "versions": {"python": "3.11.1", "torch": "2.13.0"},
        "git": {"revision": "a" * 40, "has_changes": False},
        "machines": {"cpus": 2.0},
        "started_at": "2026-11-21",
    }
    b = {**a, "versions": {"python": "3.11.1", "torch": "2.14.0"}, "started_at": "2026-11-22", "git": None}
    assert environment_changes(a, b) == [
        {"what": "torch", "a": "2.13.0", "b": "2.14.0"},
        {"what": "git revision", "a": "aaaaaaaaaaaa", "b": None},
    ]


def test_the_score_uses_the_penalty_weight_of_a() -> None:
    truth, b = guesses(300, 0.9)
    constant = decided(truth, np.ones_like(truth), penalty_weight=0.5)
    result = compare(match_rows(constant, replace(decided(truth, b), model=constant.model)))["score"]
    assert result["a"] == pytest.approx(measure(np.ones_like(truth), truth, "multilabel", penalty_weight=0.5).score)


def test_groups_that_only_one_of_two_runs_recorded_count_for_both() -> None:
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 10)
    truth, a, b = (generator.random((30, 3))[groups] < 0.4 for _ in range(3))
    known, unknown = decided(truth, a, blocks=groups), decided(truth, b)
    assert np.unique(match_rows(known, unknown).blocks).size == np.unique(match_rows(unknown, known).blocks).size == 30
