"""Pieces of words: the same in every process, numbered by frequency, and able to encode any text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.data.preparation import read_preparation
from tuner.data.subwords import SubwordTokeniser, fit_bpe, fit_wordpiece
from tuner.data.tokenisers import PADDING, SPECIAL_TOKENS, UNKNOWN

Fit = Callable[..., SubwordTokeniser]

FITS = pytest.mark.parametrize("fit", [fit_bpe, fit_wordpiece])
TEXTS = [
    "the lowest of the low, lower than low",
    "newest and widest; the newer the wider",
    "a slow glow, a low blow … 😀",
] * 3


@FITS
def test_frequent_words_are_one_piece_and_rare_ones_several(fit: Fit) -> None:
    encoded = fit(TEXTS, lower_case=True, size=100).encode(["the", "thewide"])
    assert encoded.lengths[0] == 1
    assert encoded.lengths[1] > 1
    assert UNKNOWN not in encoded.steps


@FITS
def test_pieces_are_numbered_by_frequency_in_the_training_texts(fit: Fit) -> None:
    tokeniser = fit(TEXTS, lower_case=True, size=100)
    counts = np.bincount(tokeniser.encode(TEXTS).steps, minlength=len(tokeniser))[SPECIAL_TOKENS:]
    ranked = sorted(zip(-counts, tokeniser.pieces, strict=True))
    assert list(tokeniser.pieces) == [piece for _, piece in ranked]
    assert counts[0] > 0


@FITS
@pytest.mark.parametrize("size", [100, 110, 400])
def test_there_are_never_more_pieces_than_requested_in_any_script(fit: Fit, size: int) -> None:
    many = ["".join(chr(0x4E00 + (7 * row + step) % 900) for step in range(40)) for row in range(60)]
    tokeniser = fit([*TEXTS, *many], lower_case=True, size=size)
    assert len(tokeniser) <= size + SPECIAL_TOKENS
    assert tokeniser.encode(["low"]).steps.tolist() != [UNKNOWN]


@FITS
def test_a_new_character_is_unknown_and_case_follows_the_space(fit: Fit) -> None:
    tokeniser = fit(TEXTS, lower_case=True, size=100)
    assert tokeniser.encode(["日"]).steps.tolist()[-1] == UNKNOWN
    assert tokeniser.encode(["LOW"]).steps.tolist() == tokeniser.encode(["low"]).steps.tolist()
    as_written = fit(TEXTS, lower_case=False, size=100)
    assert UNKNOWN in as_written.encode(["LOW"]).steps


@FITS
@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=15), max_size=6))
def test_every_text_has_a_token_and_none_is_padding(fit: Fit, texts: list[str]) -> None:
    encoded = fit(TEXTS, lower_case=True, size=100).encode([*texts, "", "[PAD] [UNK] ##a"])
    assert encoded.lengths.min() >= 1
    assert encoded.steps.min() > PADDING


@FITS
def test_texts_without_a_word_can_be_fitted_on(fit: Fit) -> None:
    assert fit(["", "  "], lower_case=True, size=100).encode(["word"]).steps.tolist() == [UNKNOWN]


@FITS
def test_pieces_survive_their_bytes(fit: Fit) -> None:
    tokeniser = fit(TEXTS, lower_case=True, size=100)
    again = read_preparation(tokeniser.to_bytes())
    assert again == tokeniser
    assert again.encode(["a lowest newt"]).steps.tolist() == tokeniser.encode(["a lowest newt"]).steps.tolist()


@FITS
def test_pieces_cannot_be_cut(fit: Fit) -> None:
    tokeniser = fit(TEXTS, lower_case=True, size=100)
    assert tokeniser.cut(len(tokeniser)) is tokeniser
    with pytest.raises(ValueError, match="cannot be cut to 5"):
        tokeniser.cut(5)


def many_ties() -> list[str]:
    """Words with many equally frequent pairs of letters, so that ties decide which pairs become pieces."""
    generator = np.random.default_rng(0)
    return ["".join(generator.choice(list("abcdefghijklmnopqrstuvwxyz"), 6)) for _ in range(400)]


@FITS
def test_other_processes_find_the_same_pieces(fit: Fit) -> None:
    code = (
        f"from tests.data.test_subwords import many_ties, {fit.__name__}; import sys;"
        f"sys.stdout.buffer.write({fit.__name__}(many_ties(), lower_case=True, size=200).to_bytes())"
    )
    here = fit(many_ties(), lower_case=True, size=200).to_bytes()
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert done.stdout == here


def test_a_merge_of_unknown_pieces_is_refused() -> None:
    described = json.loads(fit_bpe(TEXTS, lower_case=True, size=100).to_bytes())
    described["merges"][0] = ["no", "piece"]
    with pytest.raises(ValueError, match="a merge has a piece that is not in the vocabulary"):
        read_preparation(json.dumps(described).encode())


@pytest.mark.parametrize("fit", [fit_bpe, fit_wordpiece])
def test_a_long_text_without_spaces_is_not_unknown(fit: Callable[..., SubwordTokeniser]) -> None:
    texts = ["ร้านนี้อาหารอร่อย" * 20, "อาหารร้านนี้อร่อย" * 20]
    assert UNKNOWN not in fit(texts, lower_case=True, size=100).encode(texts).steps
