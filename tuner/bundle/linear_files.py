"""The linear model of a bundle: what it reads of rows is in preparation.json, its arrays are among the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tuner.baselines.linear_model import FLATTENED, FlatFeatures, LinearModel, TermFeatures, restore_flat
from tuner.data.terms import TERMS, Terms, restore_terms
from tuner.model.weight_shapes import Shapes, check_shapes
from tuner.space.task import Task

LinearPreparation: TypeAlias = Terms | FlatFeatures
_IDF, _COEFFICIENTS, _INTERCEPTS = "idf", "coefficients", "intercepts"
_READERS: Mapping[str, Callable[[Mapping[str, Any]], LinearPreparation]] = {
    TERMS: restore_terms,
    FLATTENED: restore_flat,
}


def linear_preparation(model: LinearModel) -> LinearPreparation:
    """Return what a linear model reads of rows. Raises TypeError if it has other features than a bundle can hold."""
    match model.features:
        case TermFeatures() as features:
            return features.terms
        case FlatFeatures() as features:
            return features
    raise TypeError(f"a bundle cannot hold {type(model.features).__name__}")


def linear_weights(model: LinearModel) -> dict[str, NDArray[np.float32]]:
    """Return the arrays of a linear model by name."""
    weights = {_COEFFICIENTS: model.coefficients, _INTERCEPTS: model.intercepts}
    return weights | ({_IDF: model.features.idf} if isinstance(model.features, TermFeatures) else {})


def restore_linear_preparation(described: Any) -> LinearPreparation | None:
    """Rebuild what `to_bytes` of a linear preparation described; None for another preparation. Raises ValueError."""
    read = _READERS.get(str(described.get("kind"))) if isinstance(described, dict) else None
    try:
        return None if read is None else read(described)
    except (KeyError, TypeError) as error:
        raise ValueError(f"the preparation of the linear model is incomplete ({error})") from error


def check_linear(
    described: Mapping[str, Any], preparation: LinearPreparation, shapes: Shapes, *, task: Task, seen: NDArray[np.bool_]
) -> None:
    """Raise ValueError unless the weights of a linear model fit its labels and what it reads of rows."""
    always = np.array(described["always"])
    if (always & ~seen).any() or (always.any() and task != "multilabel"):
        raise ValueError("a label that all training rows have is one that none has, or the task is not multilabel")
    labels = _labels(seen, always)
    if task != "multilabel" and len(labels) < 2:
        raise ValueError("the linear model tells fewer than two labels apart")
    regressions = 1 if task != "multilabel" and len(labels) == 2 else len(labels)
    wanted: dict[str, tuple[int, ...]] = {_COEFFICIENTS: (regressions, len(preparation)), _INTERCEPTS: (regressions,)}
    check_shapes(shapes, wanted | ({_IDF: (len(preparation),)} if isinstance(preparation, Terms) else {}))


def restore_linear(
    described: Mapping[str, Any],
    preparation: LinearPreparation,
    weights: Mapping[str, NDArray[np.float32]],
    *,
    task: Task,
    seen: NDArray[np.bool_],
) -> LinearModel:
    """Rebuild a linear model that `check_linear` has passed. Raises ValueError if a weight is not finite."""
    for name, values in weights.items():
        if not np.isfinite(values).all():
            raise ValueError(f"the weights {name!r} have a value that is not finite")
    always = np.array(described["always"])
    return LinearModel(
        task=task,
        features=TermFeatures(preparation, weights[_IDF]) if isinstance(preparation, Terms) else preparation,
        coefficients=weights[_COEFFICIENTS],
        intercepts=weights[_INTERCEPTS],
        labels=_labels(seen, always),
        always=always,
    )


def _labels(seen: NDArray[np.bool_], always: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the labels that a linear model of the training rows has regressions for: some rows have them, and others not."""
    return np.flatnonzero(seen & ~always)
