"""The estimate of what a search takes, and how much memory is free: made-up sizes, and a made-up /proc."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuner.data.load import load_data
from tuner.data.trial_data import prepare
from tuner.errors import DataError
from tuner.machine import available_bytes
from tuner.search.memory_estimate import (
    Size,
    estimate,
    refuse_large_data,
    refuse_large_files,
    size_of_data,
    size_of_files,
    what_does_not_fit,
)
from tuner.space.load import Space, load_space

GB = 10**9
MILLION = Size(inputs="text", rows=1_000_000, length=140, tokens=20, settings=1, array_bytes=90e6)
SPACE = """
task: multilabel
data: {{train: {data}, text: text, labels: labels, group: null, {more}}}
search: {{trials: 2, max_epochs: 2, grace_epochs: 1}}
resources: {{concurrent: 1}}
space: {{tokens: {tokens}}}
"""
WORDS = "{word: {min_count: 1}}"


def refuse(size: Size, available: int | None, *, slots: int = 2, has_folds: bool = False) -> None:
    """Raise where an estimate is larger than what there is, however little."""
    if available is not None:
        fault = what_does_not_fit(size, available, slots=slots, where="rows.parquet", has_folds=has_folds)
        if fault is not None:
            raise DataError([fault])


def test_a_million_short_texts_take_what_was_measured():
    """scripts/bench memory: the driver took 1.5 to 1.8 GB, the baselines' worker 2.3, a trial's worker 0.5."""
    need = estimate(MILLION)
    assert need.reading == pytest.approx(1.8e9, rel=0.35)
    assert need.baselines == pytest.approx(2.35e9, rel=0.25)
    assert need.worker == pytest.approx(0.47e9, rel=0.25)


@pytest.mark.parametrize("inputs", ["text", "sequence"])
def test_every_part_grows_with_rows_and_workers_share_the_arrays(inputs):
    small, large = estimate(replace(MILLION, inputs=inputs).scaled(1000)), estimate(replace(MILLION, inputs=inputs))
    for part in ("reading", "driver", "worker", "baselines", "shared"):
        assert getattr(large, part) > getattr(small, part)
    assert large.most(3) - large.most(2) == pytest.approx(large.worker)
    more_settings = estimate(replace(MILLION, inputs=inputs, settings=4, array_bytes=4 * MILLION.array_bytes))
    assert more_settings.worker == large.worker


def test_what_fits_is_not_refused_nor_what_nobody_knows():
    refuse(MILLION, 16 * GB)
    refuse(MILLION, None)


def test_few_rows_are_tried_on_a_machine_that_is_small_for_ray_itself():
    refuse(MILLION.scaled(1000), GB)


def test_what_cannot_fit_is_told_with_its_parts_and_every_way_out():
    size = replace(MILLION.scaled(12_000_000), settings=4)
    with pytest.raises(DataError, match=r"12,000,000 rows need about \d\d\.\d GB with 8 workers") as refused:
        refuse(size, 50 * GB, slots=8, has_folds=True)
    (fault,) = refused.value.faults
    assert fault.where == "rows.parquet"
    assert "this machine has 50.0 GB free" in fault.what
    for part in ("driver", "shared", "each worker", "baselines"):
        assert part in fault.what
    for way in ("resources.concurrent: ", "4 ways to prepare", "data.validation in place of data.folds"):
        assert way in fault.remedy


def test_the_rows_and_the_workers_that_the_message_names_do_fit():
    size = MILLION.scaled(12_000_000)
    with pytest.raises(DataError, match=r"resources\.concurrent") as refused:
        refuse(size, 42 * GB, slots=8)
    remedy = refused.value.faults[0].remedy
    fewer = int(remedy.split("resources.concurrent: ")[1].split(",")[0])
    refuse(size, 42 * GB, slots=fewer)
    rows = int(remedy.split("about ")[1].split(" rows")[0].replace(",", ""))
    refuse(size.scaled(rows), 42 * GB, slots=8)
    with pytest.raises(DataError, match="rows need"):
        refuse(size.scaled(round(1.2 * rows)), 42 * GB, slots=8)


def test_on_a_cluster_only_what_the_driver_takes_counts():
    refuse(MILLION, 4 * GB, slots=0)
    with pytest.raises(DataError, match=r"need about 5\.\d GB with 2 workers"):
        refuse(MILLION, 4 * GB, slots=2)
    with pytest.raises(DataError, match=r"need about \d+\.\d GB \(reading"):
        refuse(MILLION.scaled(5_000_000), 4 * GB, slots=0)


# --- sizes of files and data ------------------------------------------------------------------------------------------


def make_space(folder: Path, name: str, *, more: str = "validation: 0.2", tokens: str = WORDS) -> Space:
    rows = pa.table(
        {
            "text": [f"word{i % 50} and word{i % 7} of row {i}" for i in range(600)],
            "labels": [["a"] if i % 3 else ["b"] for i in range(600)],
        }
    )
    path = folder / name
    if name.endswith(".parquet"):
        pq.write_table(rows, path)
    else:
        path.write_text("".join(f'{{"text": "{row["text"]}", "labels": ["a"]}}\n' for row in rows.to_pylist()))
    space = folder / "space.yaml"
    space.write_text(SPACE.format(data=path, more=more, tokens=tokens))
    return load_space(str(space))


@pytest.mark.parametrize("name", ["rows.parquet", "rows.jsonl"])
def test_rows_and_their_length_are_told_without_reading_a_file(name, tmp_path):
    size = size_of_files(make_space(tmp_path, name))
    assert size is not None
    assert size.rows == 600
    assert 15 < size.length < 80
    assert size.settings == 1


def test_folds_and_ways_to_prepare_multiply_the_arrays(tmp_path):
    one = size_of_files(make_space(tmp_path, "rows.parquet"))
    folds = size_of_files(make_space(tmp_path, "rows.parquet", more="validation: null, folds: 4"))
    both = size_of_files(make_space(tmp_path, "rows.parquet", tokens=f"[{WORDS}, {{character: {{}}}}]"))
    assert one is not None
    assert folds is not None
    assert both is not None
    assert folds.array_bytes == pytest.approx(5 * one.array_bytes)
    assert both.settings == 2
    assert both.array_bytes > 2 * one.array_bytes


def test_a_file_that_is_not_there_or_broken_is_left_to_the_reader(tmp_path):
    space = make_space(tmp_path, "rows.parquet")
    path = tmp_path / "rows.parquet"
    path.write_bytes(path.read_bytes()[:100])
    assert size_of_files(space) is None
    path.unlink()
    assert size_of_files(space) is None
    refuse_large_files(space, 0, is_local=True)


def test_files_too_large_for_the_memory_are_refused_before_they_are_read(tmp_path):
    with pytest.raises(DataError, match=r"600 rows need about .* with 1 worker \("):
        refuse_large_files(make_space(tmp_path, "rows.parquet"), 1000, is_local=True)


def test_prepared_data_count_as_what_they_are(tmp_path):
    space = make_space(tmp_path, "rows.parquet")
    dataset = load_data(space.data, space.task, seed=0)
    data = prepare(dataset, space.parameters)
    size = size_of_data(dataset, data)
    ((part,),) = data.prepared.values()
    arrays = (part.train.steps, part.train.offsets, part.validation.steps, part.validation.offsets)
    assert size.rows == 600
    assert size.array_bytes == sum(values.nbytes for values in arrays)
    assert size.tokens == 6
    with pytest.raises(DataError, match="600 rows need"):
        refuse_large_data(space, dataset, data, 1000, slots=1, say=print)


def test_what_an_estimate_may_be_wrong_about_is_only_warned_of(tmp_path, capsys):
    space = make_space(tmp_path, "rows.parquet")
    dataset = load_data(space.data, space.task, seed=0)
    data = prepare(dataset, space.parameters)
    size = size_of_data(dataset, data)
    needs_bytes = round(estimate(size).most(1) - estimate(size.scaled(0)).most(1))
    refuse_large_data(space, dataset, data, 3 * needs_bytes, slots=1, say=print)
    assert capsys.readouterr().out == ""
    refuse_large_data(space, dataset, data, round(1.7 * needs_bytes), slots=1, say=print)
    assert "warning: rows.parquet" in capsys.readouterr().out.replace(str(tmp_path) + "/", "")
    with pytest.raises(DataError, match="600 rows need"):
        refuse_large_data(space, dataset, data, needs_bytes, slots=1, say=print)


# --- free memory ------------------------------------------------------------------------------------------------------


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


FREE = {"proc/meminfo": "MemTotal: 9000 kB\nMemAvailable: 8000 kB\n"}


def test_memory_is_unknown_where_there_is_no_proc(tmp_path):
    assert available_bytes(tmp_path) is None


def test_without_a_limit_memory_is_what_linux_has_available(tmp_path):
    unlimited = {"proc/self/cgroup": "0::/user\n", "sys/fs/cgroup/user/memory.max": "max\n"}
    assert available_bytes(write(tmp_path, FREE)) == 8000 * 1024
    assert available_bytes(write(tmp_path, FREE | unlimited)) == 8000 * 1024


@pytest.mark.parametrize("limited", ["user", "user/run", ""], ids=["the group above", "its own", "the container's"])
def test_the_tightest_control_group_counts_and_cached_files_make_room(limited, tmp_path):
    folder = f"sys/fs/cgroup/{limited}".rstrip("/")
    groups = {
        "proc/self/cgroup": "0::/user/run\n",
        f"{folder}/memory.max": "3000000\n",
        f"{folder}/memory.current": "1000000\n",
        f"{folder}/memory.stat": "anon 500\ninactive_file 400000\n",
    }
    assert available_bytes(write(tmp_path, FREE | groups)) == 2_400_000


def test_version_1_of_control_groups_is_read_too(tmp_path):
    own = "sys/fs/cgroup/memory/docker"
    groups = {
        "proc/self/cgroup": "5:cpu,cpuacct:/docker\n3:memory:/docker\n",
        f"{own}/memory.limit_in_bytes": "3000000\n",
        f"{own}/memory.usage_in_bytes": "1000000\n",
        f"{own}/memory.stat": "total_inactive_file 0\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "5000000\n",
    }
    assert available_bytes(write(tmp_path, FREE | groups)) == 2_000_000
