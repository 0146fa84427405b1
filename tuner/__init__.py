"""Find an LSTM sequence classifier that does not collapse.

`tuner.load(path)` returns a trained bundle with `predict(texts)` and `predict_proba(texts)`. The `tuner` command runs searches.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuner.bundle.model_bundle import Bundle

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def load(path: str | Path) -> Bundle:
    """Load a bundle, or the champion in a run's directory, from a local path or URI. Raises BundleError."""
    from tuner.machine import uncollected

    with uncollected():
        from tuner.bundle import model_bundle  # imports torch, which `tuner --help` must not do
    return model_bundle.load(path)
