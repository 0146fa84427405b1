"""The file of results: one JSON object per line, appended when a training ends and readable after a kill at any moment.

Finished results can be kept as one small Parquet file with the same rows.
"""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

from benchmarks.row import SkippedError

Line = dict[str, Any]
Key = tuple[str, str, int, int]
_AS_JSON = ("change", "tree")  # columns of the Parquet file that hold nested values


class ResultsError(Exception):
    """A file of results that cannot be read or continued."""


def read_results(path: Path) -> list[Line]:
    """Return the lines of a JSON Lines or Parquet file. A last line that was cut short is left out.

    In lines from a Parquet file a value that the JSON line lacks is None. Raises ResultsError for a line that is not JSON.
    """
    if not path.exists():
        return []
    if path.suffix == ".parquet":
        return _read_parquet(path)
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1].decode()
    lines = []
    for number, text in enumerate(whole.splitlines(), start=1):
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError as error:
            raise ResultsError(f"{path}:{number}: is not JSON: {error.msg}; remove the line") from None
    return lines


def _read_parquet(path: Path) -> list[Line]:
    import pyarrow.parquet as pq

    lines: list[Line] = pq.read_table(path).to_pylist()
    for line in lines:
        line.update({name: json.loads(line[name]) for name in _AS_JSON if line.get(name) is not None})
    return lines


def write_parquet(lines: Sequence[Line], path: Path) -> None:
    """Write lines of results as one Parquet file, a row per line."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = dict.fromkeys(name for line in lines for name in line)
    rows = [
        {name: json.dumps(line[name]) if name in _AS_JSON and name in line else line.get(name) for name in columns}
        for line in lines
    ]
    pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd", compression_level=19)


def drop_cut_line(path: Path) -> int:
    """Remove a last line that a kill left unfinished. Return its length in bytes."""
    if not path.exists():
        return 0
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
    return len(content) - whole


def append(file: TextIO, line: Line) -> None:
    """Write one line and flush it to the disk."""
    file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
    file.flush()
    os.fsync(file.fileno())


def key_of(line: Line) -> Key:
    """Return what identifies a training: set, remedy, seed and replica."""
    return line["set"], line["remedy"], line["seed"], line["replica"]


def by_key(lines: Iterable[Line]) -> dict[Key, Line]:
    """Return the last line of each training."""
    return {key_of(line): line for line in lines}


def exit_code(command: Callable[[Namespace], int], arguments: Namespace) -> int:
    """Run a command that can be stopped and continued. Return the exit code of its script."""
    try:
        return command(arguments)
    except KeyboardInterrupt:
        print("stopped; run the same command again to continue", file=sys.stderr)
        return 130
    except (ResultsError, SkippedError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
