"""A trial that trains to be measured: its speed beside others, and the memory that it takes of a GPU."""

from __future__ import annotations

import time
from dataclasses import replace

from tuner.data.trial_data import TrialData
from tuner.space.configuration import Configuration
from tuner.training.device import CONTEXT_BYTES, is_gpu, peak_bytes, wait_for
from tuner.trial.order import TrialSettings
from tuner.trial.trial import Trial

_WARM_UP_S = 0.3  # the first steps build kernels
_ENDLESS_EPOCHS = 10_000.0


class TrialProbe:
    """Trains one configuration for as long as it is asked to."""

    def __init__(self, configuration: Configuration, data: TrialData, settings: TrialSettings) -> None:
        self._settings = replace(settings, max_epochs=_ENDLESS_EPOCHS, patience=None, rungs=())
        self._trial = Trial(configuration, data, self._settings, seed=0)
        self._train(_WARM_UP_S)

    def steps_per_second(self, seconds: float) -> float:
        """Train for about so many seconds, with the measurements that fall due, and return the steps in a second."""
        before, begun_s = self._trial.steps, time.perf_counter()
        self._train(seconds)
        return (self._trial.steps - before) / (time.perf_counter() - begun_s)

    def need_bytes(self) -> int:
        """Measure the trial, and return what it and its process take of a GPU at most; 0 without a GPU."""
        if not is_gpu(self._settings.device):
            return 0
        self._trial.measure()
        return peak_bytes(self._settings.device) + CONTEXT_BYTES

    def _train(self, seconds: float) -> None:
        end_s = time.perf_counter() + seconds
        while time.perf_counter() < end_s:
            if not self._trial.advance(pause_at=end_s):
                self._trial.measure()
        wait_for(self._settings.device)
