"""The command line without a search: help, error messages and listings. tests/cluster covers searches."""

from __future__ import annotations

import csv
import importlib
import io
import json
import pkgutil
import re
import shlex
from dataclasses import replace
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.runs import write_run
from builders.spaces import load_example
from builders.terminal import call_in_terminal
from tuner import cli
from tuner.__main__ import _print_error
from tuner.cli import search, tuner
from tuner.errors import SearchFailed, SearchInterrupted, TunerError
from tuner.ledger.run_directory import Ledger, read_run

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_documentation_uses_verbs_and_options_that_exist(page):
    text = page.read_text()
    lines = re.findall(r"^\s*(?:\$ )?(?:ray .* -- )?tuner (\w+)([^\n]*)$", text, re.MULTILINE)
    for verb, rest in lines + re.findall(r"`tuner (\w+)([^`]*)`", text):
        known = {option for parameter in tuner.commands[verb].params for option in parameter.opts}
        assert set(re.findall(r"(?<=\s)--[a-z-]+", rest)) <= known | {"--help"}, verb


def test_an_unknown_verb_is_refused(call):
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


def test_init_of_an_unknown_space_names_the_closest_one(call):
    code, _, err = call("init", "multilable")
    assert code == 2
    assert "did you mean 'multilabel'?" in err


def test_validate_says_which_file_it_reads(call):
    code, out, err = call("validate", "spaces/multilabel.yaml")
    assert code == 0
    assert "multilabel.yaml (shipped with tuner)" in err
    assert (
        "note: there is no file spaces/multilabel.yaml here, so the space that is shipped under this name is used, on"
        in err
    )
    assert out == ""


def test_init_without_a_name_lists_the_shipped_spaces_and_writes_nothing(call):
    code, out, err = call("init")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines() if line.startswith("quick")] == [["quick", "multilabel"]]
    assert "`tuner init NAME`" in err
    assert list(Path().iterdir()) == []


def test_the_list_of_shipped_spaces_fits_its_terminal_and_loses_nothing(tmp_path: Path):
    lines = call_in_terminal("init", columns=60, folder=tmp_path)
    assert max(map(len, lines)) <= 60
    assert "    recommend, each compared with doing nothing." in lines
    assert not any("--format" in line for line in lines)  # init has no such option


def test_the_name_given_to_init_is_a_shipped_space_beside_an_edited_one_too(call):
    assert call("init", "binary")[0] == 0
    Path("spaces/binary.yaml").write_text("edited")
    write_rows([f"text {i} of {i % 7}" for i in range(60)], ["x", "y"] * 30)
    for number, name in enumerate(("binary", "shipped:binary")):
        code, _, err = call("init", "--data", "rows.parquet", name, "--to", f"a{number}")
        assert code == 0, err
    assert call("init", "shipped:binary", "--to", "b")[0] == 0


def test_init_writes_the_path_of_the_rows_as_the_space_needs_it(call):
    write_rows([f"text {i} of {i % 7}" for i in range(60)], ["x", "y"] * 30)
    code, _, err = call(
        "init", "binary", "--to", "a/b", "--set", "data.train=rows.parquet", "--set", "data.positive=null"
    )
    assert code == 0, err
    assert "train: ../../rows.parquet" in Path("a/b/binary.yaml").read_text()
    code, _, err = call("init", "--data", "rows.parquet", "--to", "a/b")
    assert code == 0, err
    assert "train: ../../rows.parquet" in Path("a/b/rows.yaml").read_text()


def test_own_rows_with_a_space_written_for_them_name_that_space(call):
    write_rows([f"text {i} of {i % 7}" for i in range(60)], ["x", "y"] * 30)
    call("init", "--data", "rows.parquet")
    assert "`tuner run spaces/rows.yaml` uses it" in call("validate", "--data", "rows.parquet")[2]
    assert "uses it" not in call("validate", "shipped:quick", "--data", "rows.parquet")[2]


def test_schema_prints_json_to_stdout(call):
    code, out, _ = call("schema")
    assert code == 0
    assert "properties" in json.loads(out)


def test_ls_without_runs_says_how_to_start_one(call):
    code, out, err = call("ls", "--format", "json")
    assert (code, json.loads(out)) == (0, [])
    assert "tuner run" in err


def test_show_of_a_missing_run_says_so(call):
    code, _, err = call("show", "nothing")
    assert code == 2
    assert "there is no run here" in err


def test_predict_refuses_an_output_format_before_any_work(call):
    code, _, err = call("predict", "no-bundle", "rows.csv", "--out", "predictions.xlsx")
    assert code == 2
    assert "'.xlsx' names no format" in err


def test_predict_with_a_missing_bundle_says_what_is_missing(call):
    write_rows(["a"], ["x"])
    code, _, err = call("predict", "no-bundle", "rows.parquet")
    assert code == 2
    assert "bundle.json" in err


