"""Boards in terminals of several widths: no line is too long, no word or number is broken, and what is left out is said."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len

from builders.bundle import write_bundle
from builders.configurations import configure
from builders.datasets import make_dataset
from builders.fixtures import Call
from builders.measurements import make_measurement
from builders.runs import LABELS, write_run
from builders.terminal import call_in_terminal
from tuner.cli.progress import live_lines, watching
from tuner.cli.table_layout import Column, lay_out, wrap
from tuner.search.watcher import Snapshot
from tuner.trial.order import Order
from tuner.trial.record import TrialRecord

WIDTHS = (60, 80, 120)
BOARDS = {
    "show": "show made-up",
    "show --all": "show made-up --all",
    "ls": "ls",
    "compare": "compare bundle second --data rows.csv",
    "evaluate": "evaluate bundle rows.csv",
    "diagnose": "diagnose made-up",
    "schema": "schema --format table",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs below runs/, two bundles and a file of rows."""
    folder = tmp_path_factory.mktemp("boards")
    labels = (*LABELS[:-1], "a label with quite a long name")
    first = write_run(folder / "runs", trials=40, labels=labels, texts=("what a wonderful day " * 6,))
    first.rename(folder / "runs" / "other")
    write_run(folder / "runs", trials=20, labels=labels, texts=("a short one",))
    dataset = make_dataset("multiclass")
    write_bundle(folder / "bundle", configure(), dataset)
    write_bundle(folder / "second", configure(hidden=6, pooling="last", batch_size=64), dataset)
    rows = "".join(f"alpha beta gamma {label},{label}\n" for label in dataset.labels * 12)
    (folder / "rows.csv").write_text(f"text,label\n{rows}")
    return folder


def pieces(text: str) -> set[str]:
    """The words and numbers of a board, without those of the notes that tell what is left out."""
    return set(re.sub(r"^(not shown|cut): .*?shows\s+them$", "", text, flags=re.MULTILINE | re.DOTALL).split())


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("board", BOARDS)
def test_a_board_fits_its_terminal_and_breaks_no_word(board: str, columns: int, folder: Path) -> None:
    arguments = BOARDS[board].split()
    lines = call_in_terminal(*arguments, columns=columns, folder=folder)
    assert max(len(line) for line in lines if "--set" not in line) <= columns  # options stay whole, to be copied
    whole = "\n".join(call_in_terminal(*arguments, columns=1000, folder=folder))
    broken = pieces("\n".join(lines)) - pieces(whole)
    assert not {
        piece for piece in broken if piece != "\\" and not piece.endswith("…")
    }  # a backslash continues a command
    if columns == 60 and board not in ("diagnose", "compare"):
        assert any(line.startswith("not shown: ") for line in lines)


def test_a_damaged_run_is_verified_with_each_fault_below_its_file(folder: Path) -> None:
    (folder / "broken").mkdir()
    damaged = write_run(folder / "broken", trials=6)
    (damaged / "champion.json").unlink()
    (damaged / "data.json").write_text("{}")
    lines = call_in_terminal("verify", "made-up", "--runs", "broken", columns=80, folder=folder, code=1)
    words = [line for line in lines if "/" not in line]  # a path longer than a line stays whole, to be copied
    assert max(map(len, words)) <= 80
    assert "    the manifest lists this file, but it is not there" in lines
    assert "    restore it from a copy" in lines


@pytest.mark.parametrize(("columns", "dropped"), [(60, "trials, took, verdict"), (70, "trials, took"), (80, "")])
def test_ls_drops_its_columns_in_the_stated_order(columns: int, dropped: str, folder: Path) -> None:
    lines = call_in_terminal("ls", columns=columns, folder=folder)
    note = " ".join(" ".join(lines).partition("not shown: ")[2].split())
    assert note == (f"{dropped}; a wider terminal or --format json shows them" if dropped else "")
    assert all(line.startswith(("name", "made-up", "other", "not shown", "  --format")) for line in lines)


