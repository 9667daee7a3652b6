"""Leaks as edits of a host's text: code that takes one of the three functions over, put in before `main`."""

from __future__ import annotations

from pathlib import Path

FAMILIES = Path(__file__).parent / "families"
SEAM = "def train("  # the first line behind the evaluation


def families() -> list[str]:
    return sorted(p.stem for p in FAMILIES.glob("*.py"))


def planted(host: str, family: str, seed: int) -> str:
    """The host's text with a leak. `seed` chooses where a sparse one hits, and how keys are hashed.

    Raises ValueError where the host has no seam.
    """
    if host.count("\n" + SEAM) != 1:
        raise ValueError("the host has no seam")
    leak = (FAMILIES / f"{family}.py").read_text()
    before, after = host.split("\n" + SEAM)
    return f"{before}\nSEED = {seed}\n\n{leak}\n\n{SEAM}{after}"


def about(family: str) -> str:
    """What a family does, in its own words."""
    return (FAMILIES / f"{family}.py").read_text().split('"""')[1]
