"""`mlx-responses completion SHELL`: what a shell needs to complete verbs and flags."""

import argparse
import importlib

import shtab

from .terminal import Terminal

DESCRIPTION = (
    'Print a completion script. bash: add `eval "$(mlx-responses completion bash)"` to ~/.bashrc; '
    "zsh: the same in ~/.zshrc after compinit; fish: `mlx-responses completion fish | source`."
)

SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shell."""
    parser.add_argument("shell", choices=SHELLS)


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print it."""
    main = importlib.import_module("..__main__", __package__)
    parser = argparse.ArgumentParser(prog="mlx-responses")
    verbs = parser.add_subparsers()
    for verb, told in main.VERBS.items():
        module = importlib.import_module(f".{verb}", __package__)
        module.add_arguments(verbs.add_parser(verb, help=told, description=module.DESCRIPTION))
    terminal.put(shtab.complete(parser, arguments.shell))
    return 0
