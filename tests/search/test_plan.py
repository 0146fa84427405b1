"""What a search will take, estimated from a few short trials."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from builders.searches import make_rows
from builders.terminal import call_in_terminal

SPACE = """
task: multiclass
data: {train: rows.csv, text: text, label: kind, validation: 0.2, test: 0.2}
search: {LIMITS, max_epochs: 2, grace_epochs: 1, reports_per_epoch: 1, finalists: 3, seeds: 1}
space: {tokens: {word: {min_count: 1}}, embedding: {random: {size: 8}}, hidden: HIDDEN, batch_size: 16}
"""


@pytest.mark.parametrize(
    ("limits", "hidden", "trials", "finalists", "settings", "sentence"),
    [
        ("trials: 12", "[4, 8]", 2, 2, 2, "the space has 2 settings to try; the search ends once all have been tried"),
        ("time: 2h", "[4, 8]", 2, 2, 2, "the space has 2 settings to try; the search ends once all have been tried"),
        ("trials: 2", "[4, 6, 8]", 2, 2, 3, "the space has 3 settings to try"),
        ("trials: 12", "[4, 8], dropout: {low: 0, high: 0.5}", 12, 3, None, None),
    ],
)
def test_a_plan_has_no_more_trials_and_finalists_than_the_space_has_settings(
    limits: str,
    hidden: str,
    trials: int,
    finalists: int,
    settings: int | None,
    sentence: str | None,
    call: Any,
    tmp_path: Path,
) -> None:
    write_inputs(tmp_path, limits, hidden)
    code, out, _ = call("plan", "space.yaml", "--format", "json")
    plan = json.loads(out)
    assert code == 0
    assert (plan["trials"], plan["settings"]) == (trials, settings)
    said = [each for each in plan["sentences"] if each.startswith("the space has")]
    assert said == ([sentence] if sentence else [])
    assert f"then {finalists} finalists" in plan["sentences"][-1]


@pytest.mark.parametrize(
    ("limit", "remedy"),
    [("time: 3s", r"--set (search\.time)=(\d+)s"), ("cost: 0.01, cost_per_hour: 12", r"--set (search\.cost)=(\S+)")],
)
def test_a_budget_without_a_trial_is_refused_with_one_that_is_enough(
    limit: str, remedy: str, call: Any, tmp_path: Path
) -> None:
    write_inputs(tmp_path, limit, "8")
    code, out, err = call("plan", "space.yaml")
    assert (code, out) == (2, "")
    assert "in which no trial would be measured" in err
    found = re.search(remedy, err)
    assert found
    given, _, value = limit.partition(",")[0].partition(": ")
    assert found[1] == f"search.{given}"
    assert float(found[2]) > float(value.rstrip("s"))
    # It is enough on a machine as busy as it was then; a busier one may need more.
    assert call("plan", "space.yaml", "--set", f"{found[1]}={10 * float(found[2])}")[0] == 0


def test_what_a_plan_prints_fits_eighty_columns(call: Any, tmp_path: Path) -> None:
    write_inputs(tmp_path, "time: 2h", "[4, 8], dropout: {low: 0, high: 0.5}")
    lines = call_in_terminal("plan", "space.yaml", columns=80, folder=tmp_path)
    assert max(map(len, lines)) <= 80


def write_inputs(folder: Path, limits: str, hidden: str) -> None:
    lines = [f"{row['text']},{row['kind']}" for row in make_rows(80).to_pylist()]
    (folder / "rows.csv").write_text("text,kind\n" + "\n".join(lines) + "\n")
    (folder / "space.yaml").write_text(SPACE.replace("LIMITS", limits).replace("HIDDEN", hidden))


def test_validate_says_how_many_settings_a_small_space_has(call: Any, tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(SPACE.replace("LIMITS", "trials: 12").replace("HIDDEN", "[4, 8]"))
    code, _, err = call("validate", "space.yaml")
    assert code == 0
    assert err.splitlines()[-1] == "the space has 2 settings to try"
