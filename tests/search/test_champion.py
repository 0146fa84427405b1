"""From the trials of a search to its champion: real training on small data, without Ray, with a manual clock."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

import tuner
from builders.measurements import make_measurement
from builders.processes import Killed
from builders.ray_trials import step_on
from builders.trained_search import Change, Clock, TrainedSearch
from tuner.data.dataset import JudgeRows
from tuner.data.trial_data import prepare
from tuner.errors import SearchFailed
from tuner.ledger.extensions import extend, extensions_of
from tuner.ledger.predictions import predictions_of, read_predictions
from tuner.ledger.rows import read_recorded_run
from tuner.ledger.run_directory import Ledger, read_measurements, read_run
from tuner.ledger.verify import verify
from tuner.ray_backend.start import Machines, Node
from tuner.ray_backend.worker import TrialOnWorker, is_worth_keeping
from tuner.search.run import EarlierRun
from tuner.search.search_data import SearchData
from tuner.search.watcher import Watcher
from tuner.space.load import load_space
from tuner.trial.order import Order

SPACE = """
task: multilabel
data: {{train: rows.csv, labels: labels{folds}}}
search: {{{limits}, max_epochs: 6, grace_epochs: 1, reports_per_epoch: 1, finalists: 1, seeds: 2}}
space:
  tokens: {{word: {{min_count: 1}}}}
  embedding: {{random: {{size: 8}}}}
  hidden: 6
  batch_size: 16
  precision: float32
  max_length: 16
  learning_rate: {{low: 0.0299, high: 0.03}}
"""


def earlier_run(location: Path) -> EarlierRun:
    """Return a run to go on with. If it has finished, it is given more."""
    run = read_run(location)
    extensions = extensions_of(run)
    if run.status == "finished":
        extensions += (extend(run, ["search.trials=2"], at="2026-11-28T14:00:00+00:00", command=["tuner"]),)
    recorded = read_recorded_run(run, read_measurements(location), extensions[-1] if extensions else None)
    return EarlierRun(run, recorded, extensions)


@pytest.fixture
def make_search(tmp_path: Path, make_dataset: Any) -> Callable[..., TrainedSearch]:
    def make(
        limits: str = "trials: 1",
        *,
        folds: int = 0,
        change: Change | None = None,
        seconds_each: dict[str, float] | None = None,
        is_again: bool = False,
        is_fixed: bool = False,
        has_judge: bool = False,
        said: list[str] | None = None,
    ) -> TrainedSearch:
        text = SPACE.format(limits=limits, folds=f", folds: {folds}" if folds else "")
        if is_fixed:
            text = text.replace("learning_rate: {low: 0.0299, high: 0.03}", "learning_rate: 0.03")
        (tmp_path / "space.yaml").write_text(text)
        space, dataset = load_space(str(tmp_path / "space.yaml")), make_dataset("multilabel", folds=folds)
        if has_judge:
            fresh = make_dataset("multilabel", seed=5).test
            dataset = replace(dataset, judge=JudgeRows(split=fresh, sha256="5" * 64, left_out=2))
        run = tmp_path / "run"
        earlier = earlier_run(run) if is_again else None
        clock = Clock(now=earlier.recorded.seconds if earlier else 0.0)
        clock.seconds_each.update(seconds_each or {})
        search = TrainedSearch(
            space,
            SearchData(dataset, prepare(dataset, space.parameters, lambda _: None), Machines((Node(cpus=1, gpus=0),))),
            Ledger.reopen(run) if is_again else Ledger(str(run)),
            clock=clock,
            watcher=Watcher(say=said.append if said is not None else lambda _: None, watch=lambda _: None),
            earlier=earlier,
        )
        search.clock = clock
        if change is not None:
            search.change = change
        return search

    return make


def changed(result: dict[str, Any], **measures: Any) -> dict[str, Any]:
    measurement = {**json.loads(result["measurement"]), **measures}
    return {**result, "measurement": json.dumps(measurement), "score": measurement["score"]}


def diverge(order: Order, result: dict[str, Any]) -> dict[str, Any]:
    """Let every finalist's run diverge at its first measurement."""
    is_finalist = order.phase == "finalist"
    return changed(result, score=float("nan"), diverged_at_step=1, is_last=True) if is_finalist else result


