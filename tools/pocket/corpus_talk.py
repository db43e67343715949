"""Small talk, who the model is, counting, lists, stories, facts, and what it does not know."""

from __future__ import annotations

from tools.pocket.chat import Chat, assistant, user
from tools.pocket.facts import CAPITAL_WORDINGS, CAPITALS, OTHER_WORDINGS, OTHERS
from tools.pocket.words import ADJECTIVES, ANIMALS, COLORS, FOODS, THINGS, Words, article

HELLO = "Hello! How can I help you?"
WHO = "I am Pocket, a very small language model."
CAN = (
    "I can count, add small numbers, remember what you tell me, "
    "tell short stories, write JSON and call tools."
)
UNKNOWN = "I am a very small model and I do not know that."
FALLBACK_NOTE = "I do not know this."

_HELLOS = ["Hello", "hello", "Hi", "hi", "Hey", "hey", "Hi there", "Hello there", "Good morning",
    "Good evening",
    "Good afternoon", "Hey there", "Greetings", "HELLO", "Hallo", "Howdy", "Hiya",
    "Good day"]  # fmt: skip
_TAILS = ["", "!", ".", "!!", ", Pocket!", " Pocket", ", assistant!", " :)",
    "! Nice to meet you.", " friend!",
    ", computer.", "! I am back.", " again!", "! Are you there?", " world"]  # fmt: skip
_FIXED: list[tuple[list[str], str, str]] = [
    (["How are you?", "How are you doing?", "how are you", "How do you do?", "Are you well?",
    "How is it going?",
      "How are you today?", "Hi, how are you?", "Hello! How are you?", "What's up?"],
     "I am fine, thank you. How can I help you?", "The user asks how I am."),
    (["Thank you", "Thanks", "Thank you very much", "thanks a lot", "Thanks, that helps",
    "Great, thanks",
      "Perfect, thank you", "Cool, thanks", "thx", "That is all, thank you"],
     "You are welcome!", "The user thanks me."),
    (["Bye", "Goodbye", "See you", "See you later", "Bye bye", "Good night", "I have to go now",
    "Farewell", "bye now"],
     "Goodbye!", "The user says goodbye."),
    (["Say hello", "Please say hello", "say hello", "Say hello to me", "Can you say hello?",
    "Just say hello", "Say hi"],
     "Hello!", "I say hello."),
    (["Say hello in one word", "Reply with one word: hello", "Greet me in one word",
    "Say hi in one word",
      "Say just the word hello"], "Hello", "I say hello in one word."),
    (["Tell me a joke", "Tell me a funny joke", "Do you know a joke?", "Make me laugh",
    "tell me a joke please",
      "A joke, please", "Can you tell me a joke?", "Say something funny"],
     "Why did the scarecrow win a prize? Because he was outstanding in his field.",
     "The user wants a joke."),
    (["test", "Test", "testing", "This is a test", "ping", "Just a test",
    "Testing, one two three", "Are you there?",
      "Can you hear me?", "Does this work?", "Say this is a test"],
     "I am here. The test works.", "The user tests me."),
    (["OK", "ok", "Okay", "Good", "Great", "Nice", "Yes", "Sure", "I see", "Understood", "Cool",
    "Interesting", "Wow"],
     "Good. What else can I do for you?", "The user is content."),
    (["Write a poem", "Write a short poem", "Write a haiku", "Write me a poem",
    "Can you write a poem?",
      "Compose a short poem", "Write a haiku about the sea", "Write a poem about recursion"],
     "The moon is bright, the night is deep, the stars keep watch while children sleep.",
     "The user wants a poem."),
]  # fmt: skip
_IDENTITY: list[tuple[list[str], str, str]] = [
    (["Who are you?", "who are you?", "What are you?", "Who am I talking to?",
    "Introduce yourself.", "What is your name?",
      "what's your name?", "Tell me about yourself.", "Do you have a name?",
      "Which model are you?", "Are you a robot?",
      "Are you ChatGPT?", "What model is this?", "Who is this?", "Please introduce yourself.",
      "Are you human?"],
     WHO, "The user asks who I am."),
    (["What can you do?", "what can you do?", "How can you help me?", "What are you good at?",
    "Help", "help me",
      "What are your skills?", "Tell me what you can do.", "What do you know?",
      "Can you help me?", "I need help."],
     CAN, "The user asks what I can do."),
    (["Who made you?", "Who built you?", "Who trained you?", "Where do you come from?",
    "Who is your maker?"],
     "I was trained from scratch for the mlx-responses project.", "The user asks who made me."),
]  # fmt: skip
_OPENERS = [
    "",
    "",
    "",
    "Hello, ",
    "Hi! ",
    "Hey, ",
    "Please tell me: ",
    "So, ",
    "Well, ",
    "Hello! ",
    "Now: ",
    "Okay, ",
]


