"""The command line without a search: help, messages for what cannot be used, listings. `test_search_cluster` has the rest."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuner.__main__ import main
from tuner.cli import tuner

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Call the command line in an empty folder; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tuner", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capsys.readouterr()
        return int(exit_.value.code or 0), captured.out, captured.err

    return run


def write_rows(texts: list, labels: list, name: str = "rows.parquet") -> None:
    pq.write_table(pa.table({"text": texts, "label": labels}), name)


SPACE = """task: {task}
data: {{train: {train}, text: text, label: label}}
search: {{trials: 1}}
"""


def run_bad(call, train: str = "rows.parquet", task: str = "binary", *more: str):
    Path("space.yaml").write_text(SPACE.format(task=task, train=train))
    code, out, err = call("run", "space.yaml", "--name", "bad", *more)
    assert code == 2, err
    assert out == ""
    assert not Path("runs").exists()  # nothing is written
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize("name", sorted(tuner.commands))
def test_every_verb_has_help_with_an_example(name, call):
    code, out, _ = call(name, "--help")
    assert code == 0
    assert "Example:" in out


@pytest.mark.parametrize("name", sorted(tuner.commands))
def test_the_examples_in_help_use_options_that_exist(name):
    command = tuner.commands[name]
    examples = re.findall(rf"^\s*(tuner {name} .*)$", command.help or "", re.MULTILINE)
    assert examples
    known = {option for parameter in command.params for option in parameter.opts}
    for example in examples:
        words = shlex.split(example.split("|")[0].split(" > ")[0])
        assert {word.split("=")[0] for word in words if word.startswith("--")} <= known


def test_the_readme_uses_verbs_and_options_that_exist():
    text = README.read_text()
    for verb, rest in re.findall(r"^\s*(?:\$ )?tuner (\w+)([^\n]*)$", text, re.MULTILINE):
        known = {option for parameter in tuner.commands[verb].params for option in parameter.opts}
        assert set(re.findall(r"(?<=\s)--[a-z-]+", rest)) <= known | {"--help"}, verb


def test_an_unknown_verb_names_the_near_one(call):
    code, _, err = call("rum")
    assert code == 2
    assert "No such command" in err


def test_init_copies_a_shipped_space_and_does_not_replace_an_edited_one(call):
    assert call("init", "multilabel")[0] == 0
    Path("spaces/multilabel.yaml").write_text("edited")
    code, _, err = call("init", "multilabel")
    assert code == 2
    assert "--force" in err
    assert Path("spaces/multilabel.yaml").read_text() == "edited"


def test_init_of_an_unknown_space_names_the_near_one(call):
    code, _, err = call("init", "multilable")
    assert code == 2
    assert "did you mean 'multilabel'?" in err


def test_validate_says_which_file_was_taken(call):
    code, out, err = call("validate", "spaces/multilabel.yaml")
    assert code == 0
    assert "multilabel.yaml (shipped with tuner)" in err
    assert out == ""


def test_schema_prints_json_to_stdout(call):
    code, out, _ = call("schema")
    assert code == 0
    assert "properties" in json.loads(out)


def test_ls_of_no_runs_says_how_to_begin_one(call):
    code, out, err = call("ls", "--format", "json")
    assert (code, json.loads(out)) == (0, [])
    assert "tuner run" in err


def test_show_of_a_run_that_is_not_there_says_so(call):
    code, _, err = call("show", "nothing")
    assert code == 2
    assert "there is no run here" in err


def test_predict_refuses_an_output_format_before_any_work(call):
    code, _, err = call("predict", "no-bundle", "rows.csv", "--out", "predictions.xlsx")
    assert code == 2
    assert "'.xlsx' names no format" in err


def test_predict_with_a_bundle_that_is_not_there_says_what_is_missing(call):
    write_rows(["a"], ["x"])
    code, _, err = call("predict", "no-bundle", "rows.parquet")
    assert code == 2
    assert "bundle.json" in err


# --- what bad input prints, before Ray is started and without anything written ---


def test_a_missing_space_is_named(call):
    code, _, err = call("run", "mutlilabel.yaml")
    assert code == 2
    assert "mutlilabel.yaml" in err
    assert "did you mean" in err


def test_a_missing_file_is_named_with_the_near_one(call):
    write_rows(["a b"] * 4, ["x", "y"] * 2)
    err = run_bad(call, "row.parquet")
    assert "row.parquet" in err
    assert "did you mean 'rows.parquet'?" in err


def test_a_wrong_column_is_named_with_the_near_one(call):
    write_rows(["a b"] * 4, ["x", "y"] * 2)
    err = run_bad(call, "rows.parquet", "binary", "--set", "data.text=txt")
    assert "'txt'" in err
    assert "did you mean 'text'?" in err


def test_an_unknown_key_is_named_with_its_line_and_the_near_one(call):
    Path("space.yaml").write_text(SPACE.format(task="binary", train="x.csv") + "space: {hiden: 64}\n")
    code, _, err = call("run", "space.yaml")
    assert code == 2
    assert "space.yaml:4" in err
    assert "did you mean 'hidden'?" in err


def test_a_tab_in_the_yaml_is_called_a_tab(call):
    Path("space.yaml").write_text("task: binary\nsearch:\n\ttrials: 1\n")
    code, _, err = call("run", "space.yaml")
    assert code == 2
    assert "space.yaml:3" in err
    assert "tab" in err


def test_an_empty_file_is_called_empty(call):
    Path("rows.parquet").write_bytes(b"")
    assert "the file is empty" in run_bad(call)


def test_one_class_only_is_refused_with_its_name(call):
    write_rows([f"text {i}" for i in range(40)], ["spam"] * 40)
    assert "spam" in run_bad(call)


def test_nan_in_a_numeric_label_column_is_refused_with_row_numbers(call):
    write_rows([f"text {i}" for i in range(8)], [0.0, 1.0, float("nan"), 1.0, 0.0, float("nan"), 1.0, 0.0])
    err = run_bad(call)
    assert "rows 3 and 6" in err


def test_click_help_lists_every_verb():
    assert set(tuner.list_commands(click.Context(tuner))) == {
        "evaluate", "init", "ls", "plan", "predict", "run", "schema", "show", "validate",
    }  # fmt: skip
