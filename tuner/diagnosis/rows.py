"""Causes that lie in the data: what is read, what is not, and whether the labels can be told from it at all."""

from __future__ import annotations

from tuner.diagnosis.cause import Cause, option, rising
from tuner.diagnosis.evidence import Evidence
from tuner.diagnosis.state import has_learnt, is_flat
from tuner.scoring.gate import GateSettings

UNKNOWN = 0.3
"""Share of unknown tokens from which on a text can hardly be followed: nearly every third word is missing."""

LOST_TO_TRUNCATION = 0.5
"""Share of the words of a row of median length that are cut off: half of what there is to read."""

_LONGEST = 10_000  # tokens that a space may ask for


def unknown_words(evidence: Evidence) -> Cause | None:
    """Most tokens of the judged rows are not in the vocabulary."""
    data = evidence.data
    if data is None or data.unknown_share is None:
        return None
    return Cause(
        name="unknown_words",
        strength=rising(data.unknown_share, UNKNOWN, 0.8),
        sentence=f"{data.unknown_share:.0%} of the tokens of the judged rows are not in the vocabulary",
        measurement={"unknown_share": data.unknown_share},
        setting=option("space.tokens=[{word: {vocabulary: 20000, min_count: 1}}, bpe]"),
        advice="a larger vocabulary, or pieces of words, of which few are unknown",
    )


def truncation(evidence: Evidence) -> Cause | None:
    """Most of each row is cut off before it is read."""
    data, configuration = evidence.data, evidence.configuration
    if data is None:
        return None
    cut = data.truncated_share
    if data.read_share is not None:
        lost = 1 - data.read_share
        told = f"of a row of median length {lost:.0%} is cut off"
    elif cut is not None:
        lost = cut / 2  # a row that is cut is taken to lose half: how much is not known
        told = f"{cut:.0%} of the judged rows are cut"
    else:
        return None
    length = None if configuration is None else int(configuration["max_length"])
    wanted = min(max(4 * (length or 64), 64), _LONGEST)
    return Cause(
        name="truncation",
        strength=rising(lost, LOST_TO_TRUNCATION, 0.9),
        sentence=f"{told}{'' if length is None else f' at max_length {length:,}'}",
        measurement={"truncated_share": cut, "read_share": data.read_share, "max_length": length},
        setting=option(f"space.max_length={wanted}"),
        advice="read more of each row, or its other end",
    )


def empty_rows(evidence: Evidence) -> Cause | None:
    """Many rows say nothing."""
    data = evidence.data
    if data is None or data.empty_share is None:
        return None
    return Cause(
        name="empty_rows",
        strength=rising(data.empty_share, 0.2, 0.6),
        sentence=f"{data.empty_share:.0%} of the rows have nothing in them to read",
        measurement={"empty_share": data.empty_share},
        setting=option("data.skip_unusable=true"),
        advice="find out why they are empty, and leave them out",
    )


def conflicting_duplicates(evidence: Evidence) -> Cause | None:
    """Copies of one input have different labels, so that no model is right on all of them."""
    data = evidence.data
    if data is None or data.conflict_share is None:
        return None
    return Cause(
        name="conflicting_duplicates",
        strength=rising(data.conflict_share, 0.1, 0.5),
        sentence=f"{data.conflict_share:.0%} of the rows are copies of an earlier row with other labels",
        measurement={"conflict_share": data.conflict_share},
        setting="",
        advice="settle the labels of copies (a majority vote, or all of them together), and keep one row of each",
    )


def no_signal(evidence: Evidence) -> Cause | None:
    """A plain model does no better than constants either, nor than one that was trained on shuffled labels."""
    plain = evidence.reference
    if has_learnt(evidence):
        return None
    if plain is None:
        return _maybe_no_signal(evidence)
    chance = 0.0 if evidence.decisions is None else evidence.decisions.chance_skill
    floor = max(plain.control_skill or 0.0, chance, 0.0) + plain.margin
    if plain.skill > floor:
        return None
    control = "" if plain.control_skill is None else f", and {plain.control_skill:+.3f} with its labels shuffled"
    return Cause(
        name="no_signal",
        strength=rising(floor - plain.skill, 0.0, plain.margin),
        sentence=(
            f"{plain.name} has a skill of {plain.skill:+.3f} over constant answers (noise: {plain.margin:.3f}){control}: "
            "the labels cannot be told from these inputs"
        ),
        measurement={"baseline_skill": plain.skill, "margin": plain.margin, "control_skill": plain.control_skill},
        setting="",
        advice="no search helps: look at how the rows were labelled, or bring other inputs",
    )


def _maybe_no_signal(evidence: Evidence) -> Cause | None:
    """Without a plain model to compare with: outputs that vary, but rank no better than chance."""
    facts = evidence.decisions
    chance = GateSettings().chance_auc
    if facts is None or facts.auc is None or facts.auc >= chance or is_flat(evidence):
        return None
    return Cause(
        name="no_signal",
        strength=0.5,
        sentence=f"the probabilities vary, but rank rows no better than chance (AUC {facts.auc:.3f})",
        measurement={"auc": facts.auc},
        setting="",
        advice="give the texts too (--text): a plain model on them tells whether there is anything to learn",
    )
