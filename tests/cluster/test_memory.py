"""Workers read a run's arrays in Ray's shared memory, without copying them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SCRIPT = """
import json, sys
import numpy as np
import ray
from ray import tune
from tuner.data.model_rows import make_rows
from tuner.data.tokenisers import Encoded
from tuner.ray_backend.start import start_ray, stop_ray
from tuner.space.search_settings import ResourceSettings


class Held(tune.Trainable):
    def setup(self, config, data):
        self.data = data

    def step(self):
        rows = make_rows(self.data, np.zeros(len(self.data)), vocabulary=10, max_length=5, truncation="start")
        arrays = {"steps": self.data.steps, "offsets": self.data.offsets, "rows to train on": rows.steps}
        views = {name: not (array.flags.owndata or array.flags.writeable) for name, array in arrays.items()}
        return {"views": json.dumps(views), "done": True}


start_ray(None, ResourceSettings(concurrent=1))
try:
    data = Encoded(np.ones(1_000_000, np.int32), np.arange(0, 1_000_001, 10))
    trainable = tune.with_parameters(Held, data=data)
    run = tune.RunConfig(storage_path=sys.argv[1], verbose=0)
    (result,) = tune.Tuner(trainable, run_config=run).fit()
    print(result.metrics["views"], file=sys.stderr)
finally:
    stop_ray()
"""


def test_prepared_arrays_are_read_only_views_of_shared_memory(tmp_path: Path):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    views = json.loads(done.stderr.strip().splitlines()[-1])
    assert views == {"steps": True, "offsets": True, "rows to train on": True}
