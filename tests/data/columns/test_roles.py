"""Finding the columns of one's own rows: what is used, what is said beside it, and what is refused."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from tuner.data.columns.roles import Roles, find_roles
from tuner.errors import DataError
from tuner.space.task import Task

ROWS = 60
WORDS = ["the", "of", "and", "quick", "brown", "fox", "jumps", "over", "lazy", "dog"]


def text(row: int, words: int = 6) -> str:
    return " ".join(WORDS[(row * 7 + place * (row % 5 + 1)) % len(WORDS)] for place in range(words)) + f" {row}"


TEXTS = [text(row) for row in range(ROWS)]
SPAM = ["spam" if row % 4 == 0 else "ham" for row in range(ROWS)]


def cycle(*values: Any) -> list[Any]:
    return [values[row * 11 % ROWS % len(values)] for row in range(ROWS)]


def find(columns: dict[str, list[Any]], given: dict[str, Any] | None = None, task: Task | None = None) -> Roles:
    return find_roles(pa.table(columns), "my.csv", given or {}, task)


def refusal(columns: dict[str, list[Any]], given: dict[str, Any] | None = None, task: Task | None = None) -> str:
    with pytest.raises(DataError, match=r"^my\.csv: ") as caught:
        find(columns, given, task)
    return str(caught.value)


# --- what is used ---


@pytest.mark.parametrize(
    ("columns", "settings", "task"),
    [
        ({"text": TEXTS, "label": SPAM}, {"text": "text", "label": "label"}, "binary"),
        ({"v1": SPAM, "v2": TEXTS, "": [""] * ROWS}, {"text": "v2", "label": "v1"}, "binary"),
        ({"Review": TEXTS, "Rating": cycle(1, 2, 3, 4, 5)}, {"text": "Review", "label": "Rating"}, "multiclass"),
        ({"utterance": TEXTS, "tags": cycle("a|b", "b", "c|a")}, {"text": "utterance", "labels": "tags"}, "multilabel"),
        ({"text": TEXTS, "labels": cycle(["a"], ["a", "b"], [])}, {"text": "text", "labels": "labels"}, "multilabel"),
        ({"x": TEXTS, "labels": cycle([0, 1], [1, 1])}, {"text": "x", "labels": "labels"}, "multilabel"),
        ({"x": TEXTS, "rude": cycle(0, 1), "odd": cycle(1, 0, 0)}, {"text": "x", "label_columns": ["rude", "odd"]}, "multilabel"),
        ({"x": TEXTS, "rude": cycle("0", "1")}, {"text": "x", "label": "rude"}, "binary"),
        ({"signal": cycle([0.1, 0.2], [0.3]), "y": cycle("a", "b")}, {"sequence": "signal", "label": "y"}, "binary"),
        ({"s": cycle("[0.1, 0.2]", "[1, NaN]"), "y": cycle("a", "b")}, {"sequence": "s", "label": "y"}, "binary"),
        ({"s": [f"[{row * 0.1}, {row}, null]" for row in range(ROWS)], "y": cycle("a", "b")},
         {"sequence": "s", "label": "y"}, "binary"),
        ({"s": [" ".join(f"{row * 0.1 + step}" for step in range(6)) for row in range(ROWS)], "y": cycle("a", "b")},
         {"sequence": "s", "label": "y"}, "binary"),
        ({"反馈": ["这个产品非常好用" + "好" * row for row in range(ROWS)], "类别": cycle("好", "差", "中")},
         {"text": "反馈", "label": "类别"}, "multiclass"),
        ({"a": ["ខ្ញុំចូលចិត្តផលិតផលនេះណាស់" + "ណាស់" * row for row in range(ROWS)], "b": [text(row, 3) for row in range(ROWS)],
          "y": cycle("x", "y")}, {"text": "a", "label": "y"}, "binary"),
        ({"text": TEXTS, "label": SPAM, "split": cycle("train", "train", "train", "dev", "test")},
         {"text": "text", "label": "label", "split_column": "split"}, "binary"),
        ({"input_ids": cycle([1, 7, 2], [1, 2, 0]), "attention_mask": cycle([1, 1, 1], [1, 1, 0]), "code": cycle(0, 1, 2)},
         {"text": "input_ids", "label": "code"}, "multiclass"),
        ({f"t{step}": [row * 0.1 + step for row in range(ROWS)] for step in range(12)} | {"class": cycle("a", "b")},
         {"sequence": "t*", "label": "class"}, "binary"),
    ],
)  # fmt: skip
def test_the_columns_and_the_task_are_found(columns: dict[str, list[Any]], settings: dict[str, Any], task: str) -> None:
    found = find(columns)
    assert found.settings == settings
    assert found.task == task


def test_columns_that_go_with_token_ids_are_not_proposed() -> None:
    ids = cycle([101, 7, 102], [101, 7, 9, 102])
    ones = cycle([1, 1, 1], [1, 1, 1, 1])
    found = find({"input_ids": ids, "token_type_ids": ones, "attention_mask": ones, "label": cycle(0, 1)})
    assert found.notes == ()


def test_lists_of_lists_are_called_so_with_the_remedy() -> None:
    message = refusal({"sentences": cycle([["New", "York"], ["is"]], [["big"]]), "label": cycle("a", "b")})
    assert "'sentences' has lists of lists" in message
    assert "if 'sentences' holds tokens, join the lists of each row to one list; else name it with" in message


def test_identifiers_dates_addresses_and_fractions_are_left_unused() -> None:
    found = find(
        {
            "tweet_id": [str(570306133677760513 + row) for row in range(ROWS)],
            "created": [f"Mon Apr 06 22:{row:02}:45 PDT 2009" for row in range(ROWS)],
            "link": [f"https://t.co/{row}" for row in range(ROWS)],
            "confidence": [f"{row / 97:.4f}" for row in range(ROWS)],
            "lang": ["en"] * ROWS,
            "body": TEXTS,
            "spam": SPAM,
        }
    )
    assert found.settings == {"text": "body", "label": "spam"}
    assert found.unused == ("tweet_id", "created", "link", "confidence", "lang")


def test_the_sentence_says_what_every_column_is_read_as() -> None:
    flags = {name: cycle(0, 1, 0) for name in ("toxic", "obscene", "threat", "insult", "hate", "rude")}
    assert find({"comment": TEXTS, **flags}).sentence == (
        "text 'comment'; labels 'toxic', 'obscene', 'threat', 'insult' and 2 more (0 and 1, several per row)"
    )


def test_a_column_called_label_wins_over_flags_beside_it() -> None:
    found = find({"text": TEXTS, "label": cycle(0, 1, 1), "is_reply": cycle(1, 0), "has_link": cycle(0, 0, 1)})
    assert found.settings == {"text": "text", "label": "label"}


def test_labels_written_as_numbers_and_as_names_are_one_choice() -> None:
    found = find(
        {"text": TEXTS, "category": cycle("a", "b", "c"), "category_id": cycle(0, 1, 2), "class": cycle(0, 1, 2)}
    )
    assert found.settings["label"] == "category"
    assert not found.notes


def test_other_sensible_columns_are_noted_with_their_settings() -> None:
    found = find({"text": TEXTS, "clean_text": TEXTS[::-1], "label": SPAM, "target": cycle("a", "b", "c")})
    assert found.settings == {"text": "text", "label": "label"}
    assert found.notes == (
        "text 'text' is used; also possible: --set data.text=clean_text",
        "label 'label' ('ham' and 'spam') is used; also possible: --set data.label=target",
    )


def test_a_column_of_people_is_a_group_to_choose_and_never_a_label() -> None:
    found = find({"note": TEXTS, "patient_id": cycle(*range(12)), "urgent": SPAM})
    assert found.settings == {"text": "note", "label": "urgent"}
    assert "--set data.group=patient_id keeps them in one split" in found.notes[0]


def test_a_label_that_is_rare_in_the_middle_of_a_large_file_counts() -> None:
    rows = 30_000
    labels = ["a" if row % 2 else "b" for row in range(rows)]
    labels[777] = "rare"
    found = find_roles(pa.table({"text": [text(row) for row in range(rows)], "label": labels}), "my.csv", {}, None)
    assert found.task == "multiclass"


# --- what settings give is not guessed ---


def test_a_given_column_wins_and_narrows_the_rest() -> None:
    columns = {"title": TEXTS, "body": TEXTS[::-1], "kind": cycle("a", "b"), "place": cycle("x", "y", "z")}
    found = find(columns, {"text": "body", "label": "place"})
    assert found.settings == {}
    assert found.task == "multiclass"
    assert found.unused == ("title", "kind")


def test_a_given_task_leaves_out_labels_that_do_not_fit_it() -> None:
    columns = {"text": TEXTS, "tags": cycle("a|b", "b"), "kind": cycle("x", "y")}
    assert find(columns, task="multilabel").settings["labels"] == "tags"
    assert find(columns, task="binary").settings["label"] == "kind"
    assert find({**columns, "label": SPAM}, task="multilabel").settings["labels"] == "tags"


def test_a_given_test_file_keeps_the_split_column_out() -> None:
    columns = {"text": TEXTS, "label": SPAM, "split": cycle("train", "test")}
    assert "split_column" not in find(columns, {"test": "test.csv"}).settings


def test_a_long_table_needs_only_the_settings_for_its_series() -> None:
    given = {"sequence": "value", "sequence_id": "series", "order": "time"}
    columns = {"series": cycle(*range(6)), "time": list(range(ROWS)), "value": [row / 7 for row in range(ROWS)]}
    assert find({**columns, "kind": cycle("a", "b")}, given).settings == {"label": "kind"}


def test_a_pattern_of_steps_leaves_other_names_with_its_beginning() -> None:
    steps = {f"t{step}": [row * 0.1 + step for row in range(ROWS)] for step in range(12)}
    for given in ({}, {"sequence": "t*"}):
        assert find({**steps, "target": cycle("a", "b")}, given).settings["label"] == "target"


def test_columns_that_are_only_numbers_are_steps() -> None:
    steps = {str(step): [row * 0.1 + step for row in range(ROWS)] for step in range(12)}
    assert find({**steps, "y": cycle("a", "b")}).settings == {"sequence": "*", "label": "y"}


# --- what is refused ---


def test_two_texts_that_fit_equally_are_refused_with_a_setting_for_each() -> None:
    message = refusal({"title": TEXTS, "body": TEXTS[::-1], "label": SPAM})
    assert "several columns may be the text: text 'title'; text 'body'" in message
    assert "choose one: --set data.text=title or --set data.text=body" in message


def test_two_labels_that_fit_equally_are_refused_with_a_setting_for_each() -> None:
    message = refusal({"text": TEXTS, "country": cycle("de", "fr", "us"), "my kind": cycle("a", "b")})
    assert "choose one: --set data.label=country or --set 'data.label=my kind'" in message


def test_faults_of_the_text_and_of_the_labels_are_reported_together() -> None:
    message = refusal({"a": TEXTS, "b": TEXTS[::-1]})
    assert "several columns may be the text" in message
    assert "no column looks like labels" in message


def test_a_message_about_missing_labels_says_what_the_columns_hold() -> None:
    message = refusal({"text": TEXTS, "score": [row / 61 for row in range(ROWS)]})
    assert "'score' has 60 different fractions" in message
    assert "--set data.label=COLUMN" in message


def test_a_single_column_is_named() -> None:
    message = refusal({"text;label": [f"{each};x" for each in TEXTS]})
    assert "there is only one column, 'text;label'" in message


def test_a_task_that_no_column_fits_is_refused_with_the_labels_there_are() -> None:
    message = refusal({"text": TEXTS, "label": SPAM}, task="multilabel")
    assert "no column has labels for task multilabel, but: label 'label' ('ham' and 'spam')" in message
    assert "leave out --set task=multilabel" in message


def test_a_table_of_steps_is_read_where_its_columns_have_one_reading() -> None:
    columns = {"series": cycle(*range(6)), "time": list(range(ROWS)), "value": [row / 7 for row in range(ROWS)]}
    found = find({**columns, "kind": cycle("a", "b")})
    assert found.settings == {"sequence_id": "series", "order": "time", "sequence": "value", "label": "kind"}
    assert "sequence 'value' (a row for each step; series 'series', ordered by 'time')" in found.sentence


def test_a_table_of_steps_with_a_label_for_each_step_is_refused_with_its_columns() -> None:
    columns = {"series": cycle(*range(6)), "time": list(range(ROWS)), "value": [row / 7 for row in range(ROWS)]}
    message = refusal({**columns, "label": cycle("a", "b", "c", "d", "e", "f", "g")})
    assert (
        "one step of a series: --set data.sequence_id=series --set data.order=time --set data.sequence=value" in message
    )


def test_numbered_channels_beside_a_series_are_refused_with_both_readings() -> None:
    channels = {f"s{number}": [row / 7 + number for row in range(ROWS)] for number in range(8)}
    message = refusal({"unit": cycle(*range(6)), "cycle": list(range(ROWS)), **channels, "kind": cycle("a", "b")})
    assert "--set data.sequence_id=unit --set data.order=cycle --set 'data.sequence=[s0, s1, " in message
    assert "or --set 'data.sequence=s*'" in message
    assert "may be the label" not in message


@pytest.mark.parametrize(
    ("names", "sequence"),
    [
        ([f"{step * 0.1:.1f}" for step in range(20)], "*"),
        ([f"wl_{900 + step * 8.5}" for step in range(20)], "wl_*"),
        ([f"{step}_x" for step in range(20)], "*_x"),
        ([f"2026-0{1 + step // 10}-{step % 10 + 1:02d}" for step in range(20)], None),
    ],
)
def test_numbers_in_names_of_steps_are_read_whole(names: list[str], sequence: str | None) -> None:
    columns = {name: [row * 0.1 + place for row in range(ROWS)] for place, name in enumerate(names)}
    assert find({**columns, "class": cycle("a", "b")}).settings["sequence"] == (sequence or names)


def test_values_in_place_of_names_are_no_steps() -> None:
    values = [f"{(-1) ** step * 0.37 * step:.2f}" for step in range(1, 31)]
    columns = {name: [row * 0.1 + place for row in range(ROWS)] for place, name in enumerate(values)}
    assert "put a line with names above it" in refusal({"up": cycle("up", "down"), **columns})


def test_unsigned_numbers_above_63_bits_are_described() -> None:
    large = pa.array([[2**63 + row, 2**63] for row in range(ROWS)], pa.list_(pa.uint64()))
    found = find_roles(pa.table({"x": large, "y": cycle("a", "b")}), "my.csv", {}, None)
    assert found.settings == {"sequence": "x", "label": "y"}


def test_flags_that_are_written_alike_go_together() -> None:
    flags = {"joy": cycle(0, 1), "fear": cycle(1, 0, 0), "unclear": cycle("True", "False", "False")}
    assert find({"text": TEXTS, **flags}).settings["label_columns"] == ["joy", "fear"]


def test_spellings_of_a_label_count_once() -> None:
    assert find({"text": TEXTS, "label": cycle("Spam", "spam ", "ham")}).task == "binary"


def test_a_numbered_class_is_a_label_although_its_name_ends_in_index() -> None:
    assert find({"text": TEXTS, "Class Index": cycle(1, 2, 3)}).settings["label"] == "Class Index"


def test_a_row_in_place_of_the_header_is_noted() -> None:
    found = find({"ham": SPAM, "see you later then": TEXTS})
    assert found.settings == {"text": "see you later then", "label": "ham"}
    assert (
        "the name of column 'ham' is also one of its values; if the first line of the file is a row" in found.notes[0]
    )
    assert not find({"0": cycle(0, 4), "1": TEXTS}).notes


def test_lists_of_one_label_each_have_one_label_per_row() -> None:
    columns = {"text": TEXTS, "labels": cycle(["a"], ["b"], ["c"])}
    assert find(columns).settings["label"] == "labels"
    assert find(columns, task="multilabel").settings["labels"] == "labels"


def test_columns_with_exactly_one_1_per_row_are_one_label_per_row() -> None:
    columns = {"text": TEXTS, "good": cycle(1, 0, 0), "bad": cycle(0, 1, 0), "neither": cycle(0, 0, 1)}
    found = find(columns)
    assert (found.task, found.settings["label_columns"]) == ("multiclass", ["good", "bad", "neither"])
    assert "(0 and 1, one per row)" in found.sentence
    assert "if a row may have several: --set task=multilabel" in found.notes[0]
    assert find(columns, task="multiclass").settings == found.settings
    assert find(columns, task="multilabel").task == "multilabel"


def test_a_few_rows_do_not_settle_that_columns_hold_one_label_per_row() -> None:
    columns = {"text": TEXTS[:12], "good": [1, 0, 0] * 4, "bad": [0, 1, 0] * 4, "neither": [0, 0, 1] * 4}
    assert find(columns).task == "multilabel"


def test_a_column_of_vectors_is_compared_with_no_other_label() -> None:
    columns = {"text": TEXTS, "label": cycle("a", "b", "c"), "vector": cycle([1, 0, 0], [0, 1, 0], [0, 0, 1])}
    assert find(columns).settings["label"] == "label"
    assert find({**columns, "label": cycle("a", "b")}, {"label": "label"}).task == "binary"


def test_a_list_of_words_is_the_text_if_it_is_called_so() -> None:
    found = find({"tokens": [each.split() for each in TEXTS], "tags": cycle(["x"], ["x", "y"])})
    assert found.settings == {"text": "tokens", "labels": "tags"}


@pytest.mark.parametrize(
    ("labels", "what"),
    [([row / 61 for row in range(ROWS)], "60 different fractions"), (["x"] * ROWS, "at most one value")],
)
def test_an_unusable_column_called_label_is_not_replaced_in_silence(labels: list[Any], what: str) -> None:
    columns = {"text": TEXTS, "label": labels, "source": cycle("web", "app")}
    message = refusal(columns)
    assert f"'label' has {what}, which cannot be labels here" in message
    assert "use another column: --set data.label=source" in message
    assert find(columns, {"label": "source"}).task == "binary"
