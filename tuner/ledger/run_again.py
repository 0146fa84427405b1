"""The command that searches again as a run did, to which other settings can be added."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from tuner.ledger.run_directory import Run
from tuner.space.assignment import key_of
from tuner.space.load import shipped_spaces

_WITHOUT_VALUE = ("--debug", "--resume-or-start")
_DROPPED = ("--name", "--resume-or-start")  # the new run needs a name of its own


def arguments_to_run_again(run: Run) -> tuple[str, ...]:
    """Return the command that began a run, without its name: ("tuner", "run", "spaces/mail.yaml", "--set", …).

    Settings of a resumed run take the place of earlier ones. If the recorded command is another one, such as a script's, only
    the space is known.
    """
    command = [str(word) for word in run.environment.get("command") or ()]
    if command[1:2] == ["run"]:
        words = tuple(word for pair in _pairs(command[2:]) if pair[0] not in _DROPPED for word in pair)
        return _replace_settings(("tuner", "run", *words), _settings_of_resumptions(run))
    source = str(run.environment.get("space") or "SPACE")
    shipped = next((name for name, path in shipped_spaces().items() if str(path) == source), None)
    return ("tuner", "run", shipped or source)


def with_settings(arguments: Sequence[str], settings: Sequence[str]) -> str:
    """Return a command, ready to paste, with more settings "key=value" in place of earlier ones of the same keys."""
    return shlex.join(_replace_settings(arguments, settings))


def _replace_settings(arguments: Sequence[str], settings: Sequence[str]) -> tuple[str, ...]:
    keys = set(map(key_of, settings))
    kept = [pair for pair in _pairs(arguments[2:]) if not _is_replaced(pair, keys)]
    added = [("--set", setting) for setting in settings]
    return (*arguments[:2], *(word for pair in [*kept, *added] for word in pair))


def _is_replaced(pair: tuple[str, ...], keys: set[str]) -> bool:
    if pair[0] != "--set":
        return False
    key = key_of(pair[1])
    return any(key == each or key.startswith(f"{each}.") for each in keys)


def _settings_of_resumptions(run: Run) -> list[str]:
    """Return the settings that resuming the run changed, the latest of each key."""
    commands = [entry.get("command") or () for entry in run.environment.get("resumed", ())]
    pairs = [pair for command in commands for pair in _pairs([str(word) for word in command[2:]])]
    return list({key_of(pair[1]): pair[1] for pair in pairs if pair[0] == "--set"}.values())


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield each option of `tuner run` with its value, and each other word alone."""
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if not word.startswith("--") or word in _WITHOUT_VALUE:
            yield (word,)
        elif equals:
            yield name, value
        else:
            yield word, next(rest, "")
