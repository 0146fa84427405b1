"""Benchmarks: what was asked of `tuner` beside what is measured. `scripts/bench --help`."""
