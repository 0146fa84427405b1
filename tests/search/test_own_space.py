"""The space that is written for one's own rows: it loads, it reads the rows, and its comments are true."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuner.search.own_data import read_own_data
from tuner.search.own_space import compose_space, show_time
from tuner.search.reading import load_checked
from tuner.space.load import Space, load_space


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def compose(columns: dict[str, list[Any]], *overrides: str, name: str | None = None) -> tuple[str, Space]:
    pq.write_table(pa.table(columns), "my.parquet")
    own = read_own_data("my.parquet", name, overrides, lambda _: None)
    text = compose_space(own, overrides, "spaces/my.yaml", lambda _: None)
    Path("spaces").mkdir(exist_ok=True)
    Path("spaces/my.yaml").write_text(text)
    return text, load_space("spaces/my.yaml")


def rows(number: int, words: int = 8) -> dict[str, list[Any]]:
    return {
        "text": [" ".join(f"w{(row * place) % 97}" for place in range(words - 1)) + f" {row}" for row in range(number)],
        "label": ["often" if row % 5 else "rare" for row in range(number)],
    }


@pytest.mark.parametrize("number", [60, 1_500])
@pytest.mark.parametrize("name", [None, "quick", "thorough"])
def test_the_space_loads_and_its_rows_can_be_read(number: int, name: str | None) -> None:
    _, space = compose(rows(number), name=name)
    assert len(load_checked(space, lambda _: None)[1].train) > number // 2


def test_comments_say_what_was_seen() -> None:
    text, _ = compose({**rows(100), "user": [f"user {row % 9}" for row in range(100)]})
    assert "# 100 rows. Half of them have 8 words or fewer; 95 % have 8 words or fewer.\n" in text
    assert "# 2 labels, with the rows of each: 'often' 80, 'rare' 20.\n" in text
    assert "# The commonest label has 4.0 times as many rows as the rarest one.\n" in text
    assert "#     tuner run spaces/my.yaml\n" in text
    assert "--set data.group=user keeps them in one split" in text
    assert "  # left unused: 'user'\n" in text
    assert "docstring" not in text


def test_few_rows_are_judged_in_folds_and_the_search_sizes_itself() -> None:
    text, space = compose(rows(200))
    assert (space.data.folds, space.data.validation) == (5, None)
    assert "  max_epochs: auto #" in text


def test_the_first_setting_of_the_shipped_space_is_kept_as_far_as_the_space_allows_it() -> None:
    _, space = compose(rows(200), "space.hidden=32", name="quick")
    (first,) = space.first
    assert "hidden" not in first
    assert first["pooling"] == "max"


def test_lengths_of_texts_without_spaces_are_in_characters() -> None:
    text, space = compose({**rows(200), "text": [f"今天收到包装不错，{row:03}。" * 10 for row in range(200)]})
    assert "Half of them have 130 characters or fewer; 95 % have 130 characters or fewer.\n" in text
    assert "  tokens: [character, {bpe: {size: [4000, 8000]}}]\n\n" in text
    assert "  max_length: 130 # 95 % have 130 characters or fewer\n" in text
    assert space.parameters["max_length"].value == 130  # type: ignore[union-attr]


def test_what_was_changed_or_is_wrong_with_the_rows_is_said() -> None:
    pq.write_table(
        pa.table({**rows(100), "label": ["often" if row % 25 else "rare" for row in range(100)]}), "my.parquet"
    )
    said: list[str] = []
    compose_space(read_own_data("my.parquet", None, (), said.append), (), "spaces/my.yaml", said.append)
    assert any(line.startswith("note: fewer than 5 rows of test have these labels") for line in said)


def test_many_rows_get_more_time() -> None:
    _, few = compose(rows(3_000, words=14))
    _, many = compose(rows(12_000, words=14))
    assert many.data.folds is None
    assert few.search.seconds == 210
    assert 600 < (many.search.seconds or 0) < 900


def test_settings_on_the_command_line_are_written() -> None:
    text, space = compose({**rows(200), "body": rows(200)["text"]}, "data.text=body", "data.folds=3", "space.hidden=32")
    assert (space.data.text, space.data.folds) == ("body", 3)
    assert "  hidden: 32\n" in text


def test_names_that_are_not_plain_yaml_survive() -> None:
    nasty = "label: #1\nsearch: {time: 1s}"
    own = rows(100)
    _, space = compose({"my [text]": own["text"], nasty: own["label"], "odd\nname": [1] * 100, "id": list(range(100))})
    assert (space.data.text, space.data.label) == ("my [text]", nasty)


def test_labels_with_line_breaks_stay_in_their_comment() -> None:
    own = rows(100)
    _, space = compose({**own, "label": [f"{label}\ntask: binary" for label in own["label"]]})
    assert space.task == "binary"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(200, "3m30s"), (210, "3m30s"), (301, "6m"), (3_599, "1h"), (5_000, "1h30m"), (30, "30s")]
)
def test_times_are_rounded_up_to_what_people_write(seconds: float, shown: str) -> None:
    assert show_time(seconds) == shown
