"""The generated sets on which curves are recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from experiments.curves.mixture import KINDS as MIXTURES
from experiments.curves.mixture import mixture_of
from experiments.curves.texts import KINDS, write_texts


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_makes_the_same_rows(kind: str, tmp_path: Path) -> None:
    is_single = kind == "ten_classes"
    first, again = (
        pq.read_table(write_texts(kind, tmp_path / name, train=50, validation=20, is_single=is_single))
        for name in ("a", "b")
    )
    other = pq.read_table(write_texts(kind, tmp_path / "c", train=50, validation=20, is_single=is_single, seed=1))
    assert first.equals(again)
    assert not first.equals(other)
    assert first["split"].to_pylist() == ["train"] * 50 + ["validation"] * 20 + ["test"] * 10


def test_labels_are_true_as_often_as_the_name_of_the_set_says() -> None:
    always, zipf, classes = (KINDS[kind][0](np.random.default_rng(0), 5000) for kind in KINDS)
    assert always[:, 0].all()
    assert always.mean(axis=0)[1:] == pytest.approx([0.3, 0.15], abs=0.02)
    assert zipf.mean(axis=0)[[0, 9]] == pytest.approx([0.5, 0.5 / 10**0.9], abs=0.02)
    assert classes.sum(axis=0).tolist() == [500] * 10
    assert (classes.sum(axis=1) == 1).all()


def test_most_true_labels_show_in_a_word(tmp_path: Path) -> None:
    table = pq.read_table(write_texts("ten_classes", tmp_path / "a", train=500, validation=1, is_single=True))
    rows = zip(table["text"].to_pylist(), table["label"].to_pylist(), strict=True)
    shown = [f"label{int(label[1:])}word" in text for text, label in rows]
    assert 0.93 <= np.mean(shown) <= 1


@pytest.mark.parametrize("kind", MIXTURES)
def test_the_mixture_for_sequences_leaves_out_what_only_texts_have(kind: str) -> None:
    assert set(mixture_of(kind, "text")) - set(mixture_of(kind, "sequence")) == {"max_length", "embedding"}
