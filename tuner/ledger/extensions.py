"""What a finished run was given more of, and how it stood each time. The manifest keeps these entries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from tuner.errors import Fault, LedgerError
from tuner.ledger.run_directory import Run
from tuner.storage import join
from tuner.trial.ending import PLANNED_AGAIN, Ending

_TEST_MEASURES = ("rows", "macro_f1", "macro_f1_ci", "score", "skill")
_CHAMPION = ("verdict", "kind", "trial", "parent")


@dataclass(frozen=True, kw_only=True)
class Extension:
    """One time that a finished run was given more.

    `settings` are the overrides of its command, and of the commands that resumed it. Trials from number `first_trial` on
    belong to it. `earlier` describes the run before it, see `describe_result`.
    """

    at: str
    command: Sequence[str]
    settings: Sequence[str]
    first_trial: int
    earlier: Mapping[str, Any]

    @property
    def begun_s(self) -> float:
        """The seconds that the run had taken before."""
        return float(self.earlier.get("seconds") or 0.0)

    def with_settings(self, overrides: Sequence[str]) -> Extension:
        """Return the extension with further overrides, which win over the earlier ones."""
        return replace(self, settings=[*self.settings, *overrides])


def extend(run: Run, overrides: Sequence[str], *, at: str, command: Sequence[str]) -> Extension:
    """Return the entry for a finished run that is given more."""
    return Extension(
        at=at,
        command=command,
        settings=list(overrides),
        first_trial=1 + max((row["trial"] for row in run.trials), default=-1),
        earlier=describe_result(run),
    )


def describe_result(run: Run) -> dict[str, Any]:
    """Return what a finished run had reached: its time, trials, verdict and champion, with measures on test and judge rows."""
    champion = run.champion
    judged = champion.get("judge")
    return {
        "finished_at": run.manifest.get("finished_at"),
        "seconds": run.manifest.get("seconds"),
        "trials": sum(row["phase"] == "search" for row in run.trials),
        **{name: champion.get(name) for name in _CHAMPION},
        **({"members": _members(champion)} if "committee" in champion else {}),
        "test": {name: champion["test"].get(name) for name in _TEST_MEASURES} if "test" in champion else None,
        **({"judge": {name: judged.get(name) for name in (*_TEST_MEASURES, "source", "sha256")}} if judged else {}),
    }


def identify_champion(result: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what tells the champion of a result from another one; `result` is a champion.json or from `describe_result`.

    Results of versions without committees have one member.
    """
    return result["trial"], result.get("members") or _members(result)


def _members(champion: Mapping[str, Any]) -> list[list[Any]]:
    """Return the trial or the baseline of each member, with its weight, in the order of their names."""
    members = (champion.get("committee") or {}).get("members") or [{"trial": champion["trial"], "weight": 1}]
    named = [[each.get("baseline") or each["trial"], each["weight"]] for each in members]
    return sorted(named, key=str)


def count_tried(trials: Iterable[Mapping[str, Any]]) -> int:
    """Count the search trials that count against search.trials, as `TrialRecord.is_tried` does."""
    return sum(
        row["phase"] == "search"
        and (row["ending"] != Ending.CUT_SHORT or (bool(row["examples"]) and row.get("reason") != PLANNED_AGAIN))
        for row in trials
    )


def extensions_of(run: Run) -> tuple[Extension, ...]:
    """Return the extensions of a run, the latest last. Raises LedgerError if the manifest does not hold such entries."""
    names = [field.name for field in fields(Extension)]
    try:
        return tuple(Extension(**{name: entry[name] for name in names}) for entry in run.manifest.get("extensions", ()))
    except (KeyError, TypeError) as error:
        what = "its list of extensions was not written by tuner"
        raise LedgerError([Fault(join(run.location, "manifest.json"), what, "restore it from a copy")]) from error


def as_entries(extensions: Sequence[Extension]) -> list[dict[str, Any]]:
    """Return extensions as the manifest keeps them."""
    return [asdict(extension) for extension in extensions]
