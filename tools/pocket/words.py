"""The words that fill slots, and the rule that keeps one in ten of them out of training."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def _lists() -> dict[str, list[str]]:
    """The sections of words.txt."""
    sections: dict[str, list[str]] = {}
    name = ""
    for line in Path(__file__).with_name("words.txt").read_text().splitlines():
        if line.startswith("["):
            name = line.strip("[]")
            sections[name] = []
        elif name:
            sections[name] += line.split()
    return sections


LISTS = _lists()
NAMES, CITIES = LISTS["names"], LISTS["cities"]
TWO_WORD_CITIES = ["New York", "San Francisco", "Los Angeles", "Mexico City", "Buenos Aires",
    "Cape Town", "Hong Kong",
    "New Delhi", "Tel Aviv", "Rio de Janeiro", "Paris, France", "Bogotá, Colombia", "Boston, MA",
    "London, UK",
    "San Francisco, CA", "Tokyo, Japan", "Oslo, Norway", "Berlin, Germany",
    "Rome, Italy"]  # fmt: skip

COLORS, FOODS, ANIMALS = LISTS["colors"], LISTS["foods"], LISTS["animals"]
JOBS, THINGS, ADJECTIVES = LISTS["jobs"], LISTS["things"], LISTS["adjectives"]
PLAIN, VERBS, NOUNS, KEYS = LISTS["plain"], LISTS["verbs"], LISTS["nouns"], LISTS["keys"]
_ONSETS, _VOWELS = LISTS["onsets"], LISTS["vowels"]
_CODAS = ["", "", "", "n", "r", "l", "s", "t", "m", "k", "x", "nd", "rt", "ng", "lt", "ck", "sh"]


def is_held_out(slot: str) -> bool:
    """Whether this slot value belongs to the test only."""
    return zlib.crc32(slot.encode()) % 10 == 0


class Words:
    """Draws slot values: only trained ones, or with `held_out` only those training never sees."""

    def __init__(self, rng: random.Random, held_out: bool = False) -> None:
        self.rng = rng
        self.held_out = held_out
        self.leaked = False  # set when a held-out draw had to fall back to a trained value

    def choice(self, options: Sequence[T]) -> T:
        """One of these, trained or not: for fixed vocabulary that is no copying slot."""
        return options[int(self.rng.random() * len(options))]

    def chance(self, probability: float) -> bool:
        """True this often."""
        return self.rng.random() < probability

    def number(self, low: int, high: int) -> int:
        """An integer, both ends included."""
        return self.rng.randint(low, high)

    def keep(self, draw: Callable[[], str]) -> str:
        """Draw until the value is on the right side of the held-out rule, 500 times at most."""
        value = draw()
        for _ in range(500):
            if is_held_out(value) == self.held_out:
                return value
            value = draw()
        self.leaked = True
        return value

    def wording(self, key: str, options: Sequence[str]) -> str:
        """One wording of a question; which ones are held out depends on the question."""
        fitting = [o for o in options if is_held_out(f"{key}|{o}") == self.held_out]
        self.leaked |= not fitting
        return self.choice(fitting or options)

    def made_up(self, low: int = 2, high: int = 3) -> str:
        """A lower-case word that does not exist."""

        def draw() -> str:
            pieces = [
                self.choice(_ONSETS) + self.choice(_VOWELS) for _ in range(self.number(low, high))
            ]
            return "".join(pieces) + self.choice(_CODAS)

        return self.keep(draw)

    def name(self) -> str:
        """A person's first name, made up in about half of the draws."""
        if self.chance(0.5):
            return self.made_up().capitalize()
        return self.keep(lambda: self.choice(NAMES))

    def full_name(self) -> str:
        """A first name, sometimes with a family name."""
        return f"{self.name()} {self.made_up().capitalize()}" if self.chance(0.3) else self.name()

    def city(self) -> str:
        """A city, sometimes of two words, made up in a third of the draws."""
        if self.chance(0.33):
            return self.made_up().capitalize()
        if self.chance(0.15):
            return self.keep(lambda: self.choice(TWO_WORD_CITIES))
        return self.keep(lambda: self.choice(CITIES))

    def thing(self) -> str:
        """A noun in lower case, made up in a third of the draws."""
        return self.made_up() if self.chance(0.33) else self.keep(lambda: self.choice(THINGS))

    def plain(self) -> str:
        """A common word, any side of the rule."""
        return self.choice(PLAIN)

    def phrase(self, low: int, high: int) -> str:
        """Some words in a row; at least one of them is a copying slot."""
        words = [
            self.made_up() if self.chance(0.3) else self.plain()
            for _ in range(self.number(low, high))
        ]
        words[int(self.rng.random() * len(words))] = self.thing()
        return " ".join(words)


def article(noun: str) -> str:
    """The noun with "a" or "an"."""
    silent = noun.startswith(("hour", "honest"))
    return (
        f"an {noun}"
        if silent or (noun[0].lower() in "aeiou" and not noun.startswith("uni"))
        else f"a {noun}"
    )
