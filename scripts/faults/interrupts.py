"""Signals in every phase of a search, as a person, a shutdown and `ray job stop` send them. Two processes that want one run."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from faults.search import Ended, FaultOutcome, SearchProcess, compare, require, searching

FLUSHED_WITHIN_S = 3.0
_SECOND_SIGNAL_AFTER_S = 0.3
_JOB_STOP_WAITS_S = 3.0  # RAY_JOB_STOP_WAIT_TIME_S
PHASES = ("reading data", "before the first report", "trials", "closing")

Send = Callable[[SearchProcess], None]


def terminate(search: SearchProcess) -> None:
    """SIGTERM."""
    search.signal(signal.SIGTERM)


def interrupt(search: SearchProcess) -> None:
    """SIGINT."""
    search.signal(signal.SIGINT)


def interrupt_twice(search: SearchProcess) -> None:
    """Send SIGINT twice, as an impatient person does."""
    search.signal(signal.SIGINT)
    time.sleep(_SECOND_SIGNAL_AFTER_S)
    if search.process.poll() is None:
        search.signal(signal.SIGINT)


def stop_job(search: SearchProcess) -> None:
    """Send SIGTERM, and SIGKILL three seconds later, as `ray job stop` does."""
    search.signal(signal.SIGTERM)
    deadline = time.monotonic() + _JOB_STOP_WAITS_S
    while search.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    if search.process.poll() is None:
        search.signal(signal.SIGKILL)


def has_come_to(search: SearchProcess, phase: str, measurements: int) -> bool:
    """Return whether the running command is in a phase. `reports` is the number of measurements when it started."""
    output = search.log.read_text()
    if phase == "reading data":
        return "run: " in output
    if not ("resumed: " in output if search.verb == "resume" else search.has_begun()):
        return False
    if phase == "before the first report":
        return True
    if phase == "trials":
        return len(search.measurements()) > measurements
    finalists = [row["ending"] for row in search.trials().values() if row["phase"] == "finalist"]
    return bool(finalists) and None not in finalists


def signalled(
    folder: Path, sends: Mapping[str, Send], *, fault: str, seed: int, overrides: Sequence[str] = ()
) -> FaultOutcome:
    """Send a search a signal in each phase, and resume it each time. `sends` holds the signal of each phase."""
    lost = repeated = 0
    seconds, exits, flushes = [], {}, {}
    settings = (f"search.seed={seed}", *overrides)
    with searching(folder) as search:
        search.run(*settings)
        for phase, send in sends.items():
            count = len(search.measurements()) if search.has_begun() else 0
            began = search.has_begun()
            search.wait_until(lambda phase=phase, count=count: has_come_to(search, phase, count))
            before, sent_at = search.finished(), time.monotonic()
            flushes[phase] = _send_and_watch(search, send)
            ended = search.finish(timeout_s=60)
            exits[phase] = time.monotonic() - sent_at
            _check_end(search, ended, phase, is_killed=send is stop_job)
            search.wait_until_alone(besides_agents=True)
            more = compare(before, search.trials())
            lost, repeated = lost + more[0], repeated + more[1]
            if search.has_begun():
                search.resume()
            else:
                require(not began, "a run that had begun is gone")
                search.run(*settings)
            if phase == "trials":
                seconds.append(_seconds_until_report(search, sent_at))
        search.finish_well()
        require(not search.faults(), str(search.faults()))
        require(not search.litter(), str(search.litter()))
    notes = {"exit_s": exits, "flushed_s": flushes}
    return FaultOutcome(fault=fault, times=len(sends), lost=lost, repeated=repeated, seconds=seconds, notes=notes)


def _send_and_watch(search: SearchProcess, send: Send) -> float:
    """Send a signal. Return the seconds until every trial in the ledger has an ending, at most FLUSHED_WITHIN_S."""
    sent_at = time.monotonic()
    send(search)
    while any(row["ending"] is None for row in search.trials().values()):
        waited = time.monotonic() - sent_at
        require(waited < FLUSHED_WITHIN_S, f"trials without an ending {waited:.1f} s after the signal")
        time.sleep(0.02)
    return time.monotonic() - sent_at


def _check_end(search: SearchProcess, ended: Ended, phase: str, *, is_killed: bool) -> None:
    if is_killed and ended.code == -signal.SIGKILL:
        return  # it had its three seconds
    if phase == "closing" and ended.code == 0:
        return  # the signal came too late
    require(ended.code == 130, f"{phase}: exit code {ended.code}: {ended.stderr[-1000:]}")
    for noise in ("Traceback", "Exception ignored"):
        require(noise not in ended.stderr, f"{phase}: {ended.stderr[-2000:]}")
    if search.has_begun():
        command = f"tuner resume {search.location}"
        require(command in ended.stderr, f"{phase}: the command to resume is missing: {ended.stderr[-1000:]}")
        require(not search.faults(), f"{phase}: {search.faults()}")


def _seconds_until_report(search: SearchProcess, since: float) -> float:
    count = len(search.measurements())
    search.wait_until(lambda: len(search.measurements()) > count)
    return time.monotonic() - since


def sigterm(folder: Path, *, seed: int) -> FaultOutcome:
    """Send SIGTERM in every phase."""
    return signalled(folder, dict.fromkeys(PHASES, terminate), fault="SIGTERM at every phase", seed=seed)


def sigint(folder: Path, *, seed: int) -> FaultOutcome:
    """Send SIGINT in every phase."""
    return signalled(folder, dict.fromkeys(PHASES, interrupt), fault="SIGINT at every phase", seed=seed)


def sigint_twice(folder: Path, *, seed: int) -> FaultOutcome:
    """Send SIGINT twice in every phase."""
    return signalled(folder, dict.fromkeys(PHASES, interrupt_twice), fault="SIGINT twice at every phase", seed=seed)


def job_stop(folder: Path, *, seed: int) -> FaultOutcome:
    """Do as `ray job stop` does in every phase."""
    return signalled(folder, dict.fromkeys(PHASES, stop_job), fault="`ray job stop` at every phase", seed=seed)


# --- two at once --------------------------------------------------------------------------------------------------------


def two_runs(folder: Path, *, seed: int) -> FaultOutcome:
    """Start two runs with the same name at once."""
    with searching(folder) as search:
        overrides = ("search.trials=1", "search.finalists=1", "search.max_epochs=1", f"search.seed={seed}")
        search.run(*overrides)
        refused = refuse_one(search, "run", search.space, "--name", search.location.name, "--runs",
                              search.location.parent, *(word for each in overrides for word in ("--set", each)))  # fmt: skip
        require(not search.faults(), str(search.faults()))
    return FaultOutcome(fault="two `tuner run` of one name", times=1, notes={"refused": refused})


def two_resumes(folder: Path, *, seed: int) -> FaultOutcome:
    """Resume a run twice at once."""
    with searching(folder) as search:
        search.run("search.trials=3", f"search.seed={seed}")
        search.wait_until(search.finished)
        before = search.finished()
        search.kill_driver()
        search.resume()
        refused = refuse_one(search, "resume", search.location)
        require(not search.faults(), str(search.faults()))
        lost, repeated = compare(before, search.trials())
    notes = {"refused": refused}
    return FaultOutcome(fault="two `tuner resume` of one run", times=1, lost=lost, repeated=repeated, notes=notes)


def refuse_one(search: SearchProcess, *arguments: str | Path) -> str:
    """Run a command beside the running one. Return the message of the one that was refused; it must say why."""
    second = search.start_beside(*arguments)()
    first = search.finish()
    winner, loser = (first, second) if second.code == 2 else (second, first)
    require(winner.code == 0 and loser.code == 2, f"codes {first.code} and {second.code}: {loser.stderr[-1000:]}")
    refusals = ("another process is at work on this run (process ", "there is a run of this name already")
    require(any(each in loser.stderr for each in refusals), loser.stderr[-1000:])  # the latter if it was much later
    return loser.stderr.strip().splitlines()[-1]


FAULTS: tuple[Callable[..., FaultOutcome], ...] = (sigterm, sigint, sigint_twice, job_stop, two_runs, two_resumes)
