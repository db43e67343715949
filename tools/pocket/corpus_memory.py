"""Remembering what was said turns ago, and saying so when it never was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tools.pocket.chat import Chat, Message, assistant, user
from tools.pocket.words import ANIMALS, COLORS, FOODS, JOBS, Words, article


@dataclass(frozen=True)
class Attribute:
    """Something a user can say about themselves: how it is said, asked for, answered and missed."""

    key: str
    draw: Callable[[Words], str]
    told: list[str]
    reply: str
    asks: list[str]
    answer: str
    absent: str


ATTRIBUTES = [
    Attribute("name", Words.name,
        ["My name is {}.", "my name is {}", "I am {}.", "I'm {}.", "Hi, I'm {}.",
        "Hello, my name is {}.", "Call me {}.",
         "You can call me {}.", "Hi! My name is {}.", "Please remember that my name is {}.",
         "Hello, I am {}!",
         "My name is {}. Please remember it.", "Remember: my name is {}.",
         "My name is {}, remember that."],
        "Nice to meet you, {}!",
        ["What is my name?", "What's my name?", "what is my name?", "Do you remember my name?",
        "Who am I?",
         "Can you tell me my name?", "Tell me my name.", "What did I say my name was?",
         "Do you know my name?",
         "Please say my name.", "And what is my name?", "What was my name?",
         "What is my name again?"],
        "Your name is {}.", "You have not told me your name."),
    Attribute("city", Words.city,
        ["I live in {}.", "i live in {}", "I am living in {}.", "My home is in {}.",
        "I moved to {}.", "My city is {}.",
         "I come from {}.", "I am from {}.", "Remember that I live in {}."],
        "I will remember that you live in {}.",
        ["Where do I live?", "where do I live?", "Which city do I live in?",
        "Do you remember where I live?",
         "What city am I from?", "Where am I from?", "Tell me where I live.", "What is my city?",
         "Where is my home?"],
        "You live in {}.", "You have not told me where you live."),
    Attribute("color", lambda w: w.choice(COLORS),
        ["My favorite color is {}.", "my favorite color is {}", "I like the color {} best.",
        "My favourite color is {}."],
        "I will remember that your favorite color is {}.",
        ["What is my favorite color?", "What's my favorite color?", "Which color do I like best?",
         "Do you remember my favorite color?", "Tell me my favorite color.",
         "What is my favourite color?"],
        "Your favorite color is {}.", "You have not told me your favorite color."),
    Attribute("food", lambda w: w.choice(FOODS) if w.chance(0.6) else w.made_up(),
        ["My favorite food is {}.", "I love to eat {}.", "My favourite food is {}.",
        "I like {} best of all food."],
        "I will remember that your favorite food is {}.",
        ["What is my favorite food?", "What do I love to eat?", "Do you remember my favorite food?",
         "Which food do I like best?", "Tell me my favorite food."],
        "Your favorite food is {}.", "You have not told me your favorite food."),
    Attribute("job", lambda w: w.choice(JOBS),
        ["I work as a {}.", "My job is {}.", "I am a {} by profession."],
        "I will remember that your job is {}.",
        ["What is my job?", "What do I do for work?", "Do you remember my job?",
        "What is my profession?"],
        "Your job is {}.", "You have not told me your job."),
    Attribute("age", lambda w: str(w.number(5, 99)),
        ["I am {} years old.", "My age is {}.", "I'm {} years old.", "I turned {} this year."],
        "I will remember that you are {} years old.",
        ["How old am I?", "What is my age?", "Do you remember how old I am?", "Tell me my age."],
        "You are {} years old.", "You have not told me your age."),
    Attribute("pet", Words.name,
        ["My pet is called {}.", "I have a pet named {}.", "My pet's name is {}.",
        "The name of my pet is {}."],
        "I will remember that your pet is called {}.",
        ["What is my pet called?", "What is the name of my pet?",
        "Do you remember my pet's name?", "What is my pet's name?"],
        "Your pet is called {}.", "You have not told me about your pet."),
    Attribute("number", lambda w: str(w.number(10, 9999)),
        ["Remember the number {}.", "Please remember this number: {}.", "The number is {}.",
        "My lucky number is {}.",
         "Keep the number {} in mind."],
        "I will remember the number {}.",
        ["What is the number?", "Which number did I tell you?",
        "What number did I ask you to remember?",
         "Do you remember the number?", "What was the number?", "What is my lucky number?"],
        "The number is {}.", "You have not told me a number."),
    Attribute("word", Words.thing,
        ["Remember the word {}.", "The secret word is {}.", "The code word is {}.",
        "Please remember this word: {}.",
         "The password is {}.", "Keep the word {} in mind."],
        "I will remember the word {}.",
        ["What is the secret word?", "What is the code word?",
        "Which word did I ask you to remember?",
         "Do you remember the word?", "What was the word?", "What is the password?"],
        "The word is {}.", "You have not told me a word."),
]  # fmt: skip
_NOT_SAID = "The user did not say that."


def tell(w: Words, attribute: Attribute) -> tuple[str, list[Message]]:
    """The value, and the exchange that tells it."""
    value = attribute.draw(w)
    told = w.wording(value, attribute.told).format(value)
    return value, [user(told), assistant(attribute.reply.format(value))]


def _picked(w: Words, many: int) -> list[Attribute]:
    # Names come first in tests and demos, so they are asked for most.
    pool = ATTRIBUTES[:]
    picked = [pool.pop(0)] if w.chance(0.5) else []
    while len(picked) < many:
        picked.append(pool.pop(w.number(0, len(pool) - 1)))
    w.rng.shuffle(picked)
    return picked


def memory(w: Words) -> Chat:
    """Some things are told, one is asked for. The composer may put other turns in between."""
    picked = _picked(w, w.choice([1, 1, 1, 2, 2, 3]))
    messages: list[Message] = []
    values: dict[str, str] = {}
    for attribute in picked:
        values[attribute.key], exchange = tell(w, attribute)
        messages += exchange
    wanted = w.choice(picked)
    value = values[wanted.key]
    messages += [user(w.wording(value, wanted.asks)), assistant(wanted.answer.format(value))]
    return Chat("memory", messages, f"The user told me: {value}.")


def told_now(w: Words) -> Chat:
    """The reply to being told something, or several things in one message."""
    if w.chance(0.7):
        attribute = _picked(w, 1)[0]
        value, messages = tell(w, attribute)
        return Chat("memory", messages, f"The user tells me: {value}.")
    name, city = w.name(), w.city()
    told = w.wording(name, ["My name is {} and I live in {}.", "I am {} from {}.",
        "I'm {} and I live in {}.",
        "Hi, I am {} and I come from {}."]).format(name, city)  # fmt: skip
    messages = [user(told), assistant(f"Nice to meet you, {name}!")]
    ask_name = w.chance(0.5)
    attribute, value = (ATTRIBUTES[0], name) if ask_name else (ATTRIBUTES[1], city)
    messages += [user(w.wording(value, attribute.asks)), assistant(attribute.answer.format(value))]
    return Chat("memory", messages, f"The user told me: {value}.")


def absent(w: Words) -> Chat:
    """Something is asked for that was never told; other things may have been."""
    picked = _picked(w, w.choice([1, 1, 2, 2, 3]))
    wanted, messages = picked[0], []
    for attribute in picked[1:]:
        messages += tell(w, attribute)[1]
    messages += [user(w.keep(lambda: w.choice(["", "", "Hi! ", "Tell me, ",
        "So, "]) + w.choice(wanted.asks))),
        assistant(wanted.absent)]  # fmt: skip
    return Chat("absent", messages, _NOT_SAID)


def changed(w: Words) -> Chat:
    """A name or city is told and corrected later."""
    attribute = w.choice(ATTRIBUTES[:2])
    _, messages = tell(w, attribute)
    value = attribute.draw(w)
    told = {"name": "Actually, my name is {}.", "city": "Now I live in {}."}[attribute.key].format(
        value
    )
    messages += [user(told), assistant(attribute.reply.format(value))]
    messages += [user(w.wording(value, attribute.asks)), assistant(attribute.answer.format(value))]
    return Chat("memory", messages, f"The user told me: {value}.")


def about_others(w: Words) -> Chat:
    """What was said about somebody else."""
    people = [w.name() for _ in range(w.number(1, 3))]
    relation, question, answer, values = w.choice([
        ("{} lives in {}.", "Where does {} live?", "{} lives in {}.", [w.city() for _ in people]),
        ("{} has a {}.", "What does {} have?", "{} has {}.", [w.choice(ANIMALS) for _ in people]),
        ("{} is {} years old.", "How old is {}?", "{} is {} years old.", [str(w.number(5,
        99)) for _ in people]),
    ])  # fmt: skip
    told = " ".join(relation.format(p, v) for p, v in zip(people, values, strict=True))
    at = w.number(0, len(people) - 1)
    value = article(values[at]) if "has" in relation else values[at]
    told = told.replace("has a o", "has an o").replace("has a e", "has an e")
    ask, reply = question.format(people[at]), answer.format(people[at], value)
    if w.chance(0.5):
        return Chat(
            "memory", [user(f"{told} {ask}"), assistant(reply)], f"The user told me: {value}."
        )
    messages = [user(told), assistant("I will remember that."), user(ask), assistant(reply)]
    return Chat("people", messages, f"The user told me: {value}.")


def memories(w: Words) -> Chat:
    """What the user says about themselves, in all its forms."""
    make = w.rng.choices([memory, told_now, changed], [54, 22, 8])[0]
    return make(w)
