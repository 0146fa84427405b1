"""Leaving out of a space the options that another task may not use."""

from __future__ import annotations

from tuner.space.task_options import options_for_task


def test_options_of_other_tasks_are_left_out_and_the_rest_stays_as_written() -> None:
    written = {"resampling": ["none", {"smote": {"neighbours": 3}}, {"oversample": {"ratio": 0.5}}], "hidden": [32, 64]}
    assert options_for_task(written, "multilabel", "text") == {
        "resampling": ["none", {"oversample": {"ratio": 0.5}}],
    }


def test_nothing_changes_if_the_task_may_use_every_option() -> None:
    assert options_for_task({"resampling": ["none", "smote"], "layers": 1}, "binary", "text") == {}


def test_a_parameter_without_an_option_left_gets_its_default() -> None:
    assert options_for_task({"resampling": "ml_ros"}, "binary", "text") == {"resampling": "none"}
