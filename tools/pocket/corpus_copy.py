"""Repeating, turning text into JSON, and small sums."""

from __future__ import annotations

import json
from typing import Any

from tools.pocket.chat import Chat, assistant, user
from tools.pocket.words import COLORS, JOBS, KEYS, Words

_SAY = ["Repeat after me: {}", "Repeat: {}", "Say: {}", "Echo: {}", "Please repeat: {}",
    "Repeat this: {}",
    "Repeat exactly: {}", "Say exactly this: {}", "Write this: {}", "Please say: {}",
    "Echo this back: {}",
    "Respond with exactly: {}", "Reply with exactly: {}", "Repeat the following text: {}",
    "Print: {}",
    "Reply with: {}", "Output exactly this text: {}"]  # fmt: skip
_SAY_QUOTED = ["Say '{}'.", 'Say "{}".', 'Repeat "{}".', "Repeat the text '{}'.", 'Say "{}"',
    'Reply with "{}".',
    "Just say '{}'", 'Please say "{}" and nothing else.', "Say '{}' and nothing else.",
    'Reply with exactly "{}".', "Respond with '{}' only."]  # fmt: skip
_SAY_WORD = ["Say the word {}.", "Say {}.", "Say only {}.", "Repeat the word {}.",
    "Reply with the word {}.",
    "Reply with just the word {}.", "Answer with the single word {}.",
    "Respond with the word {} only."]  # fmt: skip
_FOREIGN = [
    "東京",
    "größe",
    "café",
    "naïve",
    "Привет",
    "你好",
    "🙂",
    "ñandú",
    "señor",
    "Ωmega",
    "żółw",
    "🚀",
    "日本",
]


def _text(w: Words) -> str:
    words = w.phrase(1, w.choice([2, 5, 9, 14])).split(" ")
    for at in range(len(words)):
        if w.chance(0.12):
            words[at] = w.choice([w.name(), w.city(), str(w.number(0, 9999)), words[at].upper(),
                w.choice(_FOREIGN),
                words[at] + ",", f"{w.made_up()}_{w.number(0, 99)}",
                words[at] + ".txt"])  # fmt: skip
    text = " ".join(words)
    if w.chance(0.3):
        text = text[0].upper() + text[1:] + w.choice(".!?")
    return text


def echo(w: Words) -> Chat:
    """The answer is the user's own text."""
    note = "I repeat the text."
    roll = w.rng.random()
    if roll < 0.15:
        word = w.choice([w.thing(), w.made_up(), w.name(), w.thing().upper()])
        return Chat(
            "echo",
            [user(w.wording(word, _SAY_WORD).format(word)), assistant(word)],
            "I say the word.",
        )
    if roll < 0.2:
        word, many = w.thing(), w.number(2, 5)
        ask = w.wording(
            word, ["Say {w} {n} times.", "Repeat the word {w} {n} times.", "Write {w} {n} times."]
        )
        answer = " ".join([word] * many)
        return Chat(
            "echo",
            [user(ask.format(w=word, n=many)), assistant(answer)],
            f"I write it {many} times.",
        )
    text = _text(w)
    ask = w.wording(text, _SAY_QUOTED if roll < 0.5 else _SAY)
    return Chat("echo", [user(ask.format(text)), assistant(text)], note)


def _value(w: Words, key: str) -> Any:
    if key in ("age", "year", "size", "weight", "quantity", "level", "score", "price", "room"):
        return w.number(1, 120) if key != "year" else w.number(1900, 2030)
    if key in ("name", "owner", "author"):
        return w.full_name()
    if key == "city":
        return w.city()
    if key == "color":
        return w.choice(COLORS)
    if key == "job":
        return w.choice(JOBS)
    if key == "email":
        return f"{w.made_up()}@{w.made_up()}.com"
    if w.chance(0.15):
        return w.number(1, 9999)
    return w.phrase(1, 2) if w.chance(0.3) else w.thing()


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _pairs(w: Words) -> dict[str, Any]:
    keys = [
        w.made_up() if w.chance(0.25) else w.keep(lambda: w.choice(KEYS))
        for _ in range(w.number(1, 4))
    ]
    return {key: _value(w, key) for key in keys}


def _listed(keys: list[str]) -> str:
    return keys[0] if len(keys) == 1 else ", ".join(keys[:-1]) + " and " + keys[-1]


def _schema(w: Words, data: dict[str, Any]) -> str:
    kinds = {
        k: {
            "type": "integer"
            if isinstance(v, int)
            else "array"
            if isinstance(v, list)
            else "string"
        }
        for k, v in data.items()
    }
    schema: dict[str, Any] = {"type": "object", "properties": kinds}
    if w.chance(0.7):
        schema["required"] = list(data)
    if w.chance(0.5):
        schema["additionalProperties"] = False
    return _dumps(schema)


def _stated(w: Words, data: dict[str, Any]) -> str:
    """The data as prose."""
    style = w.number(0, 3)
    if style == 0:
        return ", ".join(f"{k} {v}" for k, v in data.items())
    if style == 1:
        return " ".join(f"The {k} is {v}." for k, v in data.items())
    if style == 2:
        return ", ".join(f"{k}: {v}" for k, v in data.items())
    return "\n".join(f"{k} = {v}" for k, v in data.items())


