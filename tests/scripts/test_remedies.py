"""scripts/bench remedies: what it trains, how it continues after a stop, and what its table says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from experiments.remedies.catalogue import AGAIN, BASE, describe, remedies_for
from experiments.remedies.effects import effects_of
from experiments.remedies.table import render
from experiments.results import drop_cut_line, read_results, write_parquet
from experiments.spaces import in_force, merged
from tuner.space.options import Options
from tuner.space.parameters import PARAMETERS

ROOT = Path(__file__).resolve().parents[2]
SPACE = """
task: multiclass
data: {train: "builtin:digits", sequence: sequence, label: label}
search: {trials: 1, max_epochs: 1}
space: {hidden: 8, batch_size: 128, learning_rate: 0.01, precision: float32, dropout: [0.1, 0.2]}
"""


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "digits.yaml"
    path.write_text(SPACE)
    return path


def remedies(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((str(ROOT), str(ROOT / "scripts")))
    return subprocess.run(
        [sys.executable, "-m", "experiments", "remedies", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def line(remedy: str, seed: int, score: float | None, **more: Any) -> dict[str, Any]:
    scored = {"outcome": "scored", "score": score, "diverged_at_step": None, "processor_seconds_per_epoch": 2.0}
    about = {"set": "words", "group": "" if remedy == BASE else "Regularisation", "remedy": remedy, "change": {}}
    rest = {"seed": seed, "replica": 0, "epochs": 3, "rows": [1200, 300], "labels": 4, "tree": {"dropout": 0.3}}
    return {**about, **rest, **scored, **more}


def base(*scores: float) -> list[dict[str, Any]]:
    """Two trainings of the base per seed, 0.01 above and below the score."""
    return [
        line(BASE, seed, score + offset, replica=replica)
        for seed, score in enumerate(scores)
        for replica, offset in ((0, 0.01), (1, -0.01))
    ]


# --- what is measured -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inputs", ["text", "sequence"])
def test_every_parameter_and_every_option_is_changed_by_some_remedy(inputs: Any) -> None:
    changes = [remedy.change for remedy in remedies_for(inputs, {})]
    assert {name for change in changes for name in change} == set(PARAMETERS[inputs])
    for name, parameter in PARAMETERS[inputs].items():
        if isinstance(parameter, Options):
            written = [change[name] for change in changes if name in change]
            named = {value if isinstance(value, str) else next(iter(value)) for value in written}
            assert set(parameter.options) - {parameter.default} - named - {"auto"} == set(), name


@pytest.mark.parametrize("inputs", ["text", "sequence"])
def test_no_two_remedies_have_the_same_name(inputs: Any) -> None:
    names = [remedy.name for remedy in remedies_for(inputs, {})]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("old", "change", "new"),
    [
        ({"hidden": 64, "layers": 2}, {"hidden": 128}, {"hidden": 128, "layers": 2}),
        (
            {"embedding": {"random": {"size": 300, "scale": 0.3}}},
            {"embedding": {"random": {"scale": 1.0}}},
            {"embedding": {"random": {"size": 300, "scale": 1.0}}},
        ),
        ({"clipping": {"norm": {"threshold": 2}}}, {"clipping": "none"}, {"clipping": "none"}),
        ({"optimiser": "adam"}, {"optimiser": {"sgd": {"momentum": 0}}}, {"optimiser": {"sgd": {"momentum": 0}}}),
        (
            {"tokens": {"word": {"min_count": 1}}},
            {"tokens": {"word": {"forms": "stem"}}},
            {"tokens": {"word": {"min_count": 1, "forms": "stem"}}},
        ),
    ],
)
def test_a_change_keeps_all_that_it_does_not_name(
    old: Mapping[str, Any], change: Mapping[str, Any], new: Mapping[str, Any]
) -> None:
    assert merged(old, change) == new


def test_a_parameter_without_effect_beside_the_change_is_left_out() -> None:
    assert in_force({"layers": 1, "layer_dropout": 0.5}, "text") == {"layers": 1}
    assert in_force({"layers": 2, "layer_dropout": 0.5}, "text") == {"layers": 2, "layer_dropout": 0.5}


def test_a_change_is_described_as_people_would_write_it() -> None:
    description = describe({"resampling": {"smote": {"ratio": 0.5}}, "layers": 2, "layer_norm": True})
    assert description == "resampling: smote (ratio 0.5), layers: 2, layer_norm: yes"


# --- results --------------------------------------------------------------------------------------------------------


def test_a_last_line_that_a_kill_cut_short_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text('{"a": 1}\n{"b": ')
    assert read_results(path) == [{"a": 1}]
    assert drop_cut_line(path) == len('{"b": ')
    assert path.read_text() == '{"a": 1}\n'
    assert drop_cut_line(path) == 0


def test_a_stopped_run_continues_and_its_table_shows_the_results(space: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    asked = ("--seeds", "1", "--limit-rows", "300", "--only", "layers: [12]", "--only", "resampling: ml_ros")
    command = ("run", str(space), "--out", str(out), "--processes", "1", *asked)
    first = remedies(*command, folder=tmp_path)
    assert first.returncode == 0, first.stderr
    lines = read_results(out)
    by_remedy = {each["remedy"]: each for each in lines}
    assert [each["remedy"] for each in lines[:3]] == [BASE] * 3
    assert len({each["score"] for each in lines[:3]}) > 1  # different initial weights each time
    assert by_remedy["layers: 2"]["parameters"] > lines[0]["parameters"]
    assert by_remedy["layers: 1"]["outcome"] == "base"
    assert by_remedy["resampling: ml_ros"]["outcome"] == "left out"
    assert 295 <= lines[0]["rows"][0] <= 305

    whole = out.read_text().splitlines(keepends=True)
    out.write_text("".join(whole[:-2]) + whole[-2][:30])
    second = remedies(*command, folder=tmp_path)
    assert second.returncode == 0, second.stderr
    assert "dropped a last line" in second.stderr
    assert f"{len(lines) - 2} of {len(lines)} trainings are there, 2 to go" in second.stderr

    def settled(text: str) -> dict[str, Any]:
        return {name: value for name, value in json.loads(text).items() if "seconds" not in name}

    again = out.read_text().splitlines()
    assert sorted(map(str, map(settled, again))) == sorted(map(str, map(settled, whole)))

    table = remedies("table", str(out), folder=tmp_path)
    assert table.returncode == 0, table.stderr
    assert "| layers: 2 |" in table.stdout
    measured, _, left_out = table.stdout.partition("## Not measured")
    assert "ml_ros" not in measured
    assert "on digits `resampling: ml_ros`: left out: ml_ros is for rows with several labels" in left_out


def test_the_page_of_remedies_is_what_the_recorded_results_say() -> None:
    assert render(read_results(ROOT / "docs" / "remedies.parquet")) == (ROOT / "docs" / "REMEDIES.md").read_text()


def test_results_kept_as_parquet_are_the_same_rows(tmp_path: Path) -> None:
    lines = [*base(0.5, 0.6), line("clipping: none", 0, None, outcome="diverged", diverged_at_step=7)]
    lines += [line("dropout: 0.5", 1, 0.55, change={"dropout": 0.5}, scores=[0.5, None, 0.55])]
    write_parquet(lines, tmp_path / "results.parquet")
    filled = dict.fromkeys(name for each in lines for name in each)
    assert read_results(tmp_path / "results.parquet") == [filled | each for each in lines]


def test_results_of_other_settings_are_refused(space: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    out.write_text(json.dumps(line(BASE, 0, 0.5, set="digits", limit_rows=None, base="abc")) + "\n")
    done = remedies("run", str(space), "--out", str(out), folder=tmp_path)
    assert done.returncode == 2
    assert "digits was run with epochs 3, but this run has 1" in done.stderr


# --- effects --------------------------------------------------------------------------------------------------------


def test_the_effect_is_the_difference_to_the_mean_of_the_base_on_the_same_seed() -> None:
    lines = [*base(0.5, 0.6), line("dropout: 0.5", 0, 0.52), line("dropout: 0.5", 1, 0.66)]
    (effects,) = effects_of(lines)
    assert effects.effects["dropout: 0.5"].differences == pytest.approx((0.02, 0.06))
    assert effects.base == pytest.approx((0.5, 0.6))


def test_a_change_beyond_noise_helps_or_harms_and_a_smaller_one_makes_no_difference() -> None:
    lines = base(0.5, 0.5, 0.5)
    for name, scores in {
        "far up": (0.60, 0.61, 0.62),
        "far down": (0.40, 0.41, 0.39),
        "little": (0.503, 0.504, 0.505),
        "unsteady": (0.5, 0.62, 0.55),
        "noise": (0.49, 0.50, 0.51),
    }.items():
        lines += [line(name, seed, score) for seed, score in enumerate(scores)]
    (effects,) = effects_of(lines)
    verdicts = {name: effects.verdict(effect) for name, effect in effects.effects.items() if name != AGAIN}
    assert verdicts == {
        "far up": "helps",
        "far down": "harms",
        "little": "no difference",
        "unsteady": "no difference",
        "noise": "no difference",
    }


def test_three_seeds_that_happen_to_agree_do_not_prove_a_small_change() -> None:
    lines = base(0.5, 0.5, 0.5)
    for number in range(5):
        lines += [line(f"noise {number}", seed, 0.5 + 0.02 * (seed - 1)) for seed in range(3)]
    lines += [line("lucky", seed, 0.51) for seed in range(3)]
    (effects,) = effects_of(lines)
    assert effects.effects["lucky"].spread == pytest.approx(0)
    assert effects.verdict(effects.effects["lucky"]) == "no difference"


def test_one_seed_proves_nothing() -> None:
    (effects,) = effects_of([*base(0.5), line("dropout: 0.5", 0, 0.9)])
    assert effects.verdict(effects.effects["dropout: 0.5"]) == "unsure"


def test_a_training_that_diverged_harms_and_the_table_says_so() -> None:
    broken = {"outcome": "diverged", "diverged_at_step": 7}
    lines = [*base(0.5, 0.5), *(line("clipping: none", seed, None, **broken) for seed in range(2))]
    (effects,) = effects_of(lines)
    assert effects.verdict(effects.effects["clipping: none"]) == "harms"
    assert "| clipping: none | *diverged in 2* |" in render(lines)


def test_the_table_shows_how_much_trainings_of_the_base_differ() -> None:
    trained = [line(BASE, 0, 0.55, replica=0), line(BASE, 0, 0.50, replica=1)]
    trained += [line(BASE, 1, 0.52, replica=0), line(BASE, 1, 0.54, replica=1)]
    assert f"| {AGAIN} | +0.015 ± 0.049 |" in render(trained)


def test_a_table_without_a_base_is_refused() -> None:
    with pytest.raises(ValueError, match="no set has a score of its base"):
        render([line("dropout: 0.5", 0, 0.5)])
