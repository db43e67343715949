"""One model's grammars: schema, regex, Lark -> a compiled source of guides, made once and kept.

Chooses the engine by estimate: an index where the language is regular and the index is ready
within `BUDGET_MS`, a parser everywhere else. Every method may take some 100 ms and releases the
GIL where it is long; call it on a worker thread.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import jsonschema_rs

from mlx_responses.errors import RequestError
from mlx_responses.grammar import index, strings
from mlx_responses.grammar.document import CODE, Document
from mlx_responses.grammar.emit import Emitter
from mlx_responses.grammar.guide import Guide, Source
from mlx_responses.grammar.lark import CODE as GRAMMAR_CODE
from mlx_responses.grammar.lark import Matching, compile_lark, compile_native
from mlx_responses.grammar.patterns import Unsupported, parse
from mlx_responses.grammar.pieces import Grammar, Leaf, to_lark, to_regex
from mlx_responses.grammar.shapes import Want
from mlx_responses.grammar.shelf import Shelf
from mlx_responses.grammar.terms import Terms
from mlx_responses.grammar.vocabulary import Vocabulary

MEMORY_BYTES = 256 * 2**20
"""Compiled grammars kept in memory, by their estimated size."""
BYTES_OF_MATCHER = 200_000
"""A parser with its lexer's states after some use, without its grammar's text."""

JSON_OBJECT: dict[str, Any] = {"type": "object"}


class Compiled:
    """A grammar ready for use.

    relaxed   keywords that the mask does not enforce, as "keyword at #/pointer"; then the finished
              document has to be checked
    engine    "index" or "parser"
    """

    def __init__(self, source: Source, engine: str, relaxed: tuple[str, ...], schema: Any) -> None:
        self._source = source
        self.engine = engine
        self.relaxed = relaxed
        self._schema = schema

    def start(self) -> Guide:
        """A guide for one answer."""
        return self._source.start()

    def served_by(self, source: Source) -> "Compiled":
        """The same by another engine: an index that has been made meanwhile."""
        return Compiled(source, "index", self.relaxed, self._schema)

    def check(self, text: str) -> str | None:
        """Why a finished document breaks its schema; None: it does not, or there is none."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            return f"it is no JSON: {error}"
        if self._schema is None:
            return None
        try:
            validator = jsonschema_rs.validator_for(self._schema, retriever=_no_retrieval)
            broken = next(iter(validator.iter_errors(value)), None)
        except (ValueError, jsonschema_rs.ValidationError) as failure:
            return f"its schema cannot be checked: {failure}"
        return None if broken is None else str(broken.message)


def _no_retrieval(uri: str) -> Any:
    raise LookupError(f"{uri} is not fetched")


