"""Rules that use neighbours match imbalanced-learn: the same kept rows, and the same new rows, given as pairs of parents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from imblearn.combine import SMOTEENN, SMOTETomek
from imblearn.over_sampling import ADASYN, SMOTE, BorderlineSMOTE
from imblearn.under_sampling import EditedNearestNeighbours, NearMiss, TomekLinks
from numpy.typing import NDArray

from tuner.imbalance import interpolation
from tuner.imbalance import neighbours as search
from tuner.imbalance.interpolation import adasyn, mixed_vectors, smote_enn, smote_tomek
from tuner.imbalance.resample import RESAMPLINGS
from tuner.imbalance.training_pass import Pass, TrainingRows

SIZES = (80, 40, 15)
TARGETS = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], SIZES))
# Classes that overlap, so that every rule finds rows near another class. float64, as imbalanced-learn mixes them.
VECTORS = np.random.default_rng(0).normal(size=(len(TARGETS), 6)) + 0.7 * TARGETS[:, None]
DATA = TrainingRows(TARGETS, "multiclass", VECTORS)  # type: ignore[arg-type]
TWO_CLASSES = TrainingRows((TARGETS > 0).astype(np.int64), "binary", DATA.vectors)  # 80 and 55
GOAL = {1: 64, 2: 64}  # 0.8 of 80
SAMPLERS: dict[str, Any] = {
    "smote": lambda seed: SMOTE(sampling_strategy=GOAL, random_state=seed),
    "borderline_smote": lambda seed: BorderlineSMOTE(sampling_strategy=GOAL, random_state=seed),
    "adasyn": lambda seed: ADASYN(sampling_strategy=GOAL, random_state=seed),
}


def vectors_of(drawn: Pass) -> NDArray[np.float64]:
    assert drawn.partners is not None
    assert drawn.weights is not None
    start = VECTORS[drawn.rows]
    return start + drawn.weights[:, None].astype(np.float64) * (VECTORS[drawn.partners] - start)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SAMPLERS)
def test_mixing_the_pairs_of_a_pass_gives_imbalanced_learns_synthetic_rows(name: str, seed: int) -> None:
    own_seed = int(np.random.default_rng(seed).integers(2**31))
    expected, labels = SAMPLERS[name](own_seed).fit_resample(VECTORS, TARGETS)
    drawn = RESAMPLINGS[name](ratio=0.8, neighbours=5)(DATA, np.random.default_rng(seed))
    assert len(drawn) > len(TARGETS) + 20
    np.testing.assert_allclose(vectors_of(drawn), expected, atol=1e-6)
    assert TARGETS[drawn.rows].tolist() == labels.tolist()


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_pass_begins_with_every_row_as_it_is(name: str) -> None:
    drawn = RESAMPLINGS[name](ratio=0.8, neighbours=5)(DATA, np.random.default_rng(0))
    assert drawn.weights is not None
    assert drawn.rows[: len(TARGETS)].tolist() == list(range(len(TARGETS)))
    assert not drawn.weights[: len(TARGETS)].any()


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_row_of_a_pair_is_the_nearer_of_the_two(name: str) -> None:
    drawn = RESAMPLINGS[name](ratio=0.8, neighbours=5)(DATA, np.random.default_rng(0))
    assert drawn.weights is not None
    assert 0.4 < drawn.weights.max() <= 0.5


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (smote_enn, lambda smote: SMOTEENN(smote=smote, enn=EditedNearestNeighbours(sampling_strategy="all", kind_sel="mode"))),
        (smote_tomek, lambda smote: SMOTETomek(smote=smote)),
    ],
)  # fmt: skip
def test_smote_with_cleaning_keeps_what_imbalanced_learn_keeps(ours: Any, theirs: Any) -> None:
    targets = TWO_CLASSES.targets
    smote = SMOTE(sampling_strategy={1: 64}, random_state=interpolation._CLEANED_SEED)
    expected, labels = theirs(smote).fit_resample(VECTORS, targets)
    drawn = ours(ratio=0.8, neighbours=5)(TWO_CLASSES, np.random.default_rng(0))
    assert len(drawn) < 80 + 64
    assert sorted(targets[drawn.rows]) == sorted(labels)
    assert np.sort(vectors_of(drawn), axis=0) == pytest.approx(np.sort(expected, axis=0), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "parameters", "sampler"),
    [
        ("near_miss", {"version": 1, "neighbours": 3}, NearMiss(version=1)),
        ("near_miss", {"version": 2, "neighbours": 3}, NearMiss(version=2)),
        ("near_miss", {"version": 1, "neighbours": 7}, NearMiss(version=1, n_neighbors=7)),
        ("near_miss", {"version": 3, "neighbours": 9}, NearMiss(version=3, n_neighbors=9, n_neighbors_ver3=9)),
        ("tomek_links", {}, TomekLinks()),
    ],
)
def test_cleaning_keeps_the_rows_that_imbalanced_learn_keeps(
    name: str, parameters: dict[str, Any], sampler: Any
) -> None:
    sampler.fit_resample(VECTORS, TARGETS)
    kept = RESAMPLINGS[name](**parameters)(DATA, np.random.default_rng(0)).rows
    assert len(kept) < len(TARGETS)
    assert kept.tolist() == sorted(sampler.sample_indices_.tolist())


def test_editing_two_classes_keeps_the_rows_that_imbalanced_learn_keeps() -> None:
    sampler = EditedNearestNeighbours(kind_sel="mode")
    sampler.fit_resample(VECTORS, TWO_CLASSES.targets)
    kept = RESAMPLINGS["edited_nearest_neighbours"](neighbours=3)(TWO_CLASSES, np.random.default_rng(0)).rows
    assert len(kept) < len(TARGETS)
    assert kept.tolist() == sorted(sampler.sample_indices_.tolist())


@pytest.mark.parametrize("name", ["edited_nearest_neighbours", "smote_enn"])
def test_ties_of_votes_do_not_depend_on_class_numbers(name: str) -> None:
    """Imbalanced-learn breaks ties in favour of the smallest number, and numbers follow the alphabet."""
    noise = np.random.default_rng(0).normal(size=(250, 4)).astype(np.float32)
    targets = np.arange(250) % 5
    parameters = {"neighbours": 3} if name == "edited_nearest_neighbours" else {"neighbours": 3, "ratio": 1.0}
    kept = [
        RESAMPLINGS[name](**parameters)(TrainingRows(each, "multiclass", noise), np.random.default_rng(0)).rows
        for each in (targets, 4 - targets)
    ]
    if (
        name == "edited_nearest_neighbours"
    ):  # the classes have equal sizes, so the one with the smallest number counts as the rarest
        kept = [rows[(targets[rows] != 0) & (targets[rows] != 4)] for rows in kept]
    assert 0 < len(kept[0]) < 200
    assert kept[0].tolist() == kept[1].tolist()


@pytest.mark.parametrize("name", ["tomek_links", "edited_nearest_neighbours"])
def test_cleaning_leaves_the_rarest_class_alone(name: str) -> None:
    parameters = {"neighbours": 3} if name == "edited_nearest_neighbours" else {}
    kept = RESAMPLINGS[name](**parameters)(DATA, np.random.default_rng(0)).rows
    assert np.bincount(TARGETS[kept])[2] == 15


def test_near_miss_3_with_too_few_rows_keeps_them_without_a_warning() -> None:
    kept = RESAMPLINGS["near_miss"](version=3, neighbours=1)(DATA, np.random.default_rng(0)).rows
    counts = np.bincount(TARGETS[kept])
    assert counts[2] == 15
    assert (counts[:2] < 15).any()
    assert (counts > 0).all()


def test_a_class_that_cleaning_would_leave_without_a_row_keeps_all() -> None:
    """Each row of class 1 lies in the middle of another class."""
    vectors = np.concatenate([np.arange(30), np.arange(5) * 5 + 0.1, 1000 + np.arange(4)])[:, None].astype(np.float32)
    targets = np.repeat([0, 1, 2], [30, 5, 4])
    data = TrainingRows(targets, "multiclass", vectors)
    kept = RESAMPLINGS["edited_nearest_neighbours"](neighbours=3)(data, np.random.default_rng(0)).rows
    assert np.bincount(targets[kept])[1:].tolist() == [5, 4]


def test_cleaning_searches_the_vectors_of_new_rows() -> None:
    vectors = np.array([[0.0, 0.0], [4.0, 8.0]], np.float32)
    mixed = mixed_vectors(vectors, (np.array([0, 1]), np.array([1, 1]), np.array([0.25, 0], np.float32)))
    assert mixed.tolist() == [[1.0, 2.0], [4.0, 8.0]]


def test_adasyn_adds_no_rows_to_a_class_far_from_all_others() -> None:
    vectors = np.concatenate([np.arange(20), 1000 + np.arange(8), 10.5 + np.arange(6)])[:, None].astype(np.float32)
    targets = np.repeat([0, 1, 2], [20, 8, 6])
    drawn = adasyn(ratio=1.0, neighbours=3)(TrainingRows(targets, "multiclass", vectors), np.random.default_rng(0))
    counts = np.bincount(targets[drawn.rows])
    assert counts[:2].tolist() == [20, 8]
    assert counts[2] > 15
    alone = TrainingRows(targets[:28], "multiclass", vectors[:28])
    assert len(adasyn(ratio=1.0, neighbours=3)(alone, np.random.default_rng(0))) == 28


def test_borderline_smote_adds_no_rows_to_a_class_far_from_all_others() -> None:
    vectors = np.concatenate([np.arange(40), 1000 + np.arange(20)])[:, None].astype(np.float32)
    data = TrainingRows(np.repeat([0, 1], [40, 20]), "binary", vectors)
    assert len(RESAMPLINGS["borderline_smote"](ratio=1.0, neighbours=3)(data, np.random.default_rng(0))) == 60


@pytest.mark.parametrize("name", [*SAMPLERS, "smote_enn", "smote_tomek"])
def test_rows_with_the_same_vector_can_be_mixed(name: str) -> None:
    data = TrainingRows(TARGETS, "multiclass", np.repeat(VECTORS[:27], 5, axis=0).astype(np.float32))
    drawn = RESAMPLINGS[name](ratio=1.0, neighbours=3)(data, np.random.default_rng(0))
    assert drawn.partners is not None
    assert (TARGETS[drawn.rows] == TARGETS[drawn.partners]).all()


def test_neighbours_of_the_same_rows_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_memory", type(search._memory)())
    resample, generator = RESAMPLINGS["smote"](ratio=0.8, neighbours=5), np.random.default_rng(0)
    resample(DATA, generator)
    positions = {key: value[1] for key, value in search._memory.items()}
    assert len(positions) == 2  # one search in each class that is raised
    resample(TrainingRows(TARGETS.copy(), "multiclass", DATA.vectors), generator)
    assert all(search._memory[key][1] is value for key, value in positions.items())
    assert len(search._memory) == 2
    resample(TrainingRows(TARGETS, "multiclass", VECTORS + 1), generator)  # type: ignore[arg-type]
    assert len(search._memory) == 4


def test_memory_drops_the_result_that_is_unused_for_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_memory", type(search._memory)())
    monkeypatch.setattr(search, "LARGEST_MEMORY_BYTES", 200)
    calls = []

    def ask(key: str) -> None:
        def compute() -> tuple[NDArray[np.float64]]:
            calls.append(key)
            return (np.zeros(10),)

        search.remembered(key, compute)

    for key in ("a", "b", "a", "c", "a", "b"):  # 80 bytes each: there is room for two
        ask(key)
    assert calls == ["a", "b", "c", "b"]
