"""Token numbers: ordered by frequency, the same every time, and cut by number alone."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tuner.data.model_rows import make_rows
from tuner.data.preparation import read_preparation
from tuner.data.token_lists import join_tokens
from tuner.data.tokenisers import (
    FORMS,
    PADDING,
    SPECIAL_TOKENS,
    UNKNOWN,
    Tokeniser,
    WordTokeniser,
    fit_characters,
    fit_words,
    split_words,
)
from tuner.data.trial_data import vocabulary_size
from tuner.space.configuration import Configuration

TEXTS = ["b a c", "b a", "b d d", "Z, z!"]

words = st.sampled_from(
    ["alpha", "beta", "Gamma", "delta", "été", "日本", "42", "x_y", "[PAD]", "[UNK]", "don't", ",", "...", "😀", "the"]
)
text_lists = st.lists(st.lists(words, max_size=8).map(" ".join), min_size=1, max_size=12)
any_words: st.SearchStrategy[dict[str, bool | str]] = st.builds(
    dict, lower_case=st.booleans(), punctuation=st.booleans(), stop_words=st.booleans(), forms=st.sampled_from([*FORMS])
)


def test_numbers_follow_frequency_and_ties_follow_spelling() -> None:
    assert fit_words(TEXTS, lower_case=True).words == ("b", "a", "d", "z", "!", ",", "c")


def test_case_is_kept_if_the_space_says_so() -> None:
    assert {"Z", "z"} <= set(fit_words(TEXTS, lower_case=False).words)
    assert "Z" not in fit_words(TEXTS, lower_case=True).words


@settings(max_examples=100, deadline=None)
@given(text_lists, st.randoms(use_true_random=False), any_words)
def test_the_order_of_the_texts_makes_no_difference(
    texts: list[str], generator: random.Random, options: dict[str, bool | str]
) -> None:
    shuffled = list(texts)
    generator.shuffle(shuffled)
    assert fit_words(texts, **options) == fit_words(shuffled, **options)  # type: ignore[arg-type]
    assert fit_characters(texts, lower_case=True) == fit_characters(shuffled, lower_case=True)


def test_a_word_that_is_not_in_training_is_unknown() -> None:
    encoded = fit_words(TEXTS, lower_case=True).encode(["b unheard", "UNHEARD"])
    assert encoded.steps.tolist() == [2, UNKNOWN, UNKNOWN]


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_a_text_without_a_token_is_one_unknown_token(text: str) -> None:
    encoded = fit_words(TEXTS, lower_case=True).encode([text, "b", text, "a", text])
    assert encoded.steps.tolist() == [UNKNOWN, 2, UNKNOWN, 3, UNKNOWN]
    assert encoded.lengths.tolist() == [1, 1, 1, 1, 1]


def test_rows_lie_end_to_end() -> None:
    encoded = fit_words(TEXTS, lower_case=True).encode(TEXTS)
    assert encoded.offsets.tolist() == [0, 3, 5, 8, 12]
    assert len(encoded) == 4


def test_words_and_single_punctuation_marks_are_tokens() -> None:
    words = fit_words(["don't stop... x_y 日本 हिन्दी"], lower_case=True).words
    assert set(words) == {"don", "'", "t", "stop", ".", "x_y", "日本", "हिन्दी"}


def test_ascii_texts_are_split_as_other_texts_are() -> None:
    characters = [chr(code) for code in range(128)]
    texts = [f"{before}{each}{after}" for each in characters for before in "x. " for after in "Y1!"]
    for lower_case in (True, False):
        alone = _words_of(texts, lower_case=lower_case)
        beside_another = _words_of([f"{text} \u00e9" for text in texts], lower_case=lower_case)
        assert alone == [words[:-1] for words in beside_another]


def _words_of(texts: list[str], *, lower_case: bool) -> list[list[str]]:
    split = split_words(texts, lower_case=lower_case)
    words = [split.words[number] for number in split.numbers]
    return [words[start:end] for start, end in pairwise(split.offsets)]


def test_punctuation_is_dropped_if_the_space_says_so_and_the_words_around_it_stay() -> None:
    tokeniser = fit_words(["don't _ x_y €5 😀 … stop!"], lower_case=True, punctuation=False)
    assert set(tokeniser.words) == {"don", "t", "_", "x_y", "5", "stop"}
    assert tokeniser.encode(["!?", "stop it !"]).lengths.tolist() == [1, 2]


def test_frequent_words_are_dropped_but_not_negations() -> None:
    tokeniser = fit_words(
        ["This is NOT the one, nor is it without them; never say no"], lower_case=True, stop_words=False
    )
    assert set(tokeniser.words) == {"not", "nor", "without", "never", "say", "no", ",", ";"}
    assert fit_words(["The cat"], lower_case=False, stop_words=False).words == ("cat",)


@pytest.mark.parametrize(
    ("forms", "expected"),
    [
        (
            "stem",
            ("run", "mice", "."),
        ),
        ("lemma", ("run", "mouse", ".")),
    ],
)
def test_forms_of_one_word_become_one_token(forms: str, expected: tuple[str, ...]) -> None:
    tokeniser = fit_words(["running runs run mice mice ."], lower_case=True, forms=forms)
    assert tokeniser.words == expected
    assert tokeniser.encode(["RUNS"]).steps.tolist() == [2]


def test_a_form_that_is_not_in_training_is_known_by_its_stem() -> None:
    assert fit_words(["run"], lower_case=True, forms="stem").encode(["running"]).steps.tolist() == [2]
    assert fit_words(["run"], lower_case=True).encode(["running"]).steps.tolist() == [UNKNOWN]


def test_characters_are_tokens_and_spaces_too() -> None:
    tokeniser = fit_characters(["aab b", "A😀"], lower_case=True)
    assert tokeniser.characters == ("a", "b", " ", "😀")
    assert tokeniser.encode(["Ba x", ""]).steps.tolist() == [3, 2, 4, UNKNOWN, UNKNOWN]
    assert fit_characters(["aA"], lower_case=False).characters == ("A", "a")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=5), st.lists(st.text(max_size=12), max_size=5))
@example(["\ud800"], ["\udfff"])
def test_characters_take_any_text(texts: list[str], others: list[str]) -> None:
    encoded = fit_characters(texts, lower_case=True).encode(others)
    assert PADDING not in encoded.steps
    assert encoded.lengths.tolist() == [max(len(text.lower()), 1) for text in others]


@settings(max_examples=100, deadline=None)
@given(text_lists, any_words)
@example(["[PAD] [UNK] word"], {"lower_case": True})
def test_no_text_encodes_to_padding(texts: list[str], options: dict[str, bool | str]) -> None:
    encoded = fit_words(texts, **options).encode(texts)  # type: ignore[arg-type]
    assert PADDING not in encoded.steps
    assert encoded.lengths.min() >= 1


@settings(max_examples=100, deadline=None)
@given(text_lists, text_lists, st.integers(2, 20), any_words)
@example(["[PAD] [UNK] word word"], ["[PAD] word"], 20, {"lower_case": True})
def test_a_cut_vocabulary_gives_the_full_encoding_with_rarer_numbers_unknown(
    texts: list[str], others: list[str], size: int, options: dict[str, bool | str]
) -> None:
    whole: list[Tokeniser] = [
        fit_words(texts, **options),  # type: ignore[arg-type]
        fit_characters(texts, lower_case=bool(options["lower_case"])),
    ]
    for tokeniser in whole:
        cut = tokeniser.cut(size).encode(others)
        targets = np.zeros(len(others), int)
        rows = make_rows(tokeniser.encode(others), targets, vocabulary=size, max_length=1000, truncation="end")
        assert cut.steps.tolist() == rows.steps.tolist()
        assert cut.lengths.tolist() == rows.lengths.tolist()
        assert len(tokeniser.cut(size)) == min(size, len(tokeniser))


@settings(max_examples=50, deadline=None)
@given(text_lists, any_words)
def test_a_tokeniser_survives_its_bytes(texts: list[str], options: dict[str, bool | str]) -> None:
    tokeniser = fit_words(texts, **options).cut(10)  # type: ignore[arg-type]
    assert read_preparation(tokeniser.to_bytes()) == tokeniser
    characters = fit_characters(texts, lower_case=False)
    assert read_preparation(characters.to_bytes()) == characters


@settings(max_examples=50, deadline=None)
@given(text_lists, st.lists(st.integers(0, 11), max_size=6), any_words)
def test_texts_that_are_already_split_give_the_same_encoding(
    texts: list[str], chosen: list[int], options: dict[str, bool | str]
) -> None:
    rows = np.array([row % len(texts) for row in chosen], np.int64)
    split = split_words(texts, lower_case=bool(options["lower_case"]))
    taken = [texts[row] for row in rows]
    tokeniser = fit_words(taken, **options)  # type: ignore[arg-type]
    assert fit_words(split.take(rows), **options) == tokeniser  # type: ignore[arg-type]
    assert tokeniser.encode(split).steps.tolist() == tokeniser.encode(texts).steps.tolist()
    assert tokeniser.encode(split.take(rows)).offsets.tolist() == tokeniser.encode(taken).offsets.tolist()


@pytest.mark.parametrize(
    ("vocabulary", "min_count", "kept"), [(100, 1, 7), (100, 2, 4), (100, 3, 1), (2, 1, 2), (100, 9, 0)]
)
def test_the_vocabulary_keeps_frequent_words_up_to_its_limit(vocabulary: int, min_count: int, kept: int) -> None:
    counts = np.bincount(fit_words(TEXTS, lower_case=True).encode(TEXTS).steps, minlength=9)
    configuration: Configuration = {
        "tokens": "word",
        "tokens.word.vocabulary": vocabulary,
        "tokens.word.min_count": min_count,
    }
    assert vocabulary_size(counts, configuration) == SPECIAL_TOKENS + kept


def test_tokens_other_than_words_are_all_kept() -> None:
    assert vocabulary_size(np.array([0, 0, 3, 1]), {"tokens": "character"}) == 4


@settings(max_examples=50, deadline=None)
@given(text_lists, any_words)
@example(["[UNK] [UNK] [UNK] word"], {"lower_case": True})
def test_the_numbers_counts_never_rise(texts: list[str], options: dict[str, bool | str]) -> None:
    tokeniser = fit_words(texts, **options)  # type: ignore[arg-type]
    counts = np.bincount(tokeniser.encode(texts).steps, minlength=len(tokeniser))[SPECIAL_TOKENS:]
    assert (np.diff(counts) <= 0).all()
    assert counts.min(initial=1) > 0


def test_a_maximum_length_keeps_the_first_tokens_or_the_last() -> None:
    encoded = fit_words(TEXTS, lower_case=True).encode(["b a c", "d"])
    for truncation, expected in (("end", [[2, 3], [4, 0]]), ("start", [[3, 8], [4, 0]])):
        rows = make_rows(encoded, np.zeros(2, int), vocabulary=100, max_length=2, truncation=truncation)
        assert rows.padded(np.arange(2)).tolist() == expected


def test_no_spelling_is_confused_with_the_unknown_token() -> None:
    tokeniser = WordTokeniser(("[UNK]",), lower_case=False, punctuation=True, left_out=frozenset(), forms="as_written")
    assert tokeniser.encode(["UNK"]).steps.tolist() == [UNKNOWN]


TOKEN_ROWS = tuple(map(join_tokens, (["New York", "12", "the"], ["new york", "120", "the", "!"], [])))


def test_lists_of_tokens_keep_every_token_as_it_is() -> None:
    tokeniser = fit_words(TOKEN_ROWS, lower_case=True, punctuation=False, stop_words=False, forms="stem")
    assert tokeniser.words == ("the", "!", "12", "120", "New York", "new york")
    encoded = tokeniser.encode(TOKEN_ROWS)
    assert encoded.steps.tolist() == [6, 4, 2, 7, 5, 2, 3, UNKNOWN]
    assert encoded.lengths.tolist() == [3, 4, 1]
    again = read_preparation(tokeniser.to_bytes())
    assert isinstance(again, WordTokeniser)
    assert again == tokeniser


def test_a_tokeniser_of_texts_is_written_as_before() -> None:
    assert b"is_tokenised" not in fit_words(TEXTS, lower_case=True).to_bytes()
