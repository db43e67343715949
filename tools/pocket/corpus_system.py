"""Simple system instructions: a persona, a suffix, one word, upper case, a code to reveal."""

from __future__ import annotations

from tools.pocket.chat import Chat, assistant, user
from tools.pocket.corpus_copy import sums
from tools.pocket.corpus_talk import HELLO, capital, fact, greeting, some_fact
from tools.pocket.facts import CAPITALS
from tools.pocket.words import JOBS, PLAIN, Words, article

PERSONA_JOBS = [
    "robot",
    "pirate",
    "assistant",
    "wizard",
    "helper",
    "tutor",
    "guide",
    "librarian",
    "cook",
    *JOBS[:6],
]
_WHO = ["Who are you?", "who are you?", "What is your name?", "What's your name?",
    "Introduce yourself.", "Tell me your name.",
    "Hi, who are you?", "Hello, who are you?", "Who am I talking to?", "And who are you?",
    "Please introduce yourself."]  # fmt: skip


def persona(w: Words) -> Chat:
    """The system message gives a name."""
    name, job = w.name(), w.choice(PERSONA_JOBS)
    mood = w.choice(["", "", "friendly ", "helpful ", "old ", "cheerful "])
    if w.chance(0.6):
        who = article(mood + job)
        system = w.choice(
            ["You are {}, {}.", "You are {}, {}. Answer briefly.", "Your name is {}. You are {}."]
        ).format(name, who)
        answer = f"I am {name}, {who}."
    else:
        system = w.choice(
            [
                "You are {}.",
                "Your name is {}.",
                "You are called {}.",
                "You are an assistant named {}.",
            ]
        ).format(name)
        answer = f"I am {name}."
    return Chat(
        "system", [user(w.wording(name, _WHO)), assistant(answer)], f"My name is {name}.", system
    )


def suffix(w: Words) -> Chat:
    """Every answer has to end or begin with a given word."""
    chat = w.choice([fact, greeting, sums])(w)
    word = w.choice([w.thing(), w.made_up(), w.name(), w.choice(PLAIN)])
    if w.chance(0.3):
        word = word.upper()
    text = chat.messages[-1]["content"]
    if w.chance(0.7):
        asks = ["End every answer with {}.", "End with {}.", "Always end with {}.",
            "End your answers with the word {}.",
            "Always end your answer with '{}'.", "Finish every reply with {}."]  # fmt: skip
        answer, note = f"{text} {word}", f"I end with {word}."
    else:
        asks = [
            "Begin every answer with {}.",
            "Start every answer with {}.",
            "Always start with {}.",
            "Begin with '{}'.",
        ]
        answer, note = f"{word} {text}", f"I begin with {word}."
    return Chat(
        "system", [chat.messages[0], assistant(answer)], note, w.wording(word, asks).format(word)
    )


def one_word(w: Words) -> Chat:
    """Known facts in one word."""
    ask, _, short = some_fact(w)
    system = w.choice(["Answer with one word.", "Answer in one word.",
        "Reply with a single word.", "Use one word only.",
        "Always answer with one word.", "Answer with one word only."])  # fmt: skip
    if w.chance(0.3):
        return Chat("system", [user(f"{ask} {system}"), assistant(short)], "I use one word.")
    return Chat("system", [user(ask), assistant(short)], "I use one word.", system)


_UPPER_COUNTRIES = [c for c in CAPITALS if not c.startswith("the ")][:20]


def upper(w: Words) -> Chat:
    """Capitals and greetings in upper case: fixed answers only, since letters are no tokens."""
    system = w.choice(["Answer in upper case.", "Always answer in upper case.", "Use upper case.",
        "Write in upper case.",
        "Answer in uppercase.", "Reply in all caps.", "ANSWER IN UPPER CASE."])  # fmt: skip
    note = "I use upper case."
    if w.chance(0.25):
        hello = w.keep(
            lambda: (
                w.choice(["Hello", "Hi", "Hey", "Good morning", "Hi there"])
                + w.choice(["", "!", "."])
            )
        )
        return Chat("system", [user(hello), assistant(HELLO.upper())], note, system)
    while True:
        ask, answer, _ = capital(w)
        if any(f"of {country} is" in answer for country in _UPPER_COUNTRIES):
            return Chat("system", [user(ask), assistant(answer.upper())], note, system)


def context(w: Words) -> Chat:
    """The system message holds what the user asks for."""
    name, city, word, number = w.name(), w.city(), w.thing(), str(w.number(10, 9999))
    system, ask, answer, value = w.choice([
        ("The user's name is {}.", "What is my name?", "Your name is {}.", name),
        ("The user is called {}.", "Do you know my name?", "Your name is {}.", name),
        ("The user lives in {}.", "Where do I live?", "You live in {}.", city),
        ("The secret word is {}.", "What is the secret word?", "The word is {}.", word),
        ("The code word is {}.", "What is the code word?", "The word is {}.", word),
        ("The secret number is {}.", "What is the number?", "The number is {}.", number),
        ("The password is {}.", "What is the password?", "The word is {}.", word),
    ])  # fmt: skip
    note = f"The system message says: {value}."
    return Chat("system", [user(ask), assistant(answer.format(value))], note, system.format(value))


def fixed_reply(w: Words) -> Chat:
    """Always the same reply."""
    text = w.choice([w.thing(), w.made_up(), w.phrase(2, 4)])
    asks = ["Always answer with: {}", "Always reply with '{}'.",
        "Whatever the user says, answer {}.", "Only ever say {}.",
        'Always say "{}".', "Answer every message with {}."]  # fmt: skip
    chat = w.choice([fact, greeting, sums])(w)
    system = w.wording(text, asks).format(text)
    return Chat("system", [chat.messages[0], assistant(text)], f"I answer {text}.", system)


def system(w: Words) -> Chat:
    """Any of the above, in their shares."""
    make = w.rng.choices(
        [persona, suffix, one_word, upper, context, fixed_reply], [30, 18, 12, 14, 16, 10]
    )[0]
    return make(w)
