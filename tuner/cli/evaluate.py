"""evaluate: a bundle's scores on a labelled file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import click

from tuner.cli.columns import labelled_columns
from tuner.cli.completion import complete_files, complete_runs
from tuner.cli.location import locate_model
from tuner.cli.models import baseline_options, load_model
from tuner.cli.options import column_options, format_option, runs_option, skip_option, text_options
from tuner.cli.output import (
    DROP_OF_LABELS,
    LABEL_COLUMNS,
    Format,
    print_json,
    print_rows,
    print_sentence,
    print_table,
    say,
)
from tuner.cli.row_counts import count_rows, say_row_counts, verbose_option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tuner.bundle.known_rows import KnownRows
    from tuner.bundle.model_bundle import Bundle
    from tuner.cli.predictions import Model
    from tuner.data.dataset import Split
    from tuner.space.text_format import TextFormat


@click.command()
@click.argument("bundle", shell_complete=complete_runs)
@click.argument("data", shell_complete=complete_files)
@column_options()
@baseline_options("Judge")
@skip_option
@text_options
@verbose_option
@runs_option
@format_option
def evaluate(
    bundle: str,
    data: str,
    skip_unusable: bool,
    text_format: TextFormat,
    verbose: bool,
    runs: str,
    format_: Format,
    baseline: str | None,
    overrides: tuple[str, ...],
    **given: str | None,
) -> None:
    """Evaluate BUNDLE on the labelled rows of DATA.

    It prints macro-F1, score and skill with 95 % intervals, and one row per label. BUNDLE is the directory of a bundle, or
    the directory or name of a run. It reads the columns that the bundle was trained on, unless options name others.
    Rows that the model was trained or chosen on are judged apart, as a score on them says little. They are known by their
    text (without case and spacing) or sequence, whatever their labels.
    DATA is a file, a folder of files of one format, or a pattern. A line on stderr says how many rows were read, judged, left
    out and cut, and in how many no word is known.

    \b
    Example:
      tuner evaluate tickets march.parquet
      tuner evaluate tickets march.parquet --baseline tfidf
      tuner evaluate runs/tickets march.csv --label topic --skip-unusable --format json | jq .macro_f1
    """
    from tuner.bundle.known_rows import read_known_rows

    model = load_model(bundle, runs, baseline, overrides)
    measures, counts = _measure(
        model,
        getattr(model, "known", None) or read_known_rows(locate_model(bundle, runs)),
        data,
        skip_unusable=skip_unusable,
        text_format=text_format,
        is_verbose=verbose,
        given=given,
    )
    unseen, seen = measures.get("unseen"), measures.get("seen")
    for note in (unseen or seen or {})["notes"]:
        say(f"note: {note}")
    if format_ != "table" and counts is not None and seen is not None:
        say(f"note: {_say_seen(counts)}")
    if format_ == "json":
        headline = unseen or dict.fromkeys(seen or {})  # no number of seen rows may pass for a result
        print_json({**headline, "seen_rows": counts, **measures})
    elif format_ == "csv":
        rows = [{**row, "seen": part == "seen"} for part, each in measures.items() if each for row in each["labels"]]
        print_rows(rows, (*LABEL_COLUMNS, "seen"), "csv")
    else:
        _print_parts(unseen, seen, counts)


def _measure(
    model: Model,
    known: KnownRows | None,
    data: str,
    *,
    skip_unusable: bool,
    text_format: TextFormat,
    is_verbose: bool,
    given: dict[str, str | None],
) -> tuple[dict[str, dict[str, Any] | None], Mapping[str, int] | None]:
    """Measure the rows of a file: `seen`, those that the model was trained or chosen on, apart from the others, `unseen`.

    Return the measures, each None if there are no such rows, and how many rows had each use. Where a bundle does not know its
    rows, all count as unseen, with a note, and nothing is counted.
    """
    import numpy as np

    from tuner.data.dataset import Columns
    from tuner.data.load import read_labelled

    read = list[Any]()
    split, notes = read_labelled(
        data,
        Columns(**labelled_columns(model.columns, given), is_tokenised=model.is_tokenised),
        task=model.task,
        labels=model.labels,
        skip_unusable=skip_unusable,
        say=say,
        is_group_optional=given["group"] is None,
        text_format=text_format,
        note_rows=read.append,
    )
    for note in notes:
        say(f"note: {note}")
    probabilities = _predict(model, split, data, read[0].tolist(), is_verbose=is_verbose)
    if known is None:
        say("note: this bundle does not say which rows it was trained on; on those, the numbers are too good")
        return {
            "unseen": _measure_rows(model, split, probabilities, np.ones(len(split), dtype=bool)),
            "seen": None,
        }, None
    found = known.find(split.inputs)
    parts = {"unseen": ~found.is_fitted, "seen": found.is_fitted}
    return {name: _measure_rows(model, split, probabilities, rows) for name, rows in parts.items()}, found.counts


def _predict(model: Model, split: Split, data: str, read: Sequence[int], *, is_verbose: bool) -> NDArray[np.float64]:
    """Return the probabilities (rows, labels), and say what happened to the rows of the file, whose numbers are `read`."""
    if not hasattr(model, "encode"):  # a baseline
        say(f"{data}: {count_rows(len(read), len(split), 'judged')}")
        return model.predict_proba(split.inputs)
    bundle, rows = cast("Bundle", model), split.rows.tolist()
    encoded = bundle.encode(split.inputs)
    say_row_counts(data, bundle, encoded.leading, split.inputs, rows, read=read, used="judged", is_verbose=is_verbose)
    return bundle.predict_encoded(encoded)


def _measure_rows(
    model: Model, split: Split, probabilities: NDArray[np.float64], rows: NDArray[np.bool_]
) -> dict[str, Any] | None:
    """Measure the rows of a split where `rows` is true; None if there are none. `probabilities` are those of all its rows."""
    from tuner.scoring.evaluation import evaluate as measure
    from tuner.scoring.indicator import as_indicator

    if not rows.any():
        return None
    return measure(
        model.decide(probabilities[rows]),
        probabilities[rows],
        as_indicator(split.targets[rows], len(model.labels)),
        task=model.task,
        labels=model.labels,
        seen=model.seen,
        penalty_weight=model.record["penalty_weight"],
        blocks=split.blocks[rows],
        seed=0,
    )


def _print_parts(unseen: dict[str, Any] | None, seen: dict[str, Any] | None, counts: Mapping[str, int] | None) -> None:
    """Print the measures of the unseen rows first, or say at the top that there are none."""
    if seen is not None and counts is not None:
        print_sentence(f"{_say_seen(counts)}\n")
    if unseen is not None:
        of_test = "" if seen is not None or counts is None else f", {_say_new(counts)}"
        _print_measures(unseen, of_rows=of_test)
    if seen is not None:
        print_sentence("\n" * (unseen is not None) + "rows that the model was trained or chosen on: not evidence")
        _print_measures(seen, has_labels=unseen is None)


def _say_seen(counts: Mapping[str, int]) -> str:
    """Say how many rows the model has seen, and which rows the first numbers are of."""
    from tuner.data.name_lists import number_of_rows

    total = number_of_rows(sum(counts.values()))
    used = f"of {total}, the model was trained on {counts['trained']:,} and chosen on {counts['chosen']:,}"
    if rest := counts["tested"] + counts["new"]:
        return f"{used}; the first numbers are of the other {rest:,}, {_say_new(counts)}"
    return f"{used}, so no number here says how good it is on new rows"


def _say_new(counts: Mapping[str, int]) -> str:
    """Say whether the rows that the model was not fitted to are of its test split."""
    if not counts["tested"]:
        return "all new to the model"
    return f"{counts['tested']:,} from the model's test split" if counts["new"] else "all from the model's test split"


def _print_measures(measures: dict[str, Any], *, of_rows: str = "", has_labels: bool = True) -> None:
    low, high = measures["macro_f1_ci"]
    skill_low, skill_high = measures["skill_ci"]
    print_sentence(f"rows: {measures['rows']:,}{of_rows}")
    print_sentence(f"macro-F1: {measures['macro_f1']:.3f} (95 % {low:.3f} to {high:.3f})")
    print_sentence(f"score: {measures['score']:.3f} (constant penalty {measures['constant_penalty']:.3f})")
    print_sentence(f"skill: {measures['skill']:.3f} (95 % {skill_low:.3f} to {skill_high:.3f})")
    if has_labels:
        print_sentence("")
        print_table(measures["labels"], LABEL_COLUMNS, drop=DROP_OF_LABELS)
