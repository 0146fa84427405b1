"""The file of results: one JSON object a line, appended as each training ends, and good after a kill at any moment."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

from benchmarks.row import SkippedError

Line = dict[str, Any]
Key = tuple[str, str, int, int]


class ResultsError(Exception):
    """A file of results that cannot be read or gone on with."""


def read_results(path: Path) -> list[Line]:
    """Return the lines of a file; a last line without its end is left out. Raises ResultsError for one that is no JSON."""
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1].decode()
    lines = []
    for number, text in enumerate(whole.splitlines(), start=1):
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError as error:
            raise ResultsError(f"{path}:{number}: is not JSON: {error.msg}; remove the line") from None
    return lines


def drop_cut_line(path: Path) -> int:
    """Cut a last line off that a kill left without its end; return its bytes."""
    if not path.exists():
        return 0
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
    return len(content) - whole


def append(file: TextIO, line: Line) -> None:
    """Write one line and see it to the disk."""
    file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
    file.flush()
    os.fsync(file.fileno())


def key_of(line: Line) -> Key:
    """What tells a training from every other one."""
    return line["set"], line["remedy"], line["seed"], line["replica"]


def by_key(lines: Iterable[Line]) -> dict[Key, Line]:
    """Return the last line of each training."""
    return {key_of(line): line for line in lines}


def exit_code(command: Callable[[Namespace], int], arguments: Namespace) -> int:
    """Run a command that can be stopped and gone on with, and return what its script ends with."""
    try:
        return command(arguments)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    except (ResultsError, SkippedError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
