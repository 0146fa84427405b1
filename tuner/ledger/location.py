"""Find the run or the bundle that a name or a path means. This reads no file of a run."""

from __future__ import annotations


def locate_run(run: str, runs: str) -> str:
    """Return the location of a run, given its path or its name below `runs`. A run below `runs` wins over a path."""
    from tuner.storage import Folder, join

    if "://" in run:
        return run
    below, is_path = join(runs, run), "/" in run or run in (".", "..")
    return run if is_path and not Folder.at(below).exists("environment.json") else below


def locate_model(
    model: str,
    runs: str,
    *,
    remedy: str = "give the directory of a bundle or a run; --runs names the folder that holds the runs",
) -> str:
    """Return the location of a bundle, given by path, or of a run, given by path or by name below `runs`.

    Raises UsageError if there is neither, with similar names of runs, or with `remedy` if there are no runs.
    """
    from tuner.errors import Fault, UsageError, did_you_mean
    from tuner.ledger.run_directory import list_runs
    from tuner.storage import Folder, join, split, trim

    here, location = Folder.at(model), locate_run(model, runs)
    if here.exists("bundle.json"):
        return model
    if "://" not in model and Folder.at(below := join(runs, model)).exists("bundle.json"):
        return below  # such as RUN/distilled
    if Folder.at(location).exists("environment.json"):
        return location
    if here.exists():
        return model  # the reader reports what the folder lacks
    folder, name = split(trim(location))
    names = list_runs(folder) if Folder.at(folder).is_folder() else []
    what = f"there is no bundle here (no bundle.json), and no run of this name in {folder}"
    raise UsageError([Fault(model, what, did_you_mean(name, names) if names else remedy)])
