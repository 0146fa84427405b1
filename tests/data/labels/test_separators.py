import random

import pytest

from tuner.data.labels.separators import find_separator, split_labels

LABELS = ("anger", "joy", "fear", "sad", "calm")


def _sets(seed: int = 0) -> list[list[str]]:
    draw = random.Random(seed)
    return [draw.sample(LABELS, draw.randint(1, 3)) for _ in range(100)]


@pytest.mark.parametrize(
    ("separator", "written"),
    [(" ", " "), (",", ", "), (";", ";"), ("/", "/"), ("|", "|"), ("&", " & "), ("+", "+"), ("\t", "\t"), ("\n", "\n")],
)
def test_a_separator_is_found_if_the_same_labels_recur_in_other_combinations(separator: str, written: str) -> None:
    texts = {written.join(labels) for labels in _sets()}
    assert find_separator(texts) == (separator, None)
    assert split_labels(written.join(("joy", "sad")), separator) == ["joy", "sad"]


def test_a_separator_at_the_end_separates_nothing() -> None:
    assert split_labels("joy; sad;", ";") == ["joy", "sad"]
    assert split_labels("dan and anna and", " and ") == ["dan", "anna and"]
    assert split_labels(";", ";") == [""]


def test_a_few_tags_that_occur_once_do_not_hide_the_separator() -> None:
    texts = {" ".join(labels) for labels in _sets()} | {"joy rare"}
    assert find_separator(texts) == (" ", None)


def test_angle_brackets_separate_if_every_text_has_them() -> None:
    assert find_separator(["<c#><.net>", "<c#>"]) == ("<>", None)
    assert split_labels("<c#><.net>", "<>") == ["c#", ".net"]
    assert find_separator(["<c#><.net>", "other"]) == (None, None)


@pytest.mark.parametrize("texts", [["3 17", "5"], ["3,17", "12"], ["1 0 1", "0 0 1"]])
def test_numbers_are_separated_even_if_they_do_not_recur(texts: list[str]) -> None:
    assert find_separator(texts)[0] is not None


@pytest.mark.parametrize(
    "texts",
    [
        ["New York", "Los Angeles", "San Jose"],
        ["very good", "good", "very bad", "bad"],
        ["sport/tennis", "sport/golf", "politics/uk"],
        ["the cat sat on the mat the", "a dog sat on a log", "the dog sat"],
        ["N/A", "yes", "no"],
        ["joy - fear", "joy", "fear", "fear - joy", "sad - joy", "sad", "sad - fear"],
    ],
)
def test_names_with_spaces_or_slashes_stay_whole(texts: list[str]) -> None:
    assert find_separator(texts)[0] is None


def test_a_separator_that_may_be_meant_is_named() -> None:
    assert find_separator(["a,b", "c"]) == (None, ",")
    assert find_separator(["a; b", "c"]) == (None, ";")
    assert find_separator(["very good", "good", "very bad", "bad"]) == (None, " ")
    assert find_separator(["a and b", "b and c", "a"]) == (None, " and ")
    assert find_separator(["a > b", "b > c", "a"]) == (None, " > ")
    assert find_separator(["New York", "Los Angeles"]) == (None, None)
