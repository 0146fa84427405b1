"""Leave out of a space the options that another task may not use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.space.options import Options
from tuner.space.parameters import PARAMETERS
from tuner.space.task import Inputs, Task
from tuner.space.unknown_names import for_task


def options_for_task(parameters: Mapping[str, Any], task: Task, inputs: Inputs) -> dict[str, Any]:
    """Return the parameters, as a space writes them, that change if only the options of `task` are kept.

    What is not a list of options stays as it is.
    """
    changed = {}
    for name, written in parameters.items():
        parameter = PARAMETERS[inputs].get(name)
        if isinstance(parameter, Options):
            listed = written["choice"] if isinstance(written, dict) and "choice" in written else written
            choices = listed if isinstance(listed, list) else [listed]
            if not all(isinstance(each, str) or (isinstance(each, dict) and len(each) == 1) for each in choices):
                continue
            allowed = for_task(parameter.options, task)
            kept = [each for each in choices if (next(iter(each)) if isinstance(each, dict) else each) in allowed]
            if len(kept) < len(choices):
                changed[name] = kept or parameter.default
    return changed
