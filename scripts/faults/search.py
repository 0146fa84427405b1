"""A real search to disturb: `tuner run` and `tuner resume` in processes of their own, and what their ledger holds."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.processes import Process, processes

ROOT = Path(__file__).resolve().parents[2]
SPACE = """
task: multiclass
data: {train: "builtin:digits", sequence: sequence, label: label}
search:
  {algorithm: tpe, trials: 14, max_epochs: 4, grace_epochs: 1, reports_per_epoch: 2, reduction_factor: 2, finalists: 2,
   seeds: 1}
space:
  hidden: {low: 8, high: 32}
  batch_size: 32
  learning_rate: {low: 0.001, high: 0.02, scale: log}
  pooling: [last, mean, max]
  precision: float32
"""
"""A tiny space: a trial takes about a second. TPE has enough trials to learn from before it proposes the last four."""
_POLL_S = 0.05
_AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
_GONE_WITHIN_S = 60.0  # a worker that was just starting looks for its node for some 25 s
_AGENTS_GONE_WITHIN_S = 90.0

Row = Mapping[str, Any]
Held = TypeVar("Held")


@dataclass(frozen=True, kw_only=True)
class FaultOutcome:
    """The outcome of a fault that was caused `times` times.

    `lost` and `repeated` count finished trials. `seconds` are the times from a fault until trials ran again.
    """

    fault: str
    times: int
    lost: int = 0
    repeated: int = 0
    seconds: list[float] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)


class NotAsAskedError(Exception):
    """Something that must hold after a fault does not hold."""


@dataclass(frozen=True)
class Ended:
    """The exit code of a command and what it printed."""

    code: int
    stdout: str
    stderr: str


def require(holds: bool, what: str) -> None:
    """Raise NotAsAskedError if something does not hold. Unlike an assert, this also works with -O."""
    if not holds:
        raise NotAsAskedError(what)


@contextmanager
def searching(
    folder: Path,
    *,
    space: str = SPACE,
    name: str = "night",
    environment: Row | None = None,
    kind: type[SearchProcess] | None = None,
) -> Iterator[SearchProcess]:
    """Yield a search in `folder`. When the block ends, end all its processes and remove what Ray left behind."""
    scratch = tempfile.mkdtemp(
        prefix="tf-"
    )  # short, because Ray's sockets lie below it and their paths may have 107 characters at most
    variables = {"TMPDIR": scratch, **(environment or {})}
    search = (kind or SearchProcess)(folder, space=space, name=name, environment=variables)
    try:
        yield search
    finally:
        search.end()
        shutil.rmtree(scratch, ignore_errors=True)


class SearchProcess:
    """A run in `folder`/runs, and the process that works on it, if there is one."""

    def __init__(self, folder: Path, *, space: str, name: str, environment: Row) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.location = folder, folder / "runs" / name  # a subclass may have an address
        self.space = folder / "space.yaml"
        self.space.write_text(space)
        self.scratch = Path(environment["TMPDIR"])
        self._sessions: set[int] = set()
        self._environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        self._commands = 0
        self._others: list[subprocess.Popen[str]] = []

    # --- commands ---

    def run(self, *overrides: str) -> None:
        """Start `tuner run` with settings such as "search.trials=2"."""
        name, runs = self.location.name, self.location.parent
        self.start("run", self.space, "--name", name, "--runs", runs, *sets(overrides))

    def resume(self, *overrides: str) -> None:
        """Start `tuner resume` with settings."""
        self.start("resume", self.location, *sets(overrides))

    def start(self, *arguments: str | Path) -> None:
        """Start any command of tuner in a process group of its own. Its output goes into files."""
        self.verb = str(arguments[0])
        self.process = self._start(arguments, self._commands)
        self.log = self.folder / f"{self._commands}.err"
        self._commands += 1

    def start_beside(self, *arguments: str | Path) -> Callable[[], Ended]:
        """Start a command beside the running one. Return a function that waits for its end."""
        number = self._commands
        process = self._start(arguments, number)
        self._commands += 1
        self._others.append(process)
        return lambda: self._ended(process, number, timeout_s=120)

    def call(self, *arguments: str | Path) -> Ended:
        """Run a command to its end."""
        return self.start_beside(*arguments)()

    def finish(self, *, timeout_s: float = 300) -> Ended:
        """Wait for the end of the running command."""
        return self._ended(self.process, int(self.log.stem), timeout_s=timeout_s)

    def _start(self, arguments: Sequence[str | Path], number: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tuner", *map(str, arguments)]
        with (self.folder / f"{number}.out").open("w") as out, (self.folder / f"{number}.err").open("w") as err:
            process = subprocess.Popen(
                command, stdout=out, stderr=err, text=True, start_new_session=True, cwd=ROOT, env=self._environment
            )
        self._sessions.add(process.pid)
        return process

    def _ended(self, process: subprocess.Popen[str], number: int, *, timeout_s: float) -> Ended:
        code = process.wait(timeout_s)
        return Ended(code, *((self.folder / f"{number}.{end}").read_text() for end in ("out", "err")))

    def finish_well(self, *, timeout_s: float = 300) -> Ended:
        """Wait for the end of the running command. The search must be finished then."""
        ended = self.finish(timeout_s=timeout_s)
        require(ended.code == 0, f"ended with {ended.code}: {ended.stderr[-2000:]}")
        return ended

    # --- harm ---

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the running command."""
        os.kill(self.process.pid, number)

    def kill_driver(self) -> None:
        """Kill the running command as a crash would, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.process.wait()

    def wait_until(self, condition: Callable[[], Held], *, seconds: float = 300) -> Held:
        """Wait for a condition while the command runs, and return its value as soon as it holds.

        Raises NotAsAskedError if the command ends or the time is over.
        """
        deadline = time.monotonic() + seconds
        while not (held := condition()):
            require(
                self.process.poll() is None,
                f"ended early with {self.process.returncode}: {self.log.read_text()[-2000:]}",
            )
            require(time.monotonic() < deadline, f"gave up waiting after {seconds:g} s: {self.log.read_text()[-500:]}")
            time.sleep(_POLL_S)
        return held

    # --- processes ---

    def processes(self) -> list[Process]:
        """Return all living processes that this search started, including orphans.

        The session of the starting command identifies them: Ray's renaming of a process hides its environment, and orphans
        have another parent.
        """
        return [each for each in processes() if each.session in self._sessions and each.state not in ("Z", "X")]

    def workers(self) -> list[int]:
        """Return the processes that run trials."""
        return [each.pid for each in self.processes() if each.is_trial_worker]

    def wait_until_alone(self, *, besides_agents: bool = False) -> float:
        """Wait until no process of the search is left. Return the seconds that this took. Raises NotAsAskedError for orphans.

        The two agents of an orphaned Ray node look for its GCS for a minute before they end. `besides_agents` does not wait
        for them.
        """
        start, patience_s = time.monotonic(), _GONE_WITHIN_S if besides_agents else _AGENTS_GONE_WITHIN_S
        while left := [
            each.command for each in self.processes() if not (besides_agents and each.command.startswith(_AGENTS))
        ]:
            require(time.monotonic() - start < patience_s, f"orphans after {patience_s:g} s: {left}")
            time.sleep(_POLL_S)
        return time.monotonic() - start

    def end(self) -> None:
        """Kill whatever is left of the search."""
        for each in self.processes():
            try:
                os.kill(each.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for process in (*self._others, getattr(self, "process", None)):
            if process is not None:
                process.wait()

    # --- what the ledger tells ---

    def has_begun(self) -> bool:
        """Return whether the run exists yet."""
        return (self.location / "environment.json").exists()

    def trials(self) -> dict[int, Row]:
        """Return the table of trials by number; it is empty before the run has started."""
        from tuner.ledger.run_directory import read_run

        if not self.has_begun():
            return {}
        run = read_run(self.location)
        if run.damaged and self.process.poll() is None:  # a part was merged away during the read
            return self.trials()
        return {row["trial"]: row for row in run.trials}

    def measurements(self) -> list[Row]:
        """Return the table of reports in the order in which they arrived."""
        from tuner.ledger.run_directory import read_measurements

        rows: list[Row] = read_measurements(self.location).to_pylist()
        return rows

    def finished(self) -> dict[int, Row]:
        """Return the trials that ended by themselves, by number."""
        return finished(self.trials())

    def status(self) -> str:
        """Return the run's status as `tuner show` prints it."""
        from tuner.ledger.run_directory import read_run

        return read_run(self.location).status

    def faults(self) -> list[str]:
        """Return what `tuner verify` finds."""
        from tuner.ledger.verify import verify

        return [str(fault) for fault in verify(self.location).faults]

    def litter(self) -> list[str]:
        """Return files in the run directory that do not belong to a finished run: drafts, checkpoints, a lock."""
        files = [path.relative_to(self.location) for path in self.location.rglob("*") if path.is_file()]
        return sorted(
            str(path)
            for path in files
            if path.parts[0] in ("checkpoints", ".lock") or any(part.endswith(".draft") for part in path.parts)
        )


