"""A space file is read as plain data, or refused with every fault, its line and its remedy."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.spaces import faults, write
from tuner.errors import SpaceError
from tuner.space.document import MAX_BYTES
from tuner.space.load import find_space, load_space, shipped_spaces

HEAD = "task: multilabel\ndata: {train: a.parquet, labels: l}\nsearch: {time: 5m}\n"  # lines 1 to 3


def test_all_faults_are_reported_at_once_in_the_order_of_the_lines(tmp_path: Path) -> None:
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
    messages = faults(tmp_path, text, "data.text=[5]")
    assert [each.split(": ")[:2] for each in messages] == [
        ["x.yaml:1", "task"],
        ["x.yaml:2", "data.tex"],
        ["x.yaml:2", "data.label"],
        ["x.yaml:4", "search.max_epochs"],
        ["x.yaml:5", "search.time"],
        ["x.yaml:7", "space.hidden"],
        ["x.yaml:9", "space.hidden"],
        ["x.yaml:10", "trials"],
        ["--set data.text=[5]", "data.text"],
    ]


# Faults of the file


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "x.yaml: the file is empty"),
        ("# only a comment\n", "x.yaml: the file is empty"),
        ("- a\n", "x.yaml: the top level is a list"),
        ("word\n", "x.yaml: the top level is a single value"),
        ("task: binary\nspace:\n\thidden: 1\n\tlayers: 1\n", "x.yaml:3: a tab indents this line (and 1 more)"),
        ("task: binary\nspace: {hidden: [1, 2\n", "x.yaml:3: cannot be read as YAML"),
        ("task: binary\n---\ntask: binary\n", "x.yaml:2: a second document begins with ---"),
        ("a: &h 64\nb: *h\n", "x.yaml:2: *h is an alias, which tuner does not read"),
        ("a: !!python/object:os.system x\n", "x.yaml:1: !!python/object:os.system is a tag"),
        ("a: " + "[" * 40, "x.yaml:1: nested more than 32 levels deep"),
        ("a\0b", "x.yaml: cannot be read as YAML: unacceptable character #x0000"),
    ],
)
def test_a_file_that_is_not_a_space_is_refused_with_its_line(tmp_path: Path, text: str, fault: str) -> None:
    messages = faults(tmp_path, text)
    assert len(messages) == 1
    assert messages[0].startswith(fault)


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"task: binary\n# caf\xe9\n")
    with pytest.raises(SpaceError, match=r"x\.yaml:2: byte 0xe9 is not UTF-8 text; save the file as UTF-8"):
        load_space(str(path))


def test_a_file_beyond_the_size_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(SpaceError, match="is larger than 200,000 bytes"):
        load_space(str(path))


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match="is a directory, not a file"):
        load_space(str(tmp_path))


def test_a_byte_order_mark_is_not_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(HEAD, encoding="utf-8-sig")
    assert load_space(str(path)).task == "multilabel"


def test_a_repeated_key_is_reported_with_other_faults(tmp_path: Path) -> None:
    assert faults(tmp_path, f"{HEAD}space:\n  hidden: 64\n  hidden: 65\n  hiden: 1\n") == [
        "x.yaml:6: space.hidden: the key appears twice, first at x.yaml:5; keep one of the two",
        "x.yaml:7: space.hiden: unknown parameter 'hiden'; did you mean 'hidden'?",
    ]


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_space_or_a_reported_fault(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "x.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(SpaceError):
        load_space(str(path))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["norm", "none", "64", "label", "", "explicit", "file"]),
    lambda each: (
        st.lists(each, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["low", "high", "step", "scale", "choice", "norm", "threshold", "explicit", "file", "path"]
            ),
            each,
        )
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "space.hidden",
                "space.layers",
                "space.layer_dropout",
                "space.clipping",
                "space.tokens",
                "space.embedding",
                "space.loss_weights",
                "data.label",
                "data.sequence",
                "data.folds",
                "search",
                "resources.gpus",
            ]
        ),
        JSON,
        min_size=1,
        max_size=3,
    )
)
def test_any_override_is_good_or_a_reported_fault(values: dict[str, object]) -> None:
    overrides = [f"{key}={json.dumps(value)}" for key, value in values.items()]  # JSON is YAML
    with contextlib.suppress(SpaceError):
        assert load_space("multilabel", overrides).parameters


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


@pytest.mark.parametrize("name", ["multilabel", "multilabel.yaml", "search_spaces/multilabel.yaml"])
def test_a_name_that_may_mean_an_edited_copy_or_the_shipped_space_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spaces").mkdir()
    (tmp_path / "spaces/multilabel.yaml").write_text(HEAD)
    with pytest.raises(SpaceError, match=r"may mean spaces/multilabel.yaml, or the space") as caught:
        find_space(name)
    assert caught.value.faults[0].remedy == "write spaces/multilabel.yaml, or shipped:multilabel for the shipped one"
    assert find_space("shipped:multilabel") == (shipped_spaces()["multilabel"], True)


def test_an_unchanged_copy_makes_no_name_ambiguous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spaces").mkdir()
    (tmp_path / "spaces/multilabel.yaml").write_bytes(shipped_spaces()["multilabel"].read_bytes())
    assert find_space("multilabel") == (shipped_spaces()["multilabel"], True)


def test_an_unknown_shipped_space_names_the_nearest_one() -> None:
    with pytest.raises(SpaceError, match="no shipped space has that name; did you mean 'binary'"):
        find_space("shipped:binry")


def test_the_bare_name_of_a_space_in_the_usual_folder_is_refused_with_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spaces").mkdir()
    (tmp_path / "spaces/tickets.yaml").write_text(HEAD)
    for name in ("tickets", "tickets.yaml", "tickets.yml"):
        with pytest.raises(SpaceError, match=r"did you mean 'spaces/tickets\.yaml'\?"):
            find_space(name)


def test_a_missing_space_names_the_path_and_the_nearest_shipped_name() -> None:
    path = Path("spaces/multilable.yaml").absolute()
    with pytest.raises(SpaceError, match="no such file") as caught:
        find_space("spaces/multilable.yaml")
    assert str(path) in str(caught.value)
    assert caught.value.faults[0].remedy == "did you mean 'multilabel'?"


def test_a_missing_space_names_a_similar_file_in_its_folder(tmp_path: Path) -> None:
    write(tmp_path, HEAD)
    with pytest.raises(SpaceError, match=r"did you mean 'x\.yaml'\?"):
        find_space(str(tmp_path / "xx.yaml"))


def test_reading_a_space_imports_neither_torch_nor_ray_nor_optuna() -> None:
    script = (
        "import sys, tuner.space.load, tuner.samplers.base, tuner.space.schema\n"
        "tuner.space.load.load_space('multilabel')\n"
        "print([name for name in ('torch', 'ray', 'optuna') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
