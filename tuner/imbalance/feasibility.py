"""Check before the search whether the resampling and loss weights of a space can work on the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tuner.errors import Fault, did_you_mean
from tuner.imbalance.interpolation import adasyn, borderline_smote, goal_of
from tuner.imbalance.label_sets import members_of_label_sets
from tuner.imbalance.rare_labels import rare_labels, without_rare_labels
from tuner.imbalance.training_pass import Resample, Targets, TrainingRows
from tuner.space.domains import Choice, Conditional, Domain, Fixed, OptionChoice
from tuner.space.task import Task

Problem = tuple[str, str]
"""What is wrong, and the remedy."""

Check = Callable[[str, Mapping[str, float], Targets, Sequence[str]], Problem | None]
"""Takes an option's name, the largest values of its parameters, targets and labels."""


def resampling_faults(
    parameters: Mapping[str, Domain],
    targets: Targets,
    task: Task,
    labels: Sequence[str],
    where: str,
    *,
    folds: NDArray[np.int64] | None = None,
) -> list[Fault]:
    """Return the choices of `resampling` and `loss_weights` in a space that cannot work with the training rows.

    `parameters` are the domains of a space; they are checked at their largest values. `targets` are (rows,) class numbers or
    (rows, labels) of 0 and 1. With `folds` (rows,), each fold is left out in turn. `where` is the place in messages, such as
    "my.yaml: space".
    """
    checks = _CHECKS_SEVERAL_LABELS if task == "multilabel" else _CHECKS_ONE_LABEL
    parts = [targets] if folds is None else [targets[folds != fold] for fold in np.unique(folds)]
    faults = []
    for name, domains in _options(parameters, "resampling"):
        check = checks.get(name)
        largest = {parameter: _largest(domain) for parameter, domain in domains.items()}
        problem = check and next(filter(None, (check(name, largest, part, labels) for part in parts)), None)
        if problem:
            condition = "" if folds is None else ", with one fold left out"
            faults.append(Fault(f"{where}.resampling.{name}", problem[0] + condition, problem[1]))
    for name, domains in _options(parameters, "loss_weights"):
        if name == "explicit":
            faults += [
                Fault(
                    f"{where}.loss_weights.explicit",
                    f"{label!r} is not a label of the data",
                    did_you_mean(label, labels),
                )
                for label in domains
                if label not in labels
            ]
    return faults


def border_faults(
    parameters: Mapping[str, Domain], data: TrainingRows, labels: Sequence[str], where: str
) -> list[Fault]:
    """Return the choices of `resampling` that add no row, because no class that should grow lies near another class.

    `data` must have vectors and no `resampling_faults`. Draws one pass, so it searches for neighbours as
    every worker does.
    """
    counts = np.bincount(data.targets)
    faults = []
    for name, domains in _options(parameters, "resampling"):
        if name not in _FROM_THE_BORDER:
            continue
        ratio, neighbours = _largest(domains["ratio"]), int(_largest(domains["neighbours"]))
        short = sorted(goal_of(data.targets, ratio), key=lambda label: int(counts[label]))
        draw = _FROM_THE_BORDER[name](ratio=ratio, neighbours=neighbours)
        if short and len(draw(data, np.random.default_rng(0))) == len(data):
            others = f" (the same is true for {len(short) - 1} more)" if len(short) > 1 else ""
            has = f"{labels[short[0]]!r} has {_training_rows(int(counts[short[0]]))}"
            what = f"{has}, none on the border of another class{others}, so {name} adds no row"
            faults.append(Fault(f"{where}.resampling.{name}", what, f"use smote, or remove {name}"))
    return faults


def _mixing(name: str, largest: Mapping[str, float], targets: Targets, labels: Sequence[str]) -> Problem | None:
    """Every class that should grow needs one row more than there are neighbours."""
    counts = np.bincount(targets)
    raised = {labels[label]: int(counts[label]) for label in goal_of(targets, largest["ratio"])}
    return _too_few(name, int(largest["neighbours"]), raised, instead="oversample")


def _near_miss(name: str, largest: Mapping[str, float], targets: Targets, labels: Sequence[str]) -> Problem | None:
    """The rarest class needs as many rows as there are neighbours."""
    counts = np.bincount(targets)
    rarest = min(np.flatnonzero(counts).tolist(), key=lambda label: int(counts[label]))
    count, neighbours = int(counts[rarest]), int(largest["neighbours"])
    if count >= neighbours:
        return None
    what = f"{labels[rarest]!r} has {_training_rows(count)}, but {name} with neighbours {neighbours} needs at least {neighbours}"
    return what, f"use neighbours: {count}, or undersample, or remove {name}"