# --- bad input: an error before Ray starts, and nothing is written ---


def test_a_pattern_that_the_shell_has_replaced_by_names_is_to_be_quoted(call):
    for name in ("a.csv", "b.csv"):
        Path(name).write_text("text,label\na,x\n")
    code, _, err = call("predict", "bundle", "a.csv", "b.csv")
    assert code == 2
    assert "quote it, as in 'data/*.csv'" in err
    assert "quote it" not in call("predict", "bundle", "a.csv", "c")[2]


def test_a_missing_space_is_named(call):
    code, _, err = call("run", "mutlilabel.yaml")
    assert code == 2
    assert "mutlilabel.yaml" in err
    assert "did you mean" in err


def test_a_missing_file_is_named_with_the_closest_one(call):
    write_rows(["a b"] * 4, ["x", "y"] * 2)
    err = run_bad(call, "row.parquet")
    assert "row.parquet" in err
    assert "did you mean 'rows.parquet'?" in err


def test_a_wrong_column_is_named_with_the_closest_one(call):
    write_rows(["a b"] * 4, ["x", "y"] * 2)
    err = run_bad(call, "rows.parquet", "binary", "--set", "data.text=txt")
    assert "'txt'" in err
    assert "did you mean 'text'?" in err


def test_an_unknown_key_is_named_with_its_line_and_the_closest_one(call):
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


def test_a_single_class_is_refused_by_name(call):
    write_rows([f"text {i}" for i in range(40)], ["spam"] * 40)
    assert "spam" in run_bad(call)


def test_nan_in_a_numeric_label_column_is_refused_with_row_numbers(call):
    write_rows([f"text {i}" for i in range(8)], [0.0, 1.0, float("nan"), 1.0, 0.0, float("nan"), 1.0, 0.0])
    err = run_bad(call)
    assert "rows 3 and 6" in err


def test_every_command_of_the_package_is_a_verb():
    modules = [importlib.import_module(f"tuner.cli.{module.name}") for module in pkgutil.iter_modules(cli.__path__)]
    commands = {each for module in modules for each in vars(module).values() if isinstance(each, click.Command)}
    assert set(tuner.commands.values()) == commands


@pytest.mark.parametrize("name", sorted(tuner.commands))
def test_a_verb_is_in_the_file_of_its_name(name):
    assert tuner.commands[name].callback.__module__ == f"tuner.cli.{name}"


# --- unusable places, addresses and names ---


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("ls --runs foo://x", "foo://x: cannot be reached"),
        ("ls --runs file", "file: cannot be listed (Not a directory)"),
        ("ls --runs nothing", "--runs nothing: there is no such folder"),
        ("show run --runs foo://x", "foo://x/run: cannot be reached"),
        ("show foo://x/run", "foo://x/run: cannot be reached"),
        ("predict foo://x rows.parquet", "foo://x: cannot be reached"),
        ("predict file rows.parquet", "bundle.json"),
        ("evaluate foo://x rows.parquet", "foo://x: cannot be reached"),
        ("run space.yaml --runs foo://x", "download it and use a local path, or use s3://"),
        ("run space.yaml --runs file", "file/space-"),
        ("run space.yaml --runs file/deep", "part of the path is a file, not a folder"),
        ("run space.yaml --runs /proc/runs", "nothing can be written there"),
        ("run space.yaml --name a/b", "--name: 'a/b' cannot be the name of a folder"),
        ("run space.yaml --name ..", "--name: '..' cannot be the name of a folder"),
        ("run space.yaml --name=", "--name: '' cannot be the name of a folder"),
        ("run space.yaml --address localhost:1", "--address: nothing answers at 'localhost:1'"),
        ("run space.yaml --set data.train=https://x.org/a.csv", "https://x.org/a.csv: cannot be reached"),
        ("run space.yaml --set data.train='\"nul\\0.csv\"'", r"nul\x00.csv: cannot be reached"),
        ("run space.yaml --set data.train=~nobody-here/a.csv", "is not a usable path"),
        ("run space.yaml --set data.train=~nobody-here/a", "is not a usable path"),
        ("init multilabel --to file", "file/multilabel.yaml: cannot be written (File exists)"),
        ("init multilabel --to file/deep", "part of the path is a file, not a folder"),
        ("init multilabel --to /proc/spaces", "/proc/spaces/multilabel.yaml: cannot be written"),
        ("init multilabel --to s3://bucket", "name a local folder"),
        ("init binary --to folder --force", "folder/binary.yaml: cannot be written (Is a directory)"),
    ],
)
def test_an_unusable_place_is_refused_and_nothing_is_written(arguments: str, message: str, call):
    write_rows([f"text {i}" for i in range(60)], ["x", "y"] * 30)
    Path("space.yaml").write_text(SPACE.format(task="binary", train="rows.parquet"))
    Path("file").touch()
    Path("folder/binary.yaml").mkdir(parents=True)
    before = sorted(map(str, Path().rglob("*")))
    code, out, err = call(*shlex.split(arguments))
    assert (code, out) == (2, "")
    assert message in err
    assert "; " in err.splitlines()[-1]  # has a remedy
    assert "Traceback" not in err
    assert sorted(map(str, Path().rglob("*"))) == before


