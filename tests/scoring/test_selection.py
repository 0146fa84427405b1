from __future__ import annotations

import math

import pytest
from scipy.stats import t

from tuner.scoring.selection import choose_champion, lower_bounds


def test_a_bound_is_the_mean_less_t_standard_errors() -> None:
    bounds = lower_bounds({"a": [0.4, 0.6], "b": [0.5, 0.5]})
    spread = math.sqrt((0.02 + 0.01) / 2)  # own variance 0.02, pooled 0.01
    assert bounds["a"].spread == pytest.approx(spread)
    assert bounds["a"].lower == pytest.approx(0.5 - t.ppf(0.9, 2) * spread / math.sqrt(2))


def test_a_steady_finalist_is_preferred_to_a_lucky_one() -> None:
    assert choose_champion(lower_bounds({"lucky": [0.3, 0.72], "steady": [0.5, 0.5]})) == "steady"


def test_two_equal_seeds_do_not_mean_certainty() -> None:
    bound = lower_bounds({"a": [0.5, 0.5], "b": [0.3, 0.5]})["a"]
    assert bound.lower < bound.mean


def test_a_finalist_with_one_seed_uses_the_pooled_spread() -> None:
    bounds = lower_bounds({"one": [0.5], "two": [0.4, 0.6]})
    assert bounds["one"].spread == pytest.approx(math.sqrt(0.02))
    assert bounds["one"].lower < bounds["two"].lower


def test_with_one_seed_everywhere_the_bound_is_the_score() -> None:
    bounds = lower_bounds({1: [0.5], 2: [0.6]})
    assert (bounds[1].lower, choose_champion(bounds)) == (0.5, 2)
    assert math.isnan(bounds[1].spread)


@pytest.mark.parametrize("scores", [[], [0.5, float("nan")]])
def test_a_finalist_without_finite_scores_is_refused(scores: list[float]) -> None:
    with pytest.raises(ValueError, match=r"finalist 'a' has scores \[.*\], but needs at least one, all finite"):
        lower_bounds({"a": scores})
