"""A space file becomes typed settings and domains, or every fault in it with its line and remedy."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tuner.errors import SpaceError
from tuner.space.document import MAX_BYTES
from tuner.space.domains import Choice, Fixed, FloatRange, IntRange, OptionChoice
from tuner.space.load import Space, find_space, load_space, shipped_spaces
from tuner.space.settings import DataSettings, SearchSettings, read_time

HEAD = "task: multilabel\ndata: {train: a.parquet, labels: l}\nsearch: {time: 5m}\n"  # lines 1 to 3


def write(folder: Path, text: str) -> str:
    path = folder / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def load(folder: Path, space: str = "", *overrides: str) -> Space:
    """Load HEAD followed by a `space` section of these lines, the first of which is line 5."""
    body = "".join(f"  {line}\n" for line in space.splitlines())
    return load_space(write(folder, f"{HEAD}space:\n{body}"), overrides)


def faults(folder: Path, text: str, *overrides: str) -> list[str]:
    """Return the faults of a file of this text, without the folder's name."""
    with pytest.raises(SpaceError) as caught:
        load_space(write(folder, text), overrides)
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


# What a domain becomes


@pytest.mark.parametrize(
    ("written", "domain"),
    [
        ("hidden: 64", Fixed(64)),
        ("hidden: 1e2", Fixed(100)),
        ("hidden: [64, 128]", Choice((64, 128))),
        ("hidden: {choice: [64, 128]}", Choice((64, 128))),
        ("hidden: {low: 16, high: 64}", IntRange(16, 64)),
        ("hidden: {low: 16, high: 64, scale: log}", IntRange(16, 64, is_log=True)),
        ("hidden: {low: 16, high: 64, step: 16}", IntRange(16, 64, step=16)),
        ("dropout: 0", Fixed(0.0)),
        ("dropout: {low: 0.1, high: 0.7, step: 0.1}", FloatRange(0.1, 0.7, step=0.1)),
        ("learning_rate: {low: 1e-4, high: 1e-2, scale: log}", FloatRange(1e-4, 1e-2, is_log=True)),
        ("clipping: none", OptionChoice((("none", {}),))),
        ("clipping: norm", OptionChoice((("norm", {"threshold": Fixed(1.0)}),))),
        ("clipping: {norm: }", OptionChoice((("norm", {"threshold": Fixed(1.0)}),))),
        (
            "clipping: [none, {norm: {threshold: [1, 5]}}]",
            OptionChoice((("none", {}), ("norm", {"threshold": Choice((1.0, 5.0))}))),
        ),
        (
            "tokens: {choice: [{word: {lower_case: [true, false]}}]}",
            OptionChoice((("word", {"lower_case": Choice((True, False))}),)),
        ),
    ],
)
def test_each_way_to_write_a_domain_is_read(tmp_path: Path, written: str, domain: object) -> None:
    assert load(tmp_path, written).parameters[written.partition(":")[0]] == domain


def test_an_absent_parameter_is_fixed_at_its_default(tmp_path: Path) -> None:
    parameters = load(tmp_path).parameters
    assert parameters["embedding"] == Fixed(128)
    assert parameters["optimiser"] == OptionChoice((("adamw", {"weight_decay": Fixed(0.01)}),))


def test_integers_and_reals_take_the_parameters_type(tmp_path: Path) -> None:
    parameters = load(tmp_path, "hidden: 64.0\ndropout: 0").parameters
    assert [type(each.value) for each in (parameters["hidden"], parameters["dropout"]) if isinstance(each, Fixed)] == [
        int,
        float,
    ]


