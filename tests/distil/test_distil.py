"""`tuner distil RUN`: a bundle beside the champion's, what the other verbs make of it, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

import tuner
from builders.fixtures import Call
from tuner.bundle.known_rows import read_known_rows
from tuner.distil.distil import Wishes, distil
from tuner.ledger.run_directory import Ledger
from tuner.ledger.verify import verify

BUNDLE = ["bundle.json", "preparation.json", "rows.safetensors", "weights.safetensors"]


@pytest.fixture(scope="module")
def distilled(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with a distilled model."""
    folder = tmp_path_factory.mktemp("distilled")
    shutil.copytree(plain, folder, dirs_exist_ok=True)
    wishes = Wishes(truth_share=0.0, epochs=2, seed=1)
    distil(str(folder / "runs" / "first"), wishes, lambda _: [], lambda _: None)
    return folder


def here(folder: Path) -> Path:
    """Copy a folder to the working directory of the test, and return the run there."""
    shutil.copytree(folder, Path(), dirs_exist_ok=True)
    return Path("runs", "first")


def test_a_distilled_model_is_judged_beside_the_champion(plain: Path, call: Call) -> None:
    run = here(plain)
    code, out, err = call("distil", "first", "--epochs", "2", "--unlabelled", "new.csv", "--set", "space.hidden=8")
    assert code == 0, err
    assert "new.csv: 20 of 20 rows are new" in err
    assert "training one model on 92 rows, 20 of them without labels, for 2 epochs" in err
    assert [line.split()[0] for line in out.splitlines()[:4]] == ["macro-F1", "model", "champion", "distilled"]
    assert "the champion is a single model, with " in out
    described = json.loads((run / "distilled.json").read_text())
    assert described["rows"] == {"train": 72, "unlabelled": 20, "left_out": 0}
    assert described["configuration"]["hidden"] == 8
    assert described["models"][1]["test"] == described["test"]["macro_f1"]
    assert described["models"][1]["bytes"] == sum(
        (run / "distilled" / name).stat().st_size for name in BUNDLE if "rows" not in name
    )


def test_other_verbs_take_the_distilled_model_as_any_bundle(distilled: Path, call: Call) -> None:
    run = here(distilled)
    described = json.loads((run / "distilled.json").read_text())
    assert sorted(path.name for path in (run / "distilled").iterdir()) == BUNDLE
    code, out, err = call("evaluate", "first/distilled", "rows.csv", "--format", "json")
    assert code == 0, err
    assert json.loads(out)["macro_f1"] == pytest.approx(described["test"]["macro_f1"])
    for arguments in (("predict", "first/distilled", "new.csv"), ("diagnose", str(run / "distilled"))):
        assert call(*arguments)[0] == 0
    code, out, err = call("compare", "first", "first/distilled", "--data", "rows.csv", "--format", "json")
    assert code == 0, err
    loaded = repr(tuner.load(run / "distilled"))
    assert f"on test: macro-F1 {described['test']['macro_f1']:.3f}\n" in loaded  # not the champion's, and no verdict


def test_show_verify_and_report_know_the_distilled_model(distilled: Path, call: Call) -> None:
    run = here(distilled)
    code, out, _ = call("show", "first", "--format", "json")
    assert code == 0
    assert json.loads(out)["distilled"]["seed"] == 1
    code, out, _ = call("verify", "first")
    assert (code, out) == (0, "")
    (run / "distilled" / "weights.safetensors").write_bytes(b"x")
    code, out, _ = call("verify", "first", "--format", "json")
    assert code == 1
    (fault,) = json.loads(out)["faults"]
    assert fault["where"].endswith("distilled/weights.safetensors")
    assert "its checksum (SHA-256) is not the one in distilled.json" in fault["what"]


def test_a_run_that_goes_on_leaves_the_distilled_model_out_of_its_manifest(distilled: Path, call: Call) -> None:
    run = here(distilled)
    manifest = json.loads((run / "manifest.json").read_text())
    Ledger(str(run)).finish({name: value for name, value in manifest.items() if "files" not in name})
    again = json.loads((run / "manifest.json").read_text())
    assert again["files"] == manifest["files"]
    assert verify(run).faults == ()


