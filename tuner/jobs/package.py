"""What travels to a cluster with a job: the space, and the files of rows that it names, if they are small."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tuner.data.builtin import is_builtin
from tuner.data.formats.content import Reading
from tuner.data.source_files import locate_quietly, locate_source
from tuner.errors import Fault, UsageError
from tuner.space.assignment import assignment, set_options
from tuner.space.domains import Fixed, OptionChoice
from tuner.space.load import Space
from tuner.space.overrides import rewrite

MOST_BYTES = 50_000_000
"""Of all files together. Ray keeps packages in the memory of the head, and every node gets a copy."""
_ROWS = ("train", "validation", "test", "judge")
_MEGABYTE = 1_000_000
_DIGITS = 20


@dataclass(frozen=True)
class Package:
    """A zip file for a job. `space` is the name of the space in it, `notes` are for people."""

    name: str
    content: bytes
    space: str
    notes: tuple[str, ...] = ()


def make_package(space: Space) -> Package:
    """Return the package of a space, whose settings name the files that travel by their places in the package.

    Local files of rows travel. Addresses, such as s3://bucket/rows.parquet, are read where they are; so is an absolute path at
    which this machine has nothing. Raises UsageError if the files are too large, and DataError if one is missing.
    """
    files: dict[str, Path] = {}
    settings: dict[Path, str] = {}
    folders: dict[Path, str] = {}
    assignments, notes = list[str](), _notes_on_vectors(space)
    for name, value in _local_rows(space):
        if Path(value).is_absolute() and locate_quietly(value) is None:
            notes.append(f"data.{name}: this machine has no {value}, so the head of the cluster must have it")
            continue
        paths = [Path(part.path) for part in locate_source(value, Reading()).parts]
        folder = folders.setdefault(paths[0].parent, f"rows-{len(folders) + 1}")
        files |= {f"{folder}/{path.name}": path for path in paths}
        settings |= dict.fromkeys(paths, name)
        place = folder if Path(value).is_dir() else f"{folder}/{Path(value).name}"
        assignments.append(assignment(f"data.{name}", place))
    _refuse_large(settings)
    space_name = f"{Path(space.source).stem}.yaml"
    text = rewrite(space.text, assignments) if assignments else space.text
    contents = {space_name: text.encode(), **{name: path.read_bytes() for name, path in files.items()}}
    return Package(name=_name(contents), content=_zip(contents), space=space_name, notes=tuple(notes))


def _local_rows(space: Space) -> Iterator[tuple[str, str]]:
    """Yield the name and the value of every setting that names rows on this machine."""
    for name in _ROWS:
        value = getattr(space.data, name)
        if isinstance(value, str) and "://" not in value and not is_builtin(value):
            yield name, value


def _notes_on_vectors(space: Space) -> list[str]:
    """Say where word vectors must be. They are a setting of every trial, so their path may not change."""
    embedding = space.parameters.get("embedding")
    options = dict(embedding.options) if isinstance(embedding, OptionChoice) else {}
    path = options.get("file", {}).get("path")
    if not isinstance(path, Fixed):
        return []
    return [f"word vectors do not travel: the head of the cluster must have {path.value}"]


def _refuse_large(settings: Mapping[Path, str]) -> None:
    """Raise UsageError if files, here with the settings that name them, are too large to travel."""
    size = sum(path.stat().st_size for path in settings)
    if size <= MOST_BYTES:
        return
    largest = max(settings, key=lambda path: path.stat().st_size)
    what = f"the files of rows have {size / _MEGABYTE:,.0f} MB, and at most {MOST_BYTES / _MEGABYTE:.0f} MB travel with a job"
    example = set_options(**{settings[largest]: f"s3://BUCKET/{largest.name}"})
    remedy = (
        f"put them where every node reads them, and name that place, as in {example}; file:///mnt/data/{largest.name} says "
        "that the nodes have a file at that path"
    )
    raise UsageError([Fault(str(largest), what, remedy)])


def _name(contents: Mapping[str, bytes]) -> str:
    """Return the name of a package, which is the same for the same contents."""
    digest = hashlib.sha256()
    for name, content in sorted(contents.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return f"tuner-{digest.hexdigest()[:_DIGITS]}.zip"


def _zip(contents: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
        for name, content in contents.items():
            package.writestr(name, content)
    return file.getvalue()
