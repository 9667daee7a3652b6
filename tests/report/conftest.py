"""The reports are tested against a small law of their own, so that a new rule changes no snapshot."""

from __future__ import annotations

import pytest

from auditor.audit import Audit
from rules import registry
from tests.report import samples


@pytest.fixture(autouse=True)
def small_law(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "all_rules", lambda: samples.RULES)
    monkeypatch.setattr(registry, "all_disputes", lambda: samples.DISPUTES)


@pytest.fixture
def full() -> Audit:
    """One finding of every status."""
    return samples.audit()


@pytest.fixture
def several(full: Audit) -> tuple[Audit, ...]:
    return full, samples.clean(), samples.undecided()
