"""What msgspec says about a wrong value -> the API's code, `param` and a sentence.

Knows msgspec's messages and nothing of any field.
"""

import re
from collections.abc import Callable

import msgspec

from mlx_responses.errors import RequestError

Explained = tuple[str, str, str]
"""(code, what to append to the path, the sentence's end)."""

WORDS = {
    "int": "an integer",
    "float": "a number",
    "str": "a string",
    "bool": "a boolean",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
BOUND_CODES = {
    ("int", ">"): "integer_below_min_value",
    ("int", "<"): "integer_above_max_value",
    ("float", ">"): "decimal_below_min_value",
    ("float", "<"): "decimal_above_max_value",
    ("str", "<"): "string_above_max_length",
    ("array", "<"): "array_above_max_length",
    ("object", "<"): "object_above_max_properties",
}


def _missing(found: re.Match[str]) -> Explained:
    return "missing_required_parameter", found[1], "it is required"


def _wrong_type(found: re.Match[str]) -> Explained:
    wanted = " or ".join(WORDS.get(word, word) for word in found[1].split(" | ") if word != "null")
    return "invalid_type", "", f"expected {wanted}, but got {WORDS.get(found[2], found[2])}"


def _out_of_bounds(found: re.Match[str]) -> Explained:
    code = BOUND_CODES[found[1], found[2][0]]
    return code, "", f"it must be {found[2]} {found[3].removesuffix('.0')}"


def _wrong_length(found: re.Match[str]) -> Explained:
    code = BOUND_CODES.get((found[1], found[2][0]), "invalid_value")
    return code, "", f"its length must be {found[2]} {found[3]}"


def _wrong_word(found: re.Match[str]) -> Explained:
    return "invalid_value", "", f"{found[1]} is not a value that it can have"


def _wrong_pattern(found: re.Match[str]) -> Explained:
    return "invalid_value", "", f"it must match {found[1]}"


def _too_large(_: re.Match[str]) -> Explained:
    return "invalid_value", "", "the number is too large"


MESSAGES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Explained]], ...] = (
    (re.compile(r"Object missing required field `(\w+)`"), _missing),
    (re.compile(r"Expected `([^`]+)`, got `([^`]+)`"), _wrong_type),
    (re.compile(r"Expected `(int|float)` ([<>]=?) (\S+)"), _out_of_bounds),
    (re.compile(r"Expected `(\w+)` of length ([<>]=?) (\d+)"), _wrong_length),
    (re.compile(r"Expected `str` matching regex (.+)", re.DOTALL), _wrong_pattern),
    (re.compile(r"Invalid (?:enum )?value (.+)", re.DOTALL), _wrong_word),
    (re.compile(r"Number out of range"), _too_large),
)
"""Every message of msgspec's that its types here can give; a test meets each one."""

MESSAGE_CHARACTERS = 200
"""Paths and sentences may quote the client's own text, which can be megabytes."""
PATH = re.compile(r" - at `\$\.?([^`]*)`$")


def explain(error: msgspec.ValidationError) -> RequestError:
    """The refusal that `error` stands for; its `param` is the path inside the body, if any."""
    text = str(error)
    located = PATH.search(text)
    path, text = (located[1], text[: located.start()]) if located else ("", text)
    for pattern, meaning in MESSAGES:
        found = pattern.match(text)
        if found:
            code, tail, sentence = meaning(found)
            return refuse(f"{path}.{tail}" if path and tail else path or tail, code, sentence)
    return refuse(path, "invalid_value", text)


def refuse(param: str, code: str, sentence: str = "") -> RequestError:
    """A refusal of one field, or of the whole body when `param` is empty."""
    param, sentence = _short(param), _short(sentence)
    if code == "missing_required_parameter":
        return RequestError(f"Missing required parameter: '{param}'.", param=param, code=code)
    subject = f"'{param}'" if param else "the body"
    return RequestError(f"Invalid {subject}: {sentence}.", param=param or None, code=code)


def _short(text: str) -> str:
    return text if len(text) <= MESSAGE_CHARACTERS else text[: MESSAGE_CHARACTERS - 1] + "…"
