"""Causes that show in a predictor's decisions and probabilities."""

from __future__ import annotations

from tuner.diagnosis.causes.cause import Cause, falling_by_factors, option, rising, rising_by_factors
from tuner.diagnosis.causes.state import collapsed_labels, is_flat
from tuner.diagnosis.facts.evidence import Evidence, LabelFacts
from tuner.pruners.gate import GateSettings
from tuner.scoring.measures import FEWEST_TRUE

GOOD_AUC = 0.7
"""An AUC good enough for decisions: what Hosmer and Lemeshow (2000) call acceptable discrimination."""

SHIFTED = 5.0
"""Outputs are pushed to one side if the odds of the mean probability and of the prevalence differ by this factor."""

RARE = 0.05
"""A label is rare if it has fewer than one training row for every twenty of the most frequent label."""


def threshold(evidence: Evidence) -> Cause | None:
    """Rows are ranked well, but the threshold is so high or so low that nearly all of them get one answer."""
    cut = [label for label in _well_ranked(evidence) if _has_odd_threshold(label)]
    if evidence.decisions is None or not cut:
        return None
    gain = (evidence.decisions.fitted_macro_f1 or 0.0) - evidence.decisions.macro_f1
    constant = collapsed_labels(evidence.decisions)
    first = cut[0]
    rows = "hardly any row" if first.decision_rate < 0.5 else "nearly every row"
    return Cause(
        name="threshold",
        strength=rising(len(cut) / len(constant), 0.0, 0.5),
        sentence=(
            f"{_named(cut)}: ranked well (AUC {_mean_auc(cut):.2f}), but predicted for {rows}, because the threshold is wrong; "
            f"with thresholds fitted on other rows, macro-F1 would be {evidence.decisions.fitted_macro_f1:.3f} ({gain:+.3f})"
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
        advice="fit a threshold per label on validation rows; bundles from `tuner run` have them in bundle.json",
    )


def constant_decision(evidence: Evidence) -> Cause | None:
    """Outputs are pushed to one side: a bias or the loss weights outweigh the input."""
    decisions = evidence.decisions
    constant = collapsed_labels(decisions) if decisions is not None else []
    if decisions is None or not constant:
        return None
    shifted = [label for label in constant if _shift(label) >= SHIFTED]
    if shifted:
        label = max(shifted, key=_shift)
        sentence = (
            f"{_example(shifted, 'collapsed')}{label.name!r} has a mean probability of {label.mean_probability:.3f}, but is true "
            f"for {label.prevalence:.1%} of the rows: a bias or the loss weights outweigh the input"
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
        setting=option("space.loss_weights=none", "space.logit_adjustment=0"),
        advice="weaken what pushes the outputs to one side: loss weights, resampling, or the initial bias of the head",
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
        sentence=f"logits differ by only {facts.logit_spread:.2g} between rows (median label), "
        "so every input gets nearly the same probability",
        measurement={"logit_spread": facts.logit_spread, "probability_spread": facts.probability_spread},
        setting=option("space.learning_rate={low: 5e-4, high: 1e-2, scale: log}"),
        advice="the network has not learnt to distinguish rows: check the learning rate, the gradients and the data",
    )


def imbalance(evidence: Evidence) -> Cause | None:
    """Rare labels are sacrificed for frequent ones."""
    sacrificed = _sacrificed_labels(evidence)
    if not sacrificed:
        return None
    label = min(sacrificed, key=lambda candidate: _share_of_largest(candidate, evidence))
    share = _share_of_largest(label, evidence)
    rows = "" if label.train_rows is None else f" ({label.train_rows:,} training rows)"
    return Cause(
        name="imbalance",
        strength=falling_by_factors(share, RARE * 2, RARE / 10),
        sentence=(
            f"{_example(sacrificed, 'are too rare')}{label.name!r}{rows} {_rarity(share, evidence)}; "
            f"it is {_rates(label)}"
        ),
        measurement={
            "labels": [rare.name for rare in sacrificed],
            "share": share,
            "train_rows": label.train_rows,
            "decision_rate": label.decision_rate,
            "prevalence": label.prevalence,
        },
        setting=option("space.loss_weights=[none, root, balanced]", "space.resampling=[none, oversample]"),
        advice="give rare labels more weight, by loss weights or by resampling, but not by both",
    )


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
    if label.train_rows is None or not known:
        return label.prevalence / (1 if evidence.task == "multilabel" else max(other.prevalence for other in others))
    return label.train_rows / max(total if evidence.task == "multilabel" and total else max(known), 1)


def _rarity(share: float, evidence: Evidence) -> str:
    times = f"{1 / max(share, 1e-9):,.0f}"
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
    return f"predicted for {label.decision_rate:.1%} of the rows, but true for {label.prevalence:.1%}"


def _mean_auc(labels: list[LabelFacts]) -> float:
    return sum(label.auc or 0.0 for label in labels) / len(labels)


def _named(labels: list[LabelFacts]) -> str:
    shown = ", ".join(repr(label.name) for label in labels[:3])
    return shown if len(labels) <= 3 else f"{shown} and {len(labels) - 3} more labels"