@pytest.mark.slow  # its client retries for six seconds
def test_a_store_without_credentials_or_network_fails_fast(call, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    code, _, err = call("ls", "--runs", "s3://bucket/runs?region=us-east-1&scheme=http&endpoint_override=localhost:1")
    assert code == 2
    assert "s3://bucket/runs: cannot be listed" in err
    assert "check the address, the network and the credentials" in err


# --- unexpected errors ---


@pytest.fixture
def broken_schema(monkeypatch):
    """Make a verb fail with a bug."""

    def fail() -> None:
        raise KeyError("of all\nkeys")

    monkeypatch.setattr(tuner.commands["schema"], "callback", lambda **_: fail())


def test_an_unexpected_error_is_one_line_and_how_to_see_more(broken_schema, call):
    code, out, err = call("schema")
    assert (code, out) == (1, "")
    first, second = err.splitlines()
    assert first.startswith("error: unexpected KeyError: 'of all")
    assert "run it again with --debug to see where it comes from, and report it" in second


@pytest.mark.parametrize("arguments", [("schema", "--debug"), ("--debug", "schema")])
def test_debug_shows_where_an_unexpected_error_comes_from(arguments, broken_schema, call):
    code, _, err = call(*arguments)
    assert code == 1
    assert "Traceback (most recent call last)" in err
    assert "in fail" in err
    assert "report it with the lines above" in err


def test_an_input_error_has_a_traceback_only_with_debug(call):
    assert "Traceback" not in call("show", "nothing")[2]
    code, _, err = call("show", "nothing", "--debug")
    assert code == 2
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("error: ")


# --- help, how to resume and next steps ---


@pytest.mark.parametrize("name", ["init", "plan", "run", "validate"])
def test_the_spaces_in_the_help_examples_are_valid_with_their_overrides(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"^\s*(tuner (?:run|plan|validate) .*)$", tuner.commands[name].help or "", re.MULTILINE)
    assert examples
    for example in examples:
        assert load_example(shlex.split(example)).parameters


@pytest.mark.parametrize("kind", [SearchInterrupted, SearchFailed])
def test_a_search_that_ends_early_says_how_to_resume_in_a_command_to_paste(
    kind: type[TunerError], tmp_path: Path
) -> None:
    location = tmp_path / "my runs" / "one"
    Ledger.create(location, space="", environment={})
    with pytest.raises(kind) as message, search.say_how_to_resume(str(location), "head:6379"):
        raise kind("the disk is full")
    *_, shown, _, command, _ = f"{message.value} ".split("`")
    assert shlex.split(shown) == ["tuner", "show", str(location)]
    assert shlex.split(command) == ["tuner", "resume", str(location), "--address", "head:6379"]


def test_a_search_whose_budget_was_too_small_says_to_resume_with_a_larger_one(call) -> None:
    ledger = Ledger.create("runs/one", space="", environment={})
    ledger.finish({"status": "failed", "error": "too short", "resume_with": "search.time=5m"})
    with pytest.raises(SearchFailed) as message, search.say_how_to_resume("runs/one", "head:6379"):
        raise SearchFailed("too short")
    assert str(message.value).endswith("Resume with `tuner resume runs/one --set search.time=5m --address head:6379`")
    assert "resume it with `tuner resume runs/one --set search.time=5m`" in call("show", "one")[2]


def test_an_interrupt_is_printed_as_no_error_and_ends_with_130(capsys) -> None:
    assert _print_error(SearchInterrupted("interrupted; finished work is kept")) == 130
    assert capsys.readouterr().err == "interrupted; finished work is kept\n"


def test_an_interrupt_before_an_extension_begins_says_to_give_the_settings_again(tmp_path: Path) -> None:
    location = write_run(tmp_path, trials=5)
    with (
        pytest.raises(SearchInterrupted) as message,
        search.say_how_to_resume(str(location), None, ("search.time=1h",)),
    ):
        raise KeyboardInterrupt
    assert f"the run is as it was: `tuner show {location}`" in str(message.value)
    assert str(message.value).endswith(f"Resume with `tuner resume {location} --set search.time=1h`")


def test_a_search_that_never_began_does_not_mention_resuming(tmp_path: Path) -> None:
    with (
        pytest.raises(SearchFailed, match=r"^Ray did not start$"),
        search.say_how_to_resume(str(tmp_path / "one"), None),
    ):
        raise SearchFailed("Ray did not start")


@pytest.mark.parametrize(("column", "named"), [("text: body", "'body'"), ("sequence: steps", "'steps'")])
def test_the_next_steps_name_the_column_and_can_be_pasted(column: str, named: str, tmp_path, capsys):
    location = write_run(tmp_path / "my runs", trials=20)
    run = read_run(location)
    search.say_next_steps(replace(run, space=run.space.replace("text: text", column)))
    message = capsys.readouterr().err
    assert f"DATA is your file, with the column {named}." in message
    assert f"tuner report '{location}' --open" in message
    assert f"tuner predict '{location}' DATA --out preds.parquet" in message


# --- validate --with-data ---


def test_a_shipped_space_on_chinese_texts_says_that_it_reads_characters(call):
    rows = [f"这个手机{'很好' if row % 3 else '坏了'}，昨天收到{row}。" for row in range(90)]
    write_rows(rows, ["no", "no", "yes"] * 30)
    named = [f"--set={setting}" for setting in ("data.train=rows.parquet", "data.label=label", "data.group=null")]
    code, _, err = call("validate", "binary", "--with-data", *named)
    assert code == 0
    assert (
        "note: 100 % of the training texts are in a script without spaces (Han), where a word is a whole clause" in err
    )
    assert "parameters searched: tokens, tokens.bpe.size," in err


def test_validate_counts_what_is_searched(call):
    fixed = """task: binary
data: {train: x.csv, label: label}
search: {trials: 1}
space: """
    for space, said in (("{}", "0 parameters searched\n"), ("{hidden: [8, 16]}", "1 parameter searched: hidden\n")):
        Path("one.yaml").write_text(fixed + space)
        assert said in call("validate", "one.yaml")[2]


def test_validate_describes_folds(call):
    write_rows([f"text {i}" for i in range(60)], ["x", "y"] * 30)
    Path("space.yaml").write_text(SPACE.format(task="binary", train="rows.parquet"))
    code, _, err = call("validate", "space.yaml", "--with-data", "--set", "data.folds=3")
    assert code == 0
    assert "rows: train 51 in 3 folds, each validating a model trained on the others; test 9; 2 labels" in err


def test_validate_reports_an_unreadable_file_of_vectors_beside_the_faults_of_the_data(call):
    write_rows([f"text {i}" for i in range(60)], ["x", "y"] * 30)
    Path("space.yaml").write_text(SPACE.format(task="binary", train="rows.parquet"))
    vectors = "space.embedding={file: {path: glove.vec}}"
    for more in ((), ("--set", "data.text=txt")):
        code, _, err = call("validate", "space.yaml", "--with-data", "--set", vectors, *more)
        assert code == 2
        assert f"space.embedding.file.path: {Path.cwd()}/glove.vec: there is no file" in err
        assert ("no column 'txt'" in err) == bool(more)
    Path("glove.vec").write_text("text 1 2\n")
    code, _, err = call("validate", "space.yaml", "--with-data", "--set", vectors)
    assert code == 0
    assert "glove.vec: 100 % of the vocabulary found" in err
    Path("glove.vec").write_text("text 1 two\n")
    code, _, err = call("validate", "space.yaml", "--with-data", "--set", vectors)
    assert code == 2
    assert "glove.vec:1: the line is neither" in err


def test_the_schema_lists_every_setting_by_its_dotted_path(call):
    code, out, _ = call("schema", "--format", "csv")
    assert code == 0
    rows = {row["setting"]: row for row in csv.DictReader(io.StringIO(out))}
    assert list(next(iter(rows.values()))) == ["setting", "type", "default", "range", "for", "description"]
    assert (rows["search.time"]["type"], rows["search.time"]["default"]) == (
        "a time, such as 90s, 10m or 1h30m or number or null",
        "null",
    )
    assert rows["space.hidden"]["range"].startswith("at least 1")
    assert rows["space.clipping.norm.threshold"]["type"] == "number"
    assert rows["data.train"]["default"] == "required"
    assert rows["task"]["range"] == "binary, multiclass, multilabel"
    assert all(row["description"] for row in rows.values())


@pytest.mark.parametrize("setting", ["space.hidden", "space.dropout", "search.seeds", "data.label_case"])
def test_a_setting_of_the_schema_can_be_set_to_its_default(setting, call):
    out = call("schema", "--format", "csv")[1]
    default = next(row["default"] for row in csv.DictReader(io.StringIO(out)) if row["setting"] == setting)
    assert call("validate", "multilabel", "--set", f"{setting}={default}")[0] == 0
