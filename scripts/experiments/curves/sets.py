"""The sets on which curves are recorded, each with the budget and the first rung that a search on it would have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.material import shared
from experiments.curves.texts import write_texts
from experiments.material import ExperimentData, find_material


@dataclass(frozen=True, kw_only=True)
class CurveSet:
    """One set. At most `limit_rows` training rows and `validation_rows` validation rows are used.

    `max_epochs`, `reports_per_epoch` and `grace_epochs` are those of the shipped space for such data, or what a few rows need.
    `find` returns the material; it may write files into the folder that it gets.
    """

    name: str
    find: Callable[[Path], ExperimentData]
    limit_rows: int
    validation_rows: int
    max_epochs: float
    reports_per_epoch: int
    grace_epochs: float


def _known(name: str) -> Callable[[Path], ExperimentData]:
    return lambda _: find_material(name)


def _made(kind: str, task: str, train: int, validation: int) -> Callable[[Path], ExperimentData]:
    def find(folder: Path) -> ExperimentData:
        is_single = task == "multiclass"
        path = folder / f"{kind}-{train}-{validation}.parquet"
        write_texts(kind, path, train=train, validation=validation, is_single=is_single)
        data = {"train": str(path), "label" if is_single else "labels": "label" if is_single else "labels"}
        return _material(kind, task, {**data, **_SPLITS, "split_column": "split"})

    return find


def _sms(_: Path) -> ExperimentData:
    data = {"train": str(shared("data", "sms_spam", "all.parquet")), "label": "label"}
    return _material("sms_spam", "binary", {**data, **_SPLITS, "split_column": "suggested_split"})


def _vowels(_: Path) -> ExperimentData:
    """Return JapaneseVowels. Its validation rows are the official test rows: only the gate is judged on them, no score."""
    folder = shared("data", "uea_japanesevowels")
    files = {"train": str(folder / "train.parquet"), "validation": str(folder / "test.parquet"), "test": 0.02}
    return _material("uea_japanesevowels", "multiclass", {**files, "sequence": "sequence", "label": "label"})


_SPLITS = {"validation": None, "test": None}


def _material(name: str, task: str, data: Mapping[str, object]) -> ExperimentData:
    return ExperimentData(name=name, task=task, data=data, epochs=0, base={})


_MULTILABEL = {"max_epochs": 9, "reports_per_epoch": 1, "grace_epochs": 1}
_MANY_LABELS = {**_MULTILABEL, "max_epochs": 16}  # 2,000 rows of 62 labels have few steps in an epoch
_ONE_LABEL = {"max_epochs": 6, "reports_per_epoch": 2, "grace_epochs": 1}
_LARGE = {"limit_rows": 8000, "validation_rows": 2500, "max_epochs": 5, "reports_per_epoch": 2, "grace_epochs": 1}

SETS: Mapping[str, CurveSet] = {
    each.name: each
    for each in (
        CurveSet(name="goemotions", find=_known("goemotions"), **_LARGE),
        CurveSet(name="davidson_hate", find=_known("davidson_hate"), **_LARGE),
        CurveSet(
            name="always_true",
            find=_made("always_true", "multilabel", 700, 150),
            limit_rows=700,
            validation_rows=150,
            **_MULTILABEL,
        ),
        CurveSet(
            name="zipf_200",
            find=_made("zipf", "multilabel", 2000, 430),
            limit_rows=2000,
            validation_rows=430,
            **_MANY_LABELS,
        ),
        CurveSet(name="nlupp_1000", find=_known("nlupp"), limit_rows=1000, validation_rows=214, **_MANY_LABELS),
        CurveSet(name="sms_600", find=_sms, limit_rows=600, validation_rows=130, **_ONE_LABEL),
        CurveSet(
            name="ten_by_five",
            find=_made("ten_classes", "multiclass", 50, 50),
            limit_rows=50,
            validation_rows=50,
            max_epochs=30,
            reports_per_epoch=1,
            grace_epochs=1,
        ),
        CurveSet(
            name="japanese_vowels",
            find=_vowels,
            limit_rows=270,
            validation_rows=90,
            max_epochs=40,
            reports_per_epoch=1,
            grace_epochs=5,
        ),
    )
}

TO_CHOOSE_ON = ("goemotions", "zipf_200", "sms_600", "ten_by_five")
"""The half of the sets on which the gate's bounds were chosen, one of each kind of label. The others show whether they hold."""


def find_set(name: str, folder: Path) -> tuple[CurveSet, ExperimentData]:
    """Return a set and its material, which has the set's name."""
    curve_set = SETS[name]
    return curve_set, replace(curve_set.find(folder), name=name)
