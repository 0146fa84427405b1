"""Experiments that train many models one after another and keep a line a training. `scripts/bench remedies|curves --help`."""
