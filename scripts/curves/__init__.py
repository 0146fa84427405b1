"""Curves of mixed trials, trained fully without gate or rungs, that the gate is replayed on. `scripts/record_curves --help`."""
