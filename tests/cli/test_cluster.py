"""`tuner cluster` before it joins a cluster. `tests/cluster/test_nodes.py` joins one."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders.fixtures import Call


@pytest.mark.parametrize("arguments", [(), ("auto", "--file", "cluster.yaml")])
def test_a_cluster_or_a_file_is_asked_for(arguments: tuple[str, ...], call: Call) -> None:
    code, _, err = call("cluster", *arguments)
    assert code == 2
    assert "neither or both of ADDRESS and --file are given; give HOST:PORT" in err


def test_an_address_where_nothing_answers_is_said_at_once(call: Call) -> None:
    code, out, err = call("cluster", "127.0.0.1:1")
    assert (code, out) == (2, "")
    assert err.startswith("error: ADDRESS: nothing answers at '127.0.0.1:1' (Connection refused)")


def test_a_place_where_this_machine_cannot_write_is_said_first(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, err = call("cluster", "auto", "--at", "file/runs")
    assert code == 2
    assert "Not a directory" in err
