"""A custom tool's input as the argument of a call: `{"input": "..."}`, the text under a grammar.

A grammar speaks of the text; in a JSON call the text is spelled as a string. So every literal and
regex of a Lark grammar is spelled too, character by character: a lexer could not tell the
backslash of a line break from that of a quote, a parser can.
"""

import json
import re

from mlx_responses.errors import RequestError
from mlx_responses.grammar import strings
from mlx_responses.grammar.fixed import fixed
from mlx_responses.grammar.grammars import Written
from mlx_responses.grammar.lark import CODE
from mlx_responses.grammar.lexemes import Chain, Exact, Regex, source_of
from mlx_responses.grammar.patterns import Cat, Chars, Edge, Many, Node, Or, Unsupported, parse
from mlx_responses.grammar.pieces import Grammar, Leaf, Piece, Rule, seq
from mlx_responses.grammar.spread import Pairs, closed
from mlx_responses.grammar.vocabulary import Vocabulary

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


def write_spread_input(
    syntax: str | None, definition: str, pairs: Pairs, vocabulary: Vocabulary
) -> Written:
    """The same where arguments are written one by one. A Lark grammar's text must not hold what
    ends a value there: no grammar can see to that. Raises `RequestError`.
    """
    if not pairs.raw:
        inner = write_input(syntax, definition).grammar
        value = inner.rules["value"]
        rules, lines = {**inner.rules, "value": value}, inner.lines
        body: list[Piece] = [Rule("value"), *fixed(vocabulary, pairs.after)]
    else:
        rules, lines = {}, ()
        try:
            if syntax == "lark":
                lines = _respelled(definition, strings.plain)
                ending = fixed(vocabulary, pairs.quote + pairs.after)
                body = [*fixed(vocabulary, pairs.quote), Rule("x_start"), *ending]
            else:
                text = strings.whole(parse(definition)) if syntax else Regex("(?s:.*)")
                body = [closed(text, pairs, vocabulary, maybe_empty=not syntax)]
        except Unsupported as unsupported:
            raise _unenforceable(unsupported) from unsupported
    head = [*fixed(vocabulary, pairs.before + KEY), *fixed(vocabulary, pairs.between_text)]
    rules["arguments"] = seq(*head, *body)
    return Written(Grammar("arguments", rules, lines))


def write_input(syntax: str | None, definition: str = "") -> Written:
    """Arguments of a custom tool. `syntax` is None for free text, `regex` or `lark`. Raises
    `RequestError`.
    """
    try:
        match syntax:
            case None:
                return _input(Grammar("value", {"value": Leaf(strings.string([ANY_LENGTH]))}))
            case "regex":
                claim = strings.pattern(Cat((Edge(True), parse(definition), Edge(False))))
                return _input(Grammar("value", {"value": Leaf(strings.string([claim]))}))
            case "lark":
                quote = Leaf(strings.QUOTE)
                lines = _respelled(definition, strings.encoded)
                value = seq(quote, Rule("x_start"), quote)
                return _input(Grammar("value", {"value": value}, lines))
    except Unsupported as unsupported:
        raise _unenforceable(unsupported) from unsupported
    raise RequestError(f"The syntax {syntax!r} is unknown: regex or lark.", code=CODE)


ANY_LENGTH = strings.length(0, None)


def _unenforceable(unsupported: Unsupported) -> RequestError:
    message = f"The grammar cannot be enforced: {unsupported.reason}."
    return RequestError(message, code=CODE)


def _input(value: Grammar) -> Written:
    key = Leaf(Chain((Exact(json.dumps(KEY)), Regex(": ?"))))
    body = seq(Leaf(Exact("{")), key, Rule(value.start), Leaf(Exact("}")))
    return Written(Grammar("arguments", {"arguments": body, **value.rules}, value.lines))


def _respelled(text: str, spelling: strings.Spelling) -> tuple[str, ...]:
    """A Lark grammar's rules, over the spelling of its language."""
    found: list[str] = []
    imported: dict[str, str] = {}
    for match in TOKEN.finditer(text):
        kind, token = match.lastgroup, match.group()
        if match["common"] is not None:
            imported[match["common"]] = _common(match["common"], spelling)
        elif kind == "name":
            found.append(_named(token))
        elif kind in ("string", "regex"):
            body = _literal(token) if kind == "string" else _regex(token)
            found.append(_spelled(spelling(body)))
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


def _common(name: str, spelling: strings.Spelling) -> str:
    if name not in COMMON:
        raise Unsupported(f"the terminal common.{name} is not supported")
    return _spelled(spelling(parse(COMMON[name])))


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


def _literal(token: str) -> Node:
    if token.endswith("i"):
        raise Unsupported("strings that ignore case are not supported in a tool's grammar")
    try:
        text = json.loads(token)
    except ValueError as error:
        raise Unsupported(f"the string {token} is malformed") from error
    return Cat(tuple(Chars(((ord(c), ord(c)),)) for c in text))


def _regex(token: str) -> Node:
    body, _, flags = token[1:].rpartition("/")
    if flags.strip("u"):
        raise Unsupported(f"the flags {flags!r} are not supported in a tool's grammar")
    return parse(body)
