"""Faults as a night brings them, made on purpose in real searches. `scripts/bench faults` makes all of them."""
