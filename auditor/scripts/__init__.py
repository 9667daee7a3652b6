"""The program files of a record folder: which is the entry, what it needs, what it starts."""

from auditor.scripts.reading import read_scripts

__all__ = ["read_scripts"]
