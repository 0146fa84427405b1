"""Learning curves of mixed trials without gate or rungs, to replay the gate on. `scripts/bench curves --help`."""
