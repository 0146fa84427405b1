"""Whether a predictor has collapsed, and why: measured facts in, named causes out."""
