"""The mixture of recorded configurations: usual ones, arbitrary ones, and ones that learn late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Tree = Mapping[str, Any]
Configuration = dict[str, Any]

_AGAINST_IMBALANCE: Tree = {
    "loss_weights": ["none", "root", "balanced", "effective_number"],
    "resampling": ["none", {"oversample": {"ratio": [0.5, 1.0]}}, "undersample", "balanced_batches"],
}

_SIZES: Tree = {
    "max_length": 24,
    "precision": "float32",  # one result on every processor
    "hidden": {"low": 16, "high": 64, "step": 16},
    "directions": [1, 2],
}

# What an experienced person would search: most of the best quarter comes from here.
USUAL: Tree = {
    **_SIZES,
    "layers": [1, 2],
    **_AGAINST_IMBALANCE,
    "embedding": {"random": {"size": [64, 128], "scale": [0.1, 0.3, 1.0]}},
    "cell": ["lstm", "gru"],
    "pooling": ["last", "max", "mean", "attention"],
    "dropout": {"low": 0.0, "high": 0.7},
    "optimiser": ["adam", "adamw", "rmsprop"],
    "learning_rate": {"low": 1e-3, "high": 2e-2, "scale": "log"},
    "schedule": ["constant", "cosine", "one_cycle", "warm_up"],
    "clipping": ["none", {"norm": {"threshold": {"low": 0.5, "high": 5, "scale": "log"}}}],
    "batch_size": [32, 64, 128],
}

# What a careless person would search: both ends collapse.
ANY: Tree = {
    **_SIZES,
    "layers": [1, 2, 3],
    **_AGAINST_IMBALANCE,
    "embedding": {"random": {"size": [32, 64, 128], "scale": {"low": 1e-3, "high": 3.0, "scale": "log"}}},
    "cell": ["lstm", "gru"],
    "initialisation": ["pytorch", "xavier_orthogonal"],
    "pooling": ["last", "max", "mean", "attention"],
    "dropout": {"low": 0.0, "high": 0.95},
    "optimiser": ["sgd", "adam", "adamw", "rmsprop"],
    "learning_rate": {"low": 1e-6, "high": 3.0, "scale": "log"},
    "schedule": ["constant", "cosine", "one_cycle", "warm_up"],
    "clipping": ["none", {"norm": {"threshold": {"low": 0.1, "high": 10, "scale": "log"}}}],
    "batch_size": [32, 64, 128, 256],
}

# Low rates, long warm-ups, heavy dropout, averaged weights: constant at first, and often good in the end.
LATE: Tree = {
    **_SIZES,
    "layers": [1, 2],
    **_AGAINST_IMBALANCE,
    "embedding": {"random": {"size": [64, 128], "scale": {"low": 0.01, "high": 1.0, "scale": "log"}}},
    "cell": ["lstm", "gru"],
    "pooling": ["last", "max", "mean", "attention"],
    "dropout": {"low": 0.3, "high": 0.9},
    "optimiser": ["adam", "adamw", {"sgd": {"momentum": [0.9, 0.98]}}],
    "learning_rate": {"low": 3e-4, "high": 6e-3, "scale": "log"},
    "schedule": [
        {"warm_up": {"share": {"low": 0.2, "high": 0.9}}},
        {"one_cycle": {"warm_up": {"low": 0.3, "high": 0.8}}},
        {"cosine": {"warm_up": {"low": 0.2, "high": 0.6}}},
    ],
    "clipping": ["none", {"norm": {"threshold": {"low": 0.1, "high": 1, "scale": "log"}}}],
    "batch_size": [32, 64, 128],
    "averaging": ["none", {"ema": {"decay": [0.99, 0.998]}}],
}

KINDS: Mapping[str, Tree] = {"usual": USUAL, "any": ANY, "late": LATE}
_OF_TEXT = ("max_length", "embedding")
_ROUND = ("usual", "any", "late", "any", "usual", "any", "late", "any", "usual", "any")


def kind_of(index: int) -> str:
    """Return the kind of trial `index`: three in ten are usual, five any and two late."""
    return _ROUND[index % len(_ROUND)]


def mixture_of(kind: str, inputs: str) -> Tree:
    """Return the domains of a kind of trial. For sequences they leave out what only texts have."""
    tree = KINDS[kind]
    return tree if inputs == "text" else {name: domain for name, domain in tree.items() if name not in _OF_TEXT}