def finished(trials: Mapping[int, Row]) -> dict[int, Row]:
    """Return the trials of a table that ended by themselves, which `tuner resume` must not run again."""
    from tuner.ledger.rows import INTERRUPTED

    return {
        number: row
        for number, row in trials.items()
        if row["ending"] is not None and (row["ending"], row["reason"]) != ("interrupted", INTERRUPTED)
    }


def compare(before: Mapping[int, Row], after: Mapping[int, Row]) -> tuple[int, int]:
    """Return how many finished trials of `before` are lost in `after`, and how many were run again."""
    lost = sum(number not in after or after[number]["ending"] is None for number in before)
    same = ("ending", "score", "starts", "ended_s", "configuration")
    repeated = sum(
        number in after and any(row[key] != after[number][key] for key in same) for number, row in before.items()
    )
    return lost, repeated


def results(trials: Mapping[int, Row]) -> dict[int, tuple[Any, ...]]:
    """Return the part of each trial that must be the same, however often a search was killed."""
    same = ("phase", "parent", "seed", "configuration", "ending", "reason", "score", "best_epochs", "examples")
    return {number: tuple(row[key] for key in same) for number, row in trials.items()}


def sets(overrides: Sequence[str]) -> list[str]:
    """Return the command-line options for these settings."""
    return [word for override in overrides for word in ("--set", override)]
