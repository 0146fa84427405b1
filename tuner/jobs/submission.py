"""Submit a search as a job, follow it, stop it, and find out how its run ended. A run has one job at a time."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tuner.errors import Fault, NoAnswer, UsageError, did_you_mean
from tuner.jobs.job_server import Job, JobServer
from tuner.jobs.package import Package
from tuner.storage import join

STOP_WITHIN_S = 60
"""How long a search may take to end tidily when its job is stopped, before it is killed. Ray's own default is 3 seconds."""
_ENVIRONMENT = {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WITHIN_S)}
_PACKAGE, _RUN = "tuner_package", "tuner_run"
"""Keys of a job's metadata: the package that it was submitted with, and the location of its run."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LOOK_EVERY_S = 1.0
_CHARACTERS_PER_S = 500_000  # the server sends the whole log each time, so a long one is read less often
_PATIENCE_S = 300.0
"""How long a server that no longer answers is asked again."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """What a job is to run. `arguments` are further words of `tuner run`."""

    name: str
    runs: str
    arguments: Sequence[str] = ()

    @property
    def location(self) -> str:
        """The location of its run."""
        return join(self.runs, self.name)

    def entrypoint(self, package: Package) -> str:
        """Return the command of the job. It replaces its shell, so that a stop reaches tuner itself."""
        words = ["tuner", "run", package.space, "--name", self.name, "--resume-or-start", "--address", "auto"]
        return f"exec {shlex.join([*words, '--runs', self.runs, *self.arguments])}"


def check_name(name: str) -> None:
    """Raise UsageError if the name of a run cannot be that of a job, which is part of an address and of a file's name."""
    if not _NAME.fullmatch(name):
        what = f"{name!r} cannot be the name of a job"
        raise UsageError(
            [Fault("--name", what, "use letters, digits, '-', '_' and '.', with a letter or a digit first")]
        )


def check_runs(runs: str) -> None:
    """Raise UsageError if the folder of runs is one of this machine."""
    if "://" not in runs and not runs.startswith("/"):
        what = f"{runs!r} is a folder of this machine, and the job runs on the cluster"
        remedy = (
            "name a place that every node reaches: --runs s3://BUCKET/runs, or a mount such as --runs /mnt/tuner/runs"
        )
        raise UsageError([Fault("--runs", what, remedy)])


def find_latest(server: JobServer, name: str) -> Job | None:
    """Return the latest job of a name. The first has the name as its id, the later ones are NAME~2, NAME~3, …"""
    attempts = {_attempt(job.id, name): job for job in server.jobs()}
    attempts.pop(0, None)
    return attempts[max(attempts)] if attempts else None


def _attempt(id_: str, name: str) -> int:
    """Return the number of a job among those of a name, 0 if it is of another one."""
    first, _, number = id_.partition("~")
    if first != name:
        return 0
    return int(number) if number.isdecimal() else 1


def submit(server: JobServer, search: Search, package: Package, say: Callable[[str], None]) -> str:
    """Submit a search, say what came of it, and return the id of its job.

    A job that has not ended, and one whose run is finished, stays the only one. Raises UsageError if the job that has not ended
    is for something else.
    """
    latest = find_latest(server, search.name)
    while latest is None or latest.has_ended:
        if latest is not None and _has_done(latest, search, package):
            say(f"job {latest.id} has ended, and its run is finished: {search.location}")
            return latest.id
        number = 1 if latest is None else _attempt(latest.id, search.name) + 1
        id_ = search.name if number == 1 else f"{search.name}~{number}"
        environment = {"working_dir": server.upload(package.name, package.content), "env_vars": _ENVIRONMENT}
        about = {_PACKAGE: package.name, _RUN: search.location}
        if server.submit(id_, search.entrypoint(package), runtime_env=environment, metadata=about):
            say(f"job {id_} is submitted to {server.url}; its run will be {search.location}")
            return id_
        latest = server.job(id_) or Job(id_, "PENDING", metadata=about)  # another submission was faster
    other = difference(latest, search, package)
    if other is not None:
        remedy = "choose another --name, or stop that job first with --stop"
        raise UsageError([Fault("--name", f"job {latest.id} is {latest.status}, and it is for {other}", remedy)])
    say(f"job {latest.id} is {latest.status} already, and nothing has changed")
    return latest.id


def _has_done(job: Job, search: Search, package: Package) -> bool:
    """Return whether a job has finished just this search. With another --require, its exit code would be another."""
    is_same = job.entrypoint == search.entrypoint(package) and difference(job, search, package) is None
    return job.has_finished_run and is_same


def location_of(job: Job) -> str | None:
    """Return the location of a job's run, None for a job that tuner did not submit."""
    return job.metadata.get(_RUN)


def difference(job: Job, search: Search, package: Package) -> str | None:
    """Return what else a job is for, None if it is for this search."""
    location = location_of(job)
    if location != search.location:
        return "no search of tuner" if location is None else f"another run, {location}"
    return "another space or other rows" if job.metadata.get(_PACKAGE) != package.name else None


def known_job(server: JobServer, name: str) -> Job:
    """Return the latest job of a name. Raises UsageError if there is none."""
    job = find_latest(server, name)
    if job is None:
        names = sorted({each.id.partition("~")[0] for each in server.jobs()})
        what = f"the cluster at {server.url} has no job {name}"
        remedy = did_you_mean(name, names) if names else "submit one: tuner submit SPACE …"
        raise UsageError([Fault("--name", what, remedy)])
    return job


def follow(server: JobServer, id_: str, show: Callable[[str], None], say: Callable[[str], None]) -> Job:
    """Show what a job prints until it has ended, and return it. Raises NoAnswer if the server is silent for too long."""
    shown, last_answer = 0, time.monotonic()
    while True:
        try:
            job = server.job(id_)  # before its log, so that the log of a job that has ended is whole
            log = server.log(id_) if job is not None else ""
        except NoAnswer as error:
            if time.monotonic() - last_answer > _PATIENCE_S:
                raise
            say(f"{error.faults[0].what}; trying again")
            time.sleep(10 * _LOOK_EVERY_S)
            continue
        if job is None:
            what = f"the cluster at {server.url} no longer knows job {id_}: its head has started anew"
            raise UsageError([Fault("--name", what, "submit it again: the run goes on where it was")])
        last_answer = time.monotonic()
        show(log[shown:])
        shown = len(log)
        if job.has_ended:
            return job
        time.sleep(_LOOK_EVERY_S + len(log) / _CHARACTERS_PER_S)


def stop(server: JobServer, job: Job) -> Job:
    """Stop a job, wait until it has ended, and return it."""
    deadline = time.monotonic() + STOP_WITHIN_S + 10
    server.stop(job.id)
    while not job.has_ended and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY_S)
        job = server.job(job.id) or job
    return job
