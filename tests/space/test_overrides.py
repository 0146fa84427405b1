"""`--set dotted.key=value` sets a YAML value anywhere in a space, and in the space's text."""

from __future__ import annotations

import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from tuner.errors import SpaceError
from tuner.space.domains import Choice, Domain, Fixed, FloatRange, IntRange, OptionChoice
from tuner.space.load import load_space

TEXT = """\
task: multilabel # the task
data:
  train: builtin:docstrings
  labels: labels
search:
  time: 5m
# about the space
space:
  # width
  hidden: {low: 64, high: 128} # units
  layers: [1, 2]
  clipping: none
  optimiser:
    - adam
    # with decay
    - adamw
    - sgd: {momentum: 0.5}
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "x.yaml"
    file.write_text(TEXT)
    return str(file)


@pytest.mark.parametrize(
    ("override", "name", "domain"),
    [
        ("space.hidden=32", "hidden", Fixed(32)),
        ("space.hidden.low=32", "hidden", IntRange(32, 128)),
        ("space.layers=[1, 2, 3]", "layers", Choice((1, 2, 3))),
        ("space.dropout={low: 0.1, high: 0.5}", "dropout", FloatRange(0.1, 0.5)),
        ("space.clipping={norm: {threshold: 2}}", "clipping", OptionChoice((("norm", {"threshold": Fixed(2.0)}),))),
        ("space.clipping.norm.threshold=2", "clipping", OptionChoice((("norm", {"threshold": Fixed(2.0)}),))),
        (
            "space.embedding.random.size=64",
            "embedding",
            OptionChoice((("random", {"size": Fixed(64), "scale": Fixed(0.1)}),)),
        ),
        ("space.loss_weights.explicit.rare=5", "loss_weights", OptionChoice((("explicit", {"rare": Fixed(5.0)}),))),
        ("space.schedule.cosine.warm_up=0.1", "schedule", OptionChoice((("cosine", {"warm_up": Fixed(0.1)}),))),
    ],
)
def test_an_override_sets_a_domain(path: str, override: str, name: str, domain: Domain) -> None:
    assert load_space(path, [override]).parameters[name] == domain


@pytest.mark.parametrize(("option", "key", "place"), [("adamw", "weight_decay", 1), ("sgd", "momentum", 2)])
def test_an_override_reaches_an_option_in_a_list(path: str, option: str, key: str, place: int) -> None:
    domain = load_space(path, [f"space.optimiser.{option}.{key}=0.25"]).parameters["optimiser"]
    assert isinstance(domain, OptionChoice)
    name, own = domain.options[place]
    assert (name, own[key]) == (option, Fixed(0.25))
    assert len(domain.options) == 3


def test_overrides_reach_every_section(path: str) -> None:
    space = load_space(
        path, ["task=binary", "data.train=my.parquet", "data.labels=null", "data.label=kind", "search.time=60s"]
    )
    assert (space.task, space.data.train, space.data.label, space.search.time) == ("binary", "my.parquet", "kind", 60)


def test_an_override_makes_a_section_that_is_absent(path: str) -> None:
    assert load_space(path, ["resources.cpus=2"]).resources.cpus == 2


@pytest.mark.parametrize("name", ["5", "007", "0x1F", "1_000", "1.50", "1e400", ".nan", "True", "false", "9" * 5000])
def test_a_column_keeps_the_name_that_was_written(path: str, tmp_path: Path, name: str) -> None:
    overrides = ["task=multiclass", "data.labels=null", f"data.label={name}", f"data.text={name}x"]
    space = load_space(path, overrides)
    assert (space.data.label, space.data.text) == (name, f"{name}x")
    again = tmp_path / "again.yaml"
    again.write_text(space.text)
    assert load_space(str(again)).data == space.data
    again.write_text(f"task: multiclass\ndata: {{train: a, label: {name}}}\nsearch: {{trials: 1}}\n")
    assert load_space(str(again)).data.label == name


def test_label_columns_keep_the_names_that_were_written(path: str) -> None:
    overrides = ["data.labels=null", "data.label_columns=[01, 1, true, b]"]
    assert load_space(path, overrides).data.label_columns == ("01", "1", "true", "b")


def test_an_override_turns_texts_into_sequences(path: str) -> None:
    assert load_space(path, ["data.sequence=steps"]).inputs == "sequence"


def test_a_later_override_wins(path: str) -> None:
    assert load_space(path, ["space.hidden=1", "space.hidden=2"]).parameters["hidden"] == Fixed(2)


def test_without_overrides_the_text_is_the_files_own(path: str) -> None:
    assert load_space(path).text == TEXT


def test_the_text_with_overrides_keeps_comments_and_order(path: str) -> None:
    text = load_space(path, ["space.hidden.low=32", "search.time=60s", "space.layers=3"]).text
    assert text == TEXT.replace("low: 64", "low: 32").replace("5m", "60s").replace("[1, 2]", "3")


def test_the_text_with_overrides_reads_as_the_same_space(path: str, tmp_path: Path) -> None:
    overrides = [
        "space.optimiser.adamw.weight_decay={low: 0.1, high: 1}",
        "space.clipping.norm.threshold=2",
        "space.tokens.word.lower_case=false",
        "space.learning_rate={low: 1e-4, high: 1e-2, scale: log}",
        "data.positive=null",
        "resources.concurrent=2",
        'data.text="a: b # c"',
    ]
    space = load_space(path, overrides)
    again_path = tmp_path / "again.yaml"
    again_path.write_text(space.text)
    again = load_space(str(again_path))
    assert again.parameters == space.parameters
    assert (again.data, again.search, again.resources) == (space.data, space.search, space.resources)


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("data.tex=a", "--set data.tex=a: data.tex: unknown key 'tex'; did you mean 'text'?"),
        (
            "search.time",
            "--set search.time: has no '='; write --set KEY=VALUE, such as --set search.time=60s",
        ),
        (
            "a..b=1",
            "--set a..b=1: 'a..b' is not a dotted key; write --set KEY=VALUE, such as --set search.time=60s",
        ),
        (
            "space.hidden.high=9999",
            "--set space.hidden.high=9999: space.hidden.high: high is 9999, which is out of bounds; "
            "use a number that is at least 1 and at most 4096",
        ),
        (
            "space.optimiser.rmsprop.momentum=0",
            "--set space.optimiser.rmsprop.momentum=0: space.optimiser is a list without the option 'rmsprop'; "
            "set the whole list: --set 'space.optimiser=[…]'",
        ),
        (
            "data.labels=*x",
            "--set data.labels=*x: *x is an alias, which tuner does not read; write the value out; "
            "or, if it is a text, quote it: --set 'data.labels=\"*x\"'",
        ),
        (
            "data.labels=#x",
            "--set data.labels=#x: data.labels: # begins a comment, so there is no value; quote it: --set 'data.labels=\"#x\"'",
        ),
        (
            "data.labels=a: b",
            "--set data.labels=a: b: data.labels: a mapping is not text; write one name; "
            "if this is one, write it in quotes: --set 'data.labels=\"a: b\"'",
        ),
        (
            "data.train=0x1F",
            "--set data.train=0x1F: data.train: 31 is not text; write it in quotes: --set 'data.train=\"0x1F\"'",
        ),
        (
            "space.clipping.norm=5",
            "--set space.clipping.norm=5: space.clipping.norm: 5 is not a mapping of parameters; "
            "write --set 'space.clipping.norm={threshold: 5}'",
        ),
        (
            "search.grace_epochs=0.7",
            "--set search.grace_epochs=0.7: search.grace_epochs: grace_epochs is 0.7, but must be a multiple of 1/2 with 2 "
            "measurements per epoch; use --set search.grace_epochs=0.5, or change reports_per_epoch",
        ),
    ],
)
def test_a_fault_in_an_override_is_placed_there(path: str, override: str, fault: str) -> None:
    with pytest.raises(SpaceError, match="--set") as caught:
        load_space(path, [override])
    assert [str(each) for each in caught.value.faults] == [fault]


def test_an_override_that_is_not_yaml_is_reported(path: str) -> None:
    with pytest.raises(SpaceError, match=r"^--set space\.clipping=\{norm: cannot be read as YAML"):
        load_space(path, ["space.clipping={norm"])


def test_a_long_override_is_abbreviated_in_messages(path: str) -> None:
    with pytest.raises(SpaceError, match=r"^--set data\.tex=a+…: data\.tex: unknown key"):
        load_space(path, ["data.tex=" + "a" * 500])


@pytest.mark.parametrize("later", ["task=binary", "space.hidden.a=1"])
def test_a_key_of_thousands_of_parts_is_refused(path: str, later: str) -> None:
    with pytest.raises(SpaceError, match=r"the key has 5,002 parts, but a space is at most 32 levels deep"):
        load_space(path, [f"space.hidden{'.a' * 5000}=1", later])


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("search.time:10m", ["search.time=10m"]),
        ("search.time: 10m", ["search.time=10m"]),
        ("space.hidden: [64, 128]", ["space.hidden=[64, 128]"]),
        ("time=10m", ["search.time=10m"]),
        ("hidden=[64, 128]", ["space.hidden=[64, 128]"]),
        ("data.folds=5", ["data.validation=null", "data.folds=null"]),
    ],
)
def test_a_set_that_cannot_be_used_gets_one_to_paste(given: str, written: list[str]) -> None:
    with pytest.raises(SpaceError) as caught:
        load_space("multiclass", [given])
    (fault,) = caught.value.faults
    words = shlex.split(fault.remedy.replace(";", " ; "))
    assert [word for before, word in pairwise(words) if before == "--set"] == written
    load_space("multiclass", [*([given] if given == "data.folds=5" else []), written[0]])
