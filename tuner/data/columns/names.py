"""What the name of a column suggests that it holds."""

from __future__ import annotations

import re

from tuner.data.columns.patterns import numbered_columns


def _words_in(text: str) -> frozenset[str]:
    return frozenset(text.split())


TEXT = _words_in(
    "text texts sentence comment review message tweet body content title headline description question answer utterance "
    "document post sms email abstract summary paragraph query passage snippet article story caption"
)
TOKENS = _words_in("tokens words token_ids input_ids ids")
SEQUENCE = _words_in("sequence sequences series signal trace steps values recording waveform timeseries time_series")
SERIES = _words_in(
    "series sequence sequence_id trial recording sample case run unit machine engine sensor "
    "station trajectory track stroke"
)
ORDER = _words_in(
    "time t step timestep time_step timestamp date datetime order position frame cycle tick when hour "
    "minute second day ts epoch"
)
LABEL = _words_in(
    "label labels class classes target targets category categories tag tags sentiment emotion emotions intent intents topic "
    "topics genre genres outcome polarity stance rating stars score diagnosis y"
)
LITERAL_LABELS = _words_in("label labels")
GROUP = _words_in(
    "user author customer client speaker patient subject person session conversation dialog dialogue thread group "
    "annotator worker device account company household doc document"
)
ROW = _words_in("id ids idx index uuid guid hitid key row rowid number no unnamed")
SPLIT = _words_in("split set subset partition fold dataset usage")

LITERAL, USUAL, PART, OTHER = range(4)
"""How well a name fits: it is the word itself, one of the usual names, has one as a part, or has none."""


def rank_of(name: str, literal: frozenset[str], usual: frozenset[str]) -> int:
    """Return how well a column's name fits: LITERAL, USUAL, PART or OTHER."""
    words = words_of(name)
    whole = "_".join(words)
    if whole in literal:
        return LITERAL
    if whole in usual:
        return USUAL
    return PART if usual & set(words) else OTHER


def words_of(name: str) -> list[str]:
    """Return the words of a column's name in lower case: ["is", "spam"] for is_spam, isSpam and "Is spam"."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+|\d+", name)]


def is_id(name: str) -> bool:
    """Return whether a name is that of a number for each row: "id", "Unnamed: 0", "comment_id", but not "label_id"."""
    words = words_of(name)
    return not name.strip() or bool(words and (words[-1] in ROW or words[0] == "unnamed") and not LABEL & set(words))


def is_group(name: str) -> bool:
    """Return whether rows with the same value of this column may depend on each other: "user", "patient_id"."""
    words = words_of(name)
    return bool(words) and (words[-1] in GROUP or (words[-1] in ROW and bool(GROUP & set(words))))


def is_mask(name: str) -> bool:
    """Return whether a column goes with token ids: "attention_mask", "token_type_ids". It is neither input nor label."""
    words = words_of(name)
    return words[-1:] == ["mask"] or words in (["token", "type", "ids"], ["position", "ids"])


def is_like(column: str, pattern: str) -> bool:
    """Return whether a pattern such as t* stands for a column."""
    return bool(numbered_columns(pattern, [column]))
