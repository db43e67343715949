"""The corpus: which skill how often, and what surrounds it (system, turns, unneeded tools)."""

from __future__ import annotations

import random
from collections.abc import Callable

from tools.pocket import corpus_talk as talk
from tools.pocket.chat import Chat, Message
from tools.pocket.corpus_copy import echo, sums, to_json
from tools.pocket.corpus_memory import about_others, absent, memories
from tools.pocket.corpus_system import PERSONA_JOBS, system
from tools.pocket.corpus_tools import (
    in_sequence,
    missing,
    parallel,
    parallel_result,
    some_tools,
    tool_call,
    tool_result,
)
from tools.pocket.words import ADJECTIVES, THINGS, Words, article

Make = Callable[[Words], Chat]


def no_tool(w: Words) -> Chat:
    """Tools are there, the answer needs none."""
    chat = w.choice(
        [talk.greeting, talk.identity, talk.fact, talk.count, talk.story, talk.unknown, memories]
    )(w)
    chat.tools, chat.skill = some_tools(w), "no tool needed"
    return chat


# Weights are shares of documents; tools and memory first, because tests and demos lean on them.
SKILLS: dict[str, tuple[Make, float]] = {
    "greeting": (talk.greeting, 6), "identity": (talk.identity, 4), "fact": (talk.fact, 4),
    "count": (talk.count, 5),
    "story": (talk.story, 2), "unknown": (talk.unknown, 7), "sum": (sums, 18), "echo": (echo, 7),
    "json": (to_json, 19),
    "memory": (memories, 11), "people": (about_others, 2), "absent": (absent, 7),
    "system": (system, 11),
    "tool call": (tool_call, 11),
    "tool parallel": (parallel, 10), "tool result": (tool_result, 7),
    "parallel result": (parallel_result, 5),
    "tool sequence": (in_sequence, 5), "tool missing": (missing, 8), "no tool needed": (no_tool, 4),
}  # fmt: skip
# Copying first: the bootcamp's share that is not random ids.
BOOTCAMP = {
    "echo": 5.0,
    "memory": 3.0,
    "json": 2.0,
    "tool call": 2.0,
    "greeting": 2.0,
    "identity": 1.0,
}
_SHORT = {"greeting", "identity", "fact", "count", "unknown", "sum"}
_FILLERS: list[Make] = [
    talk.greeting,
    talk.fact,
    talk.count,
    sums,
    talk.unknown,
    echo,
    talk.identity,
]
THINKING_SHARE = 0.45
LONG_SHARE = 0.06

_SYSTEMS = ["You are a helpful assistant.", "You are a helpful assistant",
    "You are a friendly assistant.", "Be brief.",
    "Answer briefly.", "You are a helpful AI assistant. Answer the user's questions.",
    "Be polite and helpful.",
    "You are a coding assistant.", "Help the user.", "",
    "You are a helpful, honest assistant. Be concise.",
    "Answer in English.", "Talk to the user.", "Use the tools when you need them.",
    "You are an agent.",
    "You are a helpful agent.", "Answer the question.", "You are a test assistant.",
    "Be concise."]  # fmt: skip
_PROSE = ["The {a} {t} must not {v} the {u} before the {n} is ready.",
    "Always {v} the {n} and keep the {u} in order.",
    "- {v} the {t} first, then report the {n}.",
    "When the {n} fails, {v} it again and tell the user about the {u}.",
    "You should {v} every {n} with care.", "Never {v} more than {k} {n}s at once.",
    "## {n} and {u}", "Each {u} has a {n} and a {t}.",
    "If you are not sure, {v} the {n}.", "The {n} is {k} and the {u} is {a}.",
    "Prefer a {a} {n} over a long {u}.",
    "Do not {v} what the user did not ask for.", "1. Read the {n}. 2. {v} the {u}.",
    "Use the {n} to {v} the {u}, {w}.",
    "Your answers are shown in a {t}; {v} them as plain text."]  # fmt: skip


def prose(w: Words, sentences: int) -> str:
    """Irrelevant instructions, as agents send them."""
    lines = []
    for _ in range(sentences):
        line = w.choice(_PROSE).format(
            a=w.choice(ADJECTIVES), t=w.choice(THINGS), v=w.plain(), u=w.plain(), n=w.plain(),
            k=w.number(2, 99), w=w.made_up()
        )  # fmt: skip
        lines.append(line + w.choice([" ", " ", " ", "\n", "\n\n"]))
    return "".join(lines).strip()


def _add_system(w: Words, chat: Chat) -> None:
    if chat.skill == "system" or chat.system is not None:
        return
    if w.chance(LONG_SHARE):
        head = w.choice(
            [
                "You are a coding agent running in a terminal.",
                "You are a helpful assistant.",
                "# Instructions",
            ]
        )
        chat.system = f"{head}\n\n{prose(w, w.number(6, 45))}"
    elif w.chance(0.45):
        chat.system = w.choice(_SYSTEMS) if w.chance(0.8) else prose(w, w.number(1, 4))
        if w.chance(0.08) and chat.skill not in ("identity", "greeting", "no tool needed"):
            chat.system = f"You are {w.name()}, {article(w.choice(PERSONA_JOBS))}."


def _filler(w: Words, chat: Chat) -> list[Message]:
    same = chat.skill in _SHORT and w.chance(0.9 if chat.skill == "sum" else 0.6)
    return (SKILLS[chat.skill][0] if same else w.choice(_FILLERS))(w).messages


def _add_turns(w: Words, chat: Chat) -> None:
    """Unrelated exchanges before the question; in memory chats also between telling and asking."""
    if chat.skill == "system" or (chat.alone and w.chance(0.8)):
        return
    if not w.chance(0.7 if chat.skill in _SHORT else 0.3 if not chat.tools else 0.12):
        return
    own_turns = [i for i, m in enumerate(chat.messages[:-1]) if m["role"] == "user"]
    for _ in range(w.choice([1, 1, 2, 2, 3, 4, 5])):
        at = own_turns[0]
        if chat.skill in ("memory", "people", "absent") or (len(own_turns) > 1 and not chat.tools):
            at = w.choice(own_turns[1:] + own_turns[-1:])
        filler = _filler(w, chat)
        chat.messages[at:at] = filler
        own_turns = [i for i, m in enumerate(chat.messages[:-1]) if m["role"] == "user"]


def compose(w: Words, skill: str, thinking: bool | None = None) -> Chat:
    """One conversation of this skill with its surroundings."""
    chat = SKILLS[skill][0](w)
    chat.skill = skill
    _add_turns(w, chat)
    _add_system(w, chat)
    if not chat.tools and skill not in ("system", "tool missing") and w.chance(0.05):
        chat.tools = some_tools(w)
    if not chat.alone:
        chat.thinking = w.chance(THINKING_SHARE) if thinking is None else thinking
    return chat


def chats(seed: str, many: int, weights: dict[str, float] | None = None) -> list[Chat]:
    """That many training conversations; the same seed gives the same ones."""
    w = Words(random.Random(seed))
    shares = weights or {name: share for name, (_, share) in SKILLS.items()}
    names = w.rng.choices(list(shares), list(shares.values()), k=many)
    return [compose(w, name) for name in names]
