"""Find the file of a data set, on a local path or any `pyarrow.fs` URI, and the format that its name says."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path, PurePosixPath

import pyarrow as pa
from pyarrow import fs

from tuner.data.formats.content import first_line
from tuner.data.name_lists import suggest_name
from tuner.errors import DataError, StorageError, data_error
from tuner.storage import extension, locate

FORMATS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".ts": "ts",
    ".arff": "arff",
}
EXTENSIONS = "known are .parquet, .csv and .jsonl (also .ndjson and .json), and .ts and .arff for series"


def format_of(uri: str) -> str:
    """Return the format that the extension names. Raises DataError."""
    kind = extension(uri)
    if kind in FORMATS:
        return FORMATS[kind]
    if uri.endswith("/") or ("://" not in uri and _is_folder(uri)):
        raise data_error(uri, "this is a folder, not a file", "name one file in it")
    what = f"the extension {kind!r} names no format" if kind else "the name has no extension"
    raise data_error(uri, f"{what}, so its format is unknown", EXTENSIONS)


def _is_folder(path: str) -> bool:
    try:
        return Path(path).expanduser().is_dir()
    except (OSError, RuntimeError, ValueError):  # opening an impossible path reports it
        return False


def locate_file(uri: str, extensions: Collection[str] | None) -> tuple[fs.FileSystem, str]:
    """Return the file system of an existing file and its path there. Suggested names have one of `extensions` (None: any)."""
    try:
        files, path = locate(uri)
    except StorageError as error:
        raise DataError(error.faults) from error
    try:
        kind = files.get_file_info(path).type
    except (OSError, pa.ArrowException, ValueError) as error:
        remedy = "check the address, the network and the credentials" if "://" in uri else "check the path"
        raise data_error(uri, f"cannot be reached ({first_line(error)})", remedy) from error
    if kind == fs.FileType.Directory:
        raise data_error(uri, "this is a folder, not a file", "name one file in it")
    if kind == fs.FileType.NotFound:
        raise data_error(uri, f"there is no file {path}", _missing_file_remedy(files, PurePosixPath(path), extensions))
    return files, path


def _missing_file_remedy(files: fs.FileSystem, path: PurePosixPath, extensions: Collection[str] | None) -> str:
    try:
        inside = files.get_file_info(fs.FileSelector(str(path.parent)))
    except (OSError, pa.ArrowException):
        return f"there is no folder {path.parent} either"
    names = [info.base_name for info in inside if extensions is None or extension(info.base_name) in extensions]
    if names:
        return suggest_name(path.name, names)
    return f"no file in {path.parent} has a known format ({EXTENSIONS})" if extensions else "check the path"
