"""Folders on a local disk or any `pyarrow.fs` location, with atomic writes.

Every problem with a place raises a StorageError that names the place.
"""

from __future__ import annotations

import errno
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

import pyarrow as pa
from pyarrow import fs

from tuner.errors import Fault, MissingFileError, StorageError

# Errors of file systems. pyarrow raises some for an invalid path, Python for an unknown home directory and invalid Unicode.
_FILE_SYSTEM_ERRORS = (OSError, pa.ArrowException, ValueError, RuntimeError)
_MAX_REASON = 200
_OPTIONS = {
    "s3": ("allow_delayed_open", "true"),  # a small file is one request, not three
    "gs": ("retry_limit_seconds", "30"),  # its client would retry for 15 minutes
    "gcs": ("retry_limit_seconds", "30"),
}
"""A query that the addresses of a scheme get unless they have it."""
_STORES = ("s3", "gcs", "abfs")
_AT_ONCE = 16  # requests
_opened: list[fs.FileSystem] = []

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_WITHOUT_LOCKS = "choose a place whose file system has locks (flock), or an object store such as s3://BUCKET/runs"
_REMEDIES = {
    errno.EACCES: "choose a place you have access to, or ask for permission",
    errno.EPERM: "choose a place you have access to, or ask for permission",
    errno.EROFS: "choose a writable place",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "part of the path is a file, not a folder: choose another place",
    errno.EEXIST: "a file exists where a folder is needed: choose another place",
    errno.EISDIR: "name a file, not a folder",
    errno.ENOSPC: "free some space, or choose another place",
    errno.EDQUOT: "free some space, or choose another place",
    errno.ENAMETOOLONG: "use a shorter name",
    **dict.fromkeys((errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP), _WITHOUT_LOCKS),
}


