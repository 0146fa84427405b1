"""How the run of a job ended: as its ledger says, because Ray calls a search that missed --require a failure."""

from __future__ import annotations

from collections.abc import Callable

from tuner.errors import InputError, SearchFailed, SearchInterrupted, UsageError
from tuner.jobs.job_server import OF_FINISHED, Job
from tuner.jobs.submission import location_of
from tuner.ledger.run_directory import Run, read_run
from tuner.scoring.verdict import Requirement, meets

_OF_TUNER = (*OF_FINISHED, UsageError.exit_code, SearchInterrupted.exit_code)
"""Exit codes that only tuner gives, and that say what its ledger says."""
_NOT_FOUND = 127  # a shell's, for an unknown command


def read_ledger(job: Job) -> Run | None:
    """Return the run of a job, None if this machine cannot read it."""
    location = location_of(job)
    try:
        return None if location is None else read_run(location)
    except InputError:
        return None


def exit_code(job: Job, require: Requirement | None, say: Callable[[str], None]) -> int:
    """Return the exit code of the run of a job that has ended, and say what the job's log does not.

    The command's own exit code counts if it can only be tuner's, and if the job was submitted with `require`. Otherwise the
    ledger does, if it can be read from here.
    """
    is_asked_otherwise = require is not None and job.has_finished_run and f"--require {require}" not in job.entrypoint
    if job.exit_code in _OF_TUNER and not is_asked_otherwise:
        return job.exit_code or 0
    if job.exit_code == _NOT_FOUND:
        say(
            "error: the head of the cluster does not find tuner; start its Ray where `tuner` is on the PATH, as in "
            "PATH=~/tuner/.venv/bin:$PATH ray start --head"
        )
        return SearchFailed.exit_code
    run = read_ledger(job)
    if run is not None and run.status == "finished":
        verdict = run.manifest["verdict"]
        is_met = require is None or meets(verdict, require)
        unmet = "" if is_met else f"; --require {require} is not met: the verdict is {verdict}"
        say(f"the run is finished: {run.location}{unmet}")
        return OF_FINISHED[0 if is_met else 1]
    if is_asked_otherwise:
        say(
            f"job {job.id} has finished without --require {require}, and this machine cannot read its run; submit it again"
        )
        return SearchFailed.exit_code
    reason = f" ({job.message.splitlines()[0]})" if job.message and job.exit_code is None else ""
    state = f"; the run is {run.status}" if run is not None else ""
    say(f"job {job.id} is {job.status}{reason}{state}; submit it again to go on with the run")
    is_interrupted = job.status == "STOPPED" if run is None else run.status == "interrupted"
    return SearchInterrupted.exit_code if is_interrupted else SearchFailed.exit_code