class Written:
    """A grammar as values, before an engine is chosen: what `calls.py` puts between brackets."""

    def __init__(self, grammar: Grammar, relaxed: tuple[str, ...] = ()) -> None:
        self.grammar = grammar
        self.relaxed = relaxed


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
    try:
        grammar = Emitter(terms, ordered=ordered).grammar(want)
    except RecursionError as error:
        raise RequestError("The schema is nested too deeply.", code=CODE) from error
    return Written(grammar, tuple(terms.relaxed))


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
        self._kept: OrderedDict[str, tuple[Compiled, int]] = OrderedDict()
        self._used_bytes = 0
        self._awaited: dict[str, tuple[str, Compiled]] = {}
        """Key -> (regex, compiled): indexes worth making when there is time."""
        self._lock = Lock()

    def json_object(self) -> Compiled:
        """Any JSON object."""
        return self.schema(JSON_OBJECT, strict=True)

    def schema(
        self, schema: Any, *, strict: bool, only_object: bool = False, ordered: bool = True
    ) -> Compiled:
        """See `write_schema`."""
        key = self._key("schema", schema, strict, only_object, ordered)

        def make() -> tuple[Compiled, int]:
            written = write_schema(schema, strict=strict, only_object=only_object, ordered=ordered)
            return self._compiled(key, written, schema)

        return self._made(key, make)

    def regex(self, source: str) -> Compiled:
        """See `write_regex`."""
        key = self._key("regex", source)
        return self._made(key, lambda: self._compiled(key, write_regex(source), None))

    def lark(self, text: str) -> Compiled:
        """A Lark grammar. Raises `RequestError`."""
        key = self._key("lark", text)
        return self._made(key, lambda: self._parsed(compile_lark(self.vocabulary, text)))

    def llguidance(self, text: str) -> Compiled:
        """llguidance's own grammar, serialised, or its Lark. Raises `RequestError`."""
        key = self._key("llguidance", text)
        return self._made(key, lambda: self._parsed(compile_native(self.vocabulary, text)))

    def written(self, written: Written) -> Compiled:
        """A grammar that was put together elsewhere, like that of a call."""
        text = to_lark(written.grammar)
        key = self._key("written", text)
        return self._made(key, lambda: self._compiled(key, written, None))

    def promote(self) -> bool:
        """Make one index that was not worth waiting for; False: none is waited for. Takes up to
        `index.LATER_BUDGET_MS`, so only beside an idle engine.
        """
        with self._lock:
            key, (regex, parsed) = next(iter(self._awaited.items()), ("", ("", None)))
            self._awaited.pop(key, None)
        if parsed is None:
            return False
        try:
            table = index.Table.of_regex(self.vocabulary, regex)
        except ValueError:
            return True
        data = table.to_bytes()
        if self._shelf is not None:
            self._shelf.put(key, data)
        self._keep(key, parsed.served_by(table), len(data) * 2)
        return True

    def _key(self, *parts: Any) -> str:
        try:
            text = json.dumps([self.vocabulary.key, FORMAT, *parts])
        except RecursionError as error:
            raise RequestError("The schema is nested too deeply.", code=CODE) from error
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def _made(self, key: str, make: Callable[[], tuple[Compiled, int]]) -> Compiled:
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
                return known[0]
        compiled, cost = make()
        self._keep(key, compiled, cost)
        return compiled

    def _keep(self, key: str, compiled: Compiled, cost: int) -> None:
        with self._lock:
            _, before = self._kept.pop(key, (None, 0))
            self._kept[key] = (compiled, cost)
            self._used_bytes += cost - before
            while self._used_bytes > self._memory_bytes and len(self._kept) > 1:
                _, (_, freed) = self._kept.popitem(last=False)
                self._used_bytes -= freed

    def _parsed(self, matching: Matching) -> tuple[Compiled, int]:
        return Compiled(matching, "parser", (), None), BYTES_OF_MATCHER

    def _compiled(self, key: str, written: Written, schema: Any) -> tuple[Compiled, int]:
        regex = to_regex(written.grammar)
        cost_ms = 0.0 if regex is None else index.estimate_ms(self.vocabulary, regex)
        if regex is not None:
            data = self._shelf.get(key) if self._shelf is not None else None
            table = self._table(regex, data, cost_ms)
            if table is not None:
                compiled = Compiled(table, "index", written.relaxed, schema)
                return compiled, BYTES_OF_MATCHER + 2 * len(data or b"")
        text = to_lark(written.grammar)
        matching = compile_lark(self.vocabulary, text)
        compiled = Compiled(matching, "parser", written.relaxed, schema)
        if regex is not None and cost_ms <= index.LATER_BUDGET_MS:
            with self._lock:
                self._awaited[key] = (regex, compiled)
                while len(self._awaited) > MAX_AWAITED:
                    self._awaited.pop(next(iter(self._awaited)))
        return compiled, BYTES_OF_MATCHER + 4 * len(text)

    def _table(self, regex: str, data: bytes | None, cost_ms: float) -> index.Table | None:
        """From disk, or made if that is quick."""
        try:
            if data is not None:
                return index.Table.of_bytes(self.vocabulary, data)
            if cost_ms <= self._budget_ms:
                return index.Table.of_regex(self.vocabulary, regex)
        except ValueError:
            return None
        return None


FORMAT = 1
"""Goes up when the same request no longer gives the same grammar: old files are then not found."""
MAX_AWAITED = 32
