"""The catalogue entry that Codex asks of GET /v1/models: what it must know of a model.

Codex takes `models` where SDKs take `data`; without an entry it guesses the window and sends a
prompt of 3,500 tokens. Knows no path.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mlx_responses.catalog import ModelSpec

INSTRUCTIONS = (
    "You are a coding agent in the user's terminal. Work in the current folder with the tools you "
    "have: read before you edit, make the smallest change that does what is asked, and check it. "
    "When you are done, say in a sentence or two what you did."
)
OUTPUT_TOKENS = 10_000
"""Of a tool's output that Codex shows the model; the rest it cuts in the middle."""


class Level(msgspec.Struct, frozen=True):
    """One effort that can be chosen."""

    effort: str
    description: str


class Truncation(msgspec.Struct, frozen=True):
    """How long outputs of tools are cut."""

    mode: Literal["tokens"] = "tokens"
    limit: int = OUTPUT_TOKENS


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One model as Codex wants it described."""

    slug: str
    display_name: str
    description: str
    context_window: int | msgspec.UnsetType = msgspec.UNSET
    supported_reasoning_levels: list[Level] = []
    default_reasoning_level: str | msgspec.UnsetType = msgspec.UNSET
    base_instructions: str = INSTRUCTIONS
    shell_type: str = "unified_exec"
    apply_patch_tool_type: str = "freeform"
    visibility: str = "list"
    supported_in_api: bool = True
    priority: Annotated[int, Meta(ge=0)] = 1
    support_verbosity: bool = False
    truncation_policy: Truncation = Truncation()
    experimental_supported_tools: list[str] = []


def entry(name: str, spec: ModelSpec) -> Entry:
    """The entry of a model under `name`, which may be an alias."""
    efforts = ["none", *spec.thinking] if spec.thinking else []
    return Entry(
        slug=name,
        display_name=name,
        description=spec.description,
        context_window=spec.context_window or msgspec.UNSET,
        supported_reasoning_levels=[
            Level(effort, "no thinking" if effort == "none" else "thinks before it answers")
            for effort in efforts
        ],
        default_reasoning_level=spec.default_effort if efforts else msgspec.UNSET,
    )
