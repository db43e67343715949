"""Pointing agents and SDKs at this server: what each needs written or said. Starts nothing."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from . import codex, json_agents, snippets
from .edit import CannotConnect, Edit, Ledger, diffs
from .place import Place


class Agent(NamedTuple):
    """An agent that is told in files."""

    edits: Callable[[Place], list[Edit]]
    next_step: Callable[[Place], str]


AGENTS: Mapping[str, Agent] = {
    "codex": Agent(codex.edits, codex.next_step),
    "opencode": Agent(json_agents.opencode, json_agents.opencode_step),
    "pi": Agent(json_agents.pi, json_agents.pi_step),
}
SNIPPETS: Mapping[str, Callable[[Place], str]] = {**snippets.AGENTS, **snippets.SDKS}

__all__ = ["AGENTS", "SNIPPETS", "Agent", "CannotConnect", "Edit", "Ledger", "Place", "diffs"]
