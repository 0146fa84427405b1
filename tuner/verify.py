"""Whether a run's directory is whole: every checksum, every file, and tables that say the same."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.errors import Fault

_RESTORE = "restore it from a copy"
_CLOSE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a look at a run's directory found; `status` is that of `Run`, "unreadable" where a file keeps it from being read."""

    name: str
    status: str
    has_manifest: bool
    faults: tuple[Fault, ...]
