"""The fingerprints of the rows that a model has seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from builders.bundle import write_bundle
from tuner.bundle.known_rows import KnownRows, fingerprints, read_known_rows, save_known_rows
from tuner.bundle.model_bundle import load
from tuner.data.sequences import Sequences
from tuner.data.token_lists import join_tokens
from tuner.errors import BundleError
from tuner.storage import Folder


def known(trained: Any = (), chosen: Any = (), tested: Any = ()) -> KnownRows:
    return KnownRows(*(np.unique(fingerprints(tuple(texts))) for texts in (trained, chosen, tested)))


@pytest.fixture
def bundle(configure: Any, make_dataset: Any, tmp_path: Path) -> Path:
    dataset = make_dataset("multiclass")
    folder = write_bundle(tmp_path / "bundle", configure(), dataset)
    save_known_rows(Folder.at(folder), KnownRows.of(dataset))
    return folder


def test_each_row_counts_for_the_first_use_that_the_model_made_of_it() -> None:
    found = known(["a", "b"], ["b", "c"], ["c", "d", "a"]).find(("a", "b", "c", "d", "e", "e"))
    assert found.counts == {"trained": 2, "chosen": 1, "tested": 1, "new": 2}
    assert found.is_fitted.tolist() == [True, True, True, False, False, False]


def test_a_text_is_known_in_other_case_and_spacing() -> None:
    assert known(["My parcel  is late"]).find(("my parcel is LATE ", "my parcel is late!")).trained.tolist() == [
        True,
        False,
    ]


def test_lists_of_tokens_are_known_as_they_are() -> None:
    tokens = tuple(map(join_tokens, (["New York", "is"], ["new york", "is"])))
    assert known(tokens[:1]).find(tokens).trained.tolist() == [True, False]


def test_sequences_are_known_by_their_values() -> None:
    first, second = [[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 4.5]]
    rows = KnownRows(fingerprints(Sequences.of([first])), *(np.empty(0, np.uint64),) * 2)
    assert rows.find(Sequences.of([second, first])).trained.tolist() == [False, True]


def test_a_text_with_a_lone_surrogate_has_a_fingerprint() -> None:
    assert known(["\ud800"]).find(("\ud800",)).counts["trained"] == 1


def test_no_rows_have_no_fingerprints() -> None:
    assert known().find(()).counts == {"trained": 0, "chosen": 0, "tested": 0, "new": 0}


def test_a_bundle_remembers_the_rows_of_its_search(bundle: Path, make_dataset: Any) -> None:
    dataset = make_dataset("multiclass")
    rows = read_known_rows(bundle)
    assert rows is not None
    assert rows.find(dataset.train.inputs).counts["trained"] == len(dataset.train)
    assert rows.find(("never seen before",)).counts["new"] == 1
    assert (bundle / "rows.safetensors").stat().st_size < 8 * sum(map(len, dataset.splits.values())) + 400
    assert load(bundle).labels == dataset.labels


def test_with_folds_the_rows_that_choose_a_model_also_trained_it(make_dataset: Any) -> None:
    dataset = make_dataset("multiclass")
    folded = replace(dataset, validation=dataset.train, folds=np.arange(len(dataset.train)) % 3)
    counts = KnownRows.of(folded).find(dataset.train.inputs).counts
    assert (counts["trained"], counts["chosen"]) == (len(dataset.train), 0)


def test_a_bundle_without_the_file_loads_and_knows_no_rows(bundle: Path) -> None:
    (bundle / "rows.safetensors").unlink()
    assert read_known_rows(bundle) is None
    load(bundle)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not safetensors", "rows.safetensors|SafetensorError"),
        (safetensors.numpy.save({"trained": np.zeros(1, np.uint64)}), "has trained, not trained, chosen and tested"),
        (
            safetensors.numpy.save({name: np.zeros(1, np.int64) for name in ("trained", "chosen", "tested")}),
            "does not hold lists of whole numbers",
        ),
        (
            safetensors.numpy.save({name: np.array([2, 1], np.uint64) for name in ("trained", "chosen", "tested")}),
            "are not in order",
        ),
    ],
)
def test_a_damaged_file_is_refused_where_it_is_read(content: bytes, message: str, bundle: Path) -> None:
    (bundle / "rows.safetensors").write_bytes(content)
    load(bundle)
    with pytest.raises(BundleError, match=message):
        read_known_rows(bundle)


def test_a_link_in_place_of_the_file_is_refused(bundle: Path, tmp_path: Path) -> None:
    (bundle / "rows.safetensors").rename(tmp_path / "elsewhere")
    (bundle / "rows.safetensors").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="is a link to"):
        read_known_rows(bundle)
