"""Calling tools: choosing, copying arguments, several at once, answering from what they return."""

from __future__ import annotations

import json
from typing import Any

from tools.pocket.chat import Chat, Message, assistant, call, user
from tools.pocket.tool_families import FAMILIES, Tool, ask_for, make_tool
from tools.pocket.words import COLORS, Words

NO_TOOL = "I have no tool for that."


def _tools(w: Words, many: int) -> list[Tool]:
    """Different tools; no two of one family, so that the choice is clear."""
    tools: list[Tool] = []
    while len(tools) < many:
        tool = make_tool(w)
        clash = any(t.name == tool.name or (t.family and t.family is tool.family) for t in tools)
        if not clash:
            tools.append(tool)
    return tools


def _arguments(tool: Tool, values: list[Any]) -> dict[str, Any]:
    return {param[0]: value for param, value in zip(tool.params, values, strict=True)}


def _calls_message(calls: list[dict[str, Any]], note: str = "") -> Message:
    message: Message = {"role": "assistant", "content": "", "tool_calls": calls}
    if note:
        message["reasoning_content"] = note
    return message


def _listed(values: list[Any]) -> str:
    texts = [str(v) for v in values]
    return ", ".join(texts[:-1]) + " and " + texts[-1]


def _one(w: Words, tools: list[Tool]) -> tuple[str, list[tuple[Tool, list[Any]]]]:
    tool = w.choice(tools)
    values = [draw(w) for _, _, draw in tool.params]
    return ask_for(w, tool, values), [(tool, values)]


def _several(w: Words, tools: list[Tool]) -> tuple[str, list[tuple[Tool, list[Any]]]]:
    """Two or three calls at once: of one tool, or of two tools."""
    spread = [t for t in tools if t.family and t.family.several]
    if spread and w.chance(0.7):
        tool = w.choice(spread)
        values: list[Any] = []
        many = w.choice([2, 2, 2, 3])
        while len(values) < many:
            value = tool.params[0][2](w)
            if value not in values and ", " not in str(value) and " and " not in str(value):
                values.append(value)
        assert tool.family
        return tool.family.several.format(_listed(values)), [(tool, [v]) for v in values]
    asks, wanted = [], []
    for _ in range(2):
        ask, one = _one(
            w, tools if len(tools) < 2 else [t for t in tools if t not in [x[0] for x in wanted]]
        )
        asks.append(ask)
        wanted += one
    first = asks[0].rstrip(".?")
    joined = w.choice(
        [
            f"{asks[0]} {asks[1]}",
            f"{first} and {asks[1][0].lower()}{asks[1][1:]}",
            f"{asks[0]} And {asks[1]}",
        ]
    )
    return joined, wanted


def _note(wanted: list[tuple[Tool, list[Any]]]) -> str:
    names = [tool.name for tool, _ in wanted]
    if len(names) > 1 and len(set(names)) == 1:
        return f"I call {names[0]} {len(names)} times."
    return "I call " + " and ".join(names) + "."


def _plain_result(w: Words, tool: Tool) -> str:
    """A result that is neither a sentence nor JSON."""
    if tool.family is FAMILIES[0]:
        sky = w.choice(
            ["sunny", "foggy", "cloudy", "rainy", "windy", "snowy", "clear", w.made_up()]
        )
        return w.choice([f"{w.number(-9, 38)} degrees and {sky}", f"{sky}, {w.number(-9, 38)} C",
            sky, f"{w.number(-9, 38)}°C",
            f"{w.number(0, 38)}"])  # fmt: skip
    if tool.family is FAMILIES[1]:
        return f"{w.number(0, 23):02d}:{w.number(0, 59):02d}"
    if tool.family is FAMILIES[2] and w.chance(0.5):
        return "\n".join(f"{w.thing()}.{w.choice(['txt', 'py'])}" for _ in range(w.number(2, 4)))
    return w.choice(
        [w.phrase(1, 5), str(w.number(0, 9999)), w.thing(), f"{w.thing()} is {w.choice(COLORS)}"]
    )


def result(w: Words, tool: Tool, values: list[Any]) -> tuple[str, str]:
    """What the tool returns, and the sentence the model makes of it."""
    roll = w.rng.random()
    if roll < 0.2:
        noun, city = w.thing(), w.city()
        text = w.choice([f"The {noun} is {w.choice(COLORS)}.",
            f"It is {w.number(-9, 38)} degrees in {city}.",
            f"{w.name()} has the {noun}.", f"Found {w.number(2, 99)} {noun}s in {city}.",
            f"The weather in {city} is sunny."])  # fmt: skip
        return text, text
    if roll < 0.42:
        keys = [
            "temperature",
            "status",
            "value",
            "count",
            "city",
            "result",
            "unit",
            "name",
            w.made_up(),
        ]
        w.rng.shuffle(keys)
        kinds = [
            w.number(0, 99),
            w.thing(),
            w.choice(COLORS),
            w.city(),
            f"{w.number(0, 99)}.{w.number(0, 9)}",
        ]
        data = {key: w.choice(kinds) for key in keys[: w.choice([1, 2, 2, 3])]}
        said = ", ".join(f"{key} {value}" for key, value in data.items())
        return json.dumps(data, ensure_ascii=False), f"The tool says: {said}."
    if roll < 0.5:
        error = w.choice(
            ["not found", "timeout", "permission denied", f"no such {w.thing()}", w.phrase(2, 4)]
        )
        return w.choice(["Error: {}", "error: {}", "ERROR: {}"]).format(
            error
        ), f"The tool failed: {error}."
    if roll < 0.55:
        return w.choice(["ok", "OK", "done", "Done", "success", "true"]), "Done."
    plain = _plain_result(w, tool)
    if tool.family and tool.family.subject:
        return plain, tool.family.subject.format(*values) + f": {plain}."
    return plain, f"The result is: {plain}."


