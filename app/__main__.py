"""The command line: `mlx-responses VERB`, also as `python -m app`. A verb is a file of `cli/`.

Imports nothing heavy, so that --help is quick; the verb that is called is imported when it is.
"""

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Sequence

from mlx_responses import __version__
from mlx_responses.errors import Failure

from .cli.flags import Parser
from .cli.terminal import Terminal
from .settings import SettingsError

EXIT_FAILED = 1
EXIT_BAD_SETTING = 2
EXIT_INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""

EXIT_UNREAD = 141
"""128 and the number of SIGPIPE."""

MORE = "mlx-responses VERB --help tells more of one."

GROUPS = {
    "the server": {
        "serve": "start the server",
        "ps": "what the server is doing",
        "logs": "the server's log",
        "stop": "end the server",
        "service": "keep a server running: at login, and after a crash",
        "menubar": "the server in macOS' menu bar",
    },
    "asking it": {
        "demo": "see a server at work for a few seconds, offline",
        "ask": "ask once, and stream the answer",
        "chat": "talk with a model",
    },
    "models": {
        "models": "the models that are here, and those that can be pulled",
        "pull": "fetch a model, or import a folder",
        "rm": "delete a model's files",
    },
    "agents and programs": {
        "connect": "point an agent at the server, or print what an SDK needs",
        "disconnect": "take back what `connect` wrote",
        "keys": "API keys: make one, list them, take one back",
    },
    "upkeep": {
        "doctor": "check what the server needs; each finding with its fix",
        "bench": "measure how fast the server answers here",
        "db": "the database: size, export, backup, vacuum",
        "completion": "what a shell needs to complete verbs and flags",
    },
}
"""Verbs, each with its line in --help."""
VERBS = {verb: told for group in GROUPS.values() for verb, told in group.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb; the exit code. A refusal is one line on stderr, no stack trace."""
    given = list(sys.argv[1:] if argv is None else argv)
    verb = _chosen(given)
    # A verb brings in what it needs, MLX and the web server among it; --help must not wait.
    module = importlib.import_module(f".cli.{verb}", __package__)
    parser = Parser(prog=f"mlx-responses {verb}", description=module.DESCRIPTION)
    module.add_arguments(parser)
    terminal = Terminal()
    try:
        code: int = module.run(parser.parse_args(given[1:]), terminal)
    except SettingsError as error:
        return _refuse(terminal, error, EXIT_BAD_SETTING)
    except Failure as error:
        return _refuse(terminal, error, EXIT_FAILED)
    except BrokenPipeError:  # whoever read our answer has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_UNREAD
    except KeyboardInterrupt:  # Ctrl-C before the server listens for signals
        return EXIT_INTERRUPTED
    return code


def _chosen(given: list[str]) -> str:
    """The verb; help, version and what is no verb are answered here."""
    parser = argparse.ArgumentParser(
        prog="mlx-responses",
        usage="mlx-responses VERB ...",
        description="A local server for the OpenAI Responses API on MLX.",
        epilog="\n\n".join(map(_listed, GROUPS)) + f"\n\n{MORE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"mlx-responses {__version__}")
    if given and given[0] in VERBS:
        return given[0]
    if given and not given[0].startswith("-"):
        near = difflib.get_close_matches(given[0], VERBS, 1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        parser.error(f"there is no verb {given[0]!r}.{meant} mlx-responses --help lists them.")
    parser.parse_args(given)
    parser.print_help(sys.stderr)
    sys.exit(EXIT_BAD_SETTING)


def _listed(group: str) -> str:
    lines = [f"  {verb:<12}{told}" for verb, told in GROUPS[group].items()]
    return "\n".join([f"{group}:", *lines])


def _refuse(terminal: Terminal, error: Exception, code: int) -> int:
    terminal.say(f"mlx-responses: {error}")
    return code


if __name__ == "__main__":
    sys.exit(main())