def champion_of(run: Path) -> dict[str, Any]:
    return dict(read_run(run).champion)


def collapse(phase: str) -> Change:
    """Let every model of a phase decide nearly the same for every row."""

    def change(order: Order, result: dict[str, Any]) -> dict[str, Any]:
        return changed(result, constant_penalty=0.9) if phase in (order.phase, "both") else result

    return change


@pytest.mark.parametrize(("collapsed", "kind"), [("search", "finalist"), ("finalist", "search trial")])
def test_a_healthy_model_beats_a_collapsed_one_at_any_score(
    collapsed: str, kind: str, make_search: Any, tmp_path: Path
) -> None:
    make_search(change=collapse(collapsed)).run(is_cluster=False)
    champion = champion_of(tmp_path / "run")
    assert (champion["kind"], champion["parent"]) == (kind, 0)
    assert champion["finalists_without_model"] == ([0] if collapsed == "finalist" else [])
    assert verify(tmp_path / "run").faults == ()


def test_a_search_trial_is_the_champion_if_time_cuts_its_finalists_short(make_search: Any, tmp_path: Path) -> None:
    make_search("trials: 1, time: 1000s", seconds_each={"finalist": 995.0}).run(is_cluster=False)
    champion = champion_of(tmp_path / "run")
    search, *finalists = sorted(read_run(tmp_path / "run").trials, key=lambda row: row["trial"])
    first, *others = finalists
    assert first["epochs"] == 1
    assert {row["reason"] for row in others} == {"the budget was over before it began"}
    assert max(row["score"] for row in finalists if row["score"] is not None) < search["score"]
    assert (champion["kind"], champion["trial"], champion["parent"]) == ("search trial", 0, 0)
    assert champion["validation"]["score"] == pytest.approx(search["score"], abs=1e-6)
    assert tuner.load(tmp_path / "run").record["validation_scores"]["lower"] is None
    assert verify(tmp_path / "run").faults == ()


def test_a_search_trial_is_the_champion_if_every_finalist_diverges_at_once(make_search: Any, tmp_path: Path) -> None:
    make_search(change=diverge).run(is_cluster=False)
    champion = champion_of(tmp_path / "run")
    assert (champion["kind"], champion["trial"], champion["finalists"]) == ("search trial", 0, [])
    assert champion["finalists_without_model"] == [0]
    assert champion["selection"] is None


def test_with_folds_nothing_replaces_the_finalists_and_the_error_says_so(make_search: Any, tmp_path: Path) -> None:
    with pytest.raises(SearchFailed, match=r"no finalist was measured, and with data\.folds search trials keep"):
        make_search(folds=3, change=diverge).run(is_cluster=False)
    run = read_run(tmp_path / "run")
    assert (run.status, run.manifest["resume_with"], run.champion) == ("failed", ["search.trials=2"], {})


def test_finalists_that_failed_are_tried_again_without_a_larger_budget(make_search: Any, tmp_path: Path) -> None:
    def fail(order: Order, result: dict[str, Any]) -> dict[str, Any]:
        return {"examples": 0, "failure": "no space left"} if order.phase == "finalist" else result

    with pytest.raises(SearchFailed, match=r"no finalist was measured.*no space left"):
        make_search(folds=3, change=fail).run(is_cluster=False)
    assert "resume_with" not in read_run(tmp_path / "run").manifest
    make_search(folds=3, is_again=True).run(is_cluster=False)
    assert champion_of(tmp_path / "run")["kind"] == "finalist"


def test_a_collapsed_model_is_no_champion_and_the_test_split_stays_unseen(make_search: Any, tmp_path: Path) -> None:
    search = make_search("trials: 1", change=collapse("both"))
    with pytest.raises(SearchFailed, match=r"no champion, and the test split is unseen: every model .* has collapsed"):
        search.run(is_cluster=False)
    run = read_run(tmp_path / "run")
    assert (run.status, run.champion) == ("failed", {})
    assert run.manifest["resume_with"] == ["search.trials=2"]
    assert not (tmp_path / "run" / "champion").exists()
    assert not (tmp_path / "run" / "predictions").exists()
    assert verify(tmp_path / "run").faults == ()


