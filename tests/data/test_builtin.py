import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tuner.data import builtin
from tuner.data.builtin import DIGITS_SCHEMA, PARAMETERS, SCHEMA, builtin_table
from tuner.data.table_reader import fingerprint, read_table
from tuner.errors import DataError
from tuner.space.settings import GROUP_OF_BUILTIN

SOURCE = '''
def scale(values, axis=0, *, copy=True):
    """Scale the
    values.

    More about it.
    """
    def inner(axis):
        """Not counted, because it is inside another function."""

def twice(axis):
    """Scale the values."""

def plain(values):
    """Takes none of the parameters."""

def untold(axis): pass

class Frame:
    async def fill(self, fill_value):
        """Fill the holes."""

if True:
    def seeded(random_state, /):
        r"""Draw with a seed."""
'''


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small installed package instead of the real ones, and an empty cache."""
    root = tmp_path / "smalllib"
    (root / "tests").mkdir(parents=True)
    (root / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (root / "main.py").write_text(SOURCE)
    (root / "_vendored").mkdir()
    for left_out in ("tests/helpers.py", "test_main.py", "_vendored/other.py"):
        (root / left_out).write_text('def other(axis):\n    """A test or not theirs."""\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(builtin, "LIBRARIES", {"click": "smalllib"})
    monkeypatch.setenv("TUNER_CACHE", str(tmp_path / "cache"))
    return root


def test_the_rows_follow_the_rule_and_nothing_is_imported(library: Path) -> None:
    assert builtin_table("builtin:docstrings").to_pylist() == [
        {
            "text": text,
            "labels": labels,
            "function": f"smalllib.main.{name}",
            "library": "click",
            "is_method": is_method,
        }
        for text, labels, name, is_method in [
            ("Scale the values.", ["axis", "copy"], "scale", False),
            ("Fill the holes.", ["fill_value"], "Frame.fill", True),
            ("Draw with a seed.", ["random_state"], "seeded", False),
        ]
    ]
    assert "smalllib" not in sys.modules


def test_the_second_reading_is_from_the_cache(library: Path) -> None:
    first = builtin_table("builtin:docstrings")
    (library / "main.py").unlink()
    assert builtin_table("builtin:docstrings").equals(first)


@pytest.mark.parametrize("content", [b"", b"spoilt"])
def test_a_damaged_cache_is_built_again(library: Path, tmp_path: Path, content: bytes) -> None:
    first = builtin_table("builtin:docstrings")
    (cached,) = (tmp_path / "cache").iterdir()
    cached.write_bytes(content)
    assert builtin_table("builtin:docstrings").equals(first)
    assert cached.read_bytes() != content


def test_another_version_of_a_library_has_another_cache(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint("builtin:docstrings")
    monkeypatch.setattr("importlib.metadata.version", lambda name: "99")
    assert fingerprint("builtin:docstrings") != before


def test_a_cache_folder_that_cannot_be_written_is_reported(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TUNER_CACHE", str(tmp_path / "file" / "cache"))
    lines: list[str] = []
    assert builtin_table("builtin:docstrings", lines.append).num_rows == 3
    assert any("cannot be saved" in line for line in lines)


def test_a_file_that_cannot_be_parsed_is_left_out_and_reported(library: Path) -> None:
    (library / "broken.py").write_text('def f(axis):\n    """Text."""\n    print "old"\n')
    lines: list[str] = []
    assert builtin_table("builtin:docstrings", lines.append).num_rows == 3
    assert any("broken.py" in line for line in lines)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(DataError, match=r"builtin:docstring: .*did you mean 'builtin:docstrings'\?"):
        read_table("builtin:docstring")


def test_an_unknown_column_is_refused(library: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'label'; did you mean 'labels'\?"):
        read_table("builtin:docstrings", ["label"])


def test_all_builtin_names_are_listed_if_none_is_close() -> None:
    with pytest.raises(DataError, match="known: builtin:digits, builtin:docstrings"):
        read_table("builtin:another name altogether")


def test_the_digits_are_8_steps_of_8_channels_and_imbalanced_by_the_rule() -> None:
    table = builtin_table("builtin:digits")
    labels = table["label"].to_pylist()
    assert table.schema == DIGITS_SCHEMA
    assert [labels.count(str(digit)) for digit in range(10)] == [178, 139, 109, 86, 67, 53, 41, 32, 25, 20]
    sequences = np.array(table["sequence"].to_pylist())
    assert sequences.shape == (750, 8, 8)
    assert (sequences.min(), sequences.max()) == (0, 16)


def test_a_digit_is_read_from_its_top_row_of_pixels() -> None:
    """A seven has a bar at the top, a four has none."""
    table = builtin_table("builtin:digits")
    labels, sequences = np.array(table["label"].to_pylist()), np.array(table["sequence"].to_pylist())
    top_of = {label: sequences[labels == label][:, :1].mean() for label in ("4", "7")}
    assert top_of["7"] > 2 * top_of["4"]


def test_the_digits_have_a_fingerprint_of_their_own() -> None:
    assert fingerprint("builtin:digits") == fingerprint("builtin:digits") != fingerprint("builtin:docstrings")


@pytest.mark.slow
def test_the_real_set_is_imbalanced_and_each_row_has_a_label() -> None:
    """This uses the user's own cache, so only the first test run builds the set."""
    table = builtin_table("builtin:docstrings")
    labels = table["labels"].to_pylist()
    counts = {name: sum(name in row for row in labels) for name in PARAMETERS}
    assert table.schema == SCHEMA
    assert 3000 < table.num_rows < 6000
    assert all(labels)
    assert len(set(table["text"].to_pylist())) == table.num_rows == len(set(table["function"].to_pylist()))
    assert min(counts.values()) >= 100
    assert max(counts.values()) > 5 * min(counts.values())
    assert len(set(table["library"].to_pylist())) == 9


@pytest.mark.parametrize(("uri", "schema"), [("builtin:docstrings", SCHEMA), ("builtin:digits", DIGITS_SCHEMA)])
def test_the_group_that_a_built_in_set_knows_is_one_of_its_columns(uri: str, schema: pa.Schema) -> None:
    assert GROUP_OF_BUILTIN.get(uri, schema.names[0]) in schema.names
