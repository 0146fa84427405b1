"""Settings that name files. A relative path in a space file belongs to the folder of that file; in a `--set`, to this folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from glob import glob
from pathlib import Path
from typing import Any

from tuner.space.assignment import assignment, set_option
from tuner.space.document import Document
from tuner.space.overrides import override, rewrite

_OF_DATA = ("train", "validation", "test", "judge")
_VECTORS = ("space", "embedding", "file", "path")


@dataclass(frozen=True)
class SettledFiles:
    """A document whose paths can be opened from this folder, the overrides that made it so, and notes for people."""

    document: Document
    assignments: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def settle_files(document: Document, folder: Path, *, linked: Path | None = None) -> SettledFiles:
    """Make the relative paths of a space in `folder` such that they can be opened from this folder.

    Word vectors get an absolute path, because it is a setting of every trial and must not depend on where a run is resumed.
    A file that is only in this folder is read, with a note: older versions looked for it there. So is one that is only in
    `linked`, the folder of the file that the space is a link to.
    """
    assignments, notes = [], []
    for key, value in _files(document.tree):
        is_given_here = bool(document.place(_place_key(document, key)).override)
        settled = value if is_given_here or str(folder) == "." else _join(folder, value)
        target = None if linked is None or is_given_here else _join(linked, value)
        if target is not None and _is_there(target) and not _is_there(settled) and not _is_there(value):
            name = ".".join(key)
            notes.append(f"{name}: there is no {settled}, so {target} is read, beside the file that the space links to")
            settled = target
        elif os.path.realpath(settled) == os.path.realpath(value):
            settled = value
        elif _is_there(value):
            name = ".".join(key)
            if _is_there(settled):
                notes.append(f"{name} is {settled}, in the folder of the space; {value} in this folder is not used")
            else:
                notes.append(_say_where(name, value, folder))
                settled = value
        if key[0] == "space":
            settled = str(Path(settled).absolute())
        if settled != value:
            assignments.append(assignment(".".join(key), settled))
    return SettledFiles(_with_values(document, assignments), tuple(assignments), tuple(notes))


def with_absolute_files(document: Document, text: str) -> str:
    """Return the text of a space with absolute paths, so that it means the same wherever it is read."""
    assignments = [assignment(".".join(key), absolute(value)) for key, value in _files(document.tree)]
    return rewrite(text, assignments) if assignments else text


def paths_for_folder(document: Document, folder: Path) -> list[str]:
    """Return overrides that write the relative paths of a document's `--set` as a space in `folder` does."""
    return [
        assignment(".".join(key), path_from(folder, value))
        for key, value in _files(document.tree)
        if document.place(_place_key(document, key)).override
    ]


def absolute(path: str) -> str:
    """Return a local path as an absolute one; URIs and built-in sets stay as they are."""
    return os.path.normpath(Path(path).absolute()) if _is_relative(path) else path


def path_from(folder: Path, path: str) -> str:
    """Return a path as a space in `folder` writes it."""
    return os.path.relpath(path, folder) if _is_relative(path) else path


def _files(tree: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the dotted key and the value of every setting that names a relative path."""
    data = tree.get("data")
    for name in _OF_DATA if isinstance(data, dict) else ():
        if _is_relative(data.get(name)):
            yield ("data", name), data[name]
    space = tree.get("space")
    embedding = space.get("embedding") if isinstance(space, dict) else None
    choice = embedding.get("choice") if isinstance(embedding, dict) else None
    options = choice or embedding
    for option in options if isinstance(options, list) else [options]:
        parameters = option.get("file") if isinstance(option, dict) else None
        if isinstance(parameters, dict) and _is_relative(parameters.get("path")):
            yield (*_VECTORS[:2], "choice", *_VECTORS[2:]) if choice else _VECTORS, parameters["path"]


def _place_key(document: Document, key: tuple[str, ...]) -> tuple[str | int, ...]:
    """Return a dotted key with its positions in lists, as the places of a document have it."""
    return (*document.option(_VECTORS[:2], "file"), "path") if key[0] == "space" else key


def _is_relative(path: Any) -> bool:
    """Return whether a value is a local path that depends on the folder; "~" and addresses do not."""
    if not isinstance(path, str) or not path or "\0" in path:
        return False
    return ":" not in path.partition("/")[0] and path[0] not in "/~"


def _join(folder: Path, path: str) -> str:
    """Return the path of a file in `folder`, without `..` where that means the same file."""
    joined = os.path.join(folder, path)  # noqa: PTH118 (a Path would drop a leading "./" and a trailing "/")
    plain = os.path.normpath(joined)
    return plain if os.path.realpath(plain) == os.path.realpath(joined) else joined


def _is_there(path: str) -> bool:
    return Path(path).exists() or bool(glob(path))  # noqa: PTH207 (the path may hold a pattern anywhere)


def _say_where(name: str, value: str, folder: Path) -> str:
    return (
        f"{name}: there is no {value} in {folder}, the folder of the space, so the one in this folder is read; write "
        f"{name.rpartition('.')[2]}: {path_from(folder, value)}, or give it with {set_option(name, value)}"
    )


def _with_values(document: Document, assignments: Sequence[str]) -> Document:
    """Return the document with these values. Their places stay those where people wrote them."""
    return replace(override(document, assignments), places=document.places)
