"""--data on the command line: validate, plan, run and init with one's own rows. tests/cluster covers searches."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pytest

from builders.fixtures import Call

ROWS = 60


def write(columns: dict[str, list], name: str = "my.csv") -> None:
    pyarrow.csv.write_csv(pa.table(columns), name)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    texts = [f"this is the text with number {row}" for row in range(ROWS)]
    write(
        {
            "id": list(range(ROWS)),
            "comment": texts,
            "toxic": [row % 2 for row in range(ROWS)],
            "rude": [row % 3 // 2 for row in range(ROWS)],
        }
    )
    write({"title": texts, "body": texts[::-1], "label": ["x", "y"] * (ROWS // 2)}, "two.csv")


def test_validate_with_data_says_what_was_found_and_reads_the_rows(call: Call) -> None:
    code, out, err = call("validate", "--data", "my.csv")
    assert (code, out) == (0, "")
    found = "text 'comment'; labels 'toxic', 'rude' (0 and 1, several per row); task multilabel; left unused: 'id'"
    assert f"data: my.csv: 60 rows; {found}\n" in err
    assert "multilabel.yaml (shipped with tuner)" in err
    assert "; 2 labels\n" in err


def test_a_built_in_set_knows_its_group_so_ones_own_rows_need_not_unset_it(call: Call) -> None:
    for more in ((), ("--set", "data.group=null")):
        settings = ("--set", "data.train=two.csv", "--set", "data.text=body", "--set", "data.label=label")
        assert call("validate", "binary", "--with-data", *settings, *more)[0] == 0


@pytest.mark.parametrize("verb", ["validate", "plan", "run", "init"])
def test_columns_that_cannot_be_settled_are_refused_and_the_remedy_works(verb: str, call: Call) -> None:
    code, out, err = call(verb, "--data", "two.csv")
    assert (code, out) == (2, "")
    assert "choose one: --set data.text=title or --set data.text=body" in err
    assert sorted(path.name for path in Path().iterdir()) == ["my.csv", "two.csv"]
    if verb in ("validate", "init"):
        assert call(verb, "--data", "two.csv", "--set", "data.text=body")[0] == 0


@pytest.mark.parametrize("verb", ["validate", "plan", "run"])
def test_without_a_space_and_without_data_the_message_names_both(verb: str, call: Call) -> None:
    code, _, err = call(verb)
    assert code == 2
    assert "no space is named; name one, such as multilabel, or give your own rows with --data FILE" in err


@pytest.mark.parametrize("verb", ["validate", "plan", "run"])
def test_a_file_of_rows_in_place_of_a_space_gets_the_option(verb: str, call: Call) -> None:
    code, _, err = call(verb, "my.csv")
    assert code == 2
    assert "my.csv: this is a file of rows, not a space; use --data my.csv" in err


def test_init_with_data_writes_a_space_that_is_valid(call: Call) -> None:
    code, out, err = call("init", "--data", "my.csv")
    assert (code, out) == (0, "")
    assert "wrote spaces/my.yaml; next: check it with `tuner validate spaces/my.yaml --with-data`" in err
    code, _, err = call("validate", "spaces/my.yaml", "--with-data")
    assert code == 0
    assert "train 51 in 5 folds" in err


def test_init_with_data_does_not_replace_a_file_unless_forced(call: Call) -> None:
    Path("spaces").mkdir()
    Path("spaces/my.yaml").write_text("edited")
    code, _, err = call("init", "--data", "my.csv")
    assert code == 2
    assert "spaces/my.yaml: the file already exists; replace it with --force" in err
    assert Path("spaces/my.yaml").read_text() == "edited"
    assert call("init", "--data", "my.csv", "--force")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (("quick",), "spaces/my.yaml"),
        (("comments.yaml",), "spaces/comments.yaml"),
        (("spaces/comments.yaml",), "spaces/comments.yaml"),
        (("./comments.yaml",), "comments.yaml"),
        (("--to", "mine"), "mine/my.yaml"),
    ],
)
def test_init_takes_a_shipped_space_to_search_or_the_name_of_the_file(
    arguments: tuple[str, ...], path: str, call: Call
) -> None:
    assert call("init", *arguments, "--data", "my.csv")[0] == 0
    assert f"train: {'' if path == 'comments.yaml' else '../'}my.csv" in Path(path).read_text()


def test_init_writes_no_space_to_an_address(call: Call) -> None:
    code, _, err = call("init", "https://example.org/my.yaml", "--data", "my.csv")
    assert code == 2
    assert "a space can only be written to a local folder" in err


def test_init_without_data_applies_settings_too(call: Call) -> None:
    assert call("init", "binary", "--set", "search.time=9m")[0] == 0
    assert "time: 9m" in Path("spaces/binary.yaml").read_text()


def test_a_file_of_another_encoding_and_separator_is_read_with_the_setting_that_the_message_prints(call: Call) -> None:
    lines = [f"schöne Wörter, viele {n};{'gut' if n % 2 else 'schlecht'}" for n in range(ROWS)]
    Path("new.csv").write_bytes(("text;label\n" + "\n".join(lines) + "\n").encode("latin-1"))
    code, _, err = call("validate", "--data", "new.csv")
    assert code == 2
    assert "if it is Western European text, --set data.encoding=latin-1;" in err
    code, _, err = call("validate", "--data", "new.csv", "--set", "data.encoding=latin-1")
    assert code == 0, err
    assert "data: new.csv: 60 rows; text 'text'; label 'label' ('gut' and 'schlecht'); task binary" in err
    assert err.count("its values are separated by ';', not by commas") == 1
    code, _, err = call(
        "validate", "--data", "new.csv", "--set", "data.encoding=latin-1", "--set", 'data.separator=","'
    )
    assert code == 2
