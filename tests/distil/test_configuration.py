"""The configuration of a distilled model: that of a trial, with changes, and without what needs labels."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tuner.distil.configuration import configuration_of, settle_space
from tuner.errors import SpaceError, UsageError
from tuner.ledger.run_directory import Run

SPACE = """
task: multilabel
data: {train: rows.csv, labels: labels}
search: {time: 1m}
space: {hidden: [64, 128]}
"""


def run_with(*configurations: Any) -> Run:
    trials = [{"trial": number, "configuration": json.dumps(each)} for number, each in enumerate(configurations)]
    return Run("first", "runs/first", SPACE, {}, {}, [], trials, {}, {})


CONFIGURATION = {
    "tokens": "word",
    "tokens.word.min_count": 1,
    "tokens.word.forms": "stem",
    "hidden": 96,
    "clipping": "norm",
    "clipping.norm.threshold": 2.5,
    "learning_rate": 0.003,
    "resampling": "oversample",
    "resampling.oversample.ratio": 0.5,
    "loss": "focal",
    "loss.focal.gamma": 2.0,
    "loss_weights": "explicit",
    "loss_weights.explicit.a.b": 2.0,
    "soft_f1": 0.3,
    "logit_adjustment": 1.0,
}


def test_a_configuration_stays_as_it_is_but_for_the_loss() -> None:
    space, settled = settle_space(run_with(), CONFIGURATION, [])
    of_loss = ("loss", "soft_f1", "logit_adjustment")
    kept = {name: value for name, value in CONFIGURATION.items() if name.split(".")[0] not in of_loss}
    assert kept.items() <= settled.items()
    assert settled["loss"] == "cross_entropy"
    assert [settled[name] for name in ("loss.cross_entropy.label_smoothing", "soft_f1", "logit_adjustment")] == [
        0,
        0,
        0,
    ]
    assert space.data.train == "rows.csv"


def test_settings_change_the_configuration_and_say_where_files_are() -> None:
    space, settled = settle_space(run_with(), CONFIGURATION, ["space.hidden=32", "data.train=moved.csv"])
    assert settled["hidden"] == 32
    assert space.data.train == "moved.csv"


@pytest.mark.parametrize("first", ["{hidden: 64}", "\n  - hidden: 64\n  - hidden: 128"])
def test_the_first_trials_of_the_run_need_not_have_this_configuration(first: str) -> None:
    run = replace(run_with(), space=f"{SPACE}first: {first}\n")
    space, settled = settle_space(run, CONFIGURATION, [])
    assert settled["hidden"] == 96
    assert space.first == ()


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("space.loss=focal", "learns probabilities, so loss is always cross_entropy; leave it out"),
        ("space.logit_adjustment=1", "so logit_adjustment is always 0.0"),
        ("search.max_epochs=3", "this changes nothing about a distilled model; --set takes space"),
    ],
)
def test_a_setting_without_effect_is_refused(override: str, part: str) -> None:
    with pytest.raises(UsageError, match=part):
        settle_space(run_with(), CONFIGURATION, [override])


def test_a_setting_with_several_values_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"space\.hidden: has several values, but one model is trained; give one"):
        settle_space(run_with(), CONFIGURATION, ["space.hidden=[32, 64]"])


def test_a_trial_is_named_by_its_number() -> None:
    run = run_with({"hidden": 1}, {"hidden": 2})
    assert configuration_of(run, 1) == {"hidden": 2}
    with pytest.raises(
        UsageError, match=r"--trial 7: the run first has no trial of this number; choose one from 0 to 1"
    ):
        configuration_of(run, 7)
