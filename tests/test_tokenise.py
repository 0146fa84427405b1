"""Token numbers: by frequency, the same every time, and cut by number alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tuner.data.prepare import TokenSetting, make_rows, token_settings, vocabulary_size
from tuner.data.tokenise import PADDING, SPECIAL_TOKENS, UNKNOWN, cut_vocabulary, encode, fit_words
from tuner.space.domains import Choice, Fixed, OptionChoice

TEXTS = ["b a c", "b a", "b d d", "Z, z!"]

words = st.sampled_from(
    ["alpha", "beta", "Gamma", "delta", "été", "日本", "42", "x_y", "[PAD]", "[UNK]", "don't", ",", "...", "😀"]
)
text_lists = st.lists(st.lists(words, max_size=8).map(" ".join), min_size=1, max_size=12)


def test_numbers_follow_frequency_and_ties_follow_spelling() -> None:
    by_number = sorted(fit_words(TEXTS, lower_case=True).get_vocab().items(), key=lambda item: item[1])
    assert [word for word, _ in by_number] == ["[PAD]", "[UNK]", "b", "a", "d", "z", "!", ",", "c"]


def test_case_is_kept_where_the_space_says_so() -> None:
    vocabulary = fit_words(TEXTS, lower_case=False).get_vocab()
    assert {"Z", "z"} <= set(vocabulary)
    assert "Z" not in fit_words(TEXTS, lower_case=True).get_vocab()


@given(text_lists, st.randoms(use_true_random=False))
def test_the_order_of_the_texts_makes_no_difference(texts: list[str], random: object) -> None:
    shuffled = list(texts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert fit_words(texts, lower_case=True).get_vocab() == fit_words(shuffled, lower_case=True).get_vocab()


def test_a_word_that_training_had_not_is_unknown() -> None:
    encoded = encode(fit_words(TEXTS, lower_case=True), ["b unheard", "UNHEARD"])
    assert encoded.ids.tolist() == [2, UNKNOWN, UNKNOWN]


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_a_text_without_a_token_is_one_unknown_token(text: str) -> None:
    encoded = encode(fit_words(TEXTS, lower_case=True), ["b", text, "a"])
    assert encoded.ids.tolist() == [2, UNKNOWN, 3]
    assert encoded.lengths.tolist() == [1, 1, 1]


def test_rows_lie_end_to_end() -> None:
    encoded = encode(fit_words(TEXTS, lower_case=True), TEXTS)
    assert encoded.offsets.tolist() == [0, 3, 5, 8, 12]
    assert len(encoded) == 4


def test_words_and_single_punctuation_marks_are_tokens() -> None:
    vocabulary = fit_words(["don't stop... x_y 日本"], lower_case=True).get_vocab()
    assert set(vocabulary) == {"[PAD]", "[UNK]", "don", "'", "t", "stop", ".", "x_y", "日本"}


@settings(max_examples=100, deadline=None)
@given(text_lists)
@example(["[PAD] [UNK] word"])
def test_no_text_can_speak_of_padding(texts: list[str]) -> None:
    encoded = encode(fit_words(texts, lower_case=True), texts)
    assert PADDING not in encoded.ids
    assert encoded.lengths.min() >= 1


@settings(max_examples=100, deadline=None)
@given(text_lists, text_lists, st.integers(2, 20), st.booleans())
@example(["[PAD] [UNK] word word"], ["[PAD] word"], 20, True)
def test_a_cut_vocabulary_encodes_as_the_whole_one_with_its_numbers_cut(
    texts: list[str], others: list[str], size: int, lower_case: bool
) -> None:
    whole = fit_words(texts, lower_case=lower_case)
    cut = encode(cut_vocabulary(whole, size), others)
    rows = make_rows(encode(whole, others), np.zeros(len(others), int), vocabulary=size, max_length=1000)
    assert cut.ids.tolist() == rows.ids.tolist()
    assert cut.lengths.tolist() == rows.lengths.tolist()


@settings(max_examples=50, deadline=None)
@given(text_lists, text_lists)
@example(["[PAD] [UNK] word word"], ["[PAD] word"])
def test_a_tokeniser_survives_its_json(texts: list[str], others: list[str]) -> None:
    tokeniser = cut_vocabulary(fit_words(texts, lower_case=True), 10)
    again = Tokenizer.from_str(tokeniser.to_str())
    assert encode(again, others).ids.tolist() == encode(tokeniser, others).ids.tolist()


@pytest.mark.parametrize(
    ("vocabulary", "min_count", "kept"), [(100, 1, 7), (100, 2, 4), (100, 3, 1), (2, 1, 2), (100, 9, 0)]
)
def test_the_vocabulary_keeps_what_is_frequent_and_no_more_than_asked(
    vocabulary: int, min_count: int, kept: int
) -> None:
    counts = np.bincount(encode(fit_words(TEXTS, lower_case=True), TEXTS).ids, minlength=9)
    configuration = {"vocabulary": vocabulary, "min_count": min_count}
    assert vocabulary_size(counts, configuration) == SPECIAL_TOKENS + kept


@settings(max_examples=50, deadline=None)
@given(text_lists)
@example(["[UNK] [UNK] [UNK] word"])
def test_the_numbers_counts_never_rise(texts: list[str]) -> None:
    tokeniser = fit_words(texts, lower_case=True)
    counts = np.bincount(encode(tokeniser, texts).ids, minlength=tokeniser.get_vocab_size())[SPECIAL_TOKENS:]
    assert (np.diff(counts) <= 0).all()


def test_a_maximum_length_keeps_the_first_tokens() -> None:
    encoded = encode(fit_words(TEXTS, lower_case=True), ["b a c", "d"])
    rows = make_rows(encoded, np.zeros(2, int), vocabulary=100, max_length=2)
    assert rows.padded(np.arange(2)).tolist() == [[2, 3], [4, 0]]


def test_every_tokeniser_setting_that_a_space_can_choose_is_listed_once() -> None:
    word = ("word", {"lower_case": Choice((True, False))})
    assert token_settings({"tokens": OptionChoice((word,))}) == [
        TokenSetting("word", (("lower_case", True),)),
        TokenSetting("word", (("lower_case", False),)),
    ]
    fixed = OptionChoice((("word", {"lower_case": Fixed(True)}),))
    assert token_settings({"tokens": fixed}) == [TokenSetting("word", (("lower_case", True),))]
