"""Find the files of a source: one file, a folder of parts or a pattern, on a local path or any `pyarrow.fs` URI."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import escape
from itertools import takewhile
from pathlib import PurePosixPath

import pyarrow as pa
from pyarrow import fs

from tuner.data.formats.content import Reading, first_line, python_line
from tuner.data.formats.names import EXTENSIONS, FORMATS, format_of, known_format
from tuner.data.name_lists import list_names, suggest_name
from tuner.errors import DataError, StorageError, data_error
from tuner.storage import extension, join, locate, split

_NOT_ROWS = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")  # of Hugging Face's datasets
_WORDS = "train|training|validation|valid|val|dev|test|testing|eval|evaluation|holdout|unsupervised"
_SPLIT = re.compile(rf"(?:{_WORDS})(?![a-z])", re.IGNORECASE)
_OF = re.compile(r"(?P<before>.*?)(?P<number>\d+)-of-(?P<count>\d+)(?P<after>.*)")
_SPARK = re.compile(r"(?P<before>part-)(?P<number>\d{5})(?P<after>.*)")


@dataclass(frozen=True)
class Part:
    """One file of a source: its address for messages, and its path in the file system."""

    uri: str
    path: str


@dataclass(frozen=True)
class Source:
    """The files of a source, in the order in which they are read. All have one format."""

    files: fs.FileSystem
    parts: tuple[Part, ...]


def locate_source(uri: str, reading: Reading) -> Source:
    """Return the files of a file, a folder or a pattern. Notes say how many there are, and which are missing or ignored.

    The pattern may hold *, ? and […] in the name of the file, not in those of folders. Raises DataError.
    """
    folder, name = split(uri)
    is_pattern = any(mark in name for mark in "*?[") and not _exists(uri)
    files, path, kind = _look_up(folder if is_pattern else uri)
    if kind == fs.FileType.Directory or (is_pattern and kind != fs.FileType.NotFound):
        source = _several(uri, folder if is_pattern else uri, files, path, name if is_pattern else "*", reading)
        _note_missing([PurePosixPath(part.path).name for part in source.parts], uri, reading)
        return source
    if any(mark in folder for mark in "*[") and kind == fs.FileType.NotFound:
        raise data_error(uri, "a pattern in the name of a folder is not read", "put it into the name of the files only")
    if kind == fs.FileType.NotFound and not extension(uri) and not is_pattern:
        remedy = _missing_file_remedy(files, PurePosixPath(path), None)
        raise data_error(uri, f"there is no file or folder {path}", remedy)
    if reading.format_name is None:
        format_of(uri)
    if kind == fs.FileType.NotFound or is_pattern:
        raise data_error(uri, f"there is no file {path}", _missing_file_remedy(files, PurePosixPath(path), FORMATS))
    _note_other_parts(uri, files, path, reading)
    return Source(files, (Part(uri, path),))


def locate_quietly(uri: str) -> Source | None:
    """Return the files of a source without notes, or None if they cannot be found. Reading them reports the fault."""
    try:
        return locate_source(uri, Reading())
    except DataError:
        return None


def locate_file(uri: str, extensions: Collection[str] | None) -> tuple[fs.FileSystem, str]:
    """Return the file system of an existing file and its path there. Suggested names have one of `extensions` (None: any)."""
    files, path, kind = _look_up(uri)
    if kind == fs.FileType.Directory:
        raise data_error(uri, "this is a folder, not a file", "name one file in it")
    if kind == fs.FileType.NotFound:
        raise data_error(uri, f"there is no file {path}", _missing_file_remedy(files, PurePosixPath(path), extensions))
    return files, path


def _look_up(uri: str) -> tuple[fs.FileSystem, str, fs.FileType]:
    try:
        files, path = locate(uri)
    except StorageError as error:
        raise DataError(error.faults) from error
    try:
        return files, path, files.get_file_info(path).type
    except (OSError, pa.ArrowException, ValueError) as error:
        remedy = "check the address, the network and the credentials" if "://" in uri else "check the path"
        raise data_error(uri, f"cannot be reached ({first_line(error)})", remedy) from error


def _exists(uri: str) -> bool:
    try:
        return bool(_look_up(uri)[2] != fs.FileType.NotFound)
    except DataError:  # such as a URI that may not contain a pattern
        return False


def _missing_file_remedy(files: fs.FileSystem, path: PurePosixPath, extensions: Collection[str] | None) -> str:
    try:
        inside = files.get_file_info(fs.FileSelector(str(path.parent)))
    except (OSError, pa.ArrowException):
        return f"there is no folder {path.parent} either"
    names = [info.base_name for info in inside if extensions is None or known_format(info.base_name)]
    if names:
        return suggest_name(path.name, names)
    return f"no file in {path.parent} has a known format ({EXTENSIONS})" if extensions else "check the path"


# --- folders and patterns -------------------------------------------------------------------------------------------


def _several(uri: str, folder: str, files: fs.FileSystem, path: str, pattern: str, reading: Reading) -> Source:
    """Return the files of a folder whose names match, in the order of their names. Raises DataError."""
    infos = _list_folder(folder, files, path)
    rows = {info.base_name: info.path for info in infos if info.is_file and _has_rows(info.base_name)}
    names = sorted(name for name in rows if fnmatchcase(name, pattern))
    known = [name for name in names if known_format(name)]
    if not known and pattern != "*":
        if names:
            format_of(join(folder, names[0]))  # names the format that is not read
        raise data_error(
            uri, f"no file in {path} matches {pattern!r}", f"the files are {list_names(sorted(rows)) or 'none'}"
        )
    if not known:
        raise _nothing_to_read(folder, files, infos, reading)
    _refuse_several_kinds(uri, folder, known, reading)
    if ignored := [name for name in names if name not in known]:
        reading.note(f"{uri}: not read, because the name says no known format: {list_names(ignored)}")
    if len(known) > 1:
        reading.note(
            f"{uri}: {len(known):,} files are read as one, from {known[0]} to {known[-1]}, and their rows are numbered through"
        )
    return Source(files, tuple(Part(join(folder, name), rows[name]) for name in known))


def _list_folder(folder: str, files: fs.FileSystem, path: str) -> Sequence[fs.FileInfo]:
    try:
        infos: Sequence[fs.FileInfo] = files.get_file_info(fs.FileSelector(path))
    except (OSError, pa.ArrowException) as error:
        raise data_error(folder, f"cannot be listed ({first_line(error)})", "ask for permission to read it") from error
    return infos


def _has_rows(name: str) -> bool:
    """Return whether a name is not that of a hidden file, a mark such as _SUCCESS, or a description."""
    return not name.startswith(("_", ".")) and name not in _NOT_ROWS


def _nothing_to_read(folder: str, files: fs.FileSystem, infos: Sequence[fs.FileInfo], reading: Reading) -> DataError:
    what = "the folder holds no file of a known format"
    below = sorted(info.base_name for info in infos if not info.is_file and _has_rows(info.base_name))
    if any("=" in name for name in below):
        code = (
            "import pyarrow.dataset as d, pyarrow.parquet as p; "
            'p.write_table(d.dataset({}, partitioning="hive").to_table(), {})'
        )
        line = python_line(code, folder, f"{PurePosixPath(folder).name or 'rows'}-all.parquet")
        return data_error(
            folder,
            f"{what}: values of a column are the names of folders, as in {below[0]!r}",
            f"write one file: {line}",
        )
    for name in below:
        inside = _list_folder(folder, files, next(info.path for info in infos if info.base_name == name))
        if any(info.is_file and known_format(info.base_name) for info in inside):
            others = f" ({len(below)} folders are in it)" if len(below) > 1 else ""
            return data_error(
                folder,
                f"{what}, but the folder {name!r} in it does{others}",
                f"name it: {reading.set_source(join(folder, name))}",
            )
    return data_error(folder, what, EXTENSIONS)


def _refuse_several_kinds(uri: str, folder: str, names: Sequence[str], reading: Reading) -> None:
    """Refuse files of several formats, and files of several splits, such as train-1.csv beside test-1.csv."""
    formats: dict[str, list[str]] = {}
    splits: dict[str, list[str]] = {}
    for name in names:
        formats.setdefault(known_format(name) or "", []).append(name)
        word = _SPLIT.match(name)
        splits.setdefault(word[0].lower() if word else "", []).append(name)
    for groups, what in ((formats, "formats"), (splits, "splits")):
        if len(groups) > 1:
            wanted = (reading.source or "train").rpartition(".")[2]
            first = min(groups, key=lambda key: (not (key and wanted.startswith(key)), -len(groups[key])))
            patterns = {key: _pattern(group, names) for key, group in groups.items()}
            others = list_names([repr(pattern) for key, pattern in patterns.items() if key != first])
            remedy = f"name one kind: {reading.set_source(join(folder, patterns[first]))}; the others are {others}"
            raise data_error(uri, f"there are files of {len(groups)} {what} here", remedy)


def _pattern(group: Sequence[str], names: Sequence[str]) -> str:
    """Return a pattern that matches the files of the group, and if possible no others."""
    if len(group) == 1:
        return escape(group[0])
    prefix = "".join(each[0] for each in takewhile(lambda each: len(set(each)) == 1, zip(*group, strict=False)))
    word = re.match(r"[A-Za-z]*[-_.]?", prefix)
    ends = {"".join(PurePosixPath(name).suffixes[-2:]) for name in group} | {extension(name) for name in group}
    ends = {end for end in ends if end and all(name.endswith(end) for name in group)}
    for begin in (word[0] if word else "", escape(prefix)):
        for end in (*sorted(ends), ""):
            pattern = f"{begin}*{end}"
            if {name for name in names if fnmatchcase(name, pattern)} == set(group):
                return pattern
    return f"{escape(prefix)}*"


# --- numbered parts -------------------------------------------------------------------------------------------------


def _note_missing(names: Sequence[str], uri: str, reading: Reading) -> None:
    """Note which parts of a numbered set, such as train-00001-of-00003.parquet, are missing."""
    found: dict[tuple[str, int, str], set[int]] = {}
    for name in names:
        if match := _OF.fullmatch(name):
            key = (match["before"], int(match["count"]), match["after"])
            found.setdefault(key, set()).add(int(match["number"]))
    for (before, count, _), numbers in found.items():
        missing = count - len(numbers & set(range(count)))
        if missing:
            first = next(number for number in range(count) if number not in numbers)
            reading.note(f"{uri}: {missing:,} of {count:,} parts {before}… are missing; the first is number {first}")


def _note_other_parts(uri: str, files: fs.FileSystem, path: str, reading: Reading) -> None:
    """Note that a file is one of several parts."""
    place = PurePosixPath(path)
    match = _OF.fullmatch(place.name) or _SPARK.fullmatch(place.name)
    if match is None:
        return
    of = f"-of-{match['count']}" if match.re is _OF else ""
    after = match["after"] if of else extension(place.name)
    pattern = f"{escape(match['before'])}*{of}{escape(after)}"
    infos = _list_folder(uri, files, str(place.parent))
    siblings = [info.base_name for info in infos if info.is_file and fnmatchcase(info.base_name, pattern)]
    if len(siblings) > 1:
        remedy = f"to read all: {reading.set_source(join(split(uri)[0], pattern))}"
        reading.note(f"{uri}: this is 1 of {len(siblings):,} parts in its folder, and only its rows are read; {remedy}")
    if of:
        _note_missing(siblings, uri, reading)
