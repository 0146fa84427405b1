"""Folders on a local disk or any `pyarrow.fs` location, and writes that are whole or absent."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import fs


@dataclass(frozen=True)
class Folder:
    """A folder in a file system; paths below it are relative and use "/"."""

    files: fs.FileSystem
    path: str

    @classmethod
    def at(cls, location: str | Path) -> Folder:
        """Open a local path or a URI such as s3://bucket/runs; the folder need not exist. Raises OSError or pa.ArrowException."""
        if "://" in str(location):
            return cls(*fs.FileSystem.from_uri(str(location)))
        return cls(fs.LocalFileSystem(), str(Path(location).expanduser().absolute()))

    @property
    def is_local(self) -> bool:
        """Whether the folder lies on this machine's own file system (which may be a network mount)."""
        return isinstance(self.files, fs.LocalFileSystem)

    def below(self, name: str) -> Folder:
        """Return a folder below this one."""
        return Folder(self.files, f"{self.path}/{name}")

    def exists(self, name: str = "") -> bool:
        """Return whether a file or folder of that name is there."""
        kind = self.files.get_file_info(self._full(name)).type
        return bool(kind != fs.FileType.NotFound)

    def read(self, name: str) -> bytes:
        """Read a whole file. Raises FileNotFoundError or OSError."""
        with self.files.open_input_stream(self._full(name)) as stream:
            content: bytes = stream.readall()
        return content

    def write(self, name: str, content: bytes | pa.Buffer) -> None:
        """Write a whole file, replacing one of that name; a reader sees all of it or none."""
        target = self._full(name)
        self.files.create_dir(target.rsplit("/", 1)[0], recursive=True)
        if not self.is_local:  # object stores show a file when it is complete, and have no rename
            with self.files.open_output_stream(target) as stream:
                stream.write(content)
            return
        draft = f"{target}.{uuid.uuid4().hex[:8]}.draft"
        try:
            Path(draft).write_bytes(content)
            Path(draft).replace(target)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise

    def names(self) -> list[str]:
        """Names of the files and folders here, sorted; none if the folder is not there. Drafts are left out."""
        try:
            found = self.files.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        except NotADirectoryError:
            return []
        return sorted(info.base_name for info in found if not _is_draft(info.base_name))

    def all_files(self) -> list[str]:
        """Paths of all files here and below, relative and sorted. Drafts are left out."""
        selector = fs.FileSelector(self.path, allow_not_found=True, recursive=True)
        found: Sequence[fs.FileInfo] = self.files.get_file_info(selector)
        start = len(self.path.rstrip("/")) + 1
        return sorted(info.path[start:] for info in found if info.is_file and not _is_draft(info.base_name))

    def delete(self, name: str) -> None:
        """Delete a file if it is there."""
        if self.exists(name):
            self.files.delete_file(self._full(name))

    def delete_folder(self, name: str) -> None:
        """Delete a folder and all in it, if it is there."""
        if self.exists(name):
            self.files.delete_dir(self._full(name))

    def __str__(self) -> str:
        return self.path if self.is_local else f"{self.files.type_name}://{self.path}"

    def _full(self, name: str) -> str:
        return f"{self.path}/{name}" if name else self.path


def _is_draft(name: str) -> bool:
    return name.endswith(".draft")
