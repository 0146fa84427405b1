"""What the project relies on in Ray, so that a new release that changes it fails here. No Ray is started."""

from __future__ import annotations

import inspect
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray._private import worker as ray_worker
from ray._private.label_utils import validate_label_selector
from ray._private.node import Node as RayNode
from ray.air.execution import PlacementGroupResourceManager
from ray.air.execution.resources.request import ResourceRequest
from ray.tune.execution.class_cache import _ActorClassCache
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.utils.callback import _create_default_callbacks

from tuner.errors import UsageError
from tuner.ray_backend import access
from tuner.ray_backend.access import asking_for_token, find_temporary_folder, folder_for_trials, private_folder
from tuner.ray_backend.left_out import elsewhere, forget_nodes, leave_out
from tuner.ray_backend.places import _Elsewhere
from tuner.ray_backend.scheduler import _forget_ended
from tuner.ray_backend.start import _UNUSED, Machines, Node
from tuner.ray_backend.trials import QueueCallback, started_workers_for_trials
from tuner.signals import sigterm_as_interrupt
from tuner.space.search_settings import ResourceSettings


def test_slots_are_bounded_by_cpus_gpus_and_the_limit():
    machines = Machines((Node(cpus=16, gpus=2),))
    assert machines.slots(ResourceSettings(cpus=1)) == 16
    assert machines.slots(ResourceSettings(cpus=4)) == 4
    assert machines.slots(ResourceSettings(cpus=1, gpus=0.5)) == 4
    assert machines.slots(ResourceSettings(cpus=1, concurrent=3)) == 3
    assert machines.slots(ResourceSettings(cpus=17)) == 0


def test_slots_are_counted_node_by_node():
    machines = Machines((Node(cpus=3, gpus=0), Node(cpus=3, gpus=0)))
    assert machines.slots(ResourceSettings(cpus=2)) == 2
    assert machines.slots(ResourceSettings(cpus=4)) == 0
    shared = Machines((Node(cpus=8, gpus=2),))
    assert shared.slots(ResourceSettings(cpus=1, gpus=0.4)) == 4  # a trial has its part on one GPU
    apart = Machines((Node(cpus=8, gpus=0), Node(cpus=0, gpus=2)))  # no node has both CPUs and GPUs
    assert apart.slots(ResourceSettings(cpus=1, gpus=1)) == 0


def test_sigterm_interrupts_and_its_handler_is_restored():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt, match=r"^$"), sigterm_as_interrupt():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.fixture
def short_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for Ray. Pytest's paths are too long for Unix sockets."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield Path(folder)


def test_a_run_has_its_own_folder_and_deletes_what_a_killed_run_left(short_folder):
    killed = short_folder / "ray-tuner-killed"
    (killed / "r").mkdir(parents=True)
    long_ago = time.time() - 1000
    os.utime(killed, (long_ago, long_ago))
    with private_folder(find_temporary_folder()[0]) as running:
        folder = Path(running).parent
        assert folder.parent == short_folder
        assert folder.stat().st_mode & 0o077 == 0
        assert not killed.exists()
        os.utime(folder, (long_ago, long_ago))
        with private_folder(short_folder) as other:
            assert folder.exists()
            assert Path(other).parent != folder
    assert list(short_folder.iterdir()) == []


def test_what_ray_tune_left_of_a_killed_run_is_deleted(short_folder, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(short_folder))
    killed, others = short_folder / "tuner-ray-killed", short_folder / "tuner-else"
    for folder in (killed, others):
        (folder / "trials").mkdir(parents=True)
        os.utime(folder, (time.time() - 1000,) * 2)
    with folder_for_trials() as folder:
        assert Path(folder).parent == short_folder
        assert not killed.exists()
        os.utime(folder, (time.time() - 1000,) * 2)
        with folder_for_trials():
            assert Path(folder).exists()
    assert list(short_folder.iterdir()) == [others]


def test_a_path_too_long_for_unix_sockets_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    parent, notes = find_temporary_folder()
    with private_folder(parent) as folder:
        assert len(f"{folder}/session_2026-11-21_17-50-11_881359_4194304/sockets/plasma_store") <= 104
    assert notes == (
        f"RAY_TMPDIR is '{tmp_path}', which is longer than 18 characters, too long for Unix sockets, "
        f"so Ray's temporary files go to {parent}",
    )


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("/scratch/4711", "No such file or directory"),
        ("/etc/passwd", "Not a directory"),
        ("/proc", "No such file or directory"),  # not even root can write there
        ("gone", "No such file or directory"),
    ],
)
def test_a_folder_that_cannot_be_used_is_noted_and_another_is_used(variable, place, problem, monkeypatch):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv(variable, place)
    parent, notes = find_temporary_folder()
    assert parent == Path("/tmp")
    assert notes == (f"{variable} is {place!r}, which cannot be used ({problem}), so Ray's temporary files go to /tmp",)


