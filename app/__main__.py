"""The command line: `mlx-responses serve`, also as `python -m app`.

Imports nothing heavy, so that --help is quick.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

from mlx_responses import __version__
from mlx_responses.errors import Failure

from .settings import SettingsError, add_flags, read_settings

EXIT_CANNOT_START = 1
EXIT_BAD_SETTING = 2
EXIT_INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code. A refusal to start is one line on stderr, no stack trace."""
    arguments = vars(build_parser().parse_args(argv))
    arguments.pop("command")
    try:
        settings = read_settings(arguments)
        # MLX and the web server take a second to import; --help must not wait for them.
        server = importlib.import_module(".serve", __package__)
        server.run(settings, _say)
    except SettingsError as error:
        return _refuse(error, EXIT_BAD_SETTING)
    except Failure as error:
        return _refuse(error, EXIT_CANNOT_START)
    except KeyboardInterrupt:  # Ctrl-C before the server listens for signals
        return EXIT_INTERRUPTED
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The parser; its flags come from `Settings`."""
    parser = argparse.ArgumentParser(
        prog="mlx-responses", description="A local server for the OpenAI Responses API on MLX."
    )
    parser.add_argument("--version", action="version", version=f"mlx-responses {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="start the server",
        description="Start the server. Each flag has an environment variable; a flag wins.",
        allow_abbrev=False,
    )
    add_flags(serve)
    return parser


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _refuse(error: Exception, code: int) -> int:
    _say(f"mlx-responses: {error}")
    return code


if __name__ == "__main__":
    sys.exit(main())
