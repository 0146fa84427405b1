"""Faults as they happen at night, caused on purpose in real searches. `scripts/bench faults` causes all of them."""
