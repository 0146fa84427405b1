"""Spaces from a text, the faults that reading them reports, and the spaces of the commands in help and headers."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from tuner.errors import SpaceError
from tuner.search.own_data import read_own_data
from tuner.space.load import Space, load_space


def write(folder: Path, text: str) -> str:
    path = folder / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def faults(folder: Path, text: str, *overrides: str) -> list[str]:
    """Return the faults of a file with this text, without the folder's name."""
    with pytest.raises(SpaceError) as caught:
        load_space(write(folder, text), overrides)
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


def load_example(command: list[str]) -> Space:
    """Load the space of a command such as `tuner run SPACE --data FILE --set …`, and write the FILE in the working directory."""
    overrides = [word for before, word in pairwise(command) if before == "--set"]
    space = None if command[2].startswith("-") else Path(command[2]).stem
    if "--data" in command:
        file = command[command.index("--data") + 1]
        write_rows(Path(file))
        own = read_own_data(file, space, overrides, lambda _: None)
        space, overrides = own.space, [*own.assignments, *overrides]
    return load_space(space or "multilabel", overrides)


def write_rows(path: Path) -> None:
    """Write 60 rows with the columns that the examples in help and headers name."""
    rows = range(60)
    table = pa.table(
        {
            "text": [f"this is text number {row}" for row in rows],
            "body": [f"and here is body number {row}" for row in rows],
            "label": ["often" if row % 3 else "rare" for row in rows],
            "kind": ["abc"[row % 3] for row in rows],
            "topics": [["a|b", "b", "a"][row % 3] for row in rows],
            "is_spam": [str(row % 2) for row in rows],
        }
    )
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pyarrow.parquet.write_table(table, path)
