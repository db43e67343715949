"""Realistic tools under many names, and random ones; how users ask for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tools.pocket.words import FOODS, NOUNS, VERBS, Words

Draw = Callable[[Words], Any]


@dataclass(frozen=True)
class Family:
    """One kind of tool: names, parameters as (names, type, draw), and questions with {0}, {1}."""

    names: list[str]
    description: str
    params: list[tuple[list[str], str, Draw]]
    asks: list[str]
    several: str = ""  # a question about two or three values of the first parameter
    subject: str = ""  # how a plain result is introduced


@dataclass
class Tool:
    """A concrete tool and the family it came from (None: a random one)."""

    name: str
    params: list[tuple[str, str, Draw]]
    family: Family | None
    schema: dict[str, Any]


def _file(w: Words) -> str:
    folder = w.choice(["", "", "src/", "/tmp/", "docs/", f"{w.made_up()}/"])
    return f"{folder}{w.thing()}.{w.choice(['txt', 'py', 'md', 'json', 'csv'])}"


def _command(w: Words) -> str:
    return w.choice(["ls", "ls -la", "pwd", "whoami", "date", f"ls {w.thing()}",
        f"ls -la /var/{w.thing()}", f"cat {_file(w)}",
        f"echo {w.phrase(1, 3)}", "git status", "git log", f"grep -rn {w.thing()} .",
        f"python {_file(w)}", "make test",
        f"mkdir {w.thing()}", f"rm {_file(w)}", "pytest -q", f"cd {w.thing()} && ls"])  # fmt: skip


def _phrase(w: Words) -> str:
    return w.phrase(1, 4)


def _int(w: Words) -> int:
    return w.number(1, 99)


_CITY = ["location", "city", "place", "town", "city_name"]
FAMILIES = [
    Family(["get_weather", "weather", "get_current_weather", "fetch_weather", "weather_lookup",
    "getWeather", "current_weather"],
        "Get current weather for a city", [(_CITY, "string", Words.city)],
        ["What is the weather in {0}?", "What's the weather in {0}?",
        "How is the weather in {0}?", "what is the weather in {0}",
         "What is the weather like in {0}?", "Weather in {0}?", "Tell me the weather in {0}.",
         "What's the weather like in {0} today?",
         "How is the weather in {0} today?", "Is it raining in {0}?", "Check the weather in {0}.",
         "What is the weather in {0} right now?", "Please get the weather for {0}.",
         "What is the temperature in {0}?"],
        "What is the weather in {}?", "The weather in {0}"),
    Family(["get_time", "current_time", "clock", "get_current_time", "time_in"],
    "Get the current time in a city",
        [(_CITY, "string", Words.city)],
        ["What time is it in {0}?", "what time is it in {0}?", "Tell me the time in {0}.",
        "What is the time in {0}?",
         "What is the current time in {0}?", "Time in {0}?"], "What time is it in {}?",
         "The time in {0}"),
    Family(["shell", "run_command", "bash", "exec_command", "terminal", "run_shell"],
    "Run a shell command",
        [(["command", "cmd", "script"], "string", _command)],
        ["run {0}", "Run {0}", "Run the command {0}", "Please run {0}", "Execute {0}",
        "Run `{0}`", "execute {0} in the shell"],
        "Run {}", "Output of {0}"),
    Family(["read_file", "open_file", "cat_file", "view_file", "load_file"], "Read a file",
        [(["path", "file", "filename", "file_path"], "string", _file)],
        ["Read {0}.", "Read the file {0}.", "Show me {0}.", "What is in {0}?",
        "Open the file {0}.", "Show the content of {0}."],
        "Read the files {}.", "The file {0}"),
    Family(["search", "web_search", "search_web", "find_docs", "file_search"], "Search for a text",
        [(["query", "q", "text", "search_query"], "string", _phrase)],
        ["Search for {0}.", "Search the web for {0}.", "Look up {0}.", "Find {0}.",
        "Please search for {0}.", "search {0}"],
        "Search for {}.", "Results for {0}"),
    Family(["send_email", "send_mail", "email", "mail_to"], "Send an email",
        [(["to", "recipient", "address"], "string", lambda w: f"{w.made_up()}@{w.made_up()}.com"),
         (["subject", "title"], "string", _phrase)],
        ["Send an email to {0} with subject {1}.", "Email {0} about {1}.",
        "Write to {0} with the subject {1}."]),
    Family(["set_timer", "start_timer", "timer", "countdown"], "Set a timer",
        [(["minutes", "duration", "mins"], "integer", _int)],
        ["Set a timer for {0} minutes.", "Start a timer of {0} minutes.",
        "Wake me in {0} minutes.", "Timer for {0} minutes."]),
    Family(["get_stock_price", "stock_price", "quote", "get_quote"], "Get a stock price",
        [(["symbol", "ticker", "stock"], "string", lambda w: w.made_up(1, 2).upper())],
        ["What is the stock price of {0}?", "How much is the stock {0}?",
        "Get the price of {0} stock.", "Stock price of {0}?"],
        "What is the stock price of {}?", "The price of {0}"),
    Family(["book_flight", "reserve_flight", "find_flight", "search_flights"], "Find a flight",
        [(["origin", "from_city", "start"], "string", Words.city), (["destination", "to_city",
        "end"], "string", Words.city)],
        ["Book a flight from {0} to {1}.", "Find a flight from {0} to {1}.",
        "I want to fly from {0} to {1}."]),
    Family(["translate", "translate_text", "translator"], "Translate a text",
        [(["text", "phrase"], "string", _phrase),
         (["language", "target", "to"], "string", lambda w: w.choice(["French", "German",
         "Spanish", "Italian", "Dutch"]))],
        ["Translate {0} to {1}.", "Translate '{0}' into {1}."]),
    Family(["find_recipe", "get_recipe", "recipe_search"], "Find a recipe",
        [(["dish", "food", "meal"], "string", lambda w: w.choice([w.choice(FOODS), w.made_up()]))],
        ["Find a recipe for {0}.", "How do I cook {0}?", "Give me a recipe for {0}."],
        "Find recipes for {}.", "The recipe for {0}"),
    Family(["create_note", "add_note", "save_note", "write_note"], "Save a note",
        [(["text", "content", "note"], "string", _phrase)],
        ["Save a note: {0}", "Note that {0}", "Write down {0}.", "Create a note with {0}."]),
    Family(["set_light", "switch_light", "light", "control_light"], "Switch a light",
        [(["room", "place", "where"], "string", Words.thing),
         (["state", "mode", "on_off"], "string", lambda w: w.choice(["on", "off"]))],
        ["Switch the light in the {0} {1}.", "Turn the {0} light {1}.",
        "Set the light in the {0} to {1}."]),
    Family(["multiply", "calc", "calculator", "product"], "Multiply two numbers",
        [(["a", "x", "first"], "integer", _int), (["b", "y", "second"], "integer", _int)],
        ["Multiply {0} by {1}.", "What is {0} times {1}?", "What is {0} * {1}?",
        "Compute {0} x {1}."]),
    Family(["get_horoscope", "horoscope"], "Get today's horoscope for an astrological sign",
        [(["sign", "zodiac"], "string", lambda w: w.choice(["Aquarius", "Leo", "Virgo", "Libra",
        w.made_up().capitalize()]))],
        ["What is my horoscope? I am an {0}.", "What is the horoscope for {0}?",
        "Horoscope for {0}?"], "", "Horoscope for {0}"),
    Family(["get_user", "find_user", "lookup_user", "user_info"], "Look up a user",
        [(["name", "user", "username"], "string", Words.name)],
        ["Look up the user {0}.", "Find the user {0}.", "Who is the user {0}?", "Get user {0}."],
        "Look up the users {}.", "The user {0}"),
    Family(["track_order", "order_status", "get_order"], "Get the status of an order",
        [(["order_id", "id", "order"], "string",
        lambda w: f"{w.made_up(1, 1).upper()}-{w.number(100, 99999)}")],
        ["Where is my order {0}?", "Track the order {0}.", "What is the status of order {0}?"],
        "Track the orders {}.", "Order {0}"),
]  # fmt: skip


def _random_value(w: Words) -> tuple[str, Draw]:
    return w.choice([("string", Words.thing), ("string", Words.thing), ("integer", _int),
        ("string", Words.name),
        ("string", Words.city), ("boolean", lambda w: w.chance(0.5)), ("string",
        Words.made_up)])  # fmt: skip


def _random_tool(w: Words) -> tuple[str, list[tuple[str, str, Draw]], str]:
    def draw() -> str:
        verb = w.choice(VERBS) if w.chance(0.6) else w.made_up(2, 2)
        noun = w.choice(NOUNS) if w.chance(0.6) else w.made_up()
        return verb + noun.capitalize() if w.chance(0.15) else f"{verb}_{noun}"

    params: list[tuple[str, str, Draw]] = []
    for _ in range(w.choice([1, 1, 2, 2, 3])):
        name = w.made_up() if w.chance(0.4) else w.keep(lambda: w.choice(NOUNS))
        if name not in [p[0] for p in params]:
            params.append((name, *_random_value(w)))
    name = w.keep(draw)
    return (
        name,
        params,
        w.choice(["", name.replace("_", " "), f"{w.choice(VERBS)} the {w.choice(NOUNS)}"]),
    )


def _schema(
    w: Words, name: str, description: str, params: list[tuple[str, str, Draw]]
) -> dict[str, Any]:
    """The tool as a request carries it, in the several shapes clients send."""
    properties: dict[str, Any] = {}
    for param, kind, _ in params:
        properties[param] = {"type": kind}
        if w.chance(0.2):
            properties[param]["description"] = w.choice(
                [f"The {param}", f"The {param} to use", w.phrase(1, 4)]
            )
    if w.chance(0.12):
        # An optional parameter nobody asks for stays away from the call.
        properties[w.choice(["unit", "limit", "verbose", "format"])] = {"type": "string"}
    parameters: dict[str, Any] = {"type": "object", "properties": properties}
    if w.chance(0.9):
        parameters["required"] = [p[0] for p in params]
    if w.chance(0.35):
        parameters["additionalProperties"] = False
    function: dict[str, Any] = {"name": name}
    if description and w.chance(0.85):
        function["description"] = description
    function["parameters"] = parameters
    if w.chance(0.25):
        function["strict"] = True
    if w.chance(0.1):
        items = list(function.items())
        w.rng.shuffle(items)
        function = dict(items)
    return {"type": "function", "function": function}


def make_tool(w: Words, realistic: bool | None = None) -> Tool:
    """A tool, from a family or random."""
    if realistic is None:
        realistic = w.chance(0.55)
    if not realistic:
        name, params, description = _random_tool(w)
        return Tool(name, params, None, _schema(w, name, description, params))
    family = FAMILIES[0] if w.chance(0.25) else w.choice(FAMILIES)
    name = w.choice(family.names)
    params = [(w.choice(names), kind, draw) for names, kind, draw in family.params]
    description = family.description
    if w.chance(0.3):
        description = w.choice([description + ".", description.lower(), ""])
    return Tool(name, params, family, _schema(w, name, description, params))


def ask_for(w: Words, tool: Tool, values: list[Any]) -> str:
    """The user's words that need this tool with these values."""
    shown = [str(v).lower() if isinstance(v, bool) else v for v in values]
    if tool.family:
        ask = w.wording(str(values[0]), tool.family.asks).format(*shown)
        if w.chance(0.08):
            ask += f" Use {tool.name}."
        return ask
    pairs = " and ".join(f"{p[0]} {v}" for p, v in zip(tool.params, shown, strict=True))
    equal = ", ".join(f"{p[0]}={v}" for p, v in zip(tool.params, shown, strict=True))
    spoken = tool.name.replace("_", " ")
    asks = [f"Call {tool.name} with {pairs}.", f"Use {tool.name} with {pairs}.",
        f"Call {tool.name} with {equal}.",
        f"Please call {tool.name} with {pairs}.", f"{spoken} with {pairs}",
        f"Please {spoken} with {pairs}.",
        f"Call the tool {tool.name} with {pairs}.", f"Run {tool.name}({equal})",
        f"Use the {tool.name} tool: {pairs}"]  # fmt: skip
    return w.wording(tool.name, asks)
