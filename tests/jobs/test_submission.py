"""The command, the ids and the refusals of jobs. Real jobs are in tests/cluster/test_jobs.py."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from builders.fixtures import Call
from builders.runs import write_run
from tuner.errors import Fault, NoAnswer, UsageError
from tuner.jobs import submission
from tuner.jobs.ending import exit_code
from tuner.jobs.job_server import Job
from tuner.jobs.package import Package
from tuner.jobs.submission import Search, check_name, check_runs, find_latest, follow, known_job, submit

PACKAGE = Package(name="tuner-1.zip", content=b"", space="my space.yaml")
SEARCH = Search(name="night", runs="s3://bucket/runs?region=x", arguments=["--require", "beats_baselines"])
ABOUT = {"tuner_package": PACKAGE.name, "tuner_run": SEARCH.location}


@dataclass
class Jobs:
    """Jobs in memory, with the methods of a job server that submitting needs."""

    known: dict[str, Job] = field(default_factory=dict)
    url: str = "http://head:8265"

    def jobs(self) -> list[Job]:
        return list(self.known.values())

    def job(self, id_: str) -> Job | None:
        return self.known.get(id_)

    def upload(self, name: str, content: bytes) -> str:
        return f"gcs://{name}"

    def submit(self, id_: str, entrypoint: str, *, runtime_env: Any, metadata: dict[str, str]) -> bool:
        if id_ in self.known:
            return False
        self.known[id_] = Job(id_, "PENDING", metadata=metadata)
        return True


@pytest.fixture
def said() -> list[str]:
    """The messages to the person."""
    return []


def test_the_command_of_a_job_can_be_repeated_and_takes_the_place_of_its_shell() -> None:
    assert SEARCH.location == "s3://bucket/runs/night?region=x"
    assert SEARCH.entrypoint(PACKAGE) == (
        "exec tuner run 'my space.yaml' --name night --resume-or-start --address auto --runs 's3://bucket/runs?region=x' "
        "--require beats_baselines"
    )


def test_a_second_submission_of_a_running_search_is_the_same_job(said: list[str]) -> None:
    jobs: Any = Jobs()
    assert submit(jobs, SEARCH, PACKAGE, said.append) == "night"
    assert submit(jobs, SEARCH, PACKAGE, said.append) == "night"
    assert list(jobs.known) == ["night"]
    assert said[1] == "job night is PENDING already, and nothing has changed"


def test_a_search_whose_job_has_ended_gets_the_next_id(said: list[str]) -> None:
    others = {id_: Job(id_, "RUNNING") for id_ in ("nights", "night-2", "night.3", "other~9")}
    jobs: Any = Jobs({**others, "night": Job("night", "FAILED", metadata=ABOUT)})
    assert submit(jobs, SEARCH, PACKAGE, said.append) == "night~2"
    jobs.known["night~2"] = Job("night~2", "STOPPED", metadata=ABOUT)
    assert submit(jobs, SEARCH, PACKAGE, said.append) == "night~3"
    assert (known_job(jobs, "night").id, known_job(jobs, "nights").id) == ("night~3", "nights")


@pytest.mark.parametrize("code", [0, 3])
def test_a_job_whose_run_is_finished_is_not_submitted_again(code: int, said: list[str]) -> None:
    entrypoint = SEARCH.entrypoint(PACKAGE)
    jobs: Any = Jobs({"night": Job("night", "FAILED", exit_code=code, entrypoint=entrypoint, metadata=ABOUT)})
    assert submit(jobs, SEARCH, PACKAGE, said.append) == "night"
    assert said == ["job night has ended, and its run is finished: s3://bucket/runs/night?region=x"]
    assert submit(jobs, replace(SEARCH, runs="/mnt/runs"), PACKAGE, said.append) == "night~2"


def test_a_finished_job_is_submitted_again_for_another_requirement(said: list[str]) -> None:
    entrypoint = replace(SEARCH, arguments=[]).entrypoint(PACKAGE)
    jobs: Any = Jobs({"night": Job("night", "SUCCEEDED", exit_code=0, entrypoint=entrypoint, metadata=ABOUT)})
    assert submit(jobs, SEARCH, PACKAGE, said.append) == "night~2"


@pytest.mark.parametrize(
    ("search", "package", "what"),
    [
        (
            Search(name="night", runs="s3://other/runs"),
            PACKAGE,
            r"it is for another run, s3://bucket/runs/night\?region=x",
        ),
        (SEARCH, Package("tuner-2.zip", b"", "my space.yaml"), "it is for another space or other rows"),
    ],
)
def test_a_running_job_for_something_else_is_in_the_way(
    search: Search, package: Package, what: str, said: list[str]
) -> None:
    jobs: Any = Jobs({"night": Job("night", "RUNNING", metadata=ABOUT)})
    with pytest.raises(UsageError, match=rf"job night is RUNNING, and {what}; choose another --name, or stop that job"):
        submit(jobs, search, package, said.append)


def test_a_running_job_that_tuner_did_not_submit_is_in_the_way(said: list[str]) -> None:
    jobs: Any = Jobs({"night": Job("night", "RUNNING")})
    with pytest.raises(
        UsageError, match="job night is RUNNING, and it is for no search of tuner; choose another --name"
    ):
        submit(jobs, SEARCH, PACKAGE, said.append)


def test_an_unknown_job_is_an_error_with_the_nearest_name() -> None:
    jobs: Any = Jobs({"night~2": Job("night~2", "RUNNING")})
    assert find_latest(jobs, "nihgt") is None
    with pytest.raises(UsageError, match=r"the cluster at http://head:8265 has no job nihgt; did you mean 'night'\?"):
        known_job(jobs, "nihgt")


@pytest.mark.parametrize("name", ["a/b", "~1", "", "-x", "a b", "night~2", "ä"])
def test_a_name_that_cannot_be_part_of_an_address_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a job; use letters, digits"):
        check_name(name)


def test_runs_must_be_where_the_cluster_reaches_them() -> None:
    for runs in ("s3://bucket/runs", "/mnt/tuner/runs"):
        check_runs(runs)
    with pytest.raises(UsageError, match=r"'runs' is a folder of this machine.*; name a place that every node reaches"):
        check_runs("runs")


class Talking(Jobs):
    """A job that prints a part of its log at each look, while its server is silent at the second one."""

    looks: int = 0

    def job(self, id_: str) -> Job | None:
        self.looks += 1
        if self.looks == 2:
            raise NoAnswer([Fault("--cluster", "no dashboard answers", "check it")])
        return Job(id_, "RUNNING" if self.looks < 4 else "SUCCEEDED", exit_code=0)

    def log(self, id_: str) -> str:
        return "".join(f"line {number}\n" for number in range(self.looks))


def test_a_log_is_shown_once_although_its_server_is_silent_for_a_while(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "_LOOK_EVERY_S", 0.001)
    shown = list[str]()
    jobs: Any = Talking()
    assert follow(jobs, "night", shown.append, said.append).has_ended
    assert shown == ["line 0\n", "line 1\nline 2\n", "line 3\n"]
    assert said == ["no dashboard answers; trying again"]


def test_a_job_that_a_new_head_does_not_know_can_be_submitted_again(said: list[str]) -> None:
    jobs: Any = Jobs()
    with pytest.raises(UsageError, match="no longer knows job night: its head has started anew; submit it again"):
        follow(jobs, "night", said.append, said.append)


# --- how it ended ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 2, 3, 130])
def test_an_exit_code_that_only_tuner_gives_counts_whatever_ray_says(code: int, said: list[str]) -> None:
    assert exit_code(Job("night", "FAILED", exit_code=code), None, said.append) == code
    assert said == []


def test_a_requirement_that_the_job_did_not_have_is_judged_by_the_ledger(tmp_path: Path, said: list[str]) -> None:
    location = write_run(tmp_path, trials=4)
    manifest = location / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"beats_baselines"', '"no_better_than_baseline"'))
    about = {"tuner_run": str(location)}
    job = Job("night", "SUCCEEDED", exit_code=0, entrypoint="exec tuner run x.yaml", metadata=about)
    assert exit_code(job, "beats_baselines", said.append) == 3
    assert "--require beats_baselines is not met: the verdict is no_better_than_baseline" in said[0]
    assert exit_code(replace(job, metadata={}), "beats_baselines", said.append) == 1
    assert said[1].endswith("this machine cannot read its run; submit it again")


def test_a_job_that_died_after_its_run_had_finished_is_no_failure(tmp_path: Path, said: list[str]) -> None:
    job = Job("night", "FAILED", exit_code=137, metadata={"tuner_run": str(write_run(tmp_path, trials=4))})
    assert exit_code(job, "beats_baselines", said.append) == 0
    assert said == [f"the run is finished: {tmp_path}/made-up"]


def test_a_job_that_died_before_its_run_had_finished_can_be_submitted_again(tmp_path: Path, said: list[str]) -> None:
    location = write_run(tmp_path, trials=4, is_finished=False)
    job = Job("night", "FAILED", message="its node died", metadata={"tuner_run": str(location)})
    assert exit_code(job, None, said.append) == 1
    assert said == ["job night is FAILED (its node died); the run is unfinished; submit it again to go on with the run"]


def test_a_stopped_job_counts_as_interrupted_where_the_ledger_cannot_be_read(said: list[str]) -> None:
    job = Job("night", "STOPPED", metadata={"tuner_run": "/only/on/the/cluster/night"})
    assert exit_code(job, None, said.append) == 130


def test_a_head_that_does_not_find_tuner_is_told_where_to_look(said: list[str]) -> None:
    assert exit_code(Job("night", "FAILED", exit_code=127), None, said.append) == 1
    assert "start its Ray where `tuner` is on the PATH" in said[0]


# --- the command -----------------------------------------------------------------------------------------------------

CLUSTER = ("--cluster", "127.0.0.1:9", "--name", "night")


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("multilabel", *CLUSTER), "error: --runs: 'runs' is a folder of this machine"),
        (CLUSTER, "error: SPACE: no space is named; name one, such as multilabel"),
        (
            ("multilabel", *CLUSTER, "--runs", "/mnt/runs"),
            "error: --cluster: no dashboard answers at http://127.0.0.1:9",
        ),
        (("multilabel", *CLUSTER[:3], "a/b"), "error: --name: 'a/b' cannot be the name of a job"),
    ],
)
def test_wrong_usage_ends_with_exit_code_2(arguments: tuple[str, ...], what: str, call: Call) -> None:
    code, out, said = call("submit", *arguments)
    assert (code, out) == (2, "")
    assert what in said
