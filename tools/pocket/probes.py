"""The test set: conversations whose slots and wordings training never drew. Knows no model."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tools.pocket import corpus
from tools.pocket.chat import END, Chat, render_answer, render_prompt
from tools.pocket.words import Words


@dataclass(frozen=True)
class Probe:
    """One question to the model, and what a right answer is."""

    skill: str
    thinking: bool
    prompt: str
    answer: str  # the text after any thinking, without the end token
    loose: str  # "hero|name" of a story, or ""


def split(text: str) -> tuple[str, str]:
    """Thought and answer of a generated text; a thought that never closes is no answer."""
    if text.startswith("<think>"):
        thought, closed, answer = text[len("<think>") :].partition("</think>")
        return thought.strip(), answer.strip() if closed else "\0never closed"
    return "", text.strip()


def is_right(probe: Probe, text: str, ended: bool) -> bool:
    """Ended by itself, thought in thinking mode only, said the answer (stories: hero and name)."""
    thought, answer = split(text)
    if not ended or bool(thought) != probe.thinking:
        return False
    if not probe.loose:
        return answer == probe.answer
    return all(word in answer for word in probe.loose.split("|")) and answer.endswith((".", "!"))


def _probe(chat: Chat) -> Probe:
    answer = render_answer(chat).removesuffix(END)
    return Probe(chat.skill, chat.thinking, render_prompt(chat), split(answer)[1], chat.loose)


def probes(seed: str, per_mode: int, longest: int = 4000) -> list[Probe]:
    """`per_mode` probes of every skill and mode, with prompts of at most `longest` characters."""
    out: list[Probe] = []
    for skill in corpus.SKILLS:
        w = Words(random.Random(f"{seed} {skill}"), held_out=True)
        for thinking in (False, True):
            found: list[Probe] = []
            while len(found) < per_mode:
                w.leaked = False
                chat = corpus.compose(w, skill, thinking)
                fits = chat.thinking == thinking and not w.leaked
                probe = _probe(chat)
                if fits and len(probe.prompt) <= longest:
                    found.append(probe)
            out += found
    return out


LONG_SKILLS = ["memory", "tool call", "system", "echo"]
LONG_LENGTHS = {
    "1k": 60,
    "2k": 120,
    "4k": 240,
}  # tokens of irrelevant text before the question -> sentences


def long_probes(seed: str, per_mode: int) -> list[Probe]:
    """Probes behind about 1,000, 2,000 and 4,000 tokens of irrelevant instructions."""
    out: list[Probe] = []
    for length, sentences in LONG_LENGTHS.items():
        w = Words(random.Random(f"{seed} {length}"), held_out=True)
        for thinking in (False, True):
            for number in range(per_mode):
                chat = corpus.compose(w, LONG_SKILLS[number % len(LONG_SKILLS)], thinking)
                filler = corpus.prose(w, sentences)
                chat.system = f"{filler}\n\n{chat.system}" if chat.system else filler
                chat.skill = f"{length} tokens"
                out.append(_probe(chat))
    return out