# Faults of domains


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("hiden: 64", "hiden: unknown parameter 'hiden'; did you mean 'hidden'?"),
        ("seeds: 2", "seeds: unknown parameter 'seeds'; it belongs to search: move it there"),
        ("hidden: '64'", "hidden: '64' in quotes is text, and a whole number is needed; write it without quotes"),
        ("hidden: many", "hidden: 'many' is not a whole number; write a whole number"),
        ("hidden: 64.5", "hidden: 64.5 is not a whole number; round it, as 64"),
        ("hidden: true", "hidden: true is not a whole number; write a whole number"),
        ("hidden:", "hidden: has no value; write a whole number after the colon, or remove the line"),
        ("hidden: 0", "hidden: 0 is out of bounds; use a number that is at least 1 and at most 4096"),
        ("dropout: 1", "dropout: 1 is out of bounds; use a number that is at least 0 and below 1"),
        (
            f"hidden: {'9' * 5000}",
            "hidden: inf is not a number that can be used; write a whole number of ordinary size",
        ),
        (
            f"learning_rate: 0x{'f' * 5000}",
            "learning_rate: inf is not a number that can be used; write a number of ordinary size",
        ),
        ("dropout: .nan", "dropout: nan is not a number that can be used; write a number of ordinary size"),
        ("hidden: []", "hidden: an empty list has nothing to choose from; list the values, as [64, 128]"),
        ("hidden: [64, 64]", "hidden[1]: 64 is in the list twice; list each value once"),
        ("hidden: [64, [1]]", "hidden[1]: a list is not a whole number; write a whole number"),
        ("hidden: {choice: 5}", "hidden.choice: 5 is not a list to choose from; list the values, as [64, 128]"),
        (
            "hidden: {low: 1}",
            "hidden: a range without high; write {low: …, high: …}, or a list of values, or one value",
        ),
        ("hidden: {low: 9, high: 5}", "hidden.low: low is 9, above high, which is 5; swap them"),
        ("hidden: {low: 1, high: 5, hihg: 6}", "hidden.hihg: unknown key 'hihg' beside low; did you mean 'high'?"),
        (
            "learning_rate: {low: 0, high: 1, scale: log}",
            "learning_rate.low: low is 0, but a log scale needs low > 0; use 1e-5, or scale: linear",
        ),
        ("hidden: {low: 1, high: 5, scale: lg}", "hidden.scale: 'lg' is no scale; write scale: linear or scale: log"),
        (
            "hidden: {low: 1, high: 9, scale: log, step: 2}",
            "hidden.step: a log scale has no steps; remove step, or use scale: linear",
        ),
        (
            "hidden: {low: 16, high: 60, step: 16}",
            "hidden.high: high is 60, which steps of 16 from 16 do not reach; use high: 48 or 64",
        ),
        (
            "clipping: {norm: {threshold: {low: 1, high: 1e300, step: 1e-9}}}",
            "clipping.norm.threshold.step: step is 1e-09, which makes more than 1,000,000 values; use a larger step",
        ),
        ("clipping: non", "clipping: 'non' is not among the options; did you mean 'none'?"),
        ("clipping: null", "clipping: 'null' is not among the options; known: none, norm, value"),
        ("clipping: []", "clipping: an empty list has nothing to choose from; list options: none, norm, value"),
        (
            "clipping: [norm, {norm: {threshold: 2}}]",
            "clipping[1]: norm is in the list twice; list it once, with choices for its parameters",
        ),
        (
            "clipping: {norm: , value: }",
            "clipping: one mapping has several options; write a list: [{norm: …}, {value: …}]",
        ),
        (
            "clipping: {norm: {treshold: 2}}",
            "clipping.norm.treshold: unknown parameter 'treshold'; did you mean 'threshold'?",
        ),
        (
            "optimiser: {adam: {weight_decay: 0.1}}",
            "optimiser.adam.weight_decay: adam has no parameter 'weight_decay' of its own; "
            "it belongs to space.optimiser.adamw",
        ),
        (
            "threshold: 1",
            "threshold: space has no parameter 'threshold' of its own; "
            "it belongs to space.clipping.norm and space.clipping.value",
        ),
        (
            "tokens: {word: {lower_case: 'true'}}",
            "tokens.word.lower_case: 'true' is neither true nor false; write true or false, without quotes",
        ),
    ],
)
def test_a_fault_in_a_domain_names_line_key_value_and_remedy(tmp_path: Path, written: str, fault: str) -> None:
    assert faults(tmp_path, f"{HEAD}space:\n  {written}\n") == [f"x.yaml:5: space.{fault}"]