def _person(w: Words) -> tuple[str, dict[str, Any]]:
    name, age, city, job = w.full_name(), w.number(5, 99), w.city(), w.choice(JOBS)
    return w.choice([
        (f"{name} is {age} and lives in {city}.", {"name": name, "age": age, "city": city}),
        (f"{name} is {age} years old.", {"name": name, "age": age}),
        (f"{name} lives in {city}.", {"name": name, "city": city}),
        (f"{name} is a {job} from {city}.", {"name": name, "job": job, "city": city}),
        (f"My name is {name}, I am {age} years old and I live in {city}.", {"name": name,
        "age": age, "city": city}),
        (f"{name}, {age}, {city}", {"name": name, "age": age, "city": city}),
    ])  # fmt: skip


def _event(w: Words) -> Chat:
    people = [w.name() for _ in range(w.number(1, 3))]
    event = w.choice(
        [
            "science fair",
            "meeting",
            "party",
            "concert",
            "workshop",
            f"{w.thing()} fair",
            f"{w.thing()} show",
        ]
    )
    day = w.choice(
        [
            "Monday",
            "Tuesday",
            "Wednesday",
            "Thursday",
            "Friday",
            "Saturday",
            "Sunday",
            "tomorrow",
            "June 5",
        ]
    )
    verb = "are" if len(people) > 1 else "is"
    text = f"{_listed(people)} {verb} going to a {event} on {day}."
    data = {"name": event, "date": day, "participants": people}
    ask = w.wording(people[0], ["Extract the event information.", "Extract the event.",
        "Extract the event as JSON.",
        "Extract the event with keys name, date and participants."])  # fmt: skip
    chat = Chat("json", [user(text), assistant(_dumps(data))], "I write the event as JSON.")
    if w.chance(0.5):
        chat.system = ask
    else:
        chat.messages[0] = user(w.choice([f"{ask} {text}", f"{text} {ask}"]))
    return chat


def to_json(w: Words) -> Chat:
    """Text in, a JSON object out; the keys are named, given as a schema, or those of the data."""
    roll = w.rng.random()
    if roll < 0.15:
        return _event(w)
    text, data = _person(w) if roll < 0.55 else (None, _pairs(w))
    if text is None:
        text = _stated(w, data)
    keys = list(data)
    if w.chance(0.5):
        w.rng.shuffle(keys)
    data = {key: data[key] for key in keys}
    named = w.chance(0.75) or roll < 0.55
    if named and w.chance(0.3):
        ask = w.choice(["Reply with JSON that matches this schema: {}",
            "Answer in JSON with this schema: {}",
            "Use this JSON schema: {}"]).format(_schema(w, data))  # fmt: skip
        joined = f"{ask}\n{text}" if w.chance(0.5) else f"{text}\n{ask}"
    elif named:
        ask = w.choice(["Reply in JSON with keys {}", "Extract {} as JSON",
            "Give me a JSON object with {}",
            "Return JSON with the keys {}", "Extract the {} as JSON",
            "Write JSON with keys {}"]).format(_listed(keys))  # fmt: skip
        joined = w.choice([f"{ask}: {text}", f"{ask}: {text}", f"{text} {ask}.", f"{ask}.\n{text}"])
    else:
        ask = w.choice(
            [
                "Convert to JSON",
                "Write this as JSON",
                "Turn this into JSON",
                "Make JSON from this",
                "As JSON please",
            ]
        )
        joined = w.choice([f"{ask}: {text}", f"{ask}:\n{text}"])
        data = dict(sorted(data.items(), key=lambda kv: text.index(kv[0])))
    chat = Chat("json", [user(joined), assistant(_dumps(data))], "I write JSON.")
    if named and w.chance(0.25):
        chat.system, chat.messages[0] = ask + ".", user(text)
    return chat


def sums(w: Words) -> Chat:
    """a + b and a - b with numbers up to 10. All pairs are trained; only wordings are held out."""
    plus = w.chance(0.62)
    a, b = w.number(0, 10), w.number(0, 10)
    if not plus and a < b:
        a, b = b, a
    sign, word, result = ("+", "plus", a + b) if plus else ("-", "minus", a - b)
    asks = ["What is {a} {s} {b}?", "what is {a} {s} {b}?", "What is {a} {w} {b}?",
        "How much is {a} {s} {b}?",
        "{a} {s} {b}", "{a} {s} {b} = ?", "Compute {a} {s} {b}.", "Calculate {a} {s} {b}.",
        "What's {a} {s} {b}?",
        "How much is {a} {w} {b}?", "Can you tell me what {a} {s} {b} is?", "{a}{s}{b}",
        "What is {a}{s}{b}?", "{a} {s} {b} =",
        "What does {a} {w} {b} make?"]  # fmt: skip
    ask = w.wording(f"{a}{sign}{b}", asks).format(a=a, b=b, s=sign, w=word)
    answer = f"{a} {sign} {b} = {result}."
    return Chat("sum", [user(ask), assistant(answer)], f"{a} {word} {b} is {result}.")
