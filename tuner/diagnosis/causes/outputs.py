"""Causes that show in a predictor's decisions and probabilities."""

from __future__ import annotations

from tuner.diagnosis.causes.cause import Cause, Remedy, falling_by_factors, rising, rising_by_factors, say, steps
from tuner.diagnosis.causes.corrections import correct_more, corrections, uncorrect
from tuner.diagnosis.causes.known_settings import KnownSettings
from tuner.diagnosis.causes.optimisation import easier_to_train, usual_rate_if_not
from tuner.diagnosis.causes.state import answers_the_majority, collapsed_labels, is_flat, measured
from tuner.diagnosis.facts.evidence import Evidence, LabelFacts
from tuner.pruners.gate import GateSettings
from tuner.scoring.measures import FEWEST_TRUE
from tuner.show_value import show_share

GOOD_AUC = 0.7
"""An AUC good enough for decisions: what Hosmer and Lemeshow (2000) call acceptable discrimination."""

SHIFTED = 5.0
"""Outputs are pushed to one side if the odds of the mean probability and of the prevalence differ by this factor."""

MINORITY = 0.5
"""A label is in the minority if it has at most one row for every two of the most frequent answer."""

RARE = 0.05
"""A label is rare if it has fewer than one training row for every twenty of the most frequent label."""

_WORTHWHILE = 0.02  # macro-F1 that fitted thresholds must gain
_FIT = "fit a threshold per label on validation rows: the probabilities rank the rows better than the decisions show"
_MOST_PROBABLE = "decide for the most probable label: the probabilities rank the rows better than the decisions show"
_SHIFT_BACK = (
    "multiply each label's probability by one factor, so that its mean becomes the label's share of the rows, and decide for "
    "the most probable: the probabilities rank the rows well"
)
_RELATIVE = (
    "decide for the label whose probability exceeds its mean over the rows by the largest factor: the probabilities are flat, "
    "but rank the rows well"
)
_LEARN = "the network has not learnt to distinguish rows: check its learning rate, its gradients and its data"
_FIT_ON_MORE = "give more validation rows of these labels: the thresholds fitted on them do not suit other rows"


def threshold(evidence: Evidence) -> Cause | None:
    """Rows are ranked well, but the threshold is so high or so low that nearly all of them get one answer."""
    cut = [label for label in _well_ranked(evidence) if _has_odd_threshold(label)]
    if evidence.decisions is None or not cut:
        return None
    fitted = evidence.decisions.fitted_macro_f1 or 0.0
    gain = fitted - evidence.decisions.macro_f1
    constant = collapsed_labels(evidence.decisions)
    first = cut[0]
    why = "the threshold is wrong; with thresholds fitted on other rows"
    if evidence.task == "multiclass":
        why = "the decisions do not follow the probabilities; with the most probable label of each row"
    return Cause(
        name="threshold",
        strength=rising(len(cut) / len(constant), 0.0, 0.5),
        sentence=(
            f"{_named(cut)}: ranked well (AUC {_mean_auc(cut):.2f}), but {_where_predicted(cut)}, because {why}, "
            f"macro-F1 would be {fitted:.3f} ({gain:+.3f})"
        ),
        measurement={
            "labels": [label.name for label in cut],
            "auc": _mean_auc(cut),
            "fitted_macro_f1": evidence.decisions.fitted_macro_f1,
            "gain": gain,
            "highest_undecided": first.highest_undecided,
            "lowest_decided": first.lowest_decided,
        },
        remedies=(_fit(evidence) if evidence.configuration is None else say(_FIT_ON_MORE),),
    )


