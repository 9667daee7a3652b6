"""Sets of words, written as one string."""


def wordset(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())
