"""resume: continue a search that did not finish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.completion import complete_runs
from tuner.cli.location import locate_run
from tuner.cli.output import say
from tuner.cli.search import SearchOptions, check_address, perform, print_result, search_options
from tuner.signals import sigterm_as_interrupt

if TYPE_CHECKING:
    from tuner.ledger.run_directory import Run
    from tuner.search.watcher import Watcher


@click.command()
@click.argument("run", shell_complete=complete_runs)
@search_options
def resume(run: str, **given: Any) -> int:
    """Resume a run that was interrupted, failed or died, or give a finished run more.

    RUN is the name or the directory of a run. Finished trials stay as they are. Trials that were running continue from
    their last checkpoints. The space, the data and the version of tuner must be the same as before. --set may change
    search.time, search.cost, search.cost_per_hour, search.trials, search.trial_timeout, search.max_failed,
    resources.concurrent, resources.wait and data.judge. It may also name data.train, data.validation and data.test elsewhere,
    if their content is the same.

    A finished run goes on if --set gives it more time or more trials, counted for the whole run. It keeps its champion until
    there is a new one. With data.judge=FILE, fresh labelled rows judge the champion once, beside the test split. Without
    --set, nothing happens to a finished run. The exit codes are the same as for `tuner run`.

    \b
    Example:
      tuner resume multilabel-20261121-0905
      tuner resume multilabel-20261121-0905 --set search.time=2h
      tuner resume multilabel-20261121-0905 --set data.judge=march.parquet
    """
    # Handle SIGTERM from here on: importing Ray and reading data take seconds.
    click.get_current_context().with_resource(sigterm_as_interrupt())
    from tuner.ledger.run_directory import read_run

    options = SearchOptions(**given)
    check_address(options.address)
    location = locate_run(run, options.runs)
    recorded = read_run(location)
    if recorded.status == "finished" and not options.overrides:
        say(f"{location} is finished: there is nothing to resume, and nothing has changed; {_how_to_extend(recorded)}")
        return print_result(location, recorded.manifest, options)

    def search(watcher: Watcher) -> Mapping[str, Any]:
        from tuner.search.resume import resume_search

        return resume_search(location, options.overrides, address=options.address, watcher=watcher)

    return perform(location, options, search)


def _how_to_extend(run: Run) -> str:
    from tuner.ledger.longer_search import command_to_search_longer

    command = command_to_search_longer(run)
    return f"search longer with `{command}`" if command else "it has tried all settings of its space"