def constant_decision(evidence: Evidence) -> Cause | None:
    """Outputs are pushed to one side: a bias or the loss weights outweigh the input."""
    decisions, known = evidence.decisions, KnownSettings.of(evidence)
    constant = collapsed_labels(decisions) if decisions is not None else []
    if decisions is None or not constant:
        return None
    shifted = [label for label in constant if _shift(label) >= SHIFTED]
    pushes = _what_pushes(known)
    if shifted:
        label = max(shifted, key=_shift)
        sentence = (
            f"{_example(shifted, 'collapsed')}{label.name!r} has a mean probability of {label.mean_probability:.3f}, but is true "
            f"for {show_share(label.prevalence)} of the rows: {pushes} outweighs the input"
        )
        strength = rising_by_factors(_shift(label), SHIFTED / 2, SHIFTED**3)
    else:
        label = max(constant, key=lambda candidate: abs(candidate.decision_rate - candidate.prevalence))
        sentence = f"{_example(constant, 'collapsed')}{label.name!r} is {_rates(label)}"
        strength = rising(len(constant) / len(decisions.labels), 0.0, 4.0)
    return Cause(
        name="constant_decision",
        strength=strength,
        sentence=sentence,
        measurement={
            "labels": [shown.name for shown in shifted or constant],
            "decision_rate": label.decision_rate,
            "prevalence": label.prevalence,
            "mean_probability": label.mean_probability,
        },
        remedies=_push_back(evidence, known),
    )


def flat_probabilities(evidence: Evidence) -> Cause | None:
    """Every row gets nearly the same probability."""
    spread = measured(evidence, "logit_spread")
    if spread is None or not is_flat(evidence):
        return None
    bound, certain = GateSettings().low_logit_spread, GateSettings().flat_logit_spread
    return Cause(
        name="flat_probabilities",
        strength=falling_by_factors(spread, bound, certain),
        sentence=f"logits differ by only {spread:.2g} between rows (median label), "
        "so every input gets nearly the same probability",
        measurement={"logit_spread": spread, "probability_spread": measured(evidence, "probability_spread")},
        remedies=_learn_at_all(evidence),
    )


def imbalance(evidence: Evidence) -> Cause | None:
    """Rare labels are sacrificed for frequent ones, or nothing keeps the model from always answering with the majority."""
    known = KnownSettings.of(evidence)
    is_left_alone = _always_answers_the_majority(evidence, known)
    sacrificed = _minority(evidence) if is_left_alone else _sacrificed_labels(evidence)
    if not sacrificed:
        return None
    label = min(sacrificed, key=lambda candidate: _share_of_largest(candidate, evidence))
    share = _share_of_largest(label, evidence)
    rows = "" if label.train_rows is None else f" ({label.train_rows:,} training rows)"
    bounds = (MINORITY * 2, RARE / 10) if is_left_alone else (RARE * 2, RARE / 10)
    against = ", and no setting acts against it" if is_left_alone and known.configuration else ""
    most = max(_share_of_largest(candidate, evidence) for candidate in sacrificed)
    are = "are too rare" if most <= RARE * 2 else "are the minority"
    return Cause(
        name="imbalance",
        strength=falling_by_factors(share, *bounds),
        sentence=(
            f"{_example(sacrificed, are)}{label.name!r}{rows} {_rarity(label, share, evidence)}; "
            f"it is {_rates(label)}{against}"
        ),
        measurement={
            "labels": [rare.name for rare in sacrificed],
            "share": share,
            "train_rows": label.train_rows,
            "decision_rate": label.decision_rate,
            "prevalence": label.prevalence,
        },
        remedies=(*([_fit(evidence)] if _would_fit(evidence) else []), *correct_more(known)),
    )


def _always_answers_the_majority(evidence: Evidence, known: KnownSettings) -> bool:
    """Return whether only the majority is predicted, and neither settings nor shifted probabilities or thresholds explain it."""
    decisions = evidence.decisions
    if decisions is None or not answers_the_majority(decisions, evidence.task) or corrections(known):
        return False
    constant = collapsed_labels(decisions)
    return not is_flat(evidence) and not any(
        _shift(label) >= SHIFTED or _has_odd_threshold(label) for label in constant
    )


