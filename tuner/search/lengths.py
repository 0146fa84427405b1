"""Say before a search whether it cuts off much of many texts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tuner.data.dataset import Dataset
from tuner.data.prepared_settings import options_of
from tuner.data.samples import spread_positions
from tuner.data.sequences import Sequences
from tuner.data.token_lists import are_token_lists
from tuner.data.tokenisers import split_words
from tuner.show_value import show_share
from tuner.space.assignment import set_option
from tuner.space.domains import Choice, ends
from tuner.space.load import Space

_SAMPLE = 500  # texts: of books, splitting more takes seconds
_ENOUGH = 200_000  # characters of a text: more than twice the words that the largest max_length keeps
_MANY = 0.1  # share of rows that lose more than half of their tokens


def length_notes(space: Space, dataset: Dataset) -> list[str]:
    """Return a note if more than a tenth of the training texts lose more than half of their tokens at any `max_length`."""
    inputs = dataset.train.inputs
    if isinstance(inputs, Sequences):
        return []
    rows = spread_positions(len(inputs), _SAMPLE).tolist()
    unit, counts = count_tokens([inputs[row] for row in rows], reads_characters(space))
    *shorter, longest = max_lengths(space)
    if _lost(counts, longest) <= _MANY:
        return []
    others = ", ".join(f"{show_share(_lost(counts, length))} at {length:,}" for length in shorter)
    cut = " or ".join(name for name, _ in options_of(space.parameters["truncation"]))
    needed = math.ceil(float(np.quantile(counts, 1 - _MANY)) / 2)
    remedy = f"to read more, {set_option('space.max_length', min(needed, 10_000))}"
    if cut == "end":
        remedy += f"; if the end tells the label, {set_option('space.truncation', 'start')}"
    about = "about " if len(inputs) > _SAMPLE else ""
    what = f"{about}{show_share(_lost(counts, longest))} of the training texts lose more than half of their {unit}"
    what += f" at space.max_length {longest:,}{others and f' ({others})'}"
    return [f"{what}; the {cut.replace('start', 'beginning')} is cut off (space.truncation: {cut}); {remedy}"]


def max_lengths(space: Space) -> list[int]:
    """Return the values of `max_length` in a space, or the ends of their range, in order."""
    domain = space.parameters["max_length"]
    return sorted({int(value) for value in (domain.values if isinstance(domain, Choice) else ends(domain))})


def _lost(counts: NDArray[np.int64], length: int) -> float:
    """Return the share of texts that lose more than half of their tokens at a `max_length`."""
    return float((counts > 2 * length).mean())


def reads_characters(space: Space) -> bool:
    """Return whether the lengths of a space's texts are those in characters: it reads characters and no words."""
    names = [name for name, _ in options_of(space.parameters["tokens"])]
    return "character" in names and "word" not in names


def count_tokens(texts: Sequence[str], in_characters: bool) -> tuple[str, NDArray[np.int64]]:
    """Return what is counted, and how many each text has. A word is one piece of words or more."""
    cut = [text[:_ENOUGH] for text in texts]
    if in_characters:
        return "characters", np.array([len(text) for text in cut], np.int64)
    return "tokens" if are_token_lists(texts) else "words", np.diff(split_words(cut, lower_case=False).offsets)
