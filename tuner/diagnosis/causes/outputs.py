"""Causes that show in what a predictor answers: its decisions, its probabilities and the truth."""

from __future__ import annotations

from tuner.diagnosis.causes.cause import Cause, falling_by_factors, option, rising, rising_by_factors
from tuner.diagnosis.causes.state import collapsed_labels, is_flat
from tuner.diagnosis.facts.evidence import Evidence, LabelFacts
from tuner.pruners.gate import GateSettings
from tuner.scoring.measures import FEWEST_TRUE

GOOD_AUC = 0.7
"""A ranking that is good enough to decide by: what Hosmer and Lemeshow (2000) call acceptable discrimination."""

SHIFTED = 5.0
"""Factor between mean probability and prevalence, as odds, from which on the outputs are pushed to one side."""

RARE = 0.05
"""A label's share of the training rows, relative to the most frequent label's, below which it is rare: one in twenty."""


def threshold(evidence: Evidence) -> Cause | None:
    """The labels are ranked well, but cut at a probability at which one answer is left."""
    found = _well_ranked(evidence)
    cut = [label for label in found if _is_cut_elsewhere(label)]
    if evidence.decisions is None or not cut:
        return None
    gain = (evidence.decisions.fitted_macro_f1 or 0.0) - evidence.decisions.macro_f1
    constant = collapsed_labels(evidence.decisions)
    first = cut[0]
    side = "none of" if first.decision_rate < 0.5 else "nearly all"
    return Cause(
        name="threshold",
        strength=rising(len(cut) / len(constant), 0.0, 0.5),
        sentence=(
            f"{_named(cut)}: ranked well (AUC {_mean_auc(cut):.2f}) but cut in the wrong place, so that {side} the rows are "
            f"decided; thresholds fitted on other rows would bring macro-F1 to {evidence.decisions.fitted_macro_f1:.3f}, "
            f"{gain:+.3f}"
        ),
        measurement={
            "labels": [label.name for label in cut],
            "auc": _mean_auc(cut),
            "fitted_macro_f1": evidence.decisions.fitted_macro_f1,
            "gain": gain,
            "highest_undecided": first.highest_undecided,
            "lowest_decided": first.lowest_decided,
        },
        setting="",
        advice="fit a threshold for each label on validation rows; what `tuner run` makes has them, see bundle.json",
    )


def constant_decision(evidence: Evidence) -> Cause | None:
    """The outputs stand on one side: a bias, or weights of the loss, outweigh what is read."""
    decisions = evidence.decisions
    constant = collapsed_labels(decisions) if decisions is not None else []
    if decisions is None or not constant:
        return None
    shifted = [label for label in constant if _shift(label) >= SHIFTED]
    if shifted:
        label = max(shifted, key=_shift)
        what = (
            f"{_named(shifted)}: the mean probability is {label.mean_probability:.3f} where {label.prevalence:.3f} of the "
            f"rows are {label.name!r}, so a bias or the loss weights outweigh what is read"
        )
        strength = rising_by_factors(_shift(label), SHIFTED / 2, SHIFTED**3)
    else:
        label = max(constant, key=lambda each: abs(each.decision_rate - each.prevalence))
        what = (
            f"{_named(constant)}: decided on {label.decision_rate:.1%} of the rows, as for {label.name!r}, "
            f"which is true on {label.prevalence:.1%}"
        )
        strength = rising(len(constant) / len(decisions.labels), 0.0, 4.0)
    return Cause(
        name="constant_decision",
        strength=strength,
        sentence=what,
        measurement={
            "labels": [each.name for each in shifted or constant],
            "decision_rate": label.decision_rate,
            "prevalence": label.prevalence,
            "mean_probability": label.mean_probability,
        },
        setting=option("space.loss_weights=none", "space.logit_adjustment=0"),
        advice="weaken what pushes the outputs to one side: loss weights, resampling, or the head's first bias",
    )


def flat_probabilities(evidence: Evidence) -> Cause | None:
    """Every row gets nearly the same probability."""
    facts = evidence.decisions or evidence.training
    if facts is None or facts.logit_spread is None or not is_flat(evidence):
        return None
    bound, certain = GateSettings().low_logit_spread, GateSettings().flat_logit_spread
    return Cause(
        name="flat_probabilities",
        strength=falling_by_factors(facts.logit_spread, bound, certain),
        sentence=f"the logits differ by {facts.logit_spread:.2g} between rows, in the median label: one answer for every input",
        measurement={"logit_spread": facts.logit_spread, "probability_spread": facts.probability_spread},
        setting=option("space.learning_rate={low: 5e-4, high: 1e-2, scale: log}"),
        advice="the network has not learnt to tell rows apart: look at the learning rate, the gradients and the data",
    )


