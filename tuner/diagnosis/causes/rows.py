"""Causes in the data: how much of it the model reads, and whether the labels can be predicted from it."""

from __future__ import annotations

from tuner.diagnosis.causes.cause import Cause, falling_by_factors, option, rising
from tuner.diagnosis.causes.state import has_learnt
from tuner.diagnosis.facts.evidence import DataFacts, Evidence
from tuner.scoring.signal import BY_TEXTS, LEAST_SEEN

UNKNOWN = 0.3
"""Share of unknown tokens from which a text is hard to follow: nearly every third word is missing."""

LOST_TO_TRUNCATION = 0.5
"""Bound for the share of a median-length row that is cut off: half of the row."""

_LONGEST = 10_000  # the largest max_length that a space allows


def unknown_words(evidence: Evidence) -> Cause | None:
    """Many tokens are not in the vocabulary."""
    data = evidence.data
    if data is None or data.unknown_share is None:
        return None
    if data.unspaced_share is not None:
        setting, advice = _by_character(data), "read characters: in a script without spaces, a whole clause is one word"
    elif data.unit == "tokens":
        setting, advice = option("space.tokens={word: {vocabulary: 20000, min_count: 1}}"), "use a larger vocabulary"
    else:
        setting = option("space.tokens=[{word: {vocabulary: 20000, min_count: 1}}, bpe]")
        advice = "use a larger vocabulary, or split words into pieces: few pieces are unknown"
    return Cause(
        name="unknown_words",
        strength=rising(data.unknown_share, UNKNOWN, 0.8),
        sentence=f"{data.unknown_share:.0%} of the tokens in the evaluated rows are not in the vocabulary",
        measurement={"unknown_share": data.unknown_share},
        setting=setting,
        advice=advice,
    )


def texts_without_spaces(evidence: Evidence) -> Cause | None:
    """The texts are in a script without spaces, and the model reads words, which are whole clauses."""
    data, configuration = evidence.data, evidence.configuration
    if data is None or data.unspaced_share is None or has_learnt(evidence):
        return None
    if configuration is not None and configuration.get("tokens", "word") != "word":
        return None
    return Cause(
        name="texts_without_spaces",
        strength=1.0,
        sentence=f"{data.unspaced_share:.0%} of the texts are in a script without spaces, so a whole clause is one word",
        measurement={"unspaced_share": data.unspaced_share},
        setting=_by_character(data),
        advice="read characters, because texts do share these",
    )


def truncation(evidence: Evidence) -> Cause | None:
    """Most of each row is cut off before it is read."""
    data, configuration = evidence.data, evidence.configuration
    if data is None:
        return None
    cut = data.truncated_share
    if data.read_share is not None:
        lost = 1 - data.read_share
        loss = f"{lost:.0%} of a row of median length is cut off"
    elif cut is not None:
        lost = cut / 2  # how much a cut row loses is not known; assume half
        loss = f"{cut:.0%} of the evaluated rows are cut"
    else:
        return None
    length = None if configuration is None else int(configuration["max_length"])
    wanted = min(max(4 * (length or 64), 64), _LONGEST)
    return Cause(
        name="truncation",
        strength=rising(lost, LOST_TO_TRUNCATION, 0.9),
        sentence=f"{loss}{'' if length is None else f' at max_length {length:,}'}",
        measurement={"truncated_share": cut, "read_share": data.read_share, "max_length": length},
        setting=option(f"space.max_length={wanted}"),
        advice="read more of each row, or its other end",
    )


def empty_rows(evidence: Evidence) -> Cause | None:
    """Many rows are empty."""
    data = evidence.data
    if data is None or data.empty_share is None:
        return None
    return Cause(
        name="empty_rows",
        strength=rising(data.empty_share, 0.2, 0.6),
        sentence=f"{data.empty_share:.0%} of the rows hold nothing to read",
        measurement={"empty_share": data.empty_share},
        setting=option("data.skip_unusable=true"),
        advice="find out why these rows are empty, and leave them out",
    )


def conflicting_duplicates(evidence: Evidence) -> Cause | None:
    """Copies of one input have different labels, so no model can be right on all of them."""
    data = evidence.data
    if data is None or data.conflict_share is None:
        return None
    return Cause(
        name="conflicting_duplicates",
        strength=rising(data.conflict_share, 0.1, 0.5),
        sentence=f"{data.conflict_share:.0%} of the rows are copies of an earlier row with other labels",
        measurement={"conflict_share": data.conflict_share},
        setting="",
        advice="agree on the labels of the copies (the majority's, or all of them), and keep one row of each",
    )


def unshared_words(evidence: Evidence) -> Cause | None:
    """Texts share hardly any word, so words carry no information: texts without spaces, or numbers as words."""
    data, configuration = evidence.data, evidence.configuration
    if data is None or data.seen_share is None or has_learnt(evidence):
        return None
    if configuration is not None and configuration.get("tokens", "word") != "word":
        return None
    return Cause(
        name="unshared_words",
        strength=falling_by_factors(data.seen_share, LEAST_SEEN, LEAST_SEEN / 4),
        sentence=f"words that occur in at least two training texts make up only {data.seen_share:.0%} of these texts",
        measurement={"seen_share": data.seen_share},
        setting="" if data.unit == "tokens" else option("space.tokens=[character, bpe]"),
        advice=BY_TEXTS
        if data.unit == "tokens"
        else "read characters or pieces of words, because texts do share these",
    )


def _by_character(data: DataFacts) -> str:
    """Return the settings that read characters, and as many of them as nearly all texts have."""
    return option("space.tokens=character", f"space.max_length={min(data.characters or 64, _LONGEST)}")


def no_signal(evidence: Evidence) -> Cause | None:
    """No model predicts better than chance, although there are enough rows and a model can read the inputs."""
    signal, plain = evidence.signal, evidence.reference
    if signal is None or signal.answer != "none found":
        return None
    skills = {} if plain is None else {"baseline_skill": plain.skill, "control_skill": plain.control_skill}
    return Cause(
        name="no_signal",
        strength=1.0,
        sentence=signal.sentence,
        measurement={"answer": signal.answer, **skills},
        setting="",
        advice=signal.advice,
    )
