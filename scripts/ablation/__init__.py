"""What every remedy does to the score, one change at a time. `scripts/remedies --help`."""