def _results(w: Words, wanted: list[tuple[Tool, list[Any]]]) -> tuple[list[Message], str]:
    """The tool messages and the answer made of them."""
    pairs = [result(w, tool, values) for tool, values in wanted]
    messages: list[Message] = [{"role": "tool", "content": text} for text, _ in pairs]
    return messages, " ".join(said for _, said in pairs)


def _wanted(w: Words, tools: list[Tool], several: bool) -> tuple[str, list[tuple[Tool, list[Any]]]]:
    return _several(w, tools) if several else _one(w, tools)


def _past(w: Words, tools: list[Tool]) -> list[Message]:
    """A finished exchange with these tools, to learn from and to be undisturbed by."""
    ask, wanted = _wanted(w, tools, w.chance(0.25))
    calls = [call(t.name, _arguments(t, v)) for t, v in wanted]
    messages, said = _results(w, wanted)
    return [user(ask), _calls_message(calls), *messages, assistant(said)]


def _scene(w: Words, skill: str, several: bool, answered: bool) -> Chat:
    tools = _tools(w, w.choice([1, 1, 2, 2, 3, 4]))
    if several and len(tools) < 2 and not (tools[0].family and tools[0].family.several):
        tools = _tools(w, 2)
    messages = _past(w, tools) if w.chance(0.45) else []
    ask, wanted = _wanted(w, tools, several)
    calls = [call(t.name, _arguments(t, v)) for t, v in wanted]
    note = _note(wanted)
    schemas = [t.schema for t in tools]
    if not answered:
        return Chat(skill, [*messages, user(ask), _calls_message(calls)], note, tools=schemas)
    thinking = w.chance(0.35)
    results, said = _results(w, wanted)
    messages += [
        user(ask),
        _calls_message(calls, note if thinking else ""),
        *results,
        assistant(said),
    ]
    return Chat(skill, messages, "I have the result.", tools=schemas, thinking=thinking, alone=True)


def tool_call(w: Words) -> Chat:
    """One call with copied arguments."""
    return _scene(w, "tool call", several=False, answered=False)


def parallel(w: Words) -> Chat:
    """Two or three calls at once."""
    return _scene(w, "tool parallel", several=True, answered=False)


def tool_result(w: Words) -> Chat:
    """The answer from one result."""
    return _scene(w, "tool result", several=False, answered=True)


def parallel_result(w: Words) -> Chat:
    """The answer from several results."""
    return _scene(w, "parallel result", several=True, answered=True)


def in_sequence(w: Words) -> Chat:
    """First one tool, then the next after its result; the answer is made of the last result."""
    tools = _tools(w, w.choice([2, 2, 3]))
    first = _one(w, tools[:1])
    second = _one(w, tools[1:2])
    ask = f"First: {first[0]} Then: {second[0]}"
    (one,), (two,) = first[1], second[1]
    calls = [call(t.name, _arguments(t, v)) for t, v in (one, two)]
    pairs = [result(w, tool, values) for tool, values in (one, two)]
    results = [{"role": "tool", "content": text} for text, _ in pairs]
    said = [text for _, text in pairs]
    thinking = w.chance(0.35)
    notes = [f"I call {one[0].name}.", f"Now I call {two[0].name}."] if thinking else ["", ""]
    messages = [
        user(ask),
        _calls_message([calls[0]], notes[0]),
        results[0],
        _calls_message([calls[1]], notes[1]),
    ]
    note = f"Now I call {two[0].name}."
    if w.chance(0.6):
        messages += [results[1], assistant(said[1])]
        note = "I have the result."
    return Chat(
        "tool sequence",
        messages,
        note,
        tools=[t.schema for t in tools],
        thinking=thinking,
        alone=True,
    )


def missing(w: Words) -> Chat:
    """The tool that would be needed is not there."""
    needed = make_tool(w, realistic=True)
    assert needed.family
    family = needed.family
    if family.names[0] in ("multiply", "create_note", "get_user", "find_recipe", "translate"):
        return missing(w)
    values = [draw(w) for _, _, draw in needed.params]
    ask = w.wording(str(values[0]), family.asks).format(*values)
    others = (
        [t for t in _tools(w, w.number(1, 3)) if t.family is not family] if w.chance(0.4) else []
    )
    tools = [t.schema for t in others]
    return Chat(
        "tool missing", [user(ask), assistant(NO_TOOL)], "I have no tool for that.", tools=tools
    )


def some_tools(w: Words) -> list[dict[str, Any]]:
    """Tools that are there and not needed."""
    return [tool.schema for tool in _tools(w, w.choice([1, 1, 2, 3]))]
