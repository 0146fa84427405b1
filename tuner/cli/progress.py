"""Show progress on stderr: a live table on a terminal, otherwise one line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from tuner.cli.output import say
from tuner.cli.table_layout import Column, lay_out, wrap
from tuner.errors import printable
from tuner.search.watcher import Snapshot, Watcher, describe_wait
from tuner.trial.record import TrialRecord

_LINE_EVERY_S = 5.0
_DRAW_EVERY_S = 0.5
_COLUMNS = ("trial", "running as", "epochs", "score", "best", "penalty", "loss")
_DROP = ("loss", "penalty", "best", "running as", "epochs")  # the order in a narrow terminal


@contextmanager
def watching() -> Iterator[Watcher]:
    """Yield a watcher that shows a search until the block ends."""
    if sys.stderr.isatty():
        with _on_terminal() as watcher:
            yield watcher
    else:
        yield _in_lines()


@contextmanager
def _on_terminal() -> Iterator[Watcher]:
    console = Console(stderr=True, highlight=False, markup=False)
    with Live(Text("reading data and starting Ray …"), console=console, auto_refresh=False, transient=True) as live:
        drawn_at = 0.0

        def watch(snapshot: Snapshot) -> None:
            nonlocal drawn_at
            if time.monotonic() - drawn_at >= _DRAW_EVERY_S:
                drawn_at = time.monotonic()
                lines = live_lines(snapshot, console.width, console.height)
                live.update(Text("\n".join(lines), no_wrap=True, overflow="ignore"), refresh=True)

        def say_above(text: str) -> None:
            for line in text.split("\n"):
                console.print("\n".join(wrap(printable(line), console.width)), soft_wrap=True)

        yield Watcher(say=say_above, watch=watch)


def _in_lines() -> Watcher:
    printed_at = time.monotonic()

    def watch(snapshot: Snapshot) -> None:
        nonlocal printed_at
        if time.monotonic() - printed_at >= _LINE_EVERY_S:
            printed_at = time.monotonic()
            say(summary(snapshot))

    return Watcher(say=say, watch=watch)


def summary(snapshot: Snapshot) -> str:
    """Return the state of a search in one line."""
    endings = ", ".join(f"{count} {ending}" for ending, count in sorted(snapshot.endings.items()))
    limit = f" of {snapshot.limit}" if snapshot.limit is not None else ""
    parts = [
        f"{_clock(snapshot.elapsed_s)} {snapshot.phase}",
        f"trials {snapshot.asked}{limit}: {len(snapshot.running)} running" + (f", {endings}" if endings else ""),
    ]
    if snapshot.best is not None:
        parts.append(f"best score {snapshot.best.score:.3f} (trial {snapshot.best.order.index})")
    wait = describe_wait(snapshot)
    if wait is not None:
        parts.append(wait)
    if snapshot.left_s is not None:
        parts.append(f"{_clock(snapshot.left_s)} left")
    return "; ".join(parts)


def live_lines(snapshot: Snapshot, width: int, height: int) -> list[str]:
    """Return the state of a search for a terminal: the summary, and a row for each running trial that fits in."""
    lines = wrap(summary(snapshot), width)
    fitting = max(1, height - len(lines) - 3)  # below the header, with a line that counts the others and the cursor's
    rows = [_row(state, snapshot.max_epochs) for state in snapshot.running[:fitting]]
    columns = [Column(name, [row[name] for row in rows], is_number=name != "running as") for name in _COLUMNS]
    others = len(snapshot.running) - len(rows)
    return [*lines, *lay_out(columns, width, drop=_DROP).lines, *([f"and {others} more"] if others else [])]


def _row(state: TrialRecord, max_epochs: float) -> dict[str, str]:
    last = state.last
    measured = (
        {
            "epochs": f"{last.epochs:.2f} / {max_epochs:g}",
            "score": f"{last.score:.3f}",
            "penalty": f"{last.constant_penalty:.2f}",
            "loss": f"{last.train_loss:.4f}",
        }
        if last
        else {}
    )
    known = {"trial": str(state.order.index), "running as": state.order.phase, **measured}
    return {**dict.fromkeys(_COLUMNS, ""), **known, "best": f"{state.score:.3f}" if state.best else ""}


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