def test_all_faults_are_told_at_once_in_the_order_of_the_lines(tmp_path: Path) -> None:
    text = (
        "task: multilable\n"
        "data: {train: a.parquet, labels: l, label: k, tex: t}\n"
        "search:\n"
        "  max_epochs: six\n"
        "  time: 5 min\n"
        "space:\n"
        "  hidden: 0\n"
        "  layers: 1\n"
        "  hidden: 64\n"
        "trials: 3\n"
    )
    found = faults(tmp_path, text, "data.text=5")
    assert [each.split(": ")[:2] for each in found] == [
        ["x.yaml:1", "task"],
        ["x.yaml:2", "data.tex"],
        ["x.yaml:2", "data.label"],
        ["x.yaml:4", "search.max_epochs"],
        ["x.yaml:5", "search.time"],
        ["x.yaml:7", "space.hidden"],
        ["x.yaml:9", "space.hidden"],
        ["x.yaml:10", "trials"],
        ["--set data.text=5", "data.text"],
    ]


# Faults of the file


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "x.yaml: the file has nothing in it"),
        ("# only a comment\n", "x.yaml: the file has nothing in it"),
        ("- a\n", "x.yaml: a list at the top"),
        ("word\n", "x.yaml: a single value at the top"),
        ("task: binary\nspace:\n\thidden: 1\n\tlayers: 1\n", "x.yaml:3: a tab indents this line (and 1 more)"),
        ("task: binary\nspace: {hidden: [1, 2\n", "x.yaml:3: cannot be read as YAML"),
        ("task: binary\n---\ntask: binary\n", "x.yaml:2: a second document begins with ---"),
        ("a: &h 64\nb: *h\n", "x.yaml:2: *h is an alias, and a space has none"),
        ("a: !!python/object:os.system x\n", "x.yaml:1: !!python/object:os.system is a tag"),
        ("a: " + "[" * 40, "x.yaml:1: nested more than 32 deep"),
        ("a\0b", "x.yaml: cannot be read as YAML: unacceptable character #x0000"),
    ],
)
def test_a_file_that_is_no_space_is_refused_with_its_line(tmp_path: Path, text: str, fault: str) -> None:
    found = faults(tmp_path, text)
    assert len(found) == 1
    assert found[0].startswith(fault)


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"task: binary\n# caf\xe9\n")
    with pytest.raises(SpaceError, match=r"x\.yaml:2: byte 0xe9 is not UTF-8 text; save the file as UTF-8"):
        load_space(str(path))


def test_a_file_beyond_the_size_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(SpaceError, match="is larger than 1,000,000 bytes"):
        load_space(str(path))


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match="is a directory, not a file"):
        load_space(str(tmp_path))


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(HEAD, encoding="utf-8-sig")
    assert load_space(str(path)).task == "multilabel"


def test_a_repeated_key_is_told_beside_other_faults(tmp_path: Path) -> None:
    assert faults(tmp_path, f"{HEAD}space:\n  hidden: 64\n  hidden: 65\n  hiden: 1\n") == [
        "x.yaml:6: space.hidden: the key is here twice, first at x.yaml:5; keep one of the two",
        "x.yaml:7: space.hiden: unknown parameter 'hiden'; did you mean 'hidden'?",
    ]


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_space_or_a_told_fault(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "x.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(SpaceError):
        load_space(str(path))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["norm", "none", "64", "label", ""]),
    lambda each: (
        st.lists(each, max_size=3)
        | st.dictionaries(st.sampled_from(["low", "high", "step", "scale", "choice", "norm", "threshold"]), each)
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["space.hidden", "space.clipping", "space.tokens", "data.label", "search", "resources.gpus"]),
        JSON,
        min_size=1,
        max_size=3,
    )
)
def test_any_override_is_good_or_a_told_fault(values: dict[str, object]) -> None:
    overrides = [f"{key}={json.dumps(value)}" for key, value in values.items()]  # JSON is YAML
    with contextlib.suppress(SpaceError):
        assert load_space("multilabel", overrides).parameters