@dataclass(frozen=True)
class Folder:
    """A folder in a file system. Paths below it are relative and use "/". `ahead` has what was read by `read_ahead`."""

    files: fs.FileSystem
    path: str
    ahead: Mapping[str, bytes | StorageError] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def at(cls, location: str | Path) -> Folder:
        """Open a local path or a URI such as s3://bucket/runs. The folder need not exist. Raises StorageError."""
        return cls(*locate(str(location)))

    @property
    def is_local(self) -> bool:
        """Whether the folder is in this machine's own file system, which may be a network mount."""
        return isinstance(self.files, fs.LocalFileSystem)

    @property
    def is_store(self) -> bool:
        """Whether the folder is in an object store: folders need not be made, and a file is replaced as a whole."""
        return self.files.type_name in _STORES

    def below(self, name: str) -> Folder:
        """Return the folder of this name below this one."""
        return Folder(self.files, f"{self.path}/{name}")

    def exists(self, name: str = "") -> bool:
        """Return whether a file or folder of that name exists. Raises StorageError."""
        with errors_named(self._shown(name), "cannot be reached"):
            kind = self.files.get_file_info(self._full(name)).type
        return bool(kind != fs.FileType.NotFound)

    def size(self, name: str) -> int | None:
        """Return the number of bytes of a file, or None if there is no such file. Raises StorageError."""
        with errors_named(self._shown(name), "cannot be reached"):
            info = self.files.get_file_info(self._full(name))
        return info.size if info.type == fs.FileType.File else None

    def is_folder(self) -> bool:
        """Return whether this exists and is a folder. Raises StorageError."""
        with errors_named(str(self), "cannot be reached"):
            return bool(self.files.get_file_info(self.path).type == fs.FileType.Directory)

    def read(self, name: str) -> bytes:
        """Read a whole file. Raises StorageError, or MissingFileError if there is no such file."""
        if (known := self.ahead.get(name)) is not None:
            if isinstance(known, StorageError):
                raise known
            return known
        with (
            errors_named(self._shown(name), "cannot be read"),
            self.files.open_input_stream(self._full(name)) as stream,
        ):
            content: bytes = stream.readall()
        return content

    def read_ahead(self, names: Sequence[str]) -> Folder:
        """Return this folder with these files read already, all at once, if each request takes its time."""

        def attempt(name: str) -> bytes | StorageError:
            try:
                return self.read(name)
            except StorageError as error:
                return error

        return self if self.is_local else replace(self, ahead=dict(zip(names, self.map(attempt, names), strict=True)))

    def map(self, use: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
        """Return what `use`, which reads files here, makes of each item: of several at once if each request takes its time."""
        if self.is_local:
            return list(map(use, items))
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return list(threads.map(use, items))

    def write(self, name: str, content: bytes | pa.Buffer) -> None:
        """Write a whole file, replacing any of that name. A reader sees all of it or none. Raises StorageError."""
        with errors_named(self._shown(name), "cannot be written"):
            self._write(name, content)

    def check_writable(self) -> None:
        """Check that files can be written here, leaving nothing behind. Raises StorageError.

        If a bucket is missing and the address allows it, it is created.
        """
        with errors_named(str(self), "nothing can be written there"):
            if not self.is_local:
                self._check_remote()
                return
            nearest = Path(self.path)
            while not nearest.exists():  # missing folders will be made in the nearest one that exists
                nearest = nearest.parent
            with tempfile.TemporaryDirectory(prefix=".tuner-", suffix=".draft", dir=nearest) as folder:
                Path(folder, "probe").write_bytes(b"x")

    def _check_remote(self) -> None:
        probe = f"probe-{uuid.uuid4().hex[:8]}.draft"
        try:
            self._write(probe, b"x")
        except OSError as error:
            if "NO_SUCH_BUCKET" not in str(error):
                raise
            self.files.create_dir(self.path.partition("/")[0])
            self._write(probe, b"x")
        self.files.delete_file(self._full(probe))

    def _write(self, name: str, content: bytes | pa.Buffer) -> None:
        target = self._full(name)
        if not self.is_store:
            self.files.create_dir(target.rsplit("/", 1)[0], recursive=True)
        if not self.is_local:  # object stores show only complete files, and cannot rename
            with self.files.open_output_stream(target) as stream:
                stream.write(content)  # in one piece: closing a stream after a part of it would complete the file
            return
        draft = f"{target}.{uuid.uuid4().hex[:8]}.draft"
        try:
            Path(draft).write_bytes(content)
            Path(draft).replace(target)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise

    def names(self) -> list[str]:
        """Return the sorted names of files and folders here, without drafts; none if the folder does not exist.

        Raises StorageError, also if this is a file.
        """
        with errors_named(str(self), "cannot be listed"):
            infos = self.files.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        return sorted(info.base_name for info in infos if not _is_draft(info.base_name))

    def all_files(self) -> list[str]:
        """Return the sorted relative paths of all files here and below, without drafts. Raises StorageError."""
        selector = fs.FileSelector(self.path, allow_not_found=True, recursive=True)
        with errors_named(str(self), "cannot be listed"):
            infos: Sequence[fs.FileInfo] = self.files.get_file_info(selector)
        start = len(self.path.rstrip("/")) + 1
        return sorted(info.path[start:] for info in infos if info.is_file and not _is_draft(info.base_name))

    def delete(self, name: str) -> None:
        """Delete a file if it exists. Raises StorageError."""
        with errors_named(self._shown(name), "cannot be deleted"):
            try:
                self.files.delete_file(self._full(name))
            except FileNotFoundError:
                return
            except OSError:
                if self.exists(name):
                    raise

    def delete_folder(self, name: str) -> None:
        """Delete a folder and its contents if it exists. Raises StorageError."""
        with errors_named(self._shown(name), "cannot be deleted"):
            try:
                self.files.delete_dir(self._full(name))
            except OSError:
                if self.exists(name):
                    raise

    def delete_drafts(self) -> None:
        """Delete half-written files that killed writers left here and below. Raises StorageError."""
        if self.is_local:
            with errors_named(str(self), "cannot be cleared of drafts"):
                for draft in Path(self.path).rglob("*.draft"):
                    if draft.is_file():
                        draft.unlink(missing_ok=True)

    def __str__(self) -> str:
        return self.path if self.is_local else f"{self.files.type_name}://{self.path}"

    def _full(self, name: str) -> str:
        return f"{self.path.rstrip('/')}/{name}" if name else self.path

    def _shown(self, name: str) -> str:
        return f"{str(self).rstrip('/')}/{name}" if name else str(self)


def locate(location: str) -> tuple[fs.FileSystem, str]:
    """Return the file system of a local path or a URI, and the path within it. Raises StorageError."""
    if "://" not in location:
        with errors_named(location, "is not a usable path"):
            return fs.LocalFileSystem(), str(Path(location).expanduser().absolute())
    uri = location
    option, value = _OPTIONS.get(uri.partition("://")[0], ("", ""))
    if option not in uri:
        uri += f"{'&' if '?' in uri else '?'}{option}={value}"
    with errors_named(location, "cannot be reached"):
        files, path = fs.FileSystem.from_uri(uri)
    for known in _opened:  # its connections are open already
        if known == files:
            return known, path
    _opened.append(files)
    return files, path


def join(location: str, name: str) -> str:
    """Return the location of a name in a folder. The query of a URI, after "?", stays at the end."""
    place, query = _without_query(location)
    return f"{place.removesuffix('/')}/{name}{query}"


def split(location: str) -> tuple[str, str]:
    """Split a location into folder and name, the reverse of `join`."""
    place, query = _without_query(location)
    folder, slash, name = place.rpartition("/")
    if folder.endswith("/"):  # the slashes after the colon of a URI
        folder += "/"
    return f"{folder or slash or '.'}{query}", name


def trim(location: str) -> str:
    """Return a location without slashes at its end."""
    place, query = _without_query(location)
    return f"{place.rstrip('/')}{query}"


def name_of(location: str) -> str:
    """Return the last name of a location."""
    return PurePosixPath(_without_query(location)[0]).name


def extension(location: str) -> str:
    """Return the extension of a file name in lower case, with its dot, or an empty string."""
    return PurePosixPath(name_of(location)).suffix.lower()


def _without_query(location: str) -> tuple[str, str]:
    place, mark, query = location.partition("?") if "://" in location else (location, "", "")
    return place, mark + query


@contextmanager
def errors_named(where: str, what: str) -> Iterator[None]:
    """Turn errors of file systems within the block into a StorageError that names the place."""
    try:
        yield
    except StorageError:
        raise
    except _FILE_SYSTEM_ERRORS as error:
        number = error.errno if isinstance(error, OSError) else None
        reason = os.strerror(number) if number else _first_line(error)
        if number in _REMEDIES:
            remedy = _REMEDIES[number]
        elif reason.startswith("Unrecognized"):
            remedy = "download it and use a local path, or use s3://, gs://, abfs:// or hdfs://"
        elif "://" in where:
            remedy = "check the address, the network and the credentials"
        else:
            remedy = "check the path"
        kind = MissingFileError if isinstance(error, FileNotFoundError) else StorageError
        raise kind([Fault(where, f"{what} ({reason})", remedy)]) from error


def _first_line(error: BaseException) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line if len(line) <= _MAX_REASON else line[: _MAX_REASON - 1] + "…"


def _is_draft(name: str) -> bool:
    return name.endswith(".draft")
