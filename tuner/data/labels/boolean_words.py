"""Words that say whether something is true, such as yes and no, in lower case."""

from __future__ import annotations

PAIRS = (("false", "true"), ("0", "1"), ("no", "yes"), ("n", "y"), ("f", "t"), ("off", "on"))
NO = frozenset({*(no for no, _ in PAIRS), "0.0", "0."})
YES = frozenset({*(yes for _, yes in PAIRS), "1.0", "1."})