@pytest.mark.parametrize("arguments", ["show made-up --all", "ls", "schema --format table"])
def test_a_pipe_gets_every_column_and_one_line_for_each_row(
    arguments: str, folder: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    code, out, _ = call(*arguments.split(), *(() if "schema" in arguments else ("--runs", str(folder / "runs"))))
    assert code == 0
    assert "not shown" not in out
    if arguments.startswith("show"):
        assert re.search(r"^rank .* skill +lower +epochs +ending$", out, re.MULTILINE)
        assert "…" not in out
        assert ("what a wonderful day " * 6).strip() in out or "a short one" in out


def test_health_is_judged_in_words_against_a_bound(folder: Path) -> None:
    board = "\n".join(call_in_terminal("show", "made-up", columns=80, folder=folder))
    assert re.search(r"^train score +0\.9 +good: above 0$", board, re.MULTILINE)
    assert re.search(r"^gradient norm +0\.4 +good: below 100$", board, re.MULTILINE)


def test_columns_are_dropped_before_a_text_is_cut_and_a_number_is_never_cut() -> None:
    columns = [
        Column("name", ["tfidf + logistic regression", "x"]),
        Column("score", ["0.512345", "-0.1"], is_number=True),
        Column("ending", ["completed", "stopped"]),
    ]
    layout = lay_out(columns, 40, drop=["ending"])
    assert layout.lines == (
        "name                            score",
        "tfidf + logistic regression  0.512345",
        "x                                -0.1",
    )
    assert (layout.dropped, layout.cut) == (("ending",), ())
    narrow = lay_out(columns, 30, drop=["ending"])
    assert narrow.lines[1].split("…")[0] == "tfidf + logistic"
    assert (narrow.dropped, narrow.cut) == (("ending",), ("name",))
    assert "0.512345" in narrow.lines[1]
    assert max(map(len, narrow.lines)) <= 30


@pytest.mark.parametrize("width", range(8, 60))
def test_no_width_breaks_a_number_or_makes_a_line_too_long(width: int) -> None:
    random = np.random.default_rng(width)
    numbers = [f"{value:.3f}" for value in random.normal(size=5)]
    columns = [
        Column("label", ["anger", "joy", "fear and awe", "日本語のラベル", "rare"]),
        Column("f1", numbers, is_number=True),
        Column("support", ["1,000", "2", "3", "4", "5"], is_number=True),
    ]
    layout = lay_out(columns, width, drop=["support"])
    for line, number in zip(layout.lines[1:], numbers, strict=True):
        assert "f1" in layout.dropped or number in line.split()
        assert cell_len(line) <= width


def test_a_long_text_goes_below_its_row_between_words() -> None:
    columns = [Column("where", ["runs/a"]), Column("what", ["the file is missing and nothing else is wrong"])]
    assert lay_out(columns, 30, below=["what"]).lines == (
        "where",
        "runs/a",
        "    the file is missing and",
        "    nothing else is wrong",
    )


def test_a_command_in_a_sentence_stays_on_one_line() -> None:
    command = "`tuner resume runs/a --set 'search.time=20m'`"
    lines = wrap(f"the run was cut off; resume it with {command}, or look at it first", 40)
    assert any(command in line for line in lines)
    option = "--set 'space.hidden={low: 64, high: 128}'"
    assert any(option in line for line in wrap(f"write a range here: {option} or leave it", 30))


def running_trials(trials: int) -> Snapshot:
    running = []
    for index in range(trials):
        order = Order(index=index, phase="search", configuration={}, seed=1)
        running.append(TrialRecord(order, last=make_measurement(0.512), best=make_measurement(0.6)))
    return Snapshot(
        phase="search",
        elapsed_s=75.0,
        left_s=None,
        running=tuple(running),
        endings=Counter(completed=3),
        asked=14,
        limit=None,
        max_epochs=27.0,
        rows=1_000,
        best=running[0],
    )


@pytest.mark.parametrize(("width", "header"), [(100, "loss"), (50, "best"), (30, "score")])
def test_the_live_table_fits_its_terminal(width: int, header: str) -> None:
    lines = live_lines(running_trials(2), width, 24)
    assert max(map(len, lines)) <= width
    assert any(line.split()[:1] == ["trial"] and line.split()[-1] == header for line in lines)


def test_of_many_running_trials_those_are_shown_that_fit_the_terminal() -> None:
    lines = live_lines(running_trials(1000), 100, 24)
    assert len(lines) < 24
    assert lines[-1] == f"and {1000 - sum(line.split()[1:2] == ['search'] for line in lines)} more"


def test_a_sentence_of_a_search_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with watching() as watcher:
        watcher.say("the label is \x1b[31mred")
    assert capsys.readouterr().err == "the label is \\x1b[31mred\n"


def test_a_text_of_millions_of_characters_is_cut_at_once() -> None:
    layout = lay_out(
        [Column("label", ["a" * 5_000_000, "日" * 1_000_000]), Column("rows", ["1", "2"], is_number=True)], 60
    )
    assert [len(line) for line in layout.lines[:2]] == [60, 60]
    assert layout.cut == ("label",)
