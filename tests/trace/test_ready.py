"""What a machine needs for a run, and how it is told."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from auditor.trace import ready


def test_a_gpu_is_asked_for_only_where_one_is_wanted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here, version = os.path.exists, tmp_path / "version.py"
    there = {"/dev/nvidiactl": False}
    monkeypatch.setattr(os.path, "exists", lambda path: there.get(path, here(path)))
    monkeypatch.setattr(ready, "find_spec", lambda name: SimpleNamespace(submodule_search_locations=[str(tmp_path)]))
    assert "this machine has none" in ready.no_gpu()
    assert "this machine has none" in ready.missing("cuda")
    assert "GPU" not in ready.missing("cpu")
    there["/dev/nvidiactl"] = True
    version.write_text("cuda = None\n")
    assert "built for CUDA" in ready.no_gpu()
    version.write_text("cuda: str = '13.0'\n")
    assert ready.no_gpu() == ""
