"""`tuner diagnose`: what its argument may name, what it prints, and its exit codes."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from builders.runs import write_run
from tuner.cli import tuner
from tuner.errors import BundleError, DataError, UsageError

COLLAPSED = "label,prediction\n" + "a,a\n" * 30 + "b,a\n" * 12
GOOD = "label,prediction\n" + "a,a\n" * 30 + "b,b\n" * 12


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def predictions(tmp_path: Path) -> str:
    path = tmp_path / "preds.csv"
    path.write_text(COLLAPSED)
    return str(path)


def diagnose(*arguments: str) -> Result:
    return CliRunner().invoke(tuner, ["diagnose", *arguments], catch_exceptions=True)


def test_a_file_of_predictions_is_diagnosed(predictions: str) -> None:
    result = diagnose(predictions)
    assert result.exit_code == 0
    assert "collapsed: it gives one answer for nearly every row" in result.stdout
    assert "collapsed labels: a, b" in result.stdout
    assert "1. imbalance" in result.stdout
    assert "give rare labels more weight if nothing does so yet" in result.stdout
    assert "--set" not in result.stdout  # the settings of the model are not known


def test_guessed_columns_are_noted_on_stderr(predictions: str) -> None:
    result = diagnose(predictions)
    assert "column 'label' is used for --truth" in result.stderr
    assert "used for" not in result.stdout


def test_json_has_state_labels_and_causes_and_nothing_else_on_stdout(predictions: str) -> None:
    described = json.loads(diagnose(predictions, "--format", "json").stdout)
    assert described["state"] == "collapsed"
    assert described["labels"] == ["a", "b"]
    assert set(described["causes"][0]) == {
        "name", "strength", "sentence", "measurement", "setting", "advice", "command", "explained_by",
    }  # fmt: skip
    assert described["search"] is None


def test_a_collapse_fails_a_script_that_asks_for_it(predictions: str) -> None:
    assert diagnose(predictions).exit_code == 0
    assert diagnose(predictions, "--fail-on-collapse").exit_code == 4


def test_good_predictions_fail_no_script(tmp_path: Path) -> None:
    path = tmp_path / "preds.csv"
    path.write_text(GOOD)
    result = diagnose(str(path), "--fail-on-collapse")
    assert result.exit_code == 0
    assert "healthy: decisions vary as the truth does" in result.stdout


def test_a_run_is_found_by_its_directory_and_by_its_name(run: Path) -> None:
    by_path, by_name = diagnose(str(run)), diagnose("made-up", "--runs", str(run.parent))
    assert by_path.exit_code == by_name.exit_code == 0
    assert by_path.stdout == by_name.stdout
    assert "the champion of made-up: healthy" in by_path.stdout


def test_a_diagnosis_of_a_run_covers_its_search(run: Path) -> None:
    shown = diagnose(str(run)).stdout
    assert "the search had 90 trials:" in shown
    assert "- clipping none: 14 of" in shown


def refused(*arguments: str) -> str:
    result = diagnose(*arguments)
    assert isinstance(result.exception, UsageError)
    return str(result.exception)


def test_a_missing_run_is_reported_with_the_closest_name(run: Path) -> None:
    message = refused("made-upp", "--runs", str(run.parent))
    assert (
        f"there is no run of this name in {run.parent}, and no bundle or file here; did you mean 'made-up'?" in message
    )


def test_an_unrecognised_folder_is_refused_with_what_is_accepted(tmp_path: Path) -> None:
    assert "not a run (no environment.json), a bundle (no bundle.json) or a file of predictions" in refused(
        str(tmp_path)
    )


def test_column_options_are_refused_for_a_run(run: Path) -> None:
    message = refused(str(run), "--pred", "x", "--text", "y")
    assert "--pred, --text apply to a file of predictions" in message


def test_a_training_file_needs_the_column_of_texts(predictions: str) -> None:
    assert "name the column of texts in both files with --text" in refused(predictions, "--train", predictions)


def test_a_bundle_is_diagnosed_by_its_record(run: Path, tmp_path: Path) -> None:
    champion = json.loads((run / "champion.json").read_text())
    labels = [row["label"] for row in champion["validation"]["labels"]]
    described = {
        "format": 3,
        "task": "multilabel",
        "labels": labels,
        "seen": [True] * len(labels),
        "thresholds": [0.5] * len(labels),
        "configuration": {},
        "columns": {},
        "record": {"penalty_weight": 1.0, "validation": champion["validation"], "health": {"gate_saturation": 0.1}},
    }
    (tmp_path / "bundle.json").write_text(json.dumps(described))
    result = diagnose(str(tmp_path))
    assert result.exit_code == 0
    assert f"the bundle {tmp_path}: healthy" in result.stdout
    assert "give the run that made it" in result.stdout


@pytest.mark.parametrize(
    ("content", "message"), [("{", "not valid JSON"), ("{}", "bundle.json is not an object with a format")]
)
def test_a_broken_bundle_is_reported(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text(content)
    result = diagnose(str(tmp_path))
    assert isinstance(result.exception, BundleError)
    assert message in str(result.exception)


def test_help_describes_fail_on_collapse_the_same_way_twice() -> None:
    text = " ".join(diagnose("--help").stdout.split())
    assert text.count("4 if the predictor has collapsed, even in part, has diverged or shows no signal") == 2


def test_the_command_that_is_proposed_for_probabilities_works_when_pasted(tmp_path: Path) -> None:
    path = tmp_path / "preds.csv"
    path.write_text("label,my p\n" + "a,0.2\nb,0.9\n" * 20)
    refused = diagnose(str(path), "--pred", "my p")
    assert isinstance(refused.exception, DataError)
    remedy = str(refused.exception).split("give them as ")[1]
    pasted = diagnose(str(path), "--pred", "my p", *shlex.split(remedy))
    assert pasted.exit_code == 0
    assert "decisions are made from the probabilities" in pasted.stderr