def test_a_run_without_a_champion_continues_with_a_larger_budget_and_new_numbers(
    make_search: Any, tmp_path: Path
) -> None:
    with pytest.raises(SearchFailed, match="no champion"):
        make_search("trials: 1", change=collapse("both")).run(is_cluster=False)
    before = {row["trial"]: row["phase"] for row in read_run(tmp_path / "run").trials}
    assert before == {0: "search", 1: "finalist", 2: "finalist"}
    with pytest.raises(SearchFailed, match="no champion"):
        make_search("trials: 2", change=collapse("both"), is_again=True).run(is_cluster=False)
    trials = read_run(tmp_path / "run").trials
    phases = {row["trial"]: row["phase"] for row in trials}
    assert phases == {**before, 3: "search", 4: "finalist", 5: "finalist"}
    assert len({row["seed"] for row in trials}) == 6
    with pytest.raises(SearchFailed, match="no champion"):  # the budget is no larger, so nothing runs again
        make_search("trials: 2", change=collapse("both"), is_again=True).run(is_cluster=False)
    assert len(read_run(tmp_path / "run").trials) == 6


def test_if_all_settings_collapsed_a_larger_budget_is_no_remedy(make_search: Any, tmp_path: Path) -> None:
    with pytest.raises(SearchFailed, match=r"has collapsed.*All settings of the space have been tried, so begin a run"):
        make_search("trials: 9", change=collapse("both"), is_fixed=True).run(is_cluster=False)
    run = read_run(tmp_path / "run")
    assert len(run.trials) == 3
    assert "resume_with" not in run.manifest


@pytest.mark.parametrize("limits", ["trials: 9", "time: 1000s"])
def test_if_no_finalist_of_all_settings_gave_a_model_a_larger_budget_is_no_remedy(
    limits: str, make_search: Any, tmp_path: Path
) -> None:
    with pytest.raises(SearchFailed, match=r"no finalist was measured"):
        make_search(limits, folds=3, change=diverge, is_fixed=True).run(is_cluster=False)
    assert "resume_with" not in read_run(tmp_path / "run").manifest


def test_a_search_of_one_setting_has_a_champion_and_says_how_it_ended(make_search: Any, tmp_path: Path) -> None:
    manifest = make_search("trials: 9", is_fixed=True).run(is_cluster=False)
    assert manifest["ended_by"] == "settings"
    assert [row["phase"] for row in read_run(tmp_path / "run").trials] == ["search", "finalist", "finalist"]


def test_a_blend_is_one_bundle_that_predicts_as_it_was_tested_and_every_command_knows_it(
    make_search: Any, tmp_path: Path, call: Any
) -> None:
    said: list[str] = []
    search = make_search("trials: 3", said=said)
    search.has_baselines = True
    search.run(is_cluster=False)
    champion, run = champion_of(tmp_path / "run"), str(tmp_path / "run")
    committee, bundle = champion["committee"], tuner.load(run)
    assert committee["kind"] == "blend"
    assert [row["kind"] for row in committee["alternatives"]] == ["single", "committee", "blend"]
    members = [(each["trial"], each["baseline"], each["weight"]) for each in committee["members"]]
    bundled = [(getattr(each, "trial", None), getattr(each, "name", None), each.weight) for each in bundle.members]
    assert members == bundled
    assert (committee["members"][0]["trial"], bundle.record["trial"]) == (champion["trial"], champion["trial"])
    stored = predictions_of("champion", read_predictions(run, "test"), len(bundle.labels))
    probabilities = bundle.predict_proba(search._dataset.test.inputs)
    assert stored.probabilities == pytest.approx(probabilities, abs=1e-6)
    assert (bundle.decide(probabilities) == stored.decisions).all()
    assert committee["alternatives"][2]["test"]["macro_f1"] == pytest.approx(champion["test"]["macro_f1"], abs=0.02)
    assert any(line.startswith("champion: committee of") for line in said)
    assert verify(run).faults == ()
    shown = call("show", run)[1]
    assert "champions side by side" in shown
    assert "members, score on validation" in shown