def _minority(evidence: Evidence) -> list[LabelFacts]:
    """Return the labels that are much rarer than the most frequent answer, and are never predicted."""
    labels = [] if evidence.decisions is None else collapsed_labels(evidence.decisions)
    lost = [label for label in labels if label.decision_rate < label.prevalence]
    return [label for label in lost if _share_of_largest(label, evidence) <= MINORITY]


def _would_fit(evidence: Evidence) -> bool:
    """Return whether other decisions from the same probabilities of a file would do much better."""
    facts = evidence.decisions
    if facts is None or facts.fitted_macro_f1 is None or evidence.configuration is not None:
        return False
    is_ranked = (facts.auc or 0.0) >= GOOD_AUC
    return is_ranked and (evidence.task == "multiclass" or facts.fitted_macro_f1 >= facts.macro_f1 + _WORTHWHILE)


def _fit(evidence: Evidence) -> Remedy:
    """Return how to decide better from the same probabilities."""
    facts = evidence.decisions
    assert facts is not None
    if evidence.task != "multiclass":
        return say(_FIT)
    is_better = (facts.fitted_macro_f1 or 0.0) >= facts.macro_f1 + _WORTHWHILE
    return say(_MOST_PROBABLE if is_better else _RELATIVE if is_flat(evidence) else _SHIFT_BACK)


def _what_pushes(known: KnownSettings) -> str:
    """Name what may push the outputs to one side: the corrections in force, or whatever may be in a model from elsewhere."""
    if not known.configuration:
        return "a bias, or loss weights if it has any,"
    return " or ".join(["a bias", *(name.replace("_", " ") for name in corrections(known))])


def _push_back(evidence: Evidence, known: KnownSettings) -> tuple[Remedy, ...]:
    """Return what takes the outputs back from one side: fewer corrections, or more if only the majority is predicted."""
    assert evidence.decisions is not None
    fit = [_fit(evidence)] if _would_fit(evidence) else []
    if corrections(known):
        return *fit, *uncorrect(known)
    if known.configuration and 2 * len(_well_ranked(evidence)) < len(collapsed_labels(evidence.decisions)):
        return *fit, *_learn_at_all(evidence)
    if _minority(evidence):
        return *fit, *correct_more(known)
    if answers_the_majority(evidence.decisions, evidence.task):
        return *fit, say(_LEARN)
    if known.configuration:
        return *fit, say(
            "nothing in the settings pushes the labels to one side: train with other seeds, and for longer"
        )
    return *fit, say(
        "if the loss has weights or the rows are resampled, weaken that; look at the initial bias of the head"
    )


def _learn_at_all(evidence: Evidence) -> tuple[Remedy, ...]:
    if evidence.configuration is None:
        return *([_fit(evidence)] if _would_fit(evidence) else []), say(_LEARN)
    known = KnownSettings.of(evidence)
    return steps(*usual_rate_if_not(known)), easier_to_train(known), say(_LEARN)


def _sacrificed_labels(evidence: Evidence) -> list[LabelFacts]:
    """Return rare labels that collapsed or, if none did, starved in training. None if most collapsed labels are not rare."""
    decisions = evidence.decisions
    rare = _rare_labels(evidence)
    if decisions is None or not rare:
        return []
    collapsed = collapsed_labels(decisions)
    lost = [label for label in rare if label in collapsed and label.decision_rate < label.prevalence]
    lost = [label for label in lost if not _has_odd_threshold(label)]
    sacrificed = lost or [label for label in rare if _is_starved(label, evidence)]
    return sacrificed if 2 * len(sacrificed) >= len(collapsed) else []


def _well_ranked(evidence: Evidence) -> list[LabelFacts]:
    if evidence.decisions is None:
        return []
    return [label for label in collapsed_labels(evidence.decisions) if (label.auc or 0.0) >= GOOD_AUC]