def test_the_same_seed_gives_the_same_model_in_place_of_the_earlier_one(distilled: Path, call: Call) -> None:
    run = here(distilled)
    before = (run / "distilled" / "weights.safetensors").read_bytes()
    arguments = ("distil", "first", "--truth", "0", "--epochs", "2", "--seed", "1")
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert "there is a distilled model already; replace it with --force" in err
    assert call(*arguments, "--force")[0] == 0
    assert (run / "distilled" / "weights.safetensors").read_bytes() == before


def test_ctrl_c_leaves_nothing_half_written(plain: Path, call: Call) -> None:
    run = here(plain)

    def interrupt(said: str) -> None:
        if "score" in said:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distil(str(run), Wishes(truth_share=0.0, epochs=2), lambda _: [], interrupt)
    assert not (run / "distilled").exists()
    assert not (run / "distilled.json").exists()
    assert verify(run).faults == ()


def test_a_bundle_that_was_cut_off_while_it_was_written_is_a_fault_that_force_mends(
    distilled: Path, call: Call
) -> None:
    run = here(distilled)
    (run / "distilled.json").unlink()
    (fault,) = verify(run).faults
    assert "there is no distilled.json, so this was cut off while it was written" in fault.what
    command = fault.remedy.partition(": ")[2].split()
    assert call(*command[1:], "--epochs", "1")[0] == 0
    assert verify(run).faults == ()


def test_another_place_has_the_bundle_and_its_description_beside_it(plain: Path, call: Call) -> None:
    run = here(plain)
    code, _, err = call("distil", "first", "--epochs", "1", "--out", "models/small", "--format", "csv")
    assert code == 0, err
    assert sorted(path.name for path in Path("models", "small").iterdir()) == BUNDLE
    assert json.loads(Path("models", "small.json").read_text())["bundle"] == "models/small"
    assert not (run / "distilled").exists()
    known = read_known_rows("models/small")
    assert known is not None
    assert len(known.trained) == 72


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--out", "runs/first/champion", "--force"], "a run keeps its distilled model in distilled/"),
        (["--out", "runs/second/distilled", "--force"], "a run keeps its distilled model in distilled/"),
        (["--out", "other", "--force"], "there is something else than a distilled model"),
        (["--trial", "7"], "--trial 7: the run first has no trial of this number; choose one from 0 to 1"),
        (["--time", "soon"], "--time: 'soon' is not a time above zero; write it as 90s, 5m"),
        (["--set", "search.time=1m"], "this changes nothing about a distilled model"),
        (["--unlabelled", "absent.csv"], "absent.csv: "),
        (["--unlabelled", "rows.csv"], "the run knows all of its 120 rows"),
        (["--set", "data.train=gone.csv"], "data.train of run first is no longer there"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_is_written(
    arguments: Sequence[str], part: str, plain: Path, call: Call
) -> None:
    run = here(plain)
    Path("other").mkdir()
    Path("other", "file").write_text("")
    Path("runs", "second").mkdir()
    Path("runs", "second", "environment.json").write_text("{}")
    before = sorted(Path().rglob("*"))
    code, out, err = call("distil", "first", *arguments)
    assert (code, out) == (2, "")
    assert part in err
    assert sorted(Path().rglob("*")) == before
    assert not (run / "distilled").exists()


def test_changed_rows_are_refused(plain: Path, call: Call) -> None:
    here(plain)
    text = Path("rows.csv").read_text()
    Path("changed.csv").write_text(text.replace("rain", "hail"))
    code, _, err = call("distil", "first", "--set", "data.train=changed.csv")
    assert code == 2
    assert "its content is that of no file that the run began with" in err


def test_a_run_without_a_champion_is_refused(plain: Path, call: Call) -> None:
    run = here(plain)
    (run / "champion.json").unlink()
    code, _, err = call("distil", "first")
    assert code == 2
    assert "the run has no champion (it is finished), so there is nothing to distil; give a run that finished" in err


def test_a_later_champion_of_the_run_is_said(distilled: Path, call: Call) -> None:
    from tuner.analysis.distilled import describe_distilled
    from tuner.ledger.run_directory import read_run

    run = here(distilled)
    assert str(describe_distilled(read_run(run))).startswith("the champion is a single model, with ")
    champion = json.loads((run / "champion.json").read_text())
    champion["test"]["macro_f1"] += 0.01
    (run / "champion.json").write_text(json.dumps(champion))
    assert str(describe_distilled(read_run(run))).startswith("made from an earlier champion of this run: ")
