"""The terms that linear models and vectors of rows count: words, tokens, or characters in a script without spaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuner.data.scripts import lacks_spaces
from tuner.data.token_lists import are_token_lists, split_tokens

TOKEN_PATTERN = r"(?u)\w+|[^\w\s]"


def term_options(texts: Sequence[str], *, most: int) -> dict[str, Any]:
    """Return the options of scikit-learn's vectorisers for these texts: terms of up to `most` words or tokens in a row.

    In a script without spaces, a term is up to `most` + 1 characters.
    """
    if are_token_lists(texts):
        return {"tokenizer": split_tokens, "token_pattern": None, "lowercase": False, "ngram_range": (1, most)}
    if lacks_spaces(texts):
        return {"analyzer": "char", "ngram_range": (1, most + 1)}
    return {"token_pattern": TOKEN_PATTERN, "ngram_range": (1, most)}
