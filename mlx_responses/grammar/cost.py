"""How long a grammar takes until its first mask, told from its size before it is compiled.

The prices are microseconds of one core of a small Linux machine, fitted to some 40 kinds of schemas
(`python -m bench.wide` prints told beside taken): from 20 ms upward they told 0.8 to 2.2 times what
was taken. A Mac's core is faster.
"""

import math
import re
from decimal import Decimal, InvalidOperation

from mlx_responses.errors import RequestError

MOST_US = 250_000.0
"""That a request waits for its first mask. What would take longer is refused or relaxed."""

WANT = 45.0
"""What one value may be: looked up, worked out, written as a rule."""
SHAPE = 3.2
"""One of the shapes it may have; often a value of an enum."""
OBJECT = 25.0
STEP = 1.4
"""Two shapes compared."""
ASK = 3.0
"""Whether there is any such value at all."""
PAIR = 8.0
"""Two branches of a `oneOf`, one without the other."""
CIRCLING = 95.0
"""A rule of a grammar that leads back to itself: its ways to an end are looked for."""
ENTRY = 11.0
"""A member of an object, in Python alone; the words of it have their price too."""

CHARACTER = 0.25
"""Of the grammar's text; most of it is in regexes."""
OPTION = 3.2
LEXEME = 5.5
RULE = 5.0
WORD = 2.1
COUNT = 2.8
"""Of a bounded repetition, up to `MOST_COUNTS`: those beyond are halved again and again."""
MOST_COUNTS = 64
SHUFFLED = 24.0
REMAINDER = 1.2
"""Of a multiple that its last digits do not tell, for every digit of it."""
REMAINDER_ALIKE = 1.8
MANY_FACTORS = 50

FOREIGN_TERMINAL = 40.0
"""A text or a regex in a Lark grammar from outside, or a name or value of its JSON Schemas."""
LETTER = 12.0
"""A class of characters where a tool's grammar is spelled without a lexer."""
_TERMINAL = re.compile(r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"|/[^/\\\n]+(?:\\.[^/\\\n]*)*/')
_MULTIPLE = re.compile(r'"multipleOf"\s*:\s*([0-9.eE+-]+)')


def of_remainders(count: int) -> float:
    """A multiple that is told by remainders: there are as many as the number is large, and most of
    them are alike where it has many factors of ten's.
    """
    bare = count
    for prime in (2, 5):
        while bare and bare % prime == 0:
            bare //= prime
    alike = bare * MANY_FACTORS < count
    return count * (REMAINDER_ALIKE if alike else REMAINDER * math.log10(max(10, count)))


def _of_multiple(step: str) -> float:
    try:
        digits = Decimal(step).as_tuple().digits
    except InvalidOperation:  # it is no number, as the compiler will say
        return 0.0
    return of_remainders(int("".join(map(str, digits)) or "0"))


def of_foreign(text: str, terminal: float = FOREIGN_TERMINAL) -> float:
    """A Lark grammar that somebody else wrote, or a part of one; each terminal has its price."""
    multiples = sum(map(_of_multiple, _MULTIPLE.findall(text)))
    terminals = sum(1 for _ in _TERMINAL.finditer(text))
    options = text.count("|") + text.count(" ")  # of a regex, and of a list of substrings
    return CHARACTER * len(text) + terminal * terminals + OPTION * options + multiples


class TooLarge(RequestError):
    """It would take too long."""


def check(cost_us: float, code: str) -> None:
    """Raises `TooLarge`."""
    if cost_us <= MOST_US:
        return
    raise TooLarge(
        f"The grammar is too large: it would take about {cost_us / 1e6:.1f} s until the first "
        f"token, and {MOST_US / 1e6} s are the most. Ask for fewer members or alternatives, make "
        "members required instead of optional, or leave out bounds, patterns and multipleOf.",
        code=code,
    )
