"""Every verb that takes a bundle takes one with several models."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.bundle import make_bundle
from builders.configurations import configure
from builders.datasets import make_dataset
from builders.fixtures import Call
from tuner.bundle.model_bundle import Bundle, save_bundle
from tuner.scoring.measures import measure
from tuner.storage import Folder

TEXTS = ("alpha beta w1 w2", "gamma", "unheard", "beta w3")
TRUTH = np.array([[1, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]], bool)


def save(folder: str, bundle: Bundle) -> Bundle:
    """Save a bundle whose labels were read from the column "labels"; return it."""
    made = replace(bundle, columns={**bundle.columns, "label": None, "labels": "labels"})
    save_bundle(Folder.at(folder), made)
    return made


@pytest.fixture
def committee(call: Call) -> Bundle:
    """Save a committee, whose leading model reads 3 words, as "bundle", and labelled rows as "rows.parquet"."""
    configurations = [configure(max_length=3), configure({"tokens.bpe.size": 120}, tokens="bpe")]
    bundle = save("bundle", make_bundle(make_dataset("multilabel"), configurations, weights=(2, 1, 1), has_linear=True))
    labels = [[name for name, is_true in zip("abc", row, strict=True) if is_true] for row in TRUTH]
    pq.write_table(pa.table({"text": TEXTS, "labels": labels}), "rows.parquet")
    return bundle


def test_predict_writes_the_mean_of_the_models_and_counts_by_the_first(committee: Bundle, call: Call) -> None:
    code, out, err = call("predict", "bundle", "rows.parquet")
    counts = "4 rows read, 4 predicted, 0 left out, 1 cut to 3 tokens, 1 without a known word"
    assert (code, err) == (0, f"rows.parquet: {counts}\n")
    probabilities = [[row[f"p_{label}"] for label in "abc"] for row in map(json.loads, out.splitlines())]
    assert probabilities == committee.predict_proba(TEXTS).tolist()


def test_evaluate_judges_the_mean(committee: Bundle, call: Call) -> None:
    code, out, err = call("evaluate", "bundle", "rows.parquet", "--format", "json")
    assert code == 0, err
    decisions = committee.decide(committee.predict_proba(TEXTS))
    assert json.loads(out)["macro_f1"] == pytest.approx(measure(decisions, TRUTH, "multilabel").macro_f1)


def test_compare_says_whose_settings_it_compares(committee: Bundle, call: Call) -> None:
    save("single", make_bundle(make_dataset("multilabel"), [configure(hidden=9)]))
    code, out, err = call("compare", "single", "bundle", "--data", "rows.parquet", "--format", "json")
    described = json.loads(out)
    assert code == 0, err
    assert {"parameter": "hidden", "a": 9, "b": 6} in described["changes"]["configuration"]
    note = "B is a committee of 3 models; its configuration here is that of the best one"
    assert [each for each in described["notes"] if "committee" in each] == [note]


def test_diagnose_says_which_settings_it_knows(committee: Bundle, call: Call) -> None:
    code, out, err = call("diagnose", "bundle")
    assert code == 0, err
    assert "the 2 other models of this committee: settings are those of its best one" in " ".join(out.split())
