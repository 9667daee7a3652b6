"""Which modes this machine has."""

from __future__ import annotations

import pytest

from auditor.trace.sandbox import Mode, NoSandbox, why_not
from auditor.trace.sandbox import mode as detected


def available(mode: Mode) -> Mode:
    reason = why_not(mode)
    if reason:
        pytest.skip(f"{mode.value}: {reason}")
    return mode


@pytest.fixture
def strongest() -> Mode:
    try:
        return detected()
    except NoSandbox as e:
        pytest.skip(str(e))


@pytest.fixture(params=[Mode.BUBBLEWRAP, Mode.LANDLOCK], ids=str)
def sealed(request: pytest.FixtureRequest) -> Mode:
    return available(request.param)


@pytest.fixture(params=list(Mode), ids=str)
def mode(request: pytest.FixtureRequest) -> Mode:
    return available(request.param)
