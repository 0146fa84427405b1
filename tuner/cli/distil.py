"""distil: one small model with the answers of a run's champion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tuner.cli.columns import input_columns
from tuner.cli.completion import complete_files, complete_folders, complete_runs
from tuner.cli.location import locate_run
from tuner.cli.options import format_option, runs_option, skip_option, text_options
from tuner.cli.output import Format, print_json, print_rows, print_sentence, print_table, print_text, say
from tuner.signals import sigterm_as_interrupt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuner.bundle.model_bundle import Bundle
    from tuner.data.input_batches import InputFile
    from tuner.space.text_format import TextFormat

_COLUMNS = ("model", "validation", "validation_ci", "test", "test_ci", "seconds_per_1000_rows", "bytes")
_TRUTH_SHARE = 0.3


def _read_time(_context: click.Context, _option: click.Parameter, value: str | None) -> float | None:
    """Read a time such as 90s or 1h30m. Raises UsageError."""
    if value is None:
        return None
    from pydantic_core import PydanticCustomError

    from tuner.errors import Fault, UsageError
    from tuner.space.search_settings import read_time

    try:
        return read_time(float(value) if value.replace(".", "", 1).isdecimal() else value)
    except PydanticCustomError:
        remedy = "write it as 90s, 5m, 2h or 1h30m, or as a number of seconds"
        raise UsageError([Fault("--time", f"{value!r} is not a time above zero", remedy)]) from None


@click.command()
@click.argument("run", shell_complete=complete_runs)
@click.option(
    "--unlabelled",
    multiple=True,
    metavar="FILE",
    shell_complete=complete_files,
    help="Rows without labels to learn from too, in any format that predict reads. Repeatable.",
)
@click.option("--trial", type=click.IntRange(min=0), metavar="N", help="Take the settings of this trial of the run.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting, as space.hidden=64, or say where a file of the run is now, as data.train=FILE. Repeatable.",
)
@click.option(
    "--epochs",
    type=click.FloatRange(min=0, min_open=True, max=10_000),
    metavar="N",
    help="How long to train. Default: twice the run's max_epochs, because probabilities are learnt later than labels.",
)
@click.option("--time", "time_s", metavar="TIME", callback=_read_time, help="Train no longer than this: 90s, 10m, 1h.")
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), metavar="N", help="Seed of the training. Default: the run's."
)
@click.option(
    "--truth",
    "truth_share",
    type=click.FloatRange(0, 1),
    default=_TRUTH_SHARE,
    show_default=True,
    metavar="SHARE",
    help="Share of the true labels in what is learnt on training rows. The rest are the champion's probabilities.",
)
@click.option(
    "--out",
    metavar="DIR",
    shell_complete=complete_folders,
    help="Write the bundle to this folder, and DIR.json beside it. Default: distilled/ in RUN.",
)
@click.option("--force", is_flag=True, help="Replace the distilled model that is there.")
@click.option("--text", metavar="COLUMN", help="Column of texts in the files of --unlabelled. Default: as in the run.")
@click.option("--sequence", metavar="COLUMN", help="Column of sequences in them. Default: as in the run.")
@click.option(
    "--sequence-id", metavar="COLUMN", help="Column that says which of their rows are the steps of one series."
)
@click.option("--order", metavar="COLUMN", help="Column that orders the steps of a series.")
@skip_option
@text_options
@runs_option
@format_option
def distil(
    run: str,
    unlabelled: tuple[str, ...],
    skip_unusable: bool,
    text_format: TextFormat,
    force: bool,
    runs: str,
    format_: Format,
    **given: Any,
) -> None:
    """Train one model to the answers of RUN's champion, which may be a committee of many.

    RUN is the name or the directory of a run. The model has the settings of the champion's first member, or of --trial. It learns
    the champion's probabilities: on the run's training rows, mixed with the true labels, and on the rows of --unlabelled. Its
    loss is cross-entropy; weights of labels and resampling stay as they are. Rows of --unlabelled that the run has read are left
    out and counted.

    The best weights on validation are kept, and the thresholds are fitted there. The model is then tested once, beside the
    champion. Choose between several by their figures on validation, not on test. The result is a bundle, which predict, evaluate,
    diagnose and compare take like any other.

    \b
    Example:
      tuner distil tickets
      tuner distil tickets --unlabelled archive.parquet --time 10m
      tuner distil tickets --set space.hidden=64 --out models/small
      tuner predict runs/tickets/distilled new.csv --out preds.parquet
    """
    click.get_current_context().with_resource(sigterm_as_interrupt())
    location = locate_run(run, runs)
    from tuner.distil.distil import Wishes
    from tuner.distil.distil import distil as train

    columns = {name: given.pop(name) for name in ("text", "sequence", "sequence_id", "order")}

    def open_files(champion: Bundle) -> Sequence[InputFile]:
        return _input_files(champion, unlabelled, columns, skip_unusable=skip_unusable, text_format=text_format)

    described = train(location, Wishes(is_forced=force, **given), open_files, say)
    if format_ == "json":
        print_json(described)
    elif format_ == "csv":
        print_rows(described["models"], _COLUMNS, "csv")
    else:
        _print(described)


def _input_files(
    champion: Bundle,
    uris: Sequence[str],
    columns: Mapping[str, str | None],
    *,
    skip_unusable: bool,
    text_format: TextFormat,
) -> list[InputFile]:
    from tuner.data.dataset import Columns
    from tuner.data.input_batches import InputFile

    named = Columns(**input_columns(champion.columns, columns), is_tokenised=champion.is_tokenised)
    return [InputFile(uri=uri, columns=named, skip_unusable=skip_unusable, text_format=text_format) for uri in uris]


def _print(described: Mapping[str, Any]) -> None:
    rows = [
        {
            "model": row["model"],
            "validation": row["validation"],
            "validation 95 %": _show_interval(row["validation_ci"]),
            "test": row["test"],
            "test 95 %": _show_interval(row["test_ci"]),
            "s per 1,000 rows": row["seconds_per_1000_rows"],
            "MB": None if row["bytes"] is None else row["bytes"] / 1e6,
        }
        for row in described["models"]
    ]
    drop = ("validation 95 %", "MB", "s per 1,000 rows", "test 95 %")
    print_table(rows, tuple(rows[0]), title="macro-F1 beside the champion", drop=drop)
    ahead = described["ahead_of_champion"]
    print_sentence(f"\n{described['sentence']}")
    print_sentence(
        f"on test it differs from the champion by {ahead['value']:+.3f} (95 % {ahead['low']:+.3f} to {ahead['high']:+.3f})"
    )
    if described["is_cut"]:
        print_sentence(f"the time was over after {described['epochs']:.2f} epochs; --time allows more")
    for note in described["notes"]:
        print_sentence(f"note: {note}")
    print_text(f"bundle: {described['bundle']}")


def _show_interval(bounds: Sequence[float] | None) -> str:
    return "" if bounds is None else "{:.3f} to {:.3f}".format(*bounds)
