"""A custom tool's input as the argument of a call: `{"input": "..."}`, the text under a grammar.

A grammar speaks of the text; in a JSON call the text is spelled as a string. So every literal and
regex of a Lark grammar is spelled too, character by character: a lexer could not tell the
backslash of a line break from that of a quote, a parser can.
"""

import json
import re

from mlx_responses.errors import RequestError
from mlx_responses.grammar import strings
from mlx_responses.grammar.grammars import Written, write_schema
from mlx_responses.grammar.lark import CODE
from mlx_responses.grammar.lexemes import Chain, Exact, Regex, source_of
from mlx_responses.grammar.patterns import Cat, Chars, Edge, Many, Node, Or, Unsupported, parse
from mlx_responses.grammar.pieces import Grammar, Leaf, Rule, seq

KEY = "input"
TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|\#[^\n]*)
    |(?P<string>"(?:\\.|[^"\\\n])*"i?)
    |(?P<regex>/(?:\\.|[^/\\\n])+/[a-z]*)
    |(?P<alias>->[ \t]*[a-z_][A-Za-z0-9_]*)
    |(?P<import>%import[ \t]+common[ \t]*\.[ \t]*(?P<common>[A-Z_]+)[ \t]*(?=\n|$))
    |(?P<directive>%[a-z]*)
    |(?P<name>[?!_]*[A-Za-z][A-Za-z0-9_-]*|_[A-Za-z0-9_-]+)
    |(?P<special><[^>\n]*>)
    |(?P<other>.|\n)""",
    re.VERBOSE,
)
COMMON = {
    "LF": r"\n",
    "CR": r"\r",
    "NEWLINE": r"(?:\r?\n)+",
    "WS": r"[ \t\f\r\n]+",
    "WS_INLINE": r"[ \t]+",
    "DIGIT": "[0-9]",
    "INT": "[0-9]+",
    "NUMBER": r"[0-9]+(?:\.[0-9]+)?",
    "LETTER": "[A-Za-z]",
    "WORD": "[A-Za-z]+",
    "LCASE_LETTER": "[a-z]",
    "UCASE_LETTER": "[A-Z]",
    "CNAME": "[A-Za-z_][A-Za-z0-9_]*",
}
"""Terminals of Lark's common library."""


def write_input(syntax: str | None, definition: str = "") -> Written:
    """Arguments of a custom tool. `syntax` is None for free text, `regex` or `lark`. Raises
    `RequestError`.
    """
    try:
        match syntax:
            case None:
                return write_schema(
                    {
                        "type": "object",
                        "properties": {KEY: {"type": "string"}},
                        "required": [KEY],
                        "additionalProperties": False,
                    },
                    strict=True,
                )
            case "regex":
                claim = strings.pattern(Cat((Edge(True), parse(definition), Edge(False))))
                return _input(Grammar("value", {"value": Leaf(strings.string([claim]))}))
            case "lark":
                quote = Leaf(strings.QUOTE)
                lines = _respelled(definition)
                value = seq(quote, Rule("x_start"), quote)
                return _input(Grammar("value", {"value": value}, lines))
    except Unsupported as unsupported:
        message = f"The grammar cannot be enforced: {unsupported.reason}."
        raise RequestError(message, code=CODE) from unsupported
    raise RequestError(f"The syntax {syntax!r} is unknown: regex or lark.", code=CODE)


def _input(value: Grammar) -> Written:
    key = Leaf(Chain((Exact(json.dumps(KEY)), Regex(": ?"))))
    body = seq(Leaf(Exact("{")), key, Rule(value.start), Leaf(Exact("}")))
    return Written(Grammar("arguments", {"arguments": body, **value.rules}, value.lines))


def _respelled(text: str) -> tuple[str, ...]:
    """A Lark grammar's rules, over the JSON spelling of its language."""
    found: list[str] = []
    imported: dict[str, str] = {}
    for match in TOKEN.finditer(text):
        kind, token = match.lastgroup, match.group()
        if match["common"] is not None:
            imported[match["common"]] = _common(match["common"])
        elif kind == "name":
            found.append(_named(token))
        elif kind in ("string", "regex"):
            found.append(_literal(token) if kind == "string" else _regex(token))
        elif kind in ("directive", "special") or token in "~&":
            raise Unsupported(f"{token!r} is not supported in a tool's grammar")
        elif kind not in ("comment", "alias"):
            found.append(token)
    rules = [line for line in "".join(found).splitlines() if line.strip()]
    rules += [f"{_named(name)}: {body}" for name, body in imported.items()]
    return tuple(rules)


def _named(name: str) -> str:
    """Terminals become rules as well, and rules are lower case: there is no lexer."""
    bare = name.lstrip("?!")
    return ("xt_" if bare.strip("_")[:1].isupper() else "x_") + bare.lower()


def _common(name: str) -> str:
    if name not in COMMON:
        raise Unsupported(f"the terminal common.{name} is not supported")
    return _spelled(strings.encoded(parse(COMMON[name])))


def _spelled(node: Node) -> str:
    """A pattern as the body of a rule: every character class is a lexeme of its own."""
    match node:
        case Chars():
            return f"/{source_of(node)}/"
        case Cat(parts):
            return f"({' '.join(map(_spelled, parts))})" if parts else '""'
        case Or(options):
            return f"({' | '.join(map(_spelled, options))})"
        case Many(inner, low, high):
            return f"({_spelled(inner)}){{{low},{'' if high is None else high}}}"
    raise Unsupported("anchors and lookaheads are not supported in a tool's grammar")


def _literal(token: str) -> str:
    if token.endswith("i"):
        raise Unsupported("strings that ignore case are not supported in a tool's grammar")
    try:
        text = json.loads(token)
    except ValueError as error:
        raise Unsupported(f"the string {token} is malformed") from error
    return _spelled(strings.encoded(Cat(tuple(Chars(((ord(c), ord(c)),)) for c in text))))


def _regex(token: str) -> str:
    body, _, flags = token[1:].rpartition("/")
    if flags.strip("u"):
        raise Unsupported(f"the flags {flags!r} are not supported in a tool's grammar")
    return _spelled(strings.encoded(parse(body)))
