from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.submission.repos import ROOT, Clone


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A repository whose main branch has the root files and one record folder; made once, then copied."""
    made = Clone(tmp_path_factory.mktemp("start") / "clone.git")
    made.commit("main", ROOT)
    return made


@pytest.fixture
def clone(start: Clone, tmp_path: Path) -> Clone:
    """A copy of `start` to work on."""
    shutil.copytree(start.path, tmp_path / "clone.git")
    return Clone(tmp_path / "clone.git", start.clock, dict(start.heads))
