"""Judge the champion on fresh rows, those of data.judge, which no part of the search has read."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tuner.bundle.model_bundle import Bundle, load
from tuner.data.dataset import Dataset
from tuner.errors import Fault, SpaceError
from tuner.ledger.run_directory import Ledger, Run
from tuner.scoring.evaluation import evaluate
from tuner.scoring.indicator import as_indicator
from tuner.search.environment import describe_resumption
from tuner.space.load import Space

_OF_THE_LEDGER = ("format", "files", "unfinished_files")


def judge_on_fresh_rows(
    bundle: Bundle, dataset: Dataset, *, penalty_weight: float, seed: int, earlier: Iterable[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Return the champion's measures on the rows of data.judge, as {"judge": …}; nothing if there are none.

    `earlier` are the run's earlier results: rows that judged one of them are not fresh any more, and a note says so.
    """
    judge = dataset.judge
    if judge is None:
        return {}
    probabilities = bundle.predict_proba(judge.split.inputs)
    measured = evaluate(
        bundle.decide(probabilities),
        probabilities,
        as_indicator(judge.split.targets, len(dataset.labels)),
        task=dataset.task,
        labels=dataset.labels,
        seen=dataset.seen,
        penalty_weight=penalty_weight,
        blocks=judge.split.blocks,
        seed=seed,
    )
    is_seen = any((result.get("judge") or {}).get("sha256") == judge.sha256 for result in earlier)
    seen = ["these rows judged an earlier champion of this run too, so they are not fresh any more"] if is_seen else []
    origin = {"source": judge.split.source, "sha256": judge.sha256, "left_out": judge.left_out}
    return {"judge": {**measured, **origin, "notes": [*measured["notes"], *seen]}}


def judge_finished(
    run: Run, space: Space, dataset: Dataset, ledger: Ledger, say: Callable[[str], None]
) -> dict[str, Any]:
    """Judge the champion of a finished run on the rows of data.judge, and return the manifest. Nothing else changes.

    Raises SpaceError if these rows have judged it already.
    """
    for note in dataset.notes:
        if note.startswith(str(space.data.judge)):
            say(f"note: {note}")
    judged = run.champion.get("judge") or {}
    if dataset.judge is not None and judged.get("sha256") == dataset.judge.sha256:
        what = f"these rows have judged the champion already: macro-F1 {judged['macro_f1']:.3f}"
        remedy = f"`{shlex.join(['tuner', 'show', run.location])}` shows it; name other rows to judge it again"
        raise SpaceError([Fault(f"data.judge: {space.data.judge}", what, remedy)])
    champion = {
        **run.champion,
        **judge_on_fresh_rows(
            load(run.location),
            dataset,
            penalty_weight=space.score.penalty_weight,
            seed=space.search.seed,
            earlier=run.champion.get("earlier", ()),
        ),
    }
    manifest = {name: value for name, value in run.manifest.items() if name not in _OF_THE_LEDGER}
    ledger.go_on(
        space=space.text,
        environment=describe_resumption(run.environment),
        extensions=run.manifest.get("extensions", ()),
    )
    ledger.write_json("champion", champion)
    ledger.finish(manifest)
    return manifest
