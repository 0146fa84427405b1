"""What each remedy does to the score, one change at a time. `scripts/bench remedies --help`."""
