"""A trial that trains to be measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from builders.fake_gpu import FAKE_GPU, fake_gpu
from tuner.training.device import CONTEXT_BYTES
from tuner.trial.order import TrialSettings
from tuner.trial.probe import TrialProbe

SETTINGS = TrialSettings(max_epochs=1, reports_per_epoch=1, penalty_weight=1.0)


def test_a_probe_trains_beyond_the_budget_of_a_trial(configure: Any, make_dataset: Any, prepare_for: Any) -> None:
    configuration = configure()
    probe = TrialProbe(configuration, prepare_for(make_dataset("binary"), configuration), SETTINGS)
    assert probe.steps_per_second(0.1) > 0
    assert probe.need_bytes() == 0  # without a GPU
    assert probe._trial.examples > 96


def test_what_a_trial_needs_of_a_gpu_includes_its_process(configure: Any, make_dataset: Any, prepare_for: Any) -> None:
    configuration = configure(max_length=3)
    with fake_gpu() as (_, module):
        settings = replace(SETTINGS, device=FAKE_GPU)
        probe = TrialProbe(configuration, prepare_for(make_dataset("binary"), configuration), settings)
        assert probe.need_bytes() == (1 << 30) + CONTEXT_BYTES
        assert ("synchronize", None) in module.calls