def test_a_finalist_is_judged_by_the_model_that_it_kept_even_if_its_measurement_no_longer_counts(
    make_search: Any, tmp_path: Path, call: Any
) -> None:
    """On a GPU a resumed run measures differently. The weights kept before may be better than any measurement that counts."""
    measured: list[float] = []

    def lower(order: Order, result: dict[str, Any]) -> dict[str, Any]:
        if order.phase == "search":
            return changed(result, constant_penalty=0.9)
        measured.append(result["score"])
        return changed(result, score=result["score"] - 0.3)

    make_search(change=lower).run(is_cluster=False)
    champion = champion_of(tmp_path / "run")
    assert champion["kind"] == "finalist"
    assert champion["validation"]["score"] == pytest.approx(max(measured), abs=1e-6)
    assert max(champion["finalists"][0]["scores"]) == pytest.approx(max(measured))
    assert champion["health"] == {}  # the health of a measurement that does not count is unknown
    shown = " ".join(call("show", str(tmp_path / "run"))[1].split())
    assert "not known, because its weights are from another moment than its score in the leaderboard" in shown


@pytest.mark.parametrize(
    ("keep_above", "measures", "expected"),
    [
        (None, {}, True),
        (0.4, {}, True),
        (0.5, {}, False),
        (None, {"constant_penalty": 0.8}, False),
        (None, {"auc": 0.5, "logit_spread": 0.01}, False),
    ],
)
def test_a_search_trial_keeps_a_model_that_is_healthy_and_among_the_best(
    keep_above: float | None, measures: dict[str, float], expected: bool
) -> None:
    assert is_worth_keeping(make_measurement(0.5, **measures), keep_above) is expected


def test_every_command_reads_a_run_whose_champion_is_a_search_trial(
    make_search: Any, tmp_path: Path, call: Any
) -> None:
    make_search(change=diverge).run(is_cluster=False)
    run = str(tmp_path / "run")
    code, out, _ = call("show", run, "--all")
    assert code == 0
    assert "champion: trial 0, as trained in the search, best at" in out
    assert (
        "selection: there is no run of the same settings with another seed to compare with; no finalist run of trial 0 gave"
        in out
    )
    assert call("show", run, "--format", "csv")[0] == 0
    assert call("report", run, "--out", "page.html")[0] == 0
    assert "trial 0, as trained in the search" in (tmp_path / "page.html").read_text()
    assert call("diagnose", run)[0] == 0
    assert call("verify", run)[0] == 0


def test_every_command_reads_a_run_without_a_champion_and_says_how_to_continue(
    make_search: Any, tmp_path: Path, call: Any
) -> None:
    with pytest.raises(SearchFailed, match="no champion"):
        make_search(change=collapse("both")).run(is_cluster=False)
    run = str(tmp_path / "run")
    code, out, err = call("show", run)
    assert code == 0
    assert "error: there is no champion, and the test split is unseen" in out
    assert f"tuner resume {run} --set search.trials=2" in err
    assert call("report", run, "--out", "page.html")[0] == 0
    assert call("diagnose", run)[0] == 0
    assert call("verify", run)[0] == 0
    assert call("predict", run, "rows.csv")[0] == 2


def test_a_search_trial_whose_weights_cannot_be_written_continues_with_a_note(make_search: Any, tmp_path: Path) -> None:
    search = make_search()
    order = search._queue.next_order()
    assert order is not None
    worker = TrialOnWorker.__new__(TrialOnWorker)
    worker.setup(
        {"order": asdict(replace(order, weights=f"{tmp_path}/moved/finalists/w.safetensors"))},
        search._data.prepared,
        search._trial_settings(),
    )
    result = step_on(worker)
    assert "measurement" in result
    assert "its weights cannot be written, so it is no candidate for champion" in result["note"]


# --- a finished run is given more ---------------------------------------------------------------------------------------


