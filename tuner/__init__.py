"""Find an LSTM sequence classifier that does not collapse.

`tuner.load(path)` returns a trained bundle with `predict(texts)` and `predict_proba(texts)`; the name of a run below ./runs will
do too. The `tuner` command runs searches.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuner.bundle.model_bundle import Bundle

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def load(path: str | Path) -> Bundle:
    """Load a bundle, or the champion of a run: by path, by URI, or by the name of a run in ./runs.

    A path wins over a name. Raises BundleError.
    """
    from tuner.machine import uncollected

    with uncollected():
        from tuner.bundle import model_bundle  # imports torch, which `tuner --help` must not do
    from tuner.errors import BundleError, UsageError
    from tuner.ledger.location import locate_model

    try:
        location = locate_model(str(path), "runs", remedy="give the directory of a bundle or of a run")
    except UsageError as error:
        raise BundleError(error.faults) from None
    return model_bundle.load(location)
