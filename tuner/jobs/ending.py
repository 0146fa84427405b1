"""How the run of a job ended: as its ledger says, because Ray calls a search that missed --require a failure."""

from __future__ import annotations

from collections.abc import Callable

from tuner.errors import SearchFailed, SearchInterrupted
from tuner.jobs.job_server import Job
from tuner.jobs.submission import read_ledger
from tuner.scoring.verdict import Requirement, meets

UNMET_EXIT_CODE = 3
_OF_TUNER = (0, 2, UNMET_EXIT_CODE, SearchInterrupted.exit_code)
"""Exit codes that only tuner gives, and that say what its ledger says."""
_NOT_FOUND = 127  # a shell's, for an unknown command


def exit_code(job: Job, require: Requirement | None, say: Callable[[str], None]) -> int:
    """Return the exit code of the run of a job that has ended, and say what the job's log does not.

    The command's own exit code counts if it can only be tuner's. Otherwise the ledger does, if it can be read from here.
    """
    if job.exit_code in _OF_TUNER:
        return job.exit_code or 0
    if job.exit_code == _NOT_FOUND:
        say(
            "error: the head of the cluster does not find tuner; start its Ray where `tuner` is on the PATH, as in "
            "PATH=~/tuner/.venv/bin:$PATH ray start --head"
        )
        return SearchFailed.exit_code
    run = read_ledger(job)
    if run is not None and run.status == "finished":
        say(f"the run is finished: {run.location}")
        is_met = require is None or meets(run.manifest["verdict"], require)
        return 0 if is_met else UNMET_EXIT_CODE
    reason = f" ({job.message.splitlines()[0]})" if job.message and job.exit_code is None else ""
    state = f"; the run is {run.status}" if run is not None else ""
    say(f"job {job.id} is {job.status}{reason}{state}; submit it again to go on with the run")
    is_interrupted = job.status == "STOPPED" if run is None else run.status == "interrupted"
    return SearchInterrupted.exit_code if is_interrupted else SearchFailed.exit_code
