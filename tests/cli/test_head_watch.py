"""What is said when the head of a cluster goes away. The head is a socket of this test."""

from __future__ import annotations

import socket
import time

import pytest

from tuner.cli.head_watch import watching_head


def test_a_head_that_no_longer_answers_is_said_once_with_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        with watching_head(address, lambda: "resume with `tuner resume night`", every_s=0.01, silent_for_s=0.02):
            time.sleep(0.1)
            assert capsys.readouterr().err == ""
            head.close()
            time.sleep(0.3)
    said = capsys.readouterr().err
    assert said.count(f"the head of the cluster does not answer at {address} (Connection refused)") == 1
    assert "resume with `tuner resume night`" in said
