"""The habits of this code, executed. A rule yields `path: what` for each place that breaks it.

A place may be excepted, with its reason; an exception that is no longer needed fails as well.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PRODUCT = ("mlx_responses/", "app/")
EVERYTHING = (*PRODUCT, "tests/", "tools/", "bench/")

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
NEVER_FUNCTION_LINES = 70  # no exception reaches further
MAX_PARAMETERS = 5  # beside self
CLOCKS = {"time", "datetime", "uuid", "secrets", "random"}
FOREIGN_TO_ENGINE = re.compile(r"openai|responses?|items?|tools?|instructions|assistant")
PYTHONS_OWN = re.compile(r"mlx_responses|\.items?\(\)")  # our name, dict.items(), array.item()

EXCEPTIONS: dict[str, dict[str, str]] = {
    "long_files": {},
    "long_functions": {},
    "many_parameters": {
        "tools/pocket/batches.py: pool": "the knobs of a training recipe, called in one place",
    },
    "inner_imports": {
        "app/__main__.py: main": "--help answers at once, so a verb is imported when it is called",
        "app/cli/serve.py: run": "so does `serve --help`",
        "app/cli/embedded.py: started": "asking a server that runs needs no MLX",
        "app/cli/menubar.py: _rumps": "it is there on macOS alone, and on request",
        "app/cli/service.py: _refuse": "`service status` needs neither web server nor hub",
        "app/cli/completion.py: run": "every verb is asked for its flags",
    },
    "swallowing": {
        "mlx_responses/attempt.py: attempt": "a thread outlives what it fails at",
        "mlx_responses/turn.py: Turn.run": "every admitted turn ends in a terminal event",
        "app/failures.py: failure_of": "a fault in one turn must not end its socket",
    },
    "printing": {
        "app/cli/terminal.py: Terminal.put": "what a verb answers",
        "app/cli/terminal.py: Terminal.say": "what a verb remarks",
    },
    "environment": {
        "app/settings.py: environ": "the one door for the environment",
    },
    "clocks": {
        "mlx_responses/live.py: time.time": "the one clock",
        "mlx_responses/live.py: uuid.uuid4": "the one mint of ids",
        "mlx_responses/engine/speculation.py: time.perf_counter": "steps are timed, not dated",
        "mlx_responses/engine/engine.py: time.monotonic": "durations of steps, dates of nothing",
        "app/cli/ps.py: time.monotonic": "tokens a second need seconds",
        "app/cli/menubar.py: time.monotonic": "so do they in the menu bar",
        "app/cli/bench.py: time.perf_counter": "so do these",
    },
    "foreign_words": {
        "mlx_responses/engine/load.py: responses": "the name of the command that fetches a model",
        "mlx_responses/engine/hub.py: tools": "the name of a chat template's variable",
    },
}


class Source(NamedTuple):
    path: str
    text: str
    tree: ast.Module


def read(path: Path) -> Source:
    text = path.read_text("utf-8")
    return Source(path.relative_to(ROOT).as_posix(), text, ast.parse(text))


SOURCES = [
    read(path)
    for room in EVERYTHING
    for path in sorted((ROOT / room).rglob("*.py"))
    if "__pycache__" not in path.parts
]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST, above: str = "") -> Iterator[tuple[str, Function]]:
    """Each function with its dotted name, those inside classes and functions too."""
    for node in ast.iter_child_nodes(tree):
        name = above
        if isinstance(node, Function | ast.ClassDef):
            name = f"{above}.{node.name}".lstrip(".")
        if isinstance(node, Function):
            yield name, node
        yield from functions(node, name)


def within(tree: ast.Module, *kinds: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    """Each node of these kinds, with the innermost function that holds it."""
    owner = {id(node): name for name, body in functions(tree) for node in ast.walk(body)}
    for node in ast.walk(tree):
        if isinstance(node, kinds):
            yield owner.get(id(node), "the module"), node


def long_files(source: Source) -> Iterator[str]:
    if len(source.text.splitlines()) > MAX_FILE_LINES:
        yield "the file"


def long_functions(source: Source) -> Iterator[str]:
    for name, node in functions(source.tree):
        if node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES:
            yield name


def endless_functions(source: Source) -> Iterator[str]:
    for name, node in functions(source.tree):
        if node.end_lineno - node.lineno + 1 > NEVER_FUNCTION_LINES:
            yield name


def many_parameters(source: Source) -> Iterator[str]:
    for name, node in functions(source.tree):
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        if len([a for a in given if a.arg not in ("self", "cls")]) > MAX_PARAMETERS:
            yield name


def no_docstring(source: Source) -> Iterator[str]:
    if ast.get_docstring(source.tree) is None:
        yield "the module"


def inner_imports(source: Source) -> Iterator[str]:
    for name, _ in within(source.tree, ast.Import, ast.ImportFrom):
        if name != "the module":
            yield name
    for name, node in within(source.tree, ast.Attribute, ast.Name):
        if (getattr(node, "attr", None) or getattr(node, "id", None)) == "import_module":
            yield name


def globals_(source: Source) -> Iterator[str]:
    for name, _ in within(source.tree, ast.Global):
        yield name


def swallowing(source: Source) -> Iterator[str]:
    for name, node in within(source.tree, ast.ExceptHandler):
        caught = {"bare"} if node.type is None else {ast.unparse(n) for n in ast.walk(node.type)}
        if caught & {"bare", "Exception", "BaseException"}:
            yield name


def printing(source: Source) -> Iterator[str]:
    for name, node in within(source.tree, ast.Name):
        if node.id == "print":
            yield name


def environment(source: Source) -> Iterator[str]:
    for _, node in within(source.tree, ast.Attribute, ast.ImportFrom):
        words = [node.attr] if isinstance(node, ast.Attribute) else [a.name for a in node.names]
        yield from (word for word in words if word in ("environ", "getenv", "environb", "putenv"))


def clocks(source: Source) -> Iterator[str]:
    for _, node in within(source.tree, ast.ImportFrom):
        if node.module in CLOCKS:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for _, node in within(source.tree, ast.Attribute):
        if isinstance(node.value, ast.Name) and node.value.id in CLOCKS:
            yield f"{node.value.id}.{node.attr}"


def foreign_words(source: Source) -> Iterator[str]:
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", PYTHONS_OWN.sub("", source.text))
    yield from (word for word in words if FOREIGN_TO_ENGINE.fullmatch(word.lower()))


def batching_names(source: Source) -> Iterator[str]:
    if "BatchGenerator" in source.text and source.path != "mlx_responses/engine/batch.py":
        yield "BatchGenerator"


RULES: list[tuple[Callable[[Source], Iterator[str]], tuple[str, ...]]] = [
    (long_files, EVERYTHING),
    (long_functions, EVERYTHING),
    (endless_functions, EVERYTHING),
    (many_parameters, (*PRODUCT, "tools/", "bench/")),
    (no_docstring, EVERYTHING),
    (inner_imports, EVERYTHING),
    (globals_, EVERYTHING),
    (swallowing, EVERYTHING),
    (printing, PRODUCT),
    (environment, PRODUCT),
    (clocks, PRODUCT),
    (foreign_words, ("mlx_responses/engine/",)),
    (batching_names, PRODUCT),
]


@pytest.mark.parametrize(("rule", "rooms"), RULES, ids=[rule.__name__ for rule, _ in RULES])
def test_every_file_keeps_the_rule_or_is_excepted_with_a_reason(rule, rooms):
    found = {
        f"{source.path}: {place}"
        for source in SOURCES
        if source.path.startswith(rooms)
        for place in rule(source)
    }
    excepted = EXCEPTIONS.get(rule.__name__, {})
    wrong = [f"{place} breaks the rule" for place in sorted(found - excepted.keys())]
    stale = [f"{place} is excepted for nothing" for place in sorted(excepted.keys() - found)]
    assert not wrong + stale, "\n".join([rule.__name__, *wrong, *stale])


def test_every_exception_belongs_to_a_rule_and_says_why():
    assert set(EXCEPTIONS) <= {rule.__name__ for rule, _ in RULES}
    assert all(reason for places in EXCEPTIONS.values() for reason in places.values())


def test_swallowing_happens_in_three_places_only():
    files = {place.split(":")[0] for place in EXCEPTIONS["swallowing"]}
    assert files <= {"mlx_responses/attempt.py", "mlx_responses/turn.py", "app/failures.py"}


BREAKING = {
    "long_files": "x = 1\n" * 401,
    "long_functions": "def f():\n" + "    x = 1\n" * 50,
    "endless_functions": "class A:\n    async def f():\n" + "        x = 1\n" * 70,
    "many_parameters": "class A:\n    def f(self, a, b, c, /, d, *, e, f): ...",
    "no_docstring": "x = 1",
    "inner_imports": "def f():\n    import mlx_responses.wire",
    "globals_": "def f():\n    global x",
    "swallowing": "try:\n    f()\nexcept (ValueError, Exception):\n    pass",
    "printing": "def f(say=print): ...",
    "environment": "import os\nos.environ['HOME']",
    "clocks": "from time import time",
    "foreign_words": "class ResponseReader: ...",
    "batching_names": "from mlx_lm.generate import BatchGenerator",
}


@pytest.mark.parametrize("rule", [rule for rule, _ in RULES], ids=lambda rule: rule.__name__)
def test_the_rule_sees_what_breaks_it(rule):
    breaking = BREAKING[rule.__name__]
    assert list(rule(Source("some.py", breaking, ast.parse(breaking))))
    fine = '"""Fine."""\n\nfor key, value in {}.items():\n    key(value)\n'
    assert list(rule(Source("some.py", fine, ast.parse(fine)))) == []
