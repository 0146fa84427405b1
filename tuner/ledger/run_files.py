"""The files of a run besides its tables, read and checked one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from tuner.errors import Fault, LedgerError, MissingFileError
from tuner.ledger.tables import SCHEMAS
from tuner.storage import Folder

FORMAT = 2
_RESTORE = "the rest of the run can still be read; restore this file from a copy"
_RESTORE_SPACE = "restore it from a copy; with an empty file, the rest of the run can be read"


def refuse_other_formats(folder: Folder, environment: Any) -> None:
    """Raise LedgerError for a run in another format. Runs in format 1 did not record the format."""
    is_object = isinstance(environment, Mapping)
    recorded = environment.get("format", 1) if is_object else None
    if recorded == FORMAT:
        return
    versions = environment.get("versions") if is_object else None
    version = versions.get("tuner") if isinstance(versions, Mapping) else None
    remedy = f"read it with tuner {version or 'of the version that wrote it'}, or search again"
    raise LedgerError(
        [Fault(f"{folder}/environment.json", f"ledger format {recorded}, but this tuner reads {FORMAT}", remedy)]
    )


def read_json_file(folder: Folder, name: str, absent: Any) -> Any:
    """Return the content of NAME.json, `absent` if there is no such file. Raises LedgerError for content of another kind."""
    try:
        content = json.loads(folder.read(f"{name}.json"))
    except MissingFileError:
        return absent
    except (ValueError, RecursionError) as error:
        raise LedgerError([Fault(f"{folder}/{name}.json", f"not valid JSON ({error})", _RESTORE)]) from error
    if not isinstance(content, type(absent)):
        kind = "a list" if isinstance(absent, list) else "an object"
        raise LedgerError([Fault(f"{folder}/{name}.json", f"not {kind}", _RESTORE)])
    return content


def refuse_odd(folder: Folder, name: str) -> NoReturn:
    """Raise LedgerError for a file that is missing, or is not as tuner writes it."""
    is_there = folder.exists(f"{name}.json")
    what = "does not hold what tuner writes there" if is_there else "the file is missing"
    raise LedgerError([Fault(f"{folder}/{name}.json", what, _RESTORE)])


def changed_files(folder: Folder, manifest: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield a fault for each file of the ledger that is missing, or not as long as the manifest says.

    This reads no file. `tuner.ledger.verify` also compares checksums, and checks models.
    """
    listed = manifest.get("files")
    entries = {
        name: entry
        for name, entry in (listed.items() if isinstance(listed, dict) else ())
        if "/" not in name or name.split("/")[0] in (*SCHEMAS, "predictions")
    }
    for (name, entry), size in zip(entries.items(), folder.map(folder.size, list(entries)), strict=True):
        written = entry.get("bytes") if isinstance(entry, dict) else None
        if size is None:
            yield Fault(f"{folder}/{name}", "the file is missing", _RESTORE)
        elif isinstance(written, int) and size != written:
            yield Fault(f"{folder}/{name}", f"changed: {size:,} bytes, but {written:,} were written", _RESTORE)


def read_space_text(folder: Folder, environment: Mapping[str, Any]) -> str:
    """Return the text of space.yaml or, if the file is lost, the copy of it in `environment`. Raises LedgerError."""
    try:
        return folder.read("space.yaml").decode()
    except MissingFileError as error:
        text = environment.get("space_text")
        if isinstance(text, str):
            return text
        raise LedgerError([Fault(f"{folder}/space.yaml", "the file is missing", _RESTORE_SPACE)]) from error
    except UnicodeDecodeError as error:
        what = f"damaged: byte {error.object[error.start]:#04x} is not UTF-8 text"
        raise LedgerError([Fault(f"{folder}/space.yaml", what, _RESTORE_SPACE)]) from error
