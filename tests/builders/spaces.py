"""A space file from a text, and the faults that reading it reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.errors import SpaceError
from tuner.space.load import load_space


def write(folder: Path, text: str) -> str:
    path = folder / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def faults(folder: Path, text: str, *overrides: str) -> list[str]:
    """Return the faults of a file with this text, without the folder's name."""
    with pytest.raises(SpaceError) as caught:
        load_space(write(folder, text), overrides)
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]