def imbalance(evidence: Evidence) -> Cause | None:
    """Rare labels are given up for the frequent ones."""
    decisions = evidence.decisions
    rare = _rare_labels(evidence)
    if decisions is None or not rare:
        return None
    lost = [label for label in rare if label in collapsed_labels(decisions) and label.decision_rate < label.prevalence]
    lost = [label for label in lost if not _is_cut_elsewhere(label)]
    starved = [label for label in rare if _is_starved(label, evidence)]
    given_up = lost or starved
    if not given_up or 2 * len(given_up) < len(collapsed_labels(decisions)):
        return None  # where frequent labels collapse too, rarity is not why
    label = min(given_up, key=lambda each: _share_of_largest(each, evidence))
    share = _share_of_largest(label, evidence)
    rows = "" if label.train_rows is None else f", {label.train_rows:,} of the training rows,"
    return Cause(
        name="imbalance",
        strength=falling_by_factors(share, RARE * 2, RARE / 10),
        sentence=(
            f"{_named(given_up)}: {label.name!r}{rows} is one row in {1 / max(share, 1e-9):,.0f} of "
            f"{_largest(evidence)}; it is decided on {label.decision_rate:.1%} of the rows and true on {label.prevalence:.1%}"
        ),
        measurement={
            "labels": [each.name for each in given_up],
            "share": share,
            "train_rows": label.train_rows,
            "decision_rate": label.decision_rate,
            "prevalence": label.prevalence,
        },
        setting=option("space.loss_weights=[none, root, balanced]", "space.resampling=[none, oversample]"),
        advice="let rare labels count more: loss weights or resampling, not both",
    )


def _well_ranked(evidence: Evidence) -> list[LabelFacts]:
    if evidence.decisions is None:
        return []
    return [label for label in collapsed_labels(evidence.decisions) if (label.auc or 0.0) >= GOOD_AUC]


def _is_cut_elsewhere(label: LabelFacts) -> bool:
    """Whether the decisions were cut at another probability than a half: above it, undecided rows go beyond it."""
    if label.fitted_f1 is None or label.fitted_f1 <= label.f1:
        return False
    if label.decision_rate < label.prevalence:
        return label.highest_undecided is not None and label.highest_undecided > 0.5
    return label.lowest_decided is not None and label.lowest_decided < 0.5


def _shift(label: LabelFacts) -> float:
    """The factor by which the odds of the mean probability are off those of the prevalence; 1 where it is not known."""
    if label.mean_probability is None:
        return 1.0
    mean, truth = (min(max(share, 1e-6), 1 - 1e-6) for share in (label.mean_probability, label.prevalence))
    factor = mean / (1 - mean) / (truth / (1 - truth))
    return max(factor, 1 / factor)


def _rare_labels(evidence: Evidence) -> list[LabelFacts]:
    labels = () if evidence.decisions is None else evidence.decisions.labels
    return [label for label in labels if _share_of_largest(label, evidence) <= RARE * 2]


def _share_of_largest(label: LabelFacts, evidence: Evidence) -> float:
    """A label's rows over those of what it stands against: the most frequent class, or of several labels a row, all rows.

    In training if that is known, else among the judged rows.
    """
    assert evidence.decisions is not None
    others, total = evidence.decisions.labels, evidence.data.train_rows if evidence.data is not None else None
    known = [other.train_rows for other in others if other.train_rows is not None]
    if label.train_rows is None or not known:
        return label.prevalence / (1 if evidence.task == "multilabel" else max(other.prevalence for other in others))
    return label.train_rows / max(total if evidence.task == "multilabel" and total else max(known), 1)


def _largest(evidence: Evidence) -> str:
    return "all rows" if evidence.task == "multilabel" else "those of the most frequent label"


def _is_starved(label: LabelFacts, evidence: Evidence) -> bool:
    """Whether a label is so much rarer in training than on the judged rows that its probabilities cannot fit them."""
    train_rows = evidence.data.train_rows if evidence.data is not None else None
    if label.train_rows is None or not train_rows or label.support < FEWEST_TRUE:
        return False
    return label.train_rows / train_rows * SHIFTED <= label.prevalence


def _mean_auc(labels: list[LabelFacts]) -> float:
    return sum(label.auc or 0.0 for label in labels) / len(labels)


def _named(labels: list[LabelFacts]) -> str:
    shown = ", ".join(repr(label.name) for label in labels[:3])
    return shown if len(labels) <= 3 else f"{shown} and {len(labels) - 3} more labels"
