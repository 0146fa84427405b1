"""Has a predictor collapsed, and why? Readers gather evidence, facts hold it, causes explain it."""
