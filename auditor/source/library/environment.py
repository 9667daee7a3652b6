"""Settings: environment variables and hyper-parameters, as they were in the run that made the claim."""

from __future__ import annotations

from typing import Any

from auditor.claims.logs.passing import same_value
from auditor.source.labels import Mark
from auditor.source.values import NONE, Const, Data, Value, labels
from auditor.source.walk import Site, Walk
from rules.events import Setting
from rules.place import Location

ASSUMED = {"RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}

OFF = ("0", "false", "no", "off", "none", "")

RANKS = ("WORLD_SIZE", "LOCAL_WORLD_SIZE")  # one host


def environment(w: Walk, key: Value, default: Value | None, site: Site) -> Value:
    """The value of an environment variable: set by the script, by the documented command, or the default."""
    w.env_reads += 1
    if not isinstance(key, Const):
        return Data(labels(key) | (labels(default) if default is not None else 0))
    name = str(key.v)
    at = Location(site.path, site.line)
    if name in w.env:
        return w.env[name]
    given = w.config.env.get(name)
    if given is not None:
        w.settings.setdefault(name, given)
        return Const(given.value)
    if name in RANKS:
        w.settings.setdefault(name, Setting(name, str(w.config.world_size), "assumed", at))
        return Const(str(w.config.world_size))
    if name in ASSUMED:
        return Const(ASSUMED[name], w.marks.make(Mark.RANK, 0))
    off = isinstance(default, Const) and str(default.v).lower() in OFF
    agreed = w.config.agreed.get(name)  # those commands that set it and those that leave it out come to the same
    same = agreed is not None and isinstance(default, Const) and same_value(agreed, str(default.v))
    if (name.lower() in w.config.unsure and not same) or (w.config.open and off and not w.config.decided(name)):
        # the documented commands differ on it, and no log decides; or the default does not explain the claim
        return Data(w.marks.make(Mark.ENVIRONMENT, name))
    if default is None:
        return NONE
    if isinstance(default, Const) and default.v is not None:
        w.settings.setdefault(name, Setting(name, str(default.v), "default", at))
    return default


def known(w: Walk, name: str) -> bool:
    return name in w.env or name in w.config.env or name in ASSUMED or name in RANKS


def configured(w: Walk, name: str, v: Value, site: Site, from_env: bool) -> Value:
    """A setting by its name in the code, with what the run's log says of it."""
    said = w.config.settings.get(name.lower())
    if said is None or not isinstance(v, Const) or not from_env:
        return v
    new = _like(v.v, said.value)
    if new is _UNREADABLE or new == v.v:
        return v
    w.settings[name] = said
    return Const(new, v.lab)


_UNREADABLE = object()


def _like(old: Any, text: str) -> Any:
    """The text as a value of the same type as `old`."""
    text = text.strip().strip("'\"")
    try:
        if isinstance(old, bool):
            low = text.lower()
            if low in ("true", "1", "1.0", "yes", "on", "enabled"):
                return True
            if low in ("false", "0", "0.0", "no", "off", "disabled"):
                return False
            return _UNREADABLE
        if isinstance(old, int):
            value = float(text.replace(",", "").replace("_", ""))
            return int(value) if value == int(value) else _UNREADABLE
        if isinstance(old, float):
            return float(text.replace(",", ""))
        if isinstance(old, str):
            return text if text and len(text) < 300 and "…" not in text else _UNREADABLE
    except (ValueError, OverflowError):
        return _UNREADABLE
    return _UNREADABLE
