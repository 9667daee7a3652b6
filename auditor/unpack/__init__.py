"""Opening self-extracting Python scripts without executing anything.

A packed script is a few lines that decode a long constant and hand the result to `exec` or one of its
relatives. `unpack` parses those lines, computes the constants with functions of our own, follows the
value to the place where it would run, and goes on with the text found there.
"""

from auditor.unpack.peel import Part, Unpacked, unpack

__all__ = ["Part", "Unpacked", "unpack"]
