"""Values of --set that the shell has split: the message has the line to paste."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from builders.fixtures import Call
from tuner.cli.unquoted import mended_command

LINES = {
    "validate multilabel --set space.hidden=[64, 128]": "space.hidden=[64, 128]",
    "validate --set space.hidden=[64, 128] multilabel": "space.hidden=[64, 128]",
    "validate multilabel --set space.learning_rate={low: 1e-4, high: 1e-2}": "space.learning_rate={low: 1e-4, high: 1e-2}",
    "validate multilabel --set space.learning_rate={low:1e-4,high:1e-2}": "space.learning_rate={low: 1e-4, high: 1e-2}",
    "validate multilabel --set space.hidden={64,128}": "space.hidden=[64, 128]",
    "validate multilabel --set space.hidden = 64": "space.hidden=64",
    "validate multilabel --set space.hidden= [64, 128]": "space.hidden=[64, 128]",
    "validate multilabel --set space.clipping=[none, {norm: {threshold: 1}}]": "space.clipping=[none, {norm: {threshold: 1}}]",
}


def as_bash_splits(line: str) -> list[str]:
    """The arguments that bash makes of a line."""
    output = subprocess.run(["bash", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True, check=True).stdout
    return output.splitlines()


@pytest.mark.parametrize("line", LINES)
def test_the_line_to_paste_is_what_was_meant(line: str, call: Call) -> None:
    code, out, err = call(*as_bash_splits(line))
    assert (code, out) == (2, "")
    assert "quote it for the shell" in err
    mended = shlex.split(err.rstrip().rpartition("\n")[2])
    assert LINES[line] in mended
    assert call(*mended[1:])[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["validate", "multilabel", "--set", "space.hidden=[64, 128]"],
        ["validate", "multilabel", "--set", "space.hidden=[64"],
        ["run", "--set", "search.time=1m", "--set", "search.time=2m"],
        ["show", "a", "b"],
        ["validate", "--set"],
    ],
)
def test_a_command_that_the_shell_has_not_split_is_left_alone(arguments: list[str]) -> None:
    assert mended_command(arguments) is None
