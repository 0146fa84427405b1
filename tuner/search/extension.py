"""Give a finished run more: whether a larger budget gives it anything, and what its person should know before."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from tuner.errors import Fault, LedgerError, SpaceError
from tuner.ledger.extensions import Extension, count_tried
from tuner.ledger.rows import RecordedRun
from tuner.ledger.run_directory import Run, held_out_name, weights_name
from tuner.show_value import show_count, show_duration
from tuner.space.assignment import as_words, key_of
from tuner.space.load import Space
from tuner.storage import Folder
from tuner.trial.ending import Ending

_STARTING_S = 10.0  # until a worker trains its first trial, at least
_LONG_S = 600  # from here on, a time is given in minutes


def refuse_too_little(run: Run, space: Space, overrides: Sequence[str]) -> None:
    """Raise SpaceError if a finished run would gain nothing from the budget of `space`, which it got by `overrides`.

    The message has the least values that work, and the whole command.
    """
    if run.manifest.get("ended_by") == "settings":
        what = "the run has tried all settings of its space, so a larger budget gives it nothing more"
        raise SpaceError([Fault(run.location, what, "begin a new run with a wider space")])
    search, used_s = space.search, float(run.manifest["seconds"])
    tried = count_tried(run.trials)
    reasons: list[str] = []
    needed: dict[str, str] = {}
    if search.trials is not None and search.trials <= tried:
        reasons.append(f"search.trials is {search.trials}, and the run has tried {tried}")
        needed["search.trials"] = str(tried + 1)
    least_s = _least_seconds(run, used_s)
    if search.seconds is not None and search.seconds < least_s:
        reasons.append(
            f"search.{search.tightest} allows {show_duration(search.seconds)} for the whole run, which has taken "
            f"{show_duration(used_s)} already and needs some to try one more trial"
        )
    if search.time is not None and search.time < least_s:
        needed["search.time"] = _time(least_s)
    if search.cost is not None and search.cost_per_hour and 3600 * search.cost / search.cost_per_hour < least_s:
        needed["search.cost"] = _round_up(search.cost_per_hour * least_s / 3600)
    if not needed:
        return
    kept = [each for each in overrides if key_of(each) not in needed]
    settings = [*kept, *(f"{name}={value}" for name, value in needed.items())]
    command = shlex.join(["tuner", "resume", run.location, *as_words(settings)])
    what = f"this gives the finished run nothing more: {', and '.join(reasons)}"
    raise SpaceError([Fault(run.location, what, f"the least that works: `{command}`")])


def _least_seconds(run: Run, used_s: float) -> float:
    """Return the least time limit with which a run tries one more trial: half of what is new is for its finalists.

    Doubling the time always works, as `larger_budget` proposes.
    """
    searched = [row for row in run.trials if row["phase"] == "search" and row["ended_s"]]
    lasted: list[float] = [row["ended_s"] - row["started_s"] for row in searched]
    starting_s = max([_STARTING_S, *sorted(row["started_s"] for row in searched)[:1]])
    enough_s = 10.0 * math.ceil((used_s + 2 * (starting_s + median(lasted or [0.0]))) / 10)
    return float(max(min(enough_s, 1.9 * used_s), used_s + 1))


def _time(seconds: float) -> str:
    return f"{math.ceil(seconds)}s" if seconds < _LONG_S else f"{math.ceil(seconds / 60)}m"


def _round_up(cost: float) -> str:
    """Return an amount with three digits that is not less than `cost`."""
    unit = 10.0 ** (math.floor(math.log10(cost)) - 2)
    return f"{math.ceil(cost / unit) * unit:.6g}"


def refuse_missing_weights(run: Run) -> None:
    """Raise LedgerError if a finished run has lost the weights of a finalist's run: it may become the champion again."""
    folder = Folder.at(run.location)
    finalists = [row["trial"] for row in run.trials if row["phase"] == "finalist" and row["score"] is not None]
    names = [name for each in finalists for name in (weights_name(each), held_out_name(weights_name(each)))]
    faults = [
        Fault(f"{folder}/{name}", "a finalist's weights, which a run that goes on needs, are not there", "restore them")
        for name in names
        if not folder.exists(name)
    ]
    if faults:
        raise LedgerError(faults)


def note_on_seen_test(run: Run, space: Space) -> str:
    """Say what a person should know who searches on after the verdict."""
    fresh = (
        f"judge the new champion on fresh rows, with `{shlex.join(['tuner', 'evaluate', run.location])} NEW_ROWS` or "
        "with --set data.judge=NEW_ROWS"
    )
    rows, judged = space.data.judge, run.champion.get("judge") or {}
    if rows is not None:
        has_judged = rows == judged.get("source")
        fresh = f"so has {rows}: {fresh}" if has_judged else f"{rows} (data.judge) judges the new champion too"
    return (
        f"the test split has been seen: it gave the verdict {run.champion.get('verdict')}. Whoever searches on after that may "
        f"pick a champion that only suits these rows; {fresh}. The earlier verdict stays in the results"
    )


def describe_start(recorded: RecordedRun) -> str:
    """Say what an extended run has, when it goes on for the first time."""
    searched = [trial for trial in recorded.trials if trial.phase == "search"]
    cut = sum(trial.ending == Ending.CUT_SHORT for trial in searched)
    runs = len(recorded.trials) - len(searched)
    text = f"extended: {show_count(len(searched), 'trial')} and {show_count(runs, 'run')} of finalists stay as they are"
    if cut:
        text += f", also the {'trial' if cut == 1 else f'{cut} trials'} that the budget cut short"
    return text


def earlier_results(extensions: Sequence[Extension]) -> list[Mapping[str, Any]]:
    """Return what the run had reached before each extension, oldest first."""
    return [extension.earlier for extension in extensions]
