"""The probe sees what a linear model of words cannot: texts without spaces, numbers as words, and pairs of words."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.trust import signal as kinds
from tuner.baselines.linear import linear_probabilities
from tuner.baselines.probe import fit_pieces
from tuner.scoring.indicator import as_indicator
from tuner.scoring.ranking import auc_per_label, rank_rows

BLIND = [kinds.told_by_two_words, kinds.numbers_as_words]


def ranking(make: Callable[..., list[str]], *, has_probe: bool) -> float:
    """Return the AUC on 300 rows of a linear model fitted on 600 others."""
    generator = np.random.default_rng(0)
    numbers = (generator.random(900) < 0.2).astype(np.int64)
    texts, truth = tuple(make(generator, numbers)), as_indicator(numbers, 2)
    fit_features = fit_pieces if has_probe else None
    (judged,) = linear_probabilities(texts[:600], truth[:600], [texts[600:]], "binary", fit_features=fit_features)
    return float(auc_per_label(rank_rows(judged, truth[600:]))[1])


def test_where_texts_have_no_spaces_the_linear_model_reads_characters_itself() -> None:
    assert ranking(kinds.without_spaces, has_probe=False) > 0.8


@pytest.mark.parametrize("make", BLIND)
def test_it_tells_labels_that_words_do_not_tell(make: Callable[..., list[str]]) -> None:
    assert ranking(make, has_probe=True) > 0.8
    assert ranking(make, has_probe=False) < 0.65


def test_it_finds_nothing_where_there_is_nothing() -> None:
    assert abs(ranking(kinds.plain, has_probe=True) - 0.5) < 0.12


@pytest.mark.parametrize("texts", [["a"], ["a", "b c"], ["…", "a b"], ["", "word"]])
def test_few_and_short_texts_have_features_of_one_shape(texts: list[str]) -> None:
    features, transform = fit_pieces(texts)
    assert features.shape[0] == len(texts)
    assert transform(["", "quite other words"]).shape == (2, features.shape[1])


def features_of_ties() -> str:
    """Return a digest of the features of texts with many equally frequent words, so that ties decide which pairs count."""
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice([f"w{number}" for number in range(200)], 6)) for _ in range(100)]
    return hashlib.sha256(fit_pieces(texts)[0].toarray().tobytes()).hexdigest()


def test_other_processes_make_the_same_features() -> None:
    code = "from tests.baselines.test_probe import features_of_ties; print(features_of_ties())"
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": "scripts:tests:.", "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            timeout=60,
            text=True,
        )
        assert done.stdout.strip() == features_of_ties()