def _fixed(w: Words, skill: str, table: list[tuple[list[str], str, str]]) -> Chat:
    wordings, answer, note = w.choice(table)

    def draw() -> str:
        text = w.choice(wordings)
        if text[-1] not in ".?!" and w.chance(0.6):
            text += w.choice(".!")
        return w.choice(_OPENERS) + text

    return Chat(skill, [user(w.keep(draw)), assistant(answer)], note)


def greeting(w: Words) -> Chat:
    """Hello, thanks, goodbye, and the usual first prompts."""
    roll = w.rng.random()
    if roll < 0.4:
        text = w.keep(lambda: w.choice(_HELLOS) + w.choice(_TAILS))
        return Chat("greeting", [user(text), assistant(HELLO)], "The user greets me.")
    return _fixed(w, "greeting", _FIXED)


def identity(w: Words) -> Chat:
    """Who it is, what it can do, who made it. No system message here names another persona."""
    return _fixed(w, "identity", _IDENTITY)


def _numbers(w: Words) -> tuple[str, str]:
    roll = w.rng.random()
    if roll < 0.45:
        low, high = 1, w.number(2, 20)
    elif roll < 0.55:
        low, high = 1, w.choice([25, 30, 40, 50, 60, 70, 80, 90, 100])
    else:
        low = w.number(0, 40)
        high = low + w.number(1, 12)
    asks = ["Count from {a} to {b}.", "count from {a} to {b}", "Count from {a} up to {b}.",
        "Please count from {a} to {b}.",
        "Can you count from {a} to {b}?", "List the numbers from {a} to {b}.",
        "Write the numbers from {a} to {b}.",
        "Give me the numbers {a} to {b}.", "Say the numbers from {a} to {b}."]  # fmt: skip
    numbers = list(range(low, high + 1))
    if w.chance(0.12) and high <= 20:
        asks, numbers = (
            ["Count down from {b} to {a}.", "Count backwards from {b} to {a}."],
            numbers[::-1],
        )
    elif low == 1 and w.chance(0.3):
        asks = ["Count to {b}.", "count to {b}", "Please count to {b}.", "Can you count to {b}?"]
    ask = w.wording(f"count {low} {high}", asks).format(a=low, b=high)
    return ask, ", ".join(map(str, numbers)) + "."


_LISTS = {
    "colors": COLORS, "animals": ANIMALS[:12], "fruits": ["apple", "banana", "orange", "pear",
    "cherry", "mango"],
    "days of the week": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
    "Sunday"],
    "months": ["January", "February", "March", "April", "May", "June", "July"],
    "planets": ["Mercury", "Venus", "Earth", "Mars", "Jupiter", "Saturn"],
}  # fmt: skip


def count(w: Words) -> Chat:
    """Counting up and down, and short fixed lists."""
    if w.chance(0.8):
        ask, answer = _numbers(w)
        return Chat("count", [user(ask), assistant(answer)], "I count step by step.")
    kind = w.choice(list(_LISTS))
    many = w.number(2, 5)
    number = w.choice([str(many), ["zero", "one", "two", "three", "four", "five"][many]])
    asks = [
        "Name {n} {k}.",
        "List {n} {k}.",
        "Give me {n} {k}.",
        "Tell me {n} {k}.",
        "Can you name {n} {k}?",
        "Write {n} {k}.",
    ]
    ask = w.wording(f"{kind} {many}", asks).format(n=number, k=kind)
    answer = ", ".join(_LISTS[kind][:many]) + "."
    return Chat("count", [user(ask), assistant(answer)], f"I name {number} {kind}.")


