"""Finds the rules: every module beside this one that has a `RULE`, every dispute in `disputes/`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from dataclasses import replace
from functools import cache
from types import ModuleType

import rules
import rules.disputes
from rules.rule import Dispute, Example, Rule


def _natural(name: str) -> tuple[str, int, str]:
    m = re.match(r"([A-Za-z-]*)(\d*)(.*)", name)
    assert m is not None
    return m[1], int(m[2] or 0), m[3]


@cache
def _modules() -> tuple[ModuleType, ...]:
    names = [m.name for p in (rules, rules.disputes) for m in pkgutil.iter_modules(p.__path__, p.__name__ + ".")]
    return tuple(importlib.import_module(n) for n in sorted(names) if not n.endswith((".registry", ".judge")))


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule, in the order of its short name (C1, C2, …, TTT5, VAL1)."""
    found = [replace(m.RULE, doc=inspect.getdoc(m) or "") for m in _modules() if hasattr(m, "RULE")]
    return tuple(sorted(found, key=lambda r: _natural(r.id)))


@cache
def all_disputes() -> tuple[Dispute, ...]:
    """Every open dispute, D-01 first."""
    found = [replace(m.DISPUTE, doc=inspect.getdoc(m) or "") for m in _modules() if hasattr(m, "DISPUTE")]
    return tuple(sorted(found, key=lambda d: d.id))


def find(name: str) -> Rule | Dispute:
    """The rule or dispute of that id or short name, in any case. Raises KeyError with near names."""
    wanted = name.casefold()
    for r in all_rules():
        if wanted in (r.id.casefold(), r.short.casefold()):
            return r
    for d in all_disputes():
        if wanted in (d.id.casefold(), "-".join(d.id.split("-")[:2]).casefold(), d.id.split("-")[0].casefold()):
            return d
    near = [
        i for i in (*(r.id for r in all_rules()), *(d.id for d in all_disputes())) if wanted[:2] == i[:2].casefold()
    ]
    raise KeyError(f"no rule {name!r}" + (f"; did you mean {', '.join(near)}?" if near else ""))


def examples(rule: Rule | Dispute) -> tuple[tuple[bool, Example], ...]:
    """(is_valid, example) for each example in the file that defines the rule or dispute."""
    for m in _modules():
        mine = getattr(m, "RULE", None) or getattr(m, "DISPUTE", None)
        if mine is not None and mine.id == rule.id:
            valid = [(True, e) for e in getattr(m, "VALID", ())]
            return (*valid, *((False, e) for e in (*getattr(m, "INVALID", ()), *getattr(m, "EXAMPLES", ()))))
    raise KeyError(rule.id)
