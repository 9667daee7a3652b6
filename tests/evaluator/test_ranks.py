"""The totals are the same for any number of ranks, adaptation included."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys

import pytest

pytest.importorskip("torch")


def totals(world: int) -> tuple[float, int, int]:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    given = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "CUDA_VISIBLE_DEVICES": ""}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.evaluator.one_rank"],
            env=os.environ | given | {"RANK": str(r), "LOCAL_RANK": str(r)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for r in range(world)
    ]
    said = [p.communicate(timeout=300) for p in ranks]
    assert [p.returncode for p in ranks] == [0] * world, said[0][1]
    nats, tokens, size = said[0][0].split()
    return float(nats), int(tokens), int(size)


def test_ranks_change_nothing() -> None:
    one = totals(1)
    for world in (2, 3):
        nats, tokens, size = totals(world)
        assert (tokens, size) == one[1:]
        assert abs(nats - one[0]) / math.log(2) / size < 1e-9