def _vote(name: str, largest: Mapping[str, float], targets: Targets, _labels: Sequence[str]) -> Problem | None:
    """Every row needs enough neighbours among all other rows."""
    neighbours = int(largest["neighbours"])
    if len(targets) > neighbours:
        return None
    what = f"there are {_training_rows(len(targets))}, but {name} with neighbours {neighbours} needs at least {neighbours + 1}"
    return what, f"use neighbours: {len(targets) - 1}, or undersample, or remove {name}"


def _label_set_undersample(
    name: str, _largest: Mapping[str, float], targets: Targets, _labels: Sequence[str]
) -> Problem | None:
    """A set of labels is never cut below the mean size, in whole rows."""
    sizes = [len(member) for member in members_of_label_sets(targets)]
    most, mean = max(sizes), len(targets) / len(sizes)
    if most - mean >= 1:
        return None
    what = f"no set of labels has more than {_training_rows(most)}, less than one above the mean of {mean:g}"
    return f"{what}, so {name} has no row to drop", f"remove {name}"


def _rare(name: str, _largest: Mapping[str, float], targets: Targets, _labels: Sequence[str]) -> Problem | None:
    if len(rare_labels(targets)):
        return None
    return f"no label is rarer than the mean, so {name} has no label to raise", f"remove {name}"


def _ml_rus(name: str, largest: Mapping[str, float], targets: Targets, labels: Sequence[str]) -> Problem | None:
    problem = _rare(name, largest, targets, labels)
    if problem or len(without_rare_labels(targets)):
        return problem
    what = f"every training row has a label rarer than the mean, so {name} has no row to drop"
    return what, f"use ml_ros, or remove {name}"


def _mlsmote(name: str, largest: Mapping[str, float], targets: Targets, labels: Sequence[str]) -> Problem | None:
    counts = {labels[label]: int(targets[:, label].sum(dtype=np.int64)) for label in rare_labels(targets)}
    problem = _rare(name, largest, targets, labels)
    return problem or _too_few(name, int(largest["neighbours"]), counts, instead="ml_ros")


_CHECKS_ONE_LABEL: Mapping[str, Check] = {
    "near_miss": _near_miss,
    "edited_nearest_neighbours": _vote,
    "smote": _mixing,
    "borderline_smote": _mixing,
    "adasyn": _mixing,
    "smote_enn": _mixing,
    "smote_tomek": _mixing,
}

_CHECKS_SEVERAL_LABELS: Mapping[str, Check] = {
    "label_set_undersample": _label_set_undersample,
    "ml_ros": _rare,
    "ml_rus": _ml_rus,
    "mlsmote": _mlsmote,
}


_FROM_THE_BORDER: Mapping[str, Callable[..., Resample]] = {"borderline_smote": borderline_smote, "adasyn": adasyn}


def _too_few(name: str, neighbours: int, counts: Mapping[str, int], *, instead: str) -> Problem | None:
    """Name the rarest label with too few rows to give each row its neighbours, and count the other such labels."""
    short = sorted((count, label) for label, count in counts.items() if count <= neighbours)
    if not short:
        return None
    count, label = short[0]
    others = f", and {len(short) - 1} more labels have too few" if len(short) > 1 else ""
    what = f"{label!r} has {_training_rows(count)}, but {name} with neighbours {neighbours} needs at least {neighbours + 1}"
    smaller = f"use neighbours: {count - 1}, or {instead}" if count > 1 else f"use {instead} instead"
    return what + others, f"{smaller}, or remove {name}"


def _training_rows(count: int) -> str:
    return "1 training row" if count == 1 else f"{count:,} training rows"


def _options(parameters: Mapping[str, Domain], name: str) -> Sequence[tuple[str, Mapping[str, Domain]]]:
    domain = parameters.get(name)
    return domain.options if isinstance(domain, OptionChoice) else ()


def _largest(domain: Domain) -> float:
    """Return the largest number of a domain. The options above have only numbers as parameters."""
    if isinstance(domain, Conditional):
        return _largest(domain.domain)
    if isinstance(domain, OptionChoice):
        raise TypeError("a resampling option cannot contain another option")
    if isinstance(domain, Fixed):
        return float(domain.value)
    return float(max(domain.values) if isinstance(domain, Choice) else domain.high)
