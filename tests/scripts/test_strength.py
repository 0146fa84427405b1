"""What `scripts/bench strength` makes of the lines of its searches."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import strength
from tuner.space.load import load_space


def line(name: str, seed: int, macro_f1: float, single: float | None = None, **more: Any) -> dict[str, Any]:
    alternatives = {} if single is None else {"single": {"test": {"macro_f1": single}}}
    return {
        "set": name,
        "seed": seed,
        "time_s": 300,
        "vectors": None,
        "macro_f1": macro_f1,
        "alternatives": alternatives,
        "verdict": "beats_baselines",
        "baseline": {"name": "tfidf", "macro_f1": 0.5},
        **more,
    }


def test_a_set_is_judged_by_the_median_of_its_seeds() -> None:
    rows = strength.summarise([line("nlupp", seed, score) for seed, score in enumerate((0.9, 0.86, 0.88))])
    assert [(row.name, row.measured, row.holds) for row in rows] == [("nlupp", 0.88, True)]


def test_the_gain_of_champions_over_single_models_is_the_mean_of_the_sets_medians() -> None:
    lines = [line("nlupp", 0, 0.90, 0.88), line("docstrings", 0, 0.70, 0.71), line("docstrings", 1, 0.70, 0.68)]
    rows = {row.name: row for row in strength.summarise(lines)}
    assert rows["champion minus single, mean over sets"].measured == pytest.approx((0.02 + 0.005) / 2)
    assert rows["champion minus single, worst set"].measured == pytest.approx(0.005)


def test_more_is_asked_of_goemotions_with_vectors_and_in_half_an_hour() -> None:
    def asked(**more: Any) -> str:
        return strength.summarise([line("goemotions", 0, 0.51, **more)])[0].asked

    assert [asked(), asked(vectors="glove.txt"), asked(time_s=1800)] == [">= 0.505", ">= 0.52", ">= 0.53"]


def test_verdicts_are_counted_once_all_five_sets_have_one() -> None:
    names = ["nlupp", "davidson_hate", "sms_spam", "japanesevowels", "docstrings"]
    lines = [line(name, 0, 0.99) for name in names]
    lines[0]["verdict"] = "no_better_than_baseline"
    assert strength.summarise(lines)[-1].measured == 4
    assert "beats the baselines" not in strength.summarise(lines[1:])[-1].name


def test_a_search_that_ended_with_an_error_does_not_hold() -> None:
    rows = strength.summarise([{"set": "digits", "seed": 1, "problem": "error: no champion"}])
    assert [(row.name, row.holds, row.detail) for row in rows] == [("digits, seed 1", False, "error: no champion")]


@pytest.mark.parametrize("name", [name for name, parts in strength.SETS.items() if len(parts) == 1])
def test_a_set_without_a_file_is_the_one_that_its_shipped_space_names(name: str) -> None:
    assert load_space(strength.SETS[name][0]).data.train.startswith("builtin:")
