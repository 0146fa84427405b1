"""TPE sees the best trials, some of the others and the latest that run, however many there are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from tuner.samplers import tpe_history
from tuner.samplers.tpe_history import BEST, DRAWN, RUNNING, History

UNIT = FloatDistribution(0.0, 1.0)


def begun(trials: int) -> History:
    history = History()
    for index in range(trials):
        history.begin(index, {"x": 0.5}, {"x": UNIT})
    return history


def shown(history: History, *states: TrialState) -> list[int]:
    return [trial.number for trial in history.study().get_trials(states=states or None)]


def test_tpe_sees_the_best_some_others_and_the_latest_running_trials() -> None:
    ended = 10 * (BEST + DRAWN)
    history = begun(ended + 2 * RUNNING)
    for index in range(ended):
        history.end(index, TrialState.COMPLETE, score=-float(index), step=1)  # the earlier, the better
    seen = shown(history, TrialState.COMPLETE)
    assert seen[:BEST] == [*range(BEST)]
    assert DRAWN <= len(seen) <= BEST + DRAWN
    counts, _ = np.histogram(seen[BEST:], bins=10, range=(0, ended))
    assert counts.min() > 0.8 * DRAWN / 10  # of each tenth of the search, about as many
    assert shown(history, TrialState.RUNNING) == [*range(ended + RUNNING, ended + 2 * RUNNING)]


def test_a_failed_trial_is_not_seen() -> None:
    history = begun(3)
    history.end(1, TrialState.FAIL, score=0.9, step=1)
    assert shown(history) == [0, 2]


def test_a_later_proposal_takes_the_place_of_an_earlier_one() -> None:
    history = begun(3)
    history.begin(1, {"x": 0.25}, {"x": UNIT})
    assert [(trial.number, trial.params["x"]) for trial in history.study().trials] == [(0, 0.5), (2, 0.5), (3, 0.25)]


endings = st.tuples(
    st.sampled_from([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]), st.integers(0, 3), st.integers(1, 2)
)


@settings(max_examples=25)
@given(endings=st.lists(endings, min_size=20, max_size=30), order=st.randoms(use_true_random=False))
def test_what_tpe_sees_does_not_depend_on_the_order_in_which_trials_end(endings: list, order) -> None:
    def seen(indices: list[int]) -> list:
        history = begun(len(endings))
        for index in indices:
            state, score, step = endings[index]
            history.end(index, state, score=float(score) if score or state is TrialState.COMPLETE else None, step=step)
        return [(trial.number, trial.state) for trial in history.study().trials]

    shuffled = [*range(len(endings))]
    order.shuffle(shuffled)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tpe_history, "BEST", 4)
        patch.setattr(tpe_history, "DRAWN", 6)
        in_order = seen([*range(len(endings))])
        assert len(in_order) <= 10
        assert seen(shuffled) == in_order


def test_a_parameter_that_one_trial_lacks_is_not_estimated_jointly() -> None:
    history = History()
    history.begin(0, {"x": 0.5, "y": 0.5}, {"x": UNIT, "y": UNIT})
    history.begin(1, {"x": 0.5}, {"x": UNIT})
    history.end(0, TrialState.COMPLETE, score=0.5, step=1)
    assert list(history.joint_distributions()) == ["x", "y"]
    history.end(1, TrialState.PRUNED, score=None, step=1)
    assert list(history.joint_distributions()) == ["x"]
