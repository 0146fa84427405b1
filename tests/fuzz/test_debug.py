"""`--debug` on every command shows where an error comes from. Without it, nobody sees a traceback."""

from __future__ import annotations

from typing import Any

import click
import pytest

from tuner.cli import tuner

NAMES = sorted(tuner.commands)


class Panic(BaseException):
    """Like the error of a panicking Rust library, which is not an Exception."""


@pytest.fixture(params=[RuntimeError, AssertionError, RecursionError, Panic])
def break_command(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes a command fail unexpectedly, and returns the arguments to call it with."""

    def break_(name: str) -> list[str]:
        def broken(**_: Any) -> None:
            raise request.param("a wheel came off\nin line 2")

        command = tuner.commands[name]
        monkeypatch.setattr(command, "callback", broken)
        required = [each for each in command.params if each.required]
        options = [word for each in required if isinstance(each, click.Option) for word in (each.opts[0], "x")]
        return [name, *options, *("x" for each in required if isinstance(each, click.Argument))]

    return break_


@pytest.mark.parametrize("name", NAMES)
def test_an_unexpected_error_is_one_line_with_what_to_do(name: str, break_command: Any, call: Any) -> None:
    code, out, err = call(*break_command(name))
    assert (code, out) == (1, "")
    assert "Traceback" not in err
    first, second = err.splitlines()
    assert first.startswith("error: unexpected ")
    assert first.endswith(": a wheel came off in line 2")
    assert "run it again with --debug to see where it comes from, and report it with those lines" in second


@pytest.mark.parametrize("name", NAMES)
def test_debug_shows_where_an_unexpected_error_comes_from(name: str, break_command: Any, call: Any) -> None:
    code, _, err = call(*break_command(name), "--debug")
    assert code == 1
    assert err.startswith("Traceback (most recent call last):")
    assert "in broken" in err
    assert err.splitlines()[-1].endswith("report it with the lines above.")


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_every_command_lists_debug(name: str, call: Any) -> None:
    assert "--debug" in call(name, "--help")[1]


def test_too_little_memory_is_not_called_a_bug(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuner.commands["schema"], "callback", lambda **_: bytearray(1 << 62))
    code, _, err = call("schema")
    assert (code, err) == (
        1,
        "error: there is not enough memory; use fewer or shorter rows, or a machine with more\n",
    )
