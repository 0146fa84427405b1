"""A bundle in at most five lines, as Python shows it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tuner.data.name_lists import list_names
from tuner.errors import StorageError, printable
from tuner.show_value import show_count
from tuner.storage import Folder

_LABELS_SHOWN = 5
_LONGEST_NAME = 30
_MOST_BYTES = 20_000_000  # of champion.json; the largest of a real run has some hundred kilobytes


def describe_model(
    *,
    task: str,
    labels: Sequence[str],
    columns: Mapping[str, Any],
    unit: str,
    max_length: int,
    record: Mapping[str, Any],
    parameters: int,
    models: Sequence[str],
    vocabulary: int | None,
) -> str:
    """Return the task and labels, what the model reads, its macro-F1 and verdict, and its size, in four lines.

    `unit` is what it reads one after another, "token" or "step". `models` says what each of its models is. `vocabulary` is
    None for sequences.
    """
    shown = list_names([_shorten(label) for label in labels], most=_LABELS_SHOWN)
    tokens = "" if vocabulary is None else f", {show_count(vocabulary, 'token')} known"
    lines = [
        f"Bundle: {task}, {show_count(len(labels), 'label')}: {shown}",
        f"  reads: {_describe_inputs(columns)}, {show_count(max_length, unit)} of each",
        f"  {_describe_results(record)}",
        f"  size: {show_count(parameters, 'parameter')}{_describe_models(models)}{tokens}",
    ]
    return "\n".join(lines)


def results_of_run(folder: Folder) -> dict[str, Any]:
    """Return the verdict and the macro-F1 on test of the run whose champion lies in `folder`; nothing if there is no such run.

    A bundle is saved before the test, so it does not hold them itself.
    """
    run = Folder(folder.files, folder.path.rpartition("/")[0])
    try:
        size = run.size("champion.json")
        champion = json.loads(run.read("champion.json")) if size is not None and size <= _MOST_BYTES else {}
        test = champion["test"]
        return {"verdict": str(champion["verdict"]), "test": {"macro_f1": float(test["macro_f1"])}}
    except (StorageError, ValueError, LookupError, TypeError, RecursionError):
        return {}


def _describe_inputs(columns: Mapping[str, Any]) -> str:
    kind = "text" if columns.get("text") is not None else "sequence"
    named = columns.get(kind)
    names = [str(name) for name in named] if isinstance(named, list | tuple) else [str(named)]
    listed = list_names([_shorten(name) for name in names], most=_LABELS_SHOWN)
    return f"{kind}s ({'column' if len(names) == 1 else 'columns'} {listed})"


def _describe_models(models: Sequence[str]) -> str:
    """Return how many models there are and of which kinds, and nothing for a single one."""
    if len(models) == 1:
        return ""
    kinds = [show_count(count, _shorten(kind)) for kind, count in Counter(models).items()]
    return f" in {len(models)} models ({list_names(kinds, most=_LABELS_SHOWN)})"


def _describe_results(record: Mapping[str, Any]) -> str:
    for split in ("test", "validation"):
        measures = record.get(split)
        macro_f1 = measures.get("macro_f1") if isinstance(measures, Mapping) else None
        if isinstance(macro_f1, int | float):
            verdict = (
                f"; verdict: {_shorten(str(record['verdict']))}" if split == "test" and "verdict" in record else ""
            )
            return f"on {split}: macro-F1 {macro_f1:.3f}{verdict}"
    return "macro-F1 and verdict: not known"


def _shorten(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[: _LONGEST_NAME - 1]}…"
