"""What to do next with a run: sentences with commands, for the page and for the command line."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tuner.analysis.failing_settings import FAULTY
from tuner.analysis.leaderboard import count_endings
from tuner.errors import SpaceError
from tuner.ledger.longer_search import command_to_resume, command_to_search_longer
from tuner.ledger.run_again import arguments_to_run_again
from tuner.ledger.run_directory import Run
from tuner.ledger.run_space import space_of
from tuner.pruners.gate import GateSettings
from tuner.scoring.measures import FEWEST_TRUE
from tuner.scoring.penalty import is_nearly_constant


@dataclass(frozen=True)
class NextStep:
    """What a user can do, why, and the command for it, quoted for the shell."""

    sentence: str
    command: str


def next_steps(run: Run) -> tuple[NextStep, ...]:
    """Return what to do next with a run, the most useful step first."""
    if run.status != "finished":
        causes = tuple(_diagnose_without_champion(run))
        is_cut = count_endings(run).keys() <= {"cut short"}
        return (_resume(run), *causes) if is_cut or not run.manifest.get("resume_with") else (*causes, _resume(run))
    if not run.champion:
        verify = shlex.join(["tuner", "verify", run.location])
        return (NextStep("A file of the run is missing or damaged: see which.", verify),)
    verdict = run.champion["verdict"]
    if verdict == "beats_baselines":
        return (*_use_champion(run), *_diagnose_one_answer(run), *_search_on(run))
    rival = _unbeaten_model(run)
    usable = [] if rival is None else [_use_baseline(run, rival)]
    if verdict == "no_better_than_constant":
        why = "The champion has not learnt to tell the labels apart: see the likely causes, and settings to try."
        return (_diagnose(run, why), *usable, *_search_on(run))
    is_worse = rival is not None and rival["champion_ahead_ci"][1] < 0
    return (*usable, *_search_on(run), *_diagnose_one_answer(run), *([] if is_worse else [_predict(run)]))


def _resume(run: Run) -> NextStep:
    if run.status == "unfinished":
        why = "The run is still going on, or was cut off. If no process works on it, resume it; finished work is kept."
    elif run.status == "interrupted":
        why = "The run was interrupted: resume it; finished work is kept."
    elif run.manifest.get("resume_with"):
        why = "The budget gave no usable model: resume the run with a larger one; finished work is kept."
    else:
        why = "Once the cause of the failure is fixed, resume the run; finished work is kept."
    return NextStep(why, command_to_resume(run))


def _diagnose_without_champion(run: Run) -> Iterator[NextStep]:
    counts = count_endings(run)
    lost = sum(counts.get(ending, 0) for ending in FAULTY)
    if lost:
        yield _diagnose(run, f"{lost:,} of {sum(counts.values()):,} trials collapsed or diverged: find out why.")
    elif run.status == "failed" and any(row["score"] is not None for row in run.trials):
        yield _diagnose(run, "Trials were measured, but no model can be used: see the likely causes.")


def _diagnose_one_answer(run: Run) -> Iterator[NextStep]:
    """Yield a step if the champion decides the same for nearly every test row on some label that is true for enough of them."""
    labels = run.champion["test"]["labels"]
    names = [row["label"] for row in labels if row["support"] >= FEWEST_TRUE and _has_one_answer(row)]
    if names:
        share = f"{len(names)} of {len(labels)} labels, such as" if len(names) > 1 else "the label"
        yield _diagnose(run, f"The champion answers nearly every row alike for {share} {names[0]!r}: find out why.")


def _has_one_answer(row: Mapping[str, Any]) -> bool:
    prevalence = row["prevalence"]
    penalty = GateSettings().constant_penalty
    return 0 < prevalence < 1 and is_nearly_constant(row["decision_rate"], prevalence, penalty=penalty)


def _diagnose(run: Run, why: str) -> NextStep:
    return NextStep(why, shlex.join(["tuner", "diagnose", run.location]))


def _unbeaten_model(run: Run) -> Mapping[str, Any] | None:
    """Return the test row of the best baseline that learns from the inputs, if the champion is not clearly ahead of it."""
    models = {row["name"] for row in run.baselines if row["kind"] == "model"}
    rows = [row for row in run.champion["test_baselines"] if row["name"] in models]
    best = min(rows, key=lambda row: float(row["champion_ahead"]), default=None)
    return None if best is None or best["champion_ahead_ci"][0] > 0 else best


def _use_baseline(run: Run, row: Mapping[str, Any]) -> NextStep:
    start = row["name"].split()[0]
    is_enough = sum(other["name"].startswith(start) for other in run.baselines) == 1
    option = ["--baseline", start if is_enough else row["name"]]
    is_better = row["champion_ahead_ci"][1] < 0
    relation = "is better on test" if is_better else "does as well on test, and is simpler"
    return NextStep(f"{row['name']} {relation}: use it. {_describe_data(run)}", _predict_command(run, option))


def _use_champion(run: Run) -> tuple[NextStep, NextStep]:
    evaluate = shlex.join(["tuner", "evaluate", run.location, "DATA"])
    return _predict(run), NextStep("Score the champion on labelled rows that it has not seen.", evaluate)


def _predict(run: Run) -> NextStep:
    return NextStep(f"Predict with the champion. {_describe_data(run)}", _predict_command(run, []))


def _predict_command(run: Run, options: Sequence[str]) -> str:
    return shlex.join(["tuner", "predict", run.location, "DATA", *options, "--out", "preds.parquet"])


def _describe_data(run: Run) -> str:
    """Say what DATA in a command stands for."""
    space = space_of(run)
    named = None if space is None else space.data.sequence or space.data.text
    if isinstance(named, str):
        return f"DATA is your file, with the column {named!r}."
    if named:
        return f"DATA is your file, with the columns {', '.join(map(repr, named))}."
    return "DATA is your file."


def _search_on(run: Run) -> Iterator[NextStep]:
    with suppress(SpaceError):
        longer = command_to_search_longer(run)
        if longer is not None:
            yield NextStep("Search on: more trials may find a better model.", longer)
        elif run.environment.get("command"):
            space = run.environment.get("space", "the space")
            yield NextStep(
                f"Every setting has been tried: widen {space}, and search again.",
                shlex.join(arguments_to_run_again(run)),
            )
