"""Causes in the data: how much of it the model reads, and whether the labels can be predicted from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuner.diagnosis.causes.cause import Cause, Remedy, Step, falling_by_factors, rising, say, steps
from tuner.diagnosis.causes.known_settings import KnownSettings, round_up
from tuner.diagnosis.causes.state import has_learnt
from tuner.diagnosis.facts.evidence import DataFacts, Evidence
from tuner.scoring.signal import BY_TEXTS, LEAST_SEEN
from tuner.show_value import show_share

UNKNOWN = 0.3
"""Share of unknown tokens from which a text is hard to follow: nearly every third word is missing."""

LOST_TO_TRUNCATION = 0.5
"""Bound for the share of a median-length row that is cut off: half of the row."""

_LONGEST = {"text": 10_000, "sequence": 100_000}  # the largest max_length that a space allows
_LARGE_VOCABULARY, _LARGEST_VOCABULARY = 20_000, 1_000_000


def unknown_words(evidence: Evidence) -> Cause | None:
    """Many tokens are not in the vocabulary."""
    data = evidence.data
    if data is None or data.unknown_share is None:
        return None
    known = KnownSettings.of(evidence)
    if data.unspaced_share is not None:
        does = "read characters (in a script without spaces, a whole clause is one word)"
        remedies = [steps(*_by_character(data, known, does))]
    elif known.inputs == "sequence":
        remedies = []
    elif data.unit == "tokens":
        remedies = [steps(Step("space.tokens", _more_words(known), "use a larger vocabulary"))]
    else:
        does = "use a larger vocabulary, or split words into pieces: few pieces are unknown"
        remedies = [steps(Step("space.tokens", [_more_words(known), "bpe"], does))]
    return Cause(
        name="unknown_words",
        strength=rising(data.unknown_share, UNKNOWN, 0.8),
        sentence=f"{show_share(data.unknown_share)} of the tokens in the evaluated rows are not in the vocabulary",
        measurement={"unknown_share": data.unknown_share},
        remedies=(*remedies, say("train on rows that have the words of the evaluated rows")),
    )


def texts_without_spaces(evidence: Evidence) -> Cause | None:
    """The texts are in a script without spaces, and the model reads words, which are whole clauses."""
    data = evidence.data
    if data is None or data.unspaced_share is None or has_learnt(evidence):
        return None
    if not _may_read_words(evidence):
        return None
    return Cause(
        name="texts_without_spaces",
        strength=1.0,
        sentence=f"{show_share(data.unspaced_share)} of the texts are in a script without spaces, so a whole clause is one word",
        measurement={"unspaced_share": data.unspaced_share},
        remedies=(
            steps(*_by_character(data, KnownSettings.of(evidence), "read characters (texts do share these)")),
            say("read characters, because texts do share these"),
        ),
    )


def truncation(evidence: Evidence) -> Cause | None:
    """Most of each row is cut off before it is read."""
    data, configuration = evidence.data, evidence.configuration
    if data is None:
        return None
    cut = data.truncated_share
    if data.read_share is not None:
        lost = 1 - data.read_share
        loss = f"{show_share(lost)} of a row of median length is cut off"
    elif cut is not None:
        lost = cut / 2  # how much a cut row loses is not known; assume half
        loss = f"{show_share(cut)} of the evaluated rows are cut"
    else:
        return None
    length = None if configuration is None else int(configuration["max_length"])
    return Cause(
        name="truncation",
        strength=rising(lost, LOST_TO_TRUNCATION, 0.9),
        sentence=f"{loss}{'' if length is None else f' at max_length {length:,}'}",
        measurement={"truncated_share": cut, "read_share": data.read_share, "max_length": length},
        remedies=(
            *_longer_rows(KnownSettings.of(evidence), data),
            say("give rows that say at the beginning or at the end what tells the label"),
        ),
    )


def empty_rows(evidence: Evidence) -> Cause | None:
    """Many rows are empty."""
    data = evidence.data
    if data is None or data.empty_share is None:
        return None
    return Cause(
        name="empty_rows",
        strength=rising(data.empty_share, 0.2, 0.6),
        sentence=f"{show_share(data.empty_share)} of the rows hold nothing to read",
        measurement={"empty_share": data.empty_share},
        remedies=(
            steps(Step("data.skip_unusable", True, "find out why these rows are empty, and leave them out")),
            say("find out why these rows are empty"),
        ),
    )


def conflicting_duplicates(evidence: Evidence) -> Cause | None:
    """Copies of one input have different labels, so no model can be right on all of them."""
    data = evidence.data
    if data is None or data.conflict_share is None:
        return None
    return Cause(
        name="conflicting_duplicates",
        strength=rising(data.conflict_share, 0.1, 0.5),
        sentence=f"{show_share(data.conflict_share)} of the rows are copies of an earlier row with other labels",
        measurement={"conflict_share": data.conflict_share},
        remedies=(say("agree on the labels of the copies (the majority's, or all of them), and keep one row of each"),),
    )


def unshared_words(evidence: Evidence) -> Cause | None:
    """Texts share hardly any word, so words carry no information: texts without spaces, or numbers as words."""
    data = evidence.data
    if data is None or data.seen_share is None or has_learnt(evidence):
        return None
    if not _may_read_words(evidence):
        return None
    return Cause(
        name="unshared_words",
        strength=falling_by_factors(data.seen_share, LEAST_SEEN, LEAST_SEEN / 4),
        sentence=f"words that occur in at least two training texts make up only {show_share(data.seen_share)} of these texts",
        measurement={"seen_share": data.seen_share},
        remedies=(say(BY_TEXTS),) if data.unit == "tokens" else _SMALLER_PIECES,
    )


_PIECES = "read characters or pieces of words, because texts do share these"
_SMALLER_PIECES = (steps(Step("space.tokens", ["character", "bpe"], _PIECES)), say(_PIECES))


def _may_read_words(evidence: Evidence) -> bool:
    """Return whether the model reads words or, before there is a model, whether its space offers them."""
    if evidence.configuration is not None:
        return bool(evidence.configuration.get("tokens", "word") == "word")
    offered = KnownSettings.of(evidence).options("tokens")
    return not offered or "word" in offered


def _by_character(data: DataFacts, known: KnownSettings, does: str) -> Sequence[Step]:
    """Return the settings that read characters, and as many of them as nearly all texts have."""
    length, ends = min(data.characters or 64, _LONGEST["text"]), known.ends("max_length")
    longer = Step("space.max_length", length, f"read up to {length:,} tokens of each row")
    return Step("space.tokens", "character", does), *([longer] if ends is None or ends[1] < length else [])


def _more_words(known: KnownSettings) -> dict[str, Any]:
    """Return words as tokens, with a larger vocabulary than now, or a lower bound for the words in it."""
    words, counts = known.ends("tokens.word.vocabulary"), known.ends("tokens.word.min_count")
    more: dict[str, Any] = {"vocabulary": _LARGE_VOCABULARY if words is None else max(_LARGE_VOCABULARY, int(words[1]))}
    if counts is not None and counts[0] == 1 and words is not None and words[1] >= _LARGE_VOCABULARY:
        more["vocabulary"] = min(4 * int(words[1]), _LARGEST_VOCABULARY)
    return known.option_with("tokens", "word", **more, min_count=1)


def _longer_rows(known: KnownSettings, data: DataFacts) -> tuple[Remedy, ...]:
    """Return a length that holds a row of median length and more, then the other end of the rows."""
    ends = known.ends("max_length")
    now = 64.0 if ends is None else ends[1]
    median = 0.0 if not data.read_share or ends is None else float(known.value("max_length")) / data.read_share
    wanted = round_up(max(4 * now, 64, 1.5 * median), most=_LONGEST[known.inputs])
    longer = [Step("space.max_length", wanted, "read more of each row")] if wanted > now else []
    other_end = Step("space.truncation", ["end", "start"], "try the other end of each row")
    return steps(*longer), steps(other_end)


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
        remedies=(say(signal.advice),),
    )
