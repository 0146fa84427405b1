import pytest

from tuner.data.labels.written import Unreadable, read_written


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('["a", "b"]', ["a", "b"]),
        ("['it''s', 'b']", ["its", "b"]),
        ("[\"it's\", 'b']", ["it's", "b"]),
        ("['a'\n 'b']", ["a", "b"]),
        ('["wait ... what", "b"]', ["wait ... what", "b"]),
        ('["caf\\u00e9"]', ["caf\u00e9"]),
        ("[1. 0.\n 1.]", ["1.", "0.", "1."]),
        ("[1, 0.0, true]", ["1", "0", "true"]),
        ("[True, None]", ["true", None]),
        ("('a',)", ["a"]),
        ("[New York, b]", ["New York", "b"]),
        ("{'b', 'a'}", ["a", "b"]),
        ('{"a": 1, "b": 0, "c": true, "d": null}', ["a", "c"]),
        ("{'a': 1.0, 'b': 'no'}", ["a"]),
    ],
)
def test_lists_and_objects_are_read_in_json_python_numpy_and_yaml(text: str, items: list[str | None]) -> None:
    assert read_written(text) == items


@pytest.mark.parametrize("text", ["spam", "(see below)", "{", "a [1]", "it's"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert read_written(text) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("['a'", "not a list of labels"),
        ('[["a"]]', "not a list of labels"),
        ("[" * 100_000, "not a list of labels"),
        ("tensor([1, 0])", r"printed tensor; write its .tolist()"),
        ("[0 1 ... 0]", "printed list with ..."),
        ("['a', ..., 'b']", "printed list with ..."),
        ('{"a": 0.5}', "values other than 0 and 1"),
    ],
)
def test_a_text_that_cannot_be_read_says_why(text: str, reason: str) -> None:
    read = read_written(text)
    assert isinstance(read, Unreadable)
    assert reason in read.reason
