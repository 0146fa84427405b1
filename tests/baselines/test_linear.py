"""The fitted linear model as plain arrays."""

from __future__ import annotations

import pytest

from builders.datasets import make_dataset
from tuner.baselines import linear
from tuner.baselines.linear import fit_linear
from tuner.baselines.linear_model import TermFeatures


def test_of_very_many_terms_the_most_frequent_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "_MOST_TERMS", 1)
    model = fit_linear(
        ("red sky", "red sea", "red sky", "blue sea"), make_dataset("binary").truth("train")[:4], "binary"
    )
    assert isinstance(model.features, TermFeatures)
    assert model.features.terms.spellings == ("red",)
    assert model.coefficients.shape == (1, 1)