# Faults of the sections


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        ("search: {}", "search: neither trials nor time is set, so the search would never end; add time: 5m, or"),
        ("search: {trials: 0}", "search.trials: 0 is out of bounds; use a number that is at least 1"),
        ("search: {trials: 5, gpus: 1}", "search.gpus: unknown key 'gpus'; it belongs to resources: move it there"),
        ("search: {trials: 5, hidden: 1}", "search.hidden: unknown key 'hidden'; it belongs to space: move it there"),
        ("search: {trials: '5'}", "search.trials: '5' in quotes is text, and a whole number is needed; write it"),
        ("search: {trials: 5, seed: true}", "search.seed: true is not a whole number; write a whole number"),
        ("search: {time: 5 min}", "search.time: '5 min' is not a time; write it as 90s, 5m, 2h or 1h30m, or as a"),
        (f"search: {{time: {'9' * 400}}}", "search.time: inf is not a time above zero"),
        ("search: {time: 0s}", "search.time: '0s' is not a time above zero"),
        ("search: {time: 5m, algorithm: tp}", "search.algorithm: 'tp' is not among the choices; did you mean 'tpe'?"),
        (
            "search: {time: 5m, grace_epochs: 12}",
            "search.grace_epochs: grace_epochs is 12, but max_epochs is only 10; set grace_epochs to 10 or less",
        ),
        (
            "search: {time: 5m, grace_epochs: 0.3}",
            "search.grace_epochs: grace_epochs is 0.3, but with 2 reports an epoch it must be a multiple of 1/2; "
            "use grace_epochs: 0.5",
        ),
        ("search: {time: 5m, reduction_factor: 1}", "search.reduction_factor: 1 is out of bounds; use a number that"),
        ("search: [5m]", "search: a list is not a mapping"),
        ("search: {time: 5m}\nresources: {cpus: 1.5}", "resources.cpus: 1.5 is not a whole number; round it"),
        ("search: {time: 5m}\nresources: {gpus: 1.5}", "resources.gpus: gpus is 1.5, but above 1 it must be a whole"),
        ("search: {time: 5m}\nscore: {penalty_weight: -1}", "score.penalty_weight: -1 is out of bounds; use a number"),
        ("search: {time: 5m}\nspaces: {}", "spaces: unknown key 'spaces'; did you mean 'space'?"),
        ("search: {time: 5m}\nhidden: 5", "hidden: unknown key 'hidden'; it belongs to space: move it there"),
    ],
)
def test_a_fault_in_a_section_names_key_value_and_remedy(tmp_path: Path, section: str, fault: str) -> None:
    found = faults(tmp_path, f"task: multilabel\ndata: {{train: a, labels: l}}\n{section}\n")
    assert len(found) == 1
    assert found[0].partition(": ")[2].startswith(fault)


@pytest.mark.parametrize(
    ("task", "data", "fault"),
    [
        ("binary", "label: l", "data.train: is missing; add train: …"),
        ("binary", "train: a", "data: no column of labels is named, and exactly one of"),
        ("multilabel", "train: a, labels: l, label: k", "data.label: label and labels are given, but exactly one"),
        ("multilabel", "train: a, label: l", "data.label: label names one label a row, but task multilabel needs"),
        ("binary", "train: a, labels: l", "data.labels: labels gives several labels a row, but task binary has one"),
        ("multiclass", "train: a, label: l, positive: x", "data.positive: positive is given, but task multiclass has"),
        ("multilabel", "train: a, label_columns: l", "data.label_columns: 'l' is one name, not a list; write [l, …]"),
        ("multilabel", "train: a, label_columns: [l, l]", "data.label_columns: label_columns names a column twice"),
        ("multilabel", "train: a, label_columns: []", "data.label_columns: is empty; fill it in"),
        ("multilabel", "train: a, label_columns: [1, b]", "data.label_columns[0]: 1 is not text; write it in quotes"),
        ("binary", "train: 5, label: l", 'data.train: 5 is not text; write it in quotes: "5"'),
        ("binary", "train: a, label: l, test: 1", "data.test: 1 is not between 0 and 1; name a file, or give the"),
        ("binary", "train: a, label: l, validation: null", "data.validation: validation is null, and no split_column"),
        ("binary", "train: a, label: l, test: b, split_column: s", "data.test: test is the file 'b', but split_column"),
        ("binary", "train: a, label: l, skip_unusable: 1", "data.skip_unusable: 1 is neither true nor false"),
        ("trinary", "train: a, label: l", "task: 'trinary' is not a task; did you mean 'binary'?"),
    ],
)
def test_a_fault_of_the_data_or_its_task_names_key_and_remedy(tmp_path: Path, task: str, data: str, fault: str) -> None:
    found = faults(tmp_path, f"task: {task}\ndata: {{{data}}}\nsearch: {{time: 5m}}\n")
    assert len(found) == 1
    assert found[0].partition(": ")[2].startswith(fault)


