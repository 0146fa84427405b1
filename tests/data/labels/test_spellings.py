from collections import Counter

import pytest

from tuner.data.labels.spellings import join_spellings


@pytest.mark.parametrize(
    "other", ["SPAM", " spam", "spam\u00a0", "\ufeffspam", "sp\u200bam", "Spam "], ids=lambda name: ascii(name)
)
def test_names_that_differ_in_case_spaces_or_invisible_characters_are_one_label(other: str) -> None:
    joined = join_spellings([Counter({"spam": 5, other: 2})])
    assert set(joined.names.values()) == {"spam"}
    assert f"'spam' (5 rows) and {other!r} (2 rows) as 'spam'" in joined.notes()[0]


def test_names_in_composed_and_decomposed_unicode_are_one_label() -> None:
    joined = join_spellings([Counter({"caf\u00e9": 1, "cafe\u0301": 2})])
    assert set(joined.names.values()) == {"caf\u00e9"}


def test_letters_in_full_width_are_the_same_letters() -> None:
    joined = join_spellings([Counter({"AB": 2, "\uff21\uff22": 1})], keeps_case=True)
    assert set(joined.names.values()) == {"AB"}
    assert "spaces, Unicode form" in joined.notes()[0]


def test_the_most_frequent_spelling_in_train_names_the_label() -> None:
    joined = join_spellings([Counter({"Spam": 3, "spam": 2}), Counter({"spam": 100})])
    assert joined.names == {"Spam": "Spam", "spam": "Spam"}


def test_names_that_differ_in_case_are_kept_apart_on_request() -> None:
    joined = join_spellings([Counter({"us": 3, "US": 2, "US ": 1})], keeps_case=True)
    assert joined.names == {"us": "us", "US": "US", "US ": "US"}


def test_the_setting_that_keeps_names_apart_is_said_only_if_it_would() -> None:
    joined = join_spellings([Counter({"a": 2, "A": 1, "b": 2, "b ": 1})])
    notes = joined.notes(setting="--set x=keep")
    assert [note.endswith("--set x=keep") for note in notes] == ["case" in note for note in notes]


def test_nothing_is_said_if_nothing_was_joined() -> None:
    assert not join_spellings([Counter({" spam": 2, "ham": 3})]).notes()


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        ({"1.0": 3, "0.0": 2}, {"1": 4}, {"1.0": "1", "0.0": "0", "1": "1"}),
        ({"1": 3, "0": 2}, {"1.0": 4}, {"1.0": "1", "0": "0", "1": "1"}),
        ({"01": 3, "1": 2}, {}, {"01": "01", "1": "1"}),
        ({"3.5": 3, "4.0": 2}, {"4": 1}, {"3.5": "3.5", "4.0": "4.0", "4": "4.0"}),
        ({"0": 3, "1": 2}, {"LABEL_1": 1}, {"0": "0", "1": "1", "LABEL_1": "1"}),
        ({"LABEL_0": 3, "LABEL_1": 2}, {}, {"LABEL_0": "LABEL_0", "LABEL_1": "LABEL_1"}),
    ],
)
def test_numbers_that_are_written_in_two_ways_are_one_label(
    train: dict[str, int], test: dict[str, int], expected: dict[str, str]
) -> None:
    assert join_spellings([Counter(train), Counter(test)]).names == expected


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        ({"true": 3, "false": 2}, {"1": 1, "0": 1}, {"true": "true", "1": "true", "false": "false", "0": "false"}),
        ({"yes": 3, "no": 2}, {"1": 1}, {"yes": "yes", "1": "yes", "no": "no"}),
        ({"Y": 3, "N": 2}, {"True": 1}, {"Y": "Y", "True": "Y", "N": "N"}),
        ({"yes": 3, "no": 2}, {}, {"yes": "yes", "no": "no"}),
        ({"f": 3, "n": 2}, {}, {"f": "f", "n": "n"}),
        ({"yes": 3, "no": 2, "maybe": 1}, {"1": 1}, {"yes": "yes", "no": "no", "maybe": "maybe", "1": "1"}),
    ],
)
def test_words_for_true_and_false_are_joined_only_if_all_labels_are_such_words(
    train: dict[str, int], test: dict[str, int], expected: dict[str, str]
) -> None:
    assert join_spellings([Counter(train), Counter(test)]).names == expected


def test_both_truth_values_get_names_of_one_kind() -> None:
    joined = join_spellings([Counter({"yes": 5, "True": 2, "no": 1, "False": 3})])
    assert set(joined.names.values()) == {"yes", "no"}


def test_several_labels_on_a_row_are_not_truth_values() -> None:
    names = join_spellings([Counter({"true": 3, "false": 2}), Counter({"1": 1})], is_single=False).names
    assert names["1"] == "1"


def test_labels_of_a_model_keep_their_spelling_and_are_never_joined() -> None:
    joined = join_spellings([Counter(), Counter({"SPAM": 2, "Ham": 1})], known=["spam", "ham ", "HAM"])
    assert joined.names["SPAM"] == "spam"
    assert joined.names["Ham"] == "Ham"  # may be either of two labels
    assert joined.names["ham "] == "ham "
