"""The terms that linear models and vectors of rows count: words, tokens, or characters in a script without spaces."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from tuner.data.scripts import lacks_spaces
from tuner.data.token_lists import are_token_lists, split_tokens
from tuner.data.tokenisers import distinct_texts, refuse_other_keys

TOKEN_PATTERN = r"(?u)\w+|[^\w\s]"
TERMS = "terms"
"""The kind of the JSON of `Terms`."""

TermRule: TypeAlias = Literal["words", "characters", "tokens"]
_MOST_WORDS = 2  # or tokens, of a term of the linear model


@dataclass(frozen=True)
class Terms:
    """The terms that a linear model knows: `rule` says what they consist of, and `spellings[n]` is feature n."""

    rule: TermRule
    spellings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.spellings)

    def to_bytes(self) -> bytes:
        """Return JSON that contains nothing executable."""
        return json.dumps({"kind": TERMS, "rule": self.rule, "terms": self.spellings}, ensure_ascii=False).encode(
            errors="surrogatepass"
        )


def restore_terms(described: Mapping[str, Any]) -> Terms:
    """Rebuild terms from their JSON. Raises KeyError or ValueError if the JSON is incomplete or invalid."""
    refuse_other_keys(described, ("rule", "terms"))
    rule, spellings = described["rule"], distinct_texts(described["terms"])
    if rule not in get_args(TermRule):
        raise ValueError(f"the rule of terms is {rule!r}, but known are {', '.join(get_args(TermRule))}")
    if not spellings:
        raise ValueError("there are no terms")
    return Terms(rule, spellings)


def rule_of(texts: Sequence[str]) -> TermRule:
    """Return what terms of these texts consist of."""
    if are_token_lists(texts):
        return "tokens"
    return "characters" if lacks_spaces(texts) else "words"


def term_options(rule: TermRule, *, most: int = _MOST_WORDS) -> dict[str, Any]:
    """Return the options of scikit-learn's vectorisers: terms of up to `most` words or tokens in a row.

    In a script without spaces, a term is up to `most` + 1 characters.
    """
    match rule:
        case "tokens":
            return {"tokenizer": split_tokens, "token_pattern": None, "lowercase": False, "ngram_range": (1, most)}
        case "characters":
            return {"analyzer": "char", "ngram_range": (1, most + 1)}
        case "words":
            return {"token_pattern": TOKEN_PATTERN, "ngram_range": (1, most)}