@pytest.mark.parametrize("place", [None, "", "/tmp"])
def test_without_a_variable_the_folder_of_the_system_is_used(place, monkeypatch):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.delenv("TMPDIR", raising=False)
    if place is not None:
        monkeypatch.setenv("TMPDIR", place)
    monkeypatch.setenv("TEMP", "/nowhere")
    assert find_temporary_folder() == (Path("/tmp"), ())


def test_if_no_folder_can_be_used_the_variable_is_named(monkeypatch):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, f"/no/{name.lower()}")
    monkeypatch.setattr(access, "_SYSTEM_FOLDERS", ("/no/such",))
    with pytest.raises(
        UsageError, match=r"^TMPDIR: no folder can hold .*'/no/tmpdir'.*'/no/such'.*; let TMPDIR name a"
    ):
        find_temporary_folder()


def test_a_run_gets_a_new_token_unless_one_is_given_and_the_environment_is_restored(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    tokens = []
    for _ in range(2):
        with asking_for_token():
            assert os.environ["RAY_AUTH_MODE"] == "token"
            tokens.append(os.environ["RAY_AUTH_TOKEN"])
        assert os.environ["RAY_AUTH_MODE"] == "disabled"
        assert "RAY_AUTH_TOKEN" not in os.environ
    assert len(set(tokens)) == 2
    assert min(map(len, tokens)) == 64
    monkeypatch.setenv("RAY_AUTH_TOKEN", "the user's own")
    with asking_for_token():
        assert os.environ["RAY_AUTH_TOKEN"] == "the user's own"


def test_ray_adds_no_progress_printer_beside_ours():
    """Ray's own would keep every trial until the search ends."""
    callback = QueueCallback(queue=None, interrupt=None)  # type: ignore[arg-type]
    assert _create_default_callbacks([callback], air_verbosity=None) == [callback]


def test_rays_controller_has_the_attributes_from_which_ended_trials_are_dropped():
    source = inspect.getsource(TuneController)
    for name in ("_trials", "_stopped_trials", "_failed_trials", "_trials_to_cache", "_trial_metadata"):
        assert f"self.{name}:" in source, name


def test_ray_has_the_methods_that_start_processes_which_nobody_needs():
    for name in _UNUSED:
        assert callable(getattr(RayNode, name)), name


def test_ray_looks_up_the_function_that_prints_reports_of_nodes_when_it_connects():
    assert "target=listen_error_messages" in inspect.getsource(ray_worker.connect)


def test_rays_controller_has_what_keeps_trials_off_nodes():
    assert "PlacementGroupResourceManager()" in inspect.getsource(TuneController.__init__)
    assert "self._maybe_cache_trial_actor(trial)" in inspect.getsource(TuneController._schedule_trial_stop)
    assert "self._maybe_reuse_cached_actor(trial)" in inspect.getsource(TuneController._maybe_add_actors)
    for name in ("_trial_to_actor", "_resetting_trials", "_actor_manager"):
        assert f"self.{name}" in inspect.getsource(TuneController.__init__), name
    for name in ("_pg_to_request", "_request_to_staged_pgs", "_request_to_ready_pgs"):
        assert f"self.{name}:" in inspect.getsource(PlacementGroupResourceManager), name
    request = ResourceRequest([{"CPU": 1, "GPU": 0.5}])
    assert {request: "place"}[_Elsewhere([{"CPU": 1, "GPU": 0.5}])] == "place"


def test_trials_go_to_every_node_but_those_that_are_left_out():
    assert elsewhere() == {}
    leave_out("aa")
    leave_out("bb")
    assert elsewhere() == {"ray.io/node-id": "!in(aa,bb)"}
    assert validate_label_selector(elsewhere()) is None
    forget_nodes()
    assert elsewhere() == {}


def test_trials_run_on_workers_with_the_environment_of_their_machine_and_ray_is_restored_afterwards():
    before = _ActorClassCache.get

    class Trainable:
        pass

    with started_workers_for_trials():
        actor = _ActorClassCache().get(Trainable)
        assert "runtime_env" not in actor._default_options
        assert _ActorClassCache().get(Trainable) is actor
    assert _ActorClassCache.get is before


class _Controller:
    """The part of Ray's controller that holds trials."""

    def __init__(self, trials: list[Trial]) -> None:
        self._trials = trials
        self._stopped_trials = {trial for trial in trials if trial.is_finished()}
        self._failed_trials: set[Trial] = set()
        self._trials_to_cache = set(trials)
        self._trial_metadata = {trial.trial_id: "state" for trial in trials}


class _Wrapper:
    def __init__(self, controller: _Controller) -> None:
        self._tune_controller = controller


def test_trials_that_ended_long_ago_are_dropped_and_running_ones_stay():
    trials = [Trial("any", stub=True) for _ in range(200)]
    for trial in trials[10:]:
        trial.status = Trial.TERMINATED
    controller = _Controller(list(trials))
    _forget_ended(_Wrapper(controller))
    assert controller._trials == [*trials[:10], *trials[150:]]
    assert controller._stopped_trials == set(trials[150:])
    assert controller._trials_to_cache == {*trials[:10], *trials[150:]}
    assert set(controller._trial_metadata) == {trial.trial_id for trial in controller._trials}
