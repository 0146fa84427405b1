"""The readers of .ts and .arff: the series of the UCR and UEA archives, and Weka's tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuner.data.dataset import Columns
from tuner.data.load import read_labelled
from tuner.data.sequences import Sequences
from tuner.data.table_reader import read_table
from tuner.errors import DataError

Write = Callable[[str, str], str]

TS = """#A comment
@problemName Toy
@timeStamps false
@missing true
@univariate false
@dimensions 2
@equalLength false
@classLabel true up down
@data
1.0,2,?:3,4,?:up
5:6:down
"""
PLAIN = """% A comment
@RELATION toy
@attribute att0 numeric
@attribute 'att 1' REAL
@attribute target {1,2}
@data
1.0, 2.5,1
% another
3e0,?,2
"""
RELATIONAL = r"""@relation toy
@attribute channels relational
  @attribute att0 numeric
  @attribute att1 numeric
@end channels
@attribute class {up,down}
@data
"1,2\n3,4",up
'5,6\n7,?',down
"""
TEXTS = r"""@relation toy
@attribute body string
@attribute "the size" integer
@attribute when date "yyyy-MM-dd"
@attribute topic {sport, 'world news'}
@data
'it\'s 1, 2',3,"2026-01-31",'world news'
?,4,2026-02-01,sport
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(name: str, content: str) -> str:
        (tmp_path / name).write_text(content)
        return str(tmp_path / name)

    return to_file


def _series(path: str, **columns: str) -> tuple[list[Any], list[str]]:
    split, _ = read_labelled(
        path,
        Columns(**({"sequence": "sequence", "label": "label"} | columns)),
        task="multiclass",
        labels=("up", "down", "1", "2"),
    )
    assert isinstance(split.inputs, Sequences)
    labels = ("up", "down", "1", "2")
    rows = [split.inputs.row(number).tolist() for number in range(len(split.inputs))]
    return rows, [labels[target] for target in split.targets]


def test_a_ts_file_has_the_columns_sequence_and_label(write: Write) -> None:
    assert _series(write("toy.ts", TS)) == ([[[1, 3], [2, 4]], [[5, 6]]], ["up", "down"])


def test_a_ts_file_without_labels_has_sequences_alone(write: Write) -> None:
    table = read_table(write("toy.ts", "@classLabel false\n@data\n1,2\n3\n"))
    assert table.to_pydict() == {"sequence": [[[1], [2]], [[3]]]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("@timeStamps false", "@timeStamps true"), r"toy\.ts:3: its values have timestamps"),
        (("@data", "@dota"), r"there is data before a line @data|there is no line @data"),
        (("5:6:down", "5:6:left"), r"toy\.ts:11: the line ends in 'left', which @classLabel does not list"),
        (("5:6:down", "5:6,7:down"), r"toy\.ts:11: the 2 channels have different numbers of values, from 1 to 2"),
        (("5:6:down", "5:x:down"), r"toy\.ts:11: 'x' is not a number"),
        (("5:6:down", "down"), r"toy\.ts:11: the line has no colon"),
        (("5:6:down", "5:down"), r"row .: the sequence in column 'sequence' does not have . channels as most rows do"),
        (("1.0,2,?:3,4,?:up\n5:6:down\n", ""), r"there is no line after @data"),
    ],
)
def test_what_is_wrong_in_a_ts_file_is_named_with_its_line(write: Write, change: tuple[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        _series(write("toy.ts", TS.replace(*change)))


def test_the_message_about_a_missing_column_names_those_of_a_series(write: Write) -> None:
    with pytest.raises(
        DataError, match=r"the columns are 'sequence', 'label'; did you mean 'label'\? Then --label label"
    ):
        _series(write("toy.ts", TS), label="labels")


def test_numeric_attributes_are_the_steps_and_the_class_is_the_label(write: Write) -> None:
    path = write("toy.arff", PLAIN)
    assert _series(path) == ([[[1], [2.5]], [[3]]], ["1", "2"])
    assert _series(path, label="target")[1] == ["1", "2"]
    assert read_table(path, ["att 1", "target"]).to_pydict() == {
        "att 1": [2.5, pytest.approx(float("nan"), nan_ok=True)],
        "target": ["1", "2"],
    }


def test_lines_of_a_relational_attribute_are_the_channels(write: Write) -> None:
    path = write("toy.arff", RELATIONAL.replace("7,?", "7,8"))
    assert _series(path) == ([[[1, 3], [2, 4]], [[5, 7], [6, 8]]], ["up", "down"])
    assert _series(path, sequence="channels", label="class") == _series(path)


def test_attributes_of_texts_keep_their_names_and_are_no_sequence(write: Write) -> None:
    table = read_table(write("toy.arff", TEXTS))
    assert table.column_names == ["label", "body", "the size", "when", "topic"]
    assert table["body"].to_pylist() == ["it's 1, 2", None]
    assert table["label"].to_pylist() == table["topic"].to_pylist() == ["world news", "sport"]
    assert table["when"].to_pylist() == ["2026-01-31", "2026-02-01"]


@pytest.mark.parametrize(
    ("content", "change", "message"),
    [
        (PLAIN, ("3e0,?,2", "3e0,2"), r"toy\.arff:9: 2 values where there are 3 attributes; put texts"),
        (PLAIN, ("3e0,?,2", "3e0,oops,2"), r"toy\.arff:9: 'oops' is not a number"),
        (PLAIN, ("3e0,?,2", "3e0,?,3"), r"toy\.arff:9: '3' is not one of the values of attribute 'target'"),
        (PLAIN, ("3e0,?,2", "{0 3e0, 2 2}"), r"toy\.arff:9: the row is sparse .* SparseToNonSparse"),
        (PLAIN, ("att0 numeric", "att0"), r"toy\.arff:3: '@attribute att0' is no attribute; write @attribute NAME"),
        (PLAIN, ("@data", ""), r"toy\.arff:7: '1.0, 2.5,1' is no line of a header; begin"),
        (PLAIN, ("1.0, 2.5,1\n% another\n3e0,?,2\n", ""), r"there is no line after @data"),
        (
            TEXTS,
            ("'it\\'s 1, 2'", "'it's 1, 2'"),
            r"toy\.arff:7: a quote is not closed, or has text before or after it",
        ),
        (RELATIONAL, ("3,4", "3"), r"toy\.arff:8: the 2 channels have different numbers of values, from 1 to 2"),
    ],
)
def test_what_is_wrong_in_an_arff_file_is_named_with_its_line(
    write: Write, content: str, change: tuple[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_table(write("toy.arff", content.replace(*change)))
