"""One model's grammars: schema, regex, Lark -> a source of guides, made once and kept.

Chooses the engine by estimate: an index where the language is regular and the index is ready
within `BUDGET_MS`, a parser everywhere else. Every method may take some 100 ms and releases the
GIL where it is long; call it on a worker thread.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from mlx_responses.errors import RequestError
from mlx_responses.grammar import index, strings
from mlx_responses.grammar.collector import collecting_later
from mlx_responses.grammar.cost import check
from mlx_responses.grammar.document import CODE, Document
from mlx_responses.grammar.emit import Emitter
from mlx_responses.grammar.guide import Source
from mlx_responses.grammar.lark import CODE as GRAMMAR_CODE
from mlx_responses.grammar.lark import Matching, compile_lark, compile_native
from mlx_responses.grammar.patterns import Unsupported, parse
from mlx_responses.grammar.pieces import Grammar, Leaf, to_lark, to_regex
from mlx_responses.grammar.shapes import Want
from mlx_responses.grammar.shelf import Shelf
from mlx_responses.grammar.terms import Terms
from mlx_responses.grammar.vocabulary import Vocabulary

MEMORY_BYTES = 256 * 2**20
"""Source grammars kept in memory, by their estimated size."""
BYTES_OF_MATCHER = 200_000
"""A parser with its lexer's states after some use, without its grammar's text."""

JSON_OBJECT: dict[str, Any] = {"type": "object"}


class Written:
    """A grammar as values, before an engine is chosen: what `calls.py` puts between brackets.

    relaxed   what it does not hold to, and where
    spent_us  what writing it cost, beyond what its size tells: see `cost.py`
    """

    def __init__(
        self, grammar: Grammar, relaxed: tuple[str, ...] = (), spent_us: float = 0.0
    ) -> None:
        self.grammar = grammar
        self.relaxed = relaxed
        self.spent_us = spent_us

    @cached_property
    def _lark(self) -> tuple[str, float]:
        return to_lark(self.grammar)

    @property
    def lark(self) -> str:
        """Its text for a parser."""
        return self._lark[0]

    @property
    def cost_us(self) -> float:
        """How long a parser of it takes to its first mask, writing the grammar included."""
        return self.spent_us + self._lark[1]


def write_schema(
    schema: Any, *, strict: bool, only_object: bool = False, ordered: bool = True
) -> Written:
    """A JSON Schema as a grammar. Raises `RequestError` that names keyword and place.

    strict       refuse what cannot be enforced; else leave it out, named in `relaxed`
    only_object  the value has to be an object, whatever the schema says
    ordered      members come in the order of the schema; else in any, up to `MAX_SHUFFLED` of them
                 and where their number is not bounded
    """
    terms = Terms(Document(schema), strict=strict)
    want: Want = ((1, True),)
    if only_object:
        want = ((terms.document.add(JSON_OBJECT), True), *want)
    emitter = Emitter(terms, ordered=ordered)
    try:
        grammar = emitter.grammar(want)
    except RecursionError as error:
        raise RequestError("The schema is nested too deeply.", code=CODE) from error
    return Written(grammar, tuple(terms.relaxed), emitter.cost_us)


def write_regex(source: str) -> Written:
    """A regular expression that the whole text has to match. Raises `RequestError`."""
    try:
        lexeme = strings.whole(parse(source))
    except Unsupported as unsupported:
        message = f"The regex cannot be enforced: {unsupported.reason}."
        raise RequestError(message, code=GRAMMAR_CODE) from unsupported
    return Written(Grammar("r0", {"r0": Leaf(lexeme)}))


class Grammars:
    """The compiled grammars of one vocabulary: in memory, and indexes on disk too."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        folder: Path | None = None,
        memory_bytes: int = MEMORY_BYTES,
        budget_ms: float = index.BUDGET_MS,
    ) -> None:
        self.vocabulary = vocabulary
        self._shelf = Shelf(folder) if folder is not None else None
        self._memory_bytes = memory_bytes
        self._budget_ms = budget_ms
        self._kept: OrderedDict[str, tuple[Source, int]] = OrderedDict()
        self._used_bytes = 0
        self._lock = Lock()

    def make_ready(self) -> None:
        """Make the vocabulary's tables and any object's grammar: 0.7 s at 131k tokens, once."""
        self.vocabulary.make_tables()
        self.json_object()

    def json_object(self) -> Source:
        """Any JSON object."""
        return self.schema(JSON_OBJECT, strict=True)

    def schema(
        self, schema: Any, *, strict: bool, only_object: bool = False, ordered: bool = True
    ) -> Source:
        """See `write_schema`."""
        key = self._key("schema", schema, strict, only_object, ordered)

        def make() -> tuple[Source, int]:
            written = write_schema(schema, strict=strict, only_object=only_object, ordered=ordered)
            return self._compiled(key, written, CODE)

        return self._made(key, make)

    def regex(self, source: str) -> Source:
        """See `write_regex`."""
        key = self._key("regex", source)
        return self._made(key, lambda: self._compiled(key, write_regex(source), GRAMMAR_CODE))

    def lark(self, text: str) -> Source:
        """A Lark grammar. Raises `RequestError`."""
        key = self._key("lark", text)
        return self._made(key, lambda: (compile_lark(self.vocabulary, text), BYTES_OF_MATCHER))

    def llguidance(self, text: str) -> Source:
        """llguidance's own grammar, serialised, or its Lark. Raises `RequestError`."""
        key = self._key("llguidance", text)
        return self._made(key, lambda: (compile_native(self.vocabulary, text), BYTES_OF_MATCHER))

    def written(self, written: Written) -> Source:
        """A grammar that was put together elsewhere, like that of a call."""
        key = self._key("written", written.lark)
        return self._made(key, lambda: self._compiled(key, written, CODE))

    def remembered(self, identity: str, make: Callable[[], Source | None]) -> Source | None:
        """A source of several grammars, like that of an agent's tools, which come with every turn:
        what `make` gives, kept as long as others by `identity`, all that decides it.
        """
        key = self._key("remembered", identity)
        source = self._known(key)
        if source is None:
            with collecting_later:
                source = make()
            if source is not None:
                self._keep(key, source, BYTES_OF_MATCHER)
        return source

    def _key(self, *parts: Any) -> str:
        try:
            text = json.dumps([self.vocabulary.key, FORMAT, *parts])
        except RecursionError as error:
            raise RequestError("The schema is nested too deeply.", code=CODE) from error
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def _made(self, key: str, make: Callable[[], tuple[Source, int]]) -> Source:
        known = self._known(key)
        if known is not None:
            return known
        with collecting_later:
            compiled, cost = make()
        self._keep(key, compiled, cost)
        return compiled

    def _known(self, key: str) -> Source | None:
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def _keep(self, key: str, compiled: Source, cost: int) -> None:
        with self._lock:
            _, before = self._kept.pop(key, (None, 0))
            self._kept[key] = (compiled, cost)
            self._used_bytes += cost - before
            while self._used_bytes > self._memory_bytes and len(self._kept) > 1:
                _, (_, freed) = self._kept.popitem(last=False)
                self._used_bytes -= freed

    def _compiled(self, key: str, written: Written, code: str) -> tuple[Source, int]:
        regex = to_regex(written.grammar)
        indexed = None if regex is None else self._indexed(key, regex)
        if indexed is not None:
            table, size = indexed
            return table, BYTES_OF_MATCHER + 2 * size
        check(written.cost_us, code)
        text = written.lark
        return Matching(self.vocabulary, text), BYTES_OF_MATCHER + 4 * len(text)

    def _indexed(self, key: str, regex: str) -> tuple[index.Table, int] | None:
        """An index and its size in bytes: from disk, or made. None: not quick."""
        texts = index.texts_if_quick(self.vocabulary, regex, self._budget_ms)
        if texts is None:
            return None
        kept = self._shelf.get(key) if self._shelf is not None else None
        try:
            if kept is not None:
                return index.Table.of_bytes(self.vocabulary, kept), len(kept)
            table = index.Table.of_regex(self.vocabulary, regex, texts)
        except ValueError:
            return None
        data = table.to_bytes()
        if self._shelf is not None:
            self._shelf.put(key, data)
        return table, len(data)


FORMAT = 2
"""Goes up when the same request no longer gives the same grammar: old files are then not found."""