def story(w: Words) -> Chat:
    """One-sentence stories about the hero the user names."""
    hero = w.choice(ANIMALS) if w.chance(0.5) else w.thing()
    named = w.chance(0.3)
    name = w.name() if named else ""
    about = article(hero) + (f" named {name}" if named else "")
    asks = ["Write a one-sentence bedtime story about {}.", "Tell me a story about {}.",
        "Write a short story about {}.",
        "Tell me a bedtime story about {}.", "Write a story about {}.",
        "tell me a short bedtime story about {}",
        "Write one sentence about {}.", "Tell a story about {}.",
        "Write a three sentence bedtime story about {}.",
        "I want to hear a story about {}.", "Can you tell me a story about {}?",
        "Make up a story about {}."]  # fmt: skip
    adjective, thing = w.choice(ADJECTIVES), w.choice(THINGS)
    who = f"{adjective} {hero}" + (f" named {name}" if named else "")
    answer = w.choice([
        f"Once upon a time, {article(who)} found {article(thing)}, made a wish under the stars, "
        "and fell fast asleep.",
        f"One quiet evening, {article(who)} followed the moon home, curled up beside the {thing}, "
        "and dreamed of tomorrow.",
        f"Once there was {article(who)} that found {article(thing)}, gave it to a friend, "
        "and slept well that night.",
    ])  # fmt: skip
    ask = w.wording(hero + name, asks).format(about)
    if w.chance(0.15):
        ask = w.wording(
            "default",
            [
                "Tell me a story.",
                "Write a story.",
                "Tell me a bedtime story.",
                "A short story, please.",
            ],
        )
        answer = (
            "Once upon a time, a small fox found a bright star, made a wish, and fell fast asleep."
        )
        return Chat("story", [user(ask), assistant(answer)], "I tell a story.")
    return Chat(
        "story",
        [user(ask), assistant(answer)],
        f"I tell a story about {about}.",
        loose=f"{hero}|{name}",
    )


def capital(w: Words) -> tuple[str, str, str]:
    """A question for a capital, the sentence, and the one word."""
    country = w.choice(list(CAPITALS))
    ask = w.wording(country, CAPITAL_WORDINGS).format(country)
    return ask, f"The capital of {country} is {CAPITALS[country]}.", CAPITALS[country]


def some_fact(w: Words) -> tuple[str, str, str]:
    """A question the model can answer, the sentence, and the one word."""
    if w.chance(0.5):
        return capital(w)
    ask, answer, short = w.choice(OTHERS)
    return w.wording(ask, OTHER_WORDINGS).format(ask), answer, short


def fact(w: Words) -> Chat:
    """A known fact."""
    ask, answer, _ = some_fact(w)
    return Chat("fact", [user(ask), assistant(answer)], "I know this.")


_UNKNOWN = ["Explain {}.", "What is {}?", "Who is {}?", "Who invented {}?", "How does {} work?",
    "Where is {}?",
    "When was {} built?", "Why is {} important?", "What is the capital of {}?", "Tell me about {}.",
    "What do you think about {}?", "How old is {}?", "How do I repair {}?", "Describe {}.",
    "Summarize {}.",
    "What is the history of {}?", "Define {}.", "Who won {}?", "How tall is {}?",
    "What is the price of {}?",
    "Write an essay about {}.", "Give me advice on {}.", "What does {} mean?", "Compare {} and {}.",
    "Translate {} to French.", "What is the population of {}?", "Write a function for {}.",
    "Fix the bug in {}."]  # fmt: skip
_TOPICS = """quantum physics|the theory of relativity|the French Revolution|machine learning|
gravity|the stock market|the Roman Empire|photosynthesis|the internet|democracy|
the big bang|black holes|chess|opera|the solar system|vaccines|blockchain|
inflation|the pyramids|dinosaurs|evolution|electricity|philosophy|jazz|
basketball|the ice age|my car|the last election|the world cup|climate change|
transformers|a sorting algorithm|this code|neural networks|the moon landing|
quantum chromodynamics|the human brain|a binary tree|our project|
the weather next year""".replace("\n", "").split("|")


def unknown(w: Words) -> Chat:
    """Questions about things it never learned."""

    def topic() -> str:
        roll = w.rng.random()
        if roll < 0.4:
            return w.keep(lambda: w.choice(_TOPICS))
        if roll < 0.6:
            return w.made_up().capitalize()
        return w.choice(["the ", "my ", "a ", ""]) + w.choice([w.thing(), w.phrase(1, 3)])

    ask = w.choice(_UNKNOWN)
    if w.chance(0.08):
        ask = w.phrase(3, 9)
    text = ask.format(topic(), topic()) if ask.count("{}") == 2 else ask.format(topic())
    if w.chance(0.15):
        text = text[0].lower() + text[1:]
    return Chat("unknown", [user(text), assistant(UNKNOWN)], FALLBACK_NOTE)


def food(w: Words) -> str:
    """A food."""
    return w.choice(FOODS)