def test_a_missing_task_is_told(tmp_path: Path) -> None:
    assert faults(tmp_path, "data: {train: a, label: l}\nsearch: {time: 5m}\n") == [
        "x.yaml:1: task is missing; add task: binary or task: multiclass or task: multilabel"
    ]


def test_settings_made_in_python_keep_the_same_rules() -> None:
    with pytest.raises(ValidationError, match="label and labels are given"):
        DataSettings(train="a", label="l", labels="m")


def test_settings_are_frozen() -> None:
    settings = SearchSettings(trials=1)
    with pytest.raises(ValidationError, match="frozen"):
        settings.trials = 2


@pytest.mark.parametrize(("written", "name"), [(True, "true"), (1, "1"), ("spam", "spam")])
def test_a_positive_label_may_be_written_as_it_stands_in_the_data(written: object, name: str) -> None:
    assert DataSettings.model_validate({"train": "a", "label": "l", "positive": written}).positive == name


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90s", 90), ("5m", 300), ("2h", 7200), ("1h30m", 5400), ("3m30s", 210), ("1.5h", 5400), (45, 45), (0.5, 0.5)],
)
def test_a_time_is_read_as_seconds(written: object, seconds: float) -> None:
    assert read_time(written) == seconds


@pytest.mark.parametrize("written", ["", "5", "5 m", "m5", "30m1h", "-5m", "5d", True, 0, -1, float("inf"), [5]])
def test_what_is_no_time_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        read_time(written)


# Finding a space


@pytest.mark.parametrize(
    "name", ["multilabel", "multilabel.yaml", "spaces/multilabel.yaml", "search_spaces/multilabel.yaml"]
)
def test_a_shipped_space_is_found_where_no_such_file_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "multilabel").mkdir()
    assert find_space(name) == (shipped_spaces()["multilabel"], True)


def test_a_file_comes_before_the_shipped_space_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spaces").mkdir()
    (tmp_path / "spaces/multilabel.yaml").write_text(HEAD)
    assert find_space("spaces/multilabel.yaml") == (Path("spaces/multilabel.yaml"), False)


def test_a_missing_space_names_the_path_and_the_nearest_shipped_name() -> None:
    path = Path("spaces/multilable.yaml").absolute()
    with pytest.raises(SpaceError, match="no such file") as caught:
        find_space("spaces/multilable.yaml")
    assert str(path) in str(caught.value)
    assert caught.value.faults[0].remedy == "did you mean 'multilabel'?"


def test_a_missing_space_names_a_file_beside_it(tmp_path: Path) -> None:
    write(tmp_path, HEAD)
    with pytest.raises(SpaceError, match=r"did you mean 'x\.yaml'\?"):
        find_space(str(tmp_path / "xx.yaml"))


def test_reading_a_space_imports_neither_torch_nor_ray_nor_optuna() -> None:
    script = (
        "import sys, tuner.space.load, tuner.space.sampler, tuner.space.schema\n"
        "tuner.space.load.load_space('multilabel')\n"
        "print([name for name in ('torch', 'ray', 'optuna') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
