"""`tuner verify` names each kind of damage, and finds none in a sound run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner, Result

from builders.bundle import make_bundle
from builders.configurations import configure
from builders.datasets import make_dataset
from builders.runs import write_run
from tuner.bundle.model_bundle import save_bundle
from tuner.cli import tuner
from tuner.ledger.run_directory import Ledger, checkpoint_name
from tuner.storage import Folder
from tuner.training.state import to_bytes


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs"), trials=12)


@pytest.fixture
def run(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "made-up"))


def verify(run: Path) -> Result:
    return CliRunner(catch_exceptions=False).invoke(tuner, ["verify", str(run), "--format", "json"])


def faults(run: Path) -> list[str]:
    done = verify(run)
    lines = [f"{fault['where']}: {fault['what']}" for fault in json.loads(done.stdout)["faults"]]
    assert done.exit_code == (1 if lines else 0)
    return lines


def test_a_sound_run_is_whole(run: Path) -> None:
    assert faults(run) == []
    assert json.loads(verify(run).stdout)["is_whole"] is True
    assert "made-up: whole" in verify(run).stderr


def _change_a_digit(path: Path) -> None:
    path.write_text(path.read_text().replace("1", "7", 1))


@pytest.mark.parametrize(
    ("damage", "name", "message"),
    [
        (lambda path: path.unlink(), "data.json", "is not there"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "predictions/test.parquet", "bytes, but"),
        (_change_a_digit, "baselines.json", "checksum (SHA-256) is not"),
        (lambda path: path.write_text("mine"), "notes.txt", "the manifest does not list it"),
    ],
)
def test_a_file_that_has_changed_is_named(damage: Callable[[Path], None], name: str, message: str, run: Path) -> None:
    damage(run / name)
    (fault,) = faults(run)
    assert fault.startswith(f"{run / name}: ")
    assert message in fault


def test_without_a_manifest_parts_are_checked_by_their_own_checksums(run: Path) -> None:
    (run / "manifest.json").unlink()
    assert faults(run) == []
    assert "there is no manifest" in verify(run).stderr
    part = next((run / "reports").iterdir())
    part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    (fault,) = faults(run)
    assert fault.startswith(f"{part}: damaged, or not a part of this table")


def test_checkpoints_are_checked_by_their_own_checksums(run: Path) -> None:
    (run / "manifest.json").unlink()
    kept = run / checkpoint_name(3)
    kept.parent.mkdir()
    kept.write_bytes(to_bytes({"tensor": torch.zeros(3)}))
    assert faults(run) == []
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    (fault,) = faults(run)
    assert fault.startswith(f"{kept}: ")
    assert "the checksum differs" in fault
    shutil.rmtree(kept.parent)
    kept.parent.write_text("no folder")
    (fault,) = faults(run)
    assert fault.startswith(f"{kept.parent}: ")


def test_a_trial_without_its_measurements_is_named(run: Path) -> None:
    (run / "manifest.json").unlink()
    part = next((run / "reports").iterdir())
    rows = pq.read_table(part)
    pq.write_table(rows.filter([number != 0 for number in rows["trial"].to_pylist()]), part)
    (fault,) = faults(run)
    assert "trial 0 has score" in fault
    assert "but the best of its measurements is None" in fault


def test_missing_predictions_are_named(run: Path) -> None:
    (run / "manifest.json").unlink()
    part = run / "predictions" / "test.parquet"
    rows = pq.read_table(part)
    pq.write_table(rows.slice(1), part)
    (fault,) = faults(run)
    assert "rows of the champion, but the champion was evaluated on" in fault


def test_a_bundle_that_cannot_be_loaded_is_named(run: Path) -> None:
    Ledger(str(run)).folder.write("champion/bundle.json", b"{}")
    (run / "manifest.json").unlink()
    (fault,) = faults(run)
    assert "the bundle cannot be read" in fault


def test_a_run_that_was_cut_off_while_it_wrote_its_bundle_is_not_damaged(run: Path) -> None:
    for name in ("manifest.json", "champion.json"):
        (run / name).unlink()
    shutil.rmtree(run / "champion", ignore_errors=True)
    (run / "champion").mkdir()
    (run / "champion" / "weights.safetensors").write_bytes(b"")
    assert faults(run) == []


def test_the_other_faults_of_an_unreadable_run_are_named_too(run: Path) -> None:
    (run / "baselines.json").write_text("{")
    (run / "data.json").unlink()
    short, missing, unreadable = faults(run)
    assert "1 bytes, but " in short
    assert "it is not there" in missing
    assert "not valid JSON" in unreadable


def test_a_manifest_without_a_list_of_files_vouches_for_none(run: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**manifest, "files": None}))
    assert faults(run) == []


def test_a_champion_json_that_describes_other_models_than_the_bundle_is_named(run: Path) -> None:
    members = [{"trial": 0, "weight": 2}, {"trial": 1, "weight": 1}, {"baseline": "linear", "weight": 1}]
    bundle = make_bundle(make_dataset("multilabel"), [configure()] * 2, weights=(2, 1, 1), has_linear=True)
    save_bundle(Folder.at(run / "champion"), bundle)
    (run / "manifest.json").unlink()
    description = run / "champion.json"
    described = json.loads(description.read_text())

    def faults_of(lead: int, members: Sequence[object]) -> list[str]:
        description.write_text(json.dumps({**described, "trial": lead, "committee": {"members": members}}))
        return faults(run)

    assert faults_of(0, members) == []
    bundle_holds = "but the bundle holds linear (weight 1), trial 0 (weight 2), trial 1 (weight 1), led by trial 0"
    assert faults_of(1, members)[0].endswith(f"trial 1 (weight 1), led by trial 1; {bundle_holds}")
    assert faults_of(0, members[:2]) == [
        f"{description}: it describes trial 0 (weight 2), trial 1 (weight 1), led by trial 0; {bundle_holds}"
    ]
    assert faults_of(0, []) == [f"{description}: it describes trial 0 (weight 1), led by trial 0; {bundle_holds}"]
