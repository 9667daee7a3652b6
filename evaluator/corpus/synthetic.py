"""A small English-like text that needs no network and no file: the same on every machine for the same seed.

It is no English and says nothing about scores on real text. It has what an evaluation must cope with: words by Zipf's law,
names that come back within a document (so that adaptation and n-grams gain), figures, lists, quotes, accents and a few
characters that only byte fallback can write.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

NOUNS = [
    "house",
    "river",
    "window",
    "table",
    "letter",
    "garden",
    "market",
    "engine",
    "village",
    "bridge",
    "forest",
    "story",
    "teacher",
    "island",
    "song",
    "winter",
    "kitchen",
    "road",
    "clock",
    "doctor",
    "ship",
    "lamp",
    "mountain",
    "book",
    "farmer",
    "station",
    "coat",
    "harbour",
    "horse",
    "paper",
    "stone",
    "field",
    "radio",
    "painter",
    "cloud",
    "museum",
    "bottle",
    "orchard",
    "captain",
    "mirror",
    "valley",
    "basket",
    "library",
    "soldier",
    "piano",
    "lantern",
    "baker",
    "tower",
    "violin",
    "miller",
    "notebook",
    "tailor",
    "sparrow",
    "chapel",
    "quarry",
    "meadow",
    "compass",
]
VERBS = [
    "found",
    "lost",
    "carried",
    "opened",
    "watched",
    "kept",
    "painted",
    "repaired",
    "crossed",
    "sold",
    "remembered",
    "followed",
    "built",
    "counted",
    "closed",
    "visited",
    "borrowed",
    "described",
    "cleaned",
    "drew",
    "measured",
    "hid",
    "returned",
    "drove",
    "planted",
    "shared",
]
ADJECTIVES = [
    "old",
    "small",
    "quiet",
    "red",
    "heavy",
    "bright",
    "empty",
    "narrow",
    "early",
    "cold",
    "green",
    "broken",
    "famous",
    "gentle",
    "distant",
    "wooden",
    "hidden",
    "strange",
    "late",
    "careful",
    "round",
    "silver",
    "dusty",
    "patient",
]
PLACES = ["near", "behind", "under", "beside", "above", "across", "from", "inside", "around", "beyond"]
TIMES = [
    "yesterday",
    "in the morning",
    "at night",
    "last summer",
    "after the rain",
    "every Sunday",
    "for years",
    "before dawn",
]
STARTS, MIDDLES, ENDS = (
    ["Ka", "Mo", "Bel", "Tor", "Ana", "Li", "Ros", "Hal", "Em", "Ju", "Ser", "Wil"],
    ["ri", "le", "na", "do", "mi", "va", "to", "ber"],
    ["n", "a", "s", "ck", "th", "x", "y"],
)
FOREIGN = ["café", "naïve", "Zürich", "São Paulo", "jalapeño", "Łódź", "smörgåsbord", "fiancée"]
RARE = ["🙂", "∑", "東京", "Ω", "♞", "привет", "½", "→"]


@dataclass(frozen=True)
class _Writer:
    """One document's dice, names and favourite words."""

    rng: random.Random
    names: tuple[str, ...]
    nouns: tuple[str, ...]

    def among(self, options: Sequence[str]) -> str:
        """One of them, the k-th about 1/k as often as the first."""
        return options[int(len(options) ** self.rng.random()) - 1]

    def thing(self) -> str:
        """A noun with its article and perhaps an adjective."""
        noun = self.among(self.nouns)
        if self.rng.random() < 0.4:
            return f"the {self.among(ADJECTIVES)} {noun}"
        return f"the {noun}"

    def sentence(self) -> str:
        """One sentence of one of some shapes."""
        dice = self.rng.random()
        who = self.among(self.names) if dice < 0.5 else self.thing().capitalize()
        what = f"{self.among(VERBS)} {self.thing()}"
        if dice < 0.1:
            return f"“I {what},” said {who}, “and {self.number()} more.”"
        if dice < 0.3:
            return f"{who} {what} {self.among(PLACES)} {self.thing()}."
        if dice < 0.4:
            return f"In {1900 + int(self.rng.random() * 120)}, {who[0].lower() + who[1:] if who.startswith('The ') else who} {what}."
        if dice < 0.5:
            return f"{who} {what} and {self.among(VERBS)} {self.thing()} {self.among(TIMES)}."
        if dice < 0.55:
            return f"{who} — from {self.among(FOREIGN)} — cost ${self.number()}.{int(self.rng.random() * 90) + 10}."
        if dice < 0.57:
            return f"{who} wrote {self.among(RARE)} on {self.thing()}."
        return f"{who} {what} {self.among(TIMES)}."

    def number(self) -> str:
        """A figure, mostly small."""
        return f"{int(10 ** (1 + 4 * self.rng.random())):,}"

    def paragraph(self) -> str:
        """Sentences, or a short list."""
        if self.rng.random() < 0.1:
            return "\n".join(f"- {self.thing()} ({self.number()})" for _ in range(2 + int(self.rng.random() * 4)))
        return " ".join(self.sentence() for _ in range(1 + int(self.rng.random() * 7)))


def document(seed: int, index: int) -> str:
    """The text of one document; depends on nothing but the two numbers."""
    rng = random.Random(f"{seed}/{index}")
    name = _Writer(rng, (), ()).among
    names = tuple(name(STARTS) + name(MIDDLES) + name(ENDS) for _ in range(3))
    offset = int(rng.random() * len(NOUNS))
    writer = _Writer(rng, names, tuple(NOUNS[offset:] + NOUNS[:offset]))
    return "\n".join(writer.paragraph() for _ in range(1 + int(8 * rng.random() ** 2)))


def documents(count: int, seed: int = 0) -> Iterator[str]:
    """`count` documents of some 600 bytes each."""
    return (document(seed, i) for i in range(count))
