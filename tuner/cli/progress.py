"""Show progress on stderr: a live table on a terminal, otherwise one line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tuner.search.watcher import Snapshot, Watcher, describe_wait

_LINE_EVERY_S = 5.0
_DRAW_EVERY_S = 0.5


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
                live.update(_table(snapshot), refresh=True)

        yield Watcher(say=lambda text: console.print(text), watch=watch)


def _in_lines() -> Watcher:
    printed_at = time.monotonic()

    def watch(snapshot: Snapshot) -> None:
        nonlocal printed_at
        if time.monotonic() - printed_at >= _LINE_EVERY_S:
            printed_at = time.monotonic()
            click.echo(summary(snapshot), err=True)

    return Watcher(say=lambda text: click.echo(text, err=True), watch=watch)


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


def _table(snapshot: Snapshot) -> Group:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("trial", "running as", "epochs", "score", "best", "penalty", "loss"):
        table.add_column(column, justify="left" if column == "running as" else "right")
    for state in snapshot.running:
        last = state.last
        table.add_row(
            str(state.order.index),
            state.order.phase,
            f"{last.epochs:.2f} / {snapshot.max_epochs:g}" if last else "",
            f"{last.score:.3f}" if last else "",
            f"{state.score:.3f}" if state.best else "",
            f"{last.constant_penalty:.2f}" if last else "",
            f"{last.train_loss:.4f}" if last else "",
        )
    return Group(Text(summary(snapshot)), table)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
