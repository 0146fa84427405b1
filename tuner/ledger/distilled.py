"""The distilled model of a run: a bundle beside the champion's, and the file that describes it.

distilled/       the bundle
distilled.json   how it was made, how it compares, and a checksum of each file of the bundle; written last

The run's manifest lists neither. So a model can be distilled after the run has finished, and again after it was given more.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from tuner.errors import Fault
from tuner.ledger.run_files import read_json_file
from tuner.storage import Folder

DISTILLED = "distilled"
OUTSIDE_MANIFEST = (f"{DISTILLED}/", f"{DISTILLED}.json")
"""How the names of these files begin."""


def write_description(parent: Folder, name: str, described: Mapping[str, Any]) -> None:
    """Write NAME.json beside the bundle NAME, with the checksums of the bundle's files."""
    bundle = parent.below(name)
    files = {each: _entry(bundle.read(each)) for each in bundle.all_files()}
    content = json.dumps({**described, "files": files}, indent=1, ensure_ascii=False)
    parent.write(f"{name}.json", content.encode())


def read_distilled(run: Folder) -> dict[str, Any]:
    """Return the content of distilled.json; nothing if the run has no distilled model. Raises LedgerError."""
    described: dict[str, Any] = read_json_file(run, DISTILLED, {})
    return described


def damaged_distilled(run: Folder, location: str) -> Iterator[Fault]:
    """Yield a fault for each file of the distilled model that is missing, was changed, or is not part of it.

    `location` is that of the run, for commands.
    """
    described, bundle = read_distilled(run), run.below(DISTILLED)
    remedy = f"distil it again: {shlex.join(['tuner', 'distil', location, '--force'])}"
    present = bundle.all_files()
    if not described:
        if present:
            yield Fault(str(bundle), f"there is no {DISTILLED}.json, so this was cut off while it was written", remedy)
        return
    listed = described.get("files")
    if not isinstance(listed, dict):
        yield Fault(f"{run}/{DISTILLED}.json", "its list of files was not written by tuner", remedy)
        return
    for name in sorted({*present, *listed}):
        if name not in present:
            yield Fault(f"{bundle}/{name}", f"{DISTILLED}.json lists this file, but it is not there", remedy)
        elif name not in listed:
            yield Fault(
                f"{bundle}/{name}", f"not part of the bundle: {DISTILLED}.json does not list it", "move it elsewhere"
            )
        elif _entry(bundle.read(name)) != listed[name]:
            yield Fault(f"{bundle}/{name}", f"its checksum (SHA-256) is not the one in {DISTILLED}.json", remedy)


def _entry(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