def test_an_extended_run_keeps_the_earlier_verdict_and_every_command_reads_it(
    make_search: Any, tmp_path: Path, call: Any
) -> None:
    make_search().run(is_cluster=False)
    before = read_run(tmp_path / "run")
    manifest = make_search("trials: 2", is_again=True).run(is_cluster=False)
    after = read_run(tmp_path / "run")
    (earlier,) = after.champion["earlier"]
    assert (earlier["verdict"], earlier["trials"]) == (before.champion["verdict"], 1)
    assert earlier["test"]["macro_f1_ci"] == before.champion["test"]["macro_f1_ci"]
    assert earlier["finished_at"] == before.manifest["finished_at"]
    assert [each["settings"] for each in manifest["extensions"]] == [["search.trials=2"]]
    run = str(tmp_path / "run")
    code, out, _ = call("show", run)
    assert code == 0
    assert "earlier: " in out
    assert call("report", run, "--out", "page.html")[0] == 0
    assert "earlier verdicts, macro-F1 on test" in (tmp_path / "page.html").read_text()
    for arguments in (("verify", run), ("diagnose", run), ("ls", "--runs", "."), ("compare", run, run)):
        assert call(*arguments)[0] == 0, arguments


def test_the_earlier_champion_serves_until_the_new_one_is_written(make_search: Any, tmp_path: Path) -> None:
    make_search().run(is_cluster=False)
    before = champion_of(tmp_path / "run")
    states: list[tuple[bool, Any, Any]] = []

    def look(_order: Order, result: dict[str, Any]) -> dict[str, Any]:
        run = read_run(tmp_path / "run")
        states.append((run.is_being_extended, run.champion, verify(tmp_path / "run").faults))
        tuner.load(tmp_path / "run")
        return result

    make_search("trials: 2", is_again=True, change=look).run(is_cluster=False)
    assert states
    assert all(state == (True, before, ()) for state in states)
    assert not read_run(tmp_path / "run").is_being_extended


def test_an_extension_that_finds_nothing_better_says_that_the_champion_is_as_before(
    make_search: Any, tmp_path: Path
) -> None:
    make_search().run(is_cluster=False)
    before, said = champion_of(tmp_path / "run"), list[str]()
    make_search("trials: 2", is_again=True, change=collapse("both"), said=said).run(is_cluster=False)
    after = champion_of(tmp_path / "run")
    assert after["is_as_before"]
    assert (after["trial"], after["test"]) == (before["trial"], before["test"])
    assert "extended: 1 trial and 2 runs of finalists stay as they are" in said
    assert f"the champion is as before: nothing better than trial {before['parent']} was found" in said


def test_fresh_rows_judge_the_champion_beside_the_test_and_are_seen_the_second_time(
    make_search: Any, tmp_path: Path, call: Any
) -> None:
    make_search(has_judge=True).run(is_cluster=False)
    judged = champion_of(tmp_path / "run")["judge"]
    assert (judged["rows"], judged["left_out"]) == (48, 2)
    assert judged["macro_f1_ci"][0] <= judged["macro_f1"] <= judged["macro_f1_ci"][1]
    assert not any("not fresh" in note for note in judged["notes"])
    make_search("trials: 2", has_judge=True, is_again=True).run(is_cluster=False)
    again = champion_of(tmp_path / "run")
    assert again["earlier"][0]["judge"]["macro_f1"] == judged["macro_f1"]
    assert any("they are not fresh any more" in note for note in again["judge"]["notes"])
    assert "\njudge " in call("show", str(tmp_path / "run"))[1]


@pytest.mark.parametrize("cut_at", ["write_table", "write_json"])
def test_a_crash_while_the_new_champion_replaces_the_old_one_leaves_a_whole_run_to_resume(
    cut_at: str, make_search: Any, tmp_path: Path
) -> None:
    def crash(*_arguments: Any) -> None:
        raise Killed

    make_search().run(is_cluster=False)
    before = champion_of(tmp_path / "run")
    search = make_search("trials: 2", is_again=True)
    crown = search._crown_champion

    def crown_and_crash(baselines: Any) -> Any:
        setattr(search._ledger, cut_at, crash)
        return crown(baselines)

    search._crown_champion = crown_and_crash
    with pytest.raises(Killed):
        search.run(is_cluster=False)
    search._ledger.release()
    assert read_run(tmp_path / "run").is_being_extended
    assert verify(tmp_path / "run").faults == ()
    make_search("trials: 2", is_again=True).run(is_cluster=False)
    (earlier,) = champion_of(tmp_path / "run")["earlier"]
    assert earlier["test"]["macro_f1"] == before["test"]["macro_f1"]
    assert verify(tmp_path / "run").faults == ()
