"""The configuration that a distilled model is trained with: that of a model of the run, or of one of its trials, with changes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from tuner.errors import Fault, SpaceError, UsageError
from tuner.ledger.run_directory import Run
from tuner.samplers.random import RandomSampler
from tuner.space.assignment import assignment, key_of
from tuner.space.configuration import Configuration, Value
from tuner.space.domains import searched_parameters
from tuner.space.load import Space, read_space

_FILES = ("data.train", "data.validation", "data.test", "data.judge")
_CROSS_ENTROPY: Mapping[str, Value] = {"loss": "cross_entropy", "soft_f1": 0.0, "logit_adjustment": 0.0}
"""Cross-entropy is least at the probabilities that are learnt. Other losses, and shifted logits, would move them once more."""


def configuration_of(run: Run, trial: int) -> Configuration:
    """Return the configuration of a trial of the run. Raises UsageError if there is no such trial."""
    known = {row["trial"]: row["configuration"] for row in run.trials}
    if trial not in known:
        remedy = f"choose one from {min(known)} to {max(known)}; `{shlex.join(['tuner', 'show', run.location])}` lists the best"
        raise UsageError([Fault(f"--trial {trial}", f"the run {run.name} has no trial of this number", remedy)])
    configuration: Configuration = json.loads(known[trial])
    return configuration


def settle_space(run: Run, configuration: Configuration, overrides: Sequence[str]) -> tuple[Space, Configuration]:
    """Return the run's space with this configuration alone and the `overrides`, and the configuration of that space.

    `overrides` may change the configuration, and say where the run's files are now. The loss is always _CROSS_ENTROPY. The run's
    first trials have no part in it.
    Raises InputError.
    """
    _refuse_others(overrides)
    section = _as_section(
        {name: value for name, value in configuration.items() if name.split(".")[0] not in _CROSS_ENTROPY}
    )
    space = read_space(
        run.space, [assignment("space", section | dict(_CROSS_ENTROPY)), assignment("first", None), *overrides]
    )
    searched = list(searched_parameters(space.parameters))
    if searched:
        what = "has several values, but one model is trained"
        raise SpaceError([Fault(f"space.{name}", what, f"give one: --set space.{name}=VALUE") for name in searched])
    return space, RandomSampler(space.parameters, seed=0).ask(0)


def _refuse_others(overrides: Sequence[str]) -> None:
    """Raise UsageError for settings that a distilled model cannot have, or that are none of its configuration."""
    faults = []
    for override in overrides:
        section, _, rest = key_of(override).partition(".")
        name = rest.split(".")[0]
        if section != "space" and key_of(override) not in _FILES:
            remedy = f"--set takes space.… and {', '.join(_FILES)}; for the duration there are --epochs and --time"
            faults.append(Fault(f"--set {override}", "this changes nothing about a distilled model", remedy))
        elif name in _CROSS_ENTROPY:
            what = f"a distilled model learns probabilities, so {name} is always {_CROSS_ENTROPY[name]}"
            faults.append(Fault(f"--set {override}", what, "leave it out"))
    if faults:
        raise UsageError(faults)


def _as_section(configuration: Configuration) -> dict[str, Any]:
    """Return a configuration as a space file has it: {"clipping": {"norm": {"threshold": 1.0}}}."""
    own = {name: f"{name}.{value}." for name, value in configuration.items()}  # how its own parameters begin
    section: dict[str, Any] = {}
    for name, value in configuration.items():
        if any(name.startswith(prefix) for prefix in own.values()):
            continue  # it is in the section of another
        start = own[name]
        below = {key.removeprefix(start): each for key, each in configuration.items() if key.startswith(start)}
        section[name] = {str(value): _as_section(below)} if below else value
    return section