def _has_odd_threshold(label: LabelFacts) -> bool:
    """Whether the decisions show a threshold other than 0.5, and fitted thresholds do better."""
    if label.fitted_f1 is None or label.fitted_f1 <= label.f1:
        return False
    if label.decision_rate < label.prevalence:
        return label.highest_undecided is not None and label.highest_undecided > 0.5
    return label.lowest_decided is not None and label.lowest_decided < 0.5


def _shift(label: LabelFacts) -> float:
    """Return by which factor the odds of the mean probability and of the prevalence differ; 1 if it is not known."""
    if label.mean_probability is None:
        return 1.0
    mean, truth = (min(max(share, 1e-6), 1 - 1e-6) for share in (label.mean_probability, label.prevalence))
    factor = mean / (1 - mean) / (truth / (1 - truth))
    return max(factor, 1 / factor)


def _rare_labels(evidence: Evidence) -> list[LabelFacts]:
    labels = () if evidence.decisions is None else evidence.decisions.labels
    return [label for label in labels if _share_of_largest(label, evidence) <= RARE * 2]


def _share_of_largest(label: LabelFacts, evidence: Evidence) -> float:
    """Return a label's rows divided by the rows of the most frequent class, or by all rows in multi-label tasks.

    Counts training rows if they are known, otherwise the evaluated rows.
    """
    assert evidence.decisions is not None
    others, total = evidence.decisions.labels, evidence.data.train_rows if evidence.data is not None else None
    known = [other.train_rows for other in others if other.train_rows is not None]
    is_multilabel = evidence.task == "multilabel"
    if label.train_rows is None or not known or (is_multilabel and not total):
        return label.prevalence / (1 if is_multilabel else max(other.prevalence for other in others))
    return label.train_rows / max(total if is_multilabel and total else max(known), 1)


def _rarity(label: LabelFacts, share: float, evidence: Evidence) -> str:
    if not share:
        return "has no training row" if label.train_rows is not None else "is on no row"
    times = f"{1 / share:,.0f}" if share < RARE * 2 else f"{1 / share:.2g}"
    is_multilabel = evidence.task == "multilabel"
    return f"is on one row in {times}" if is_multilabel else f"has one row for every {times} of the most frequent label"


def _is_starved(label: LabelFacts, evidence: Evidence) -> bool:
    """Whether a label is much rarer in training than on the evaluated rows, so that its probabilities cannot fit them."""
    train_rows = evidence.data.train_rows if evidence.data is not None else None
    if label.train_rows is None or not train_rows or label.support < FEWEST_TRUE:
        return False
    return label.train_rows / train_rows * SHIFTED <= label.prevalence


def _example(labels: list[LabelFacts], state: str) -> str:
    """Introduce one of several labels as an example; a single label needs no introduction."""
    return "" if len(labels) == 1 else f"{_named(labels)} {state}; for example, "


def _rates(label: LabelFacts) -> str:
    return f"predicted for {show_share(label.decision_rate)} of the rows, but true for {show_share(label.prevalence)}"


def _where_predicted(labels: list[LabelFacts]) -> str:
    """Say for how many rows labels are predicted; if some are predicted too often and others too rarely, say which."""
    seldom = [label for label in labels if label.decision_rate < label.prevalence]
    often = [label for label in labels if label not in seldom]
    if not (seldom and often):
        return f"predicted for {'hardly any' if seldom else 'nearly every'} row"
    verb = "is" if len(seldom) == 1 else "are"
    return f"{_named(seldom)} {verb} predicted for hardly any row, {_named(often)} for nearly every"


def _mean_auc(labels: list[LabelFacts]) -> float:
    return sum(label.auc or 0.0 for label in labels) / len(labels)


def _named(labels: list[LabelFacts]) -> str:
    shown = ", ".join(repr(label.name) for label in labels[:3])
    return shown if len(labels) <= 3 else f"{shown} and {len(labels) - 3} more labels"
