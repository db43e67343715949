"""Agents that are told of a provider in a JSON file of the user's: opencode and pi.

What else the file says stays as it is.
"""

import json
from pathlib import Path
from typing import Any

from .edit import CannotConnect, Edit
from .place import ANY_KEY, OUTPUT_TOKENS, PROVIDER, Place


def opencode(place: Place) -> list[Edit]:
    """opencode's provider, over the Responses API by way of the AI SDK."""
    path = place.folder("XDG_CONFIG_HOME", ".config") / "opencode" / "opencode.json"
    limit = {"context": place.context_window or 0, "output": OUTPUT_TOKENS}
    provider = {
        "npm": "@ai-sdk/openai",
        "name": PROVIDER,
        "options": {"baseURL": place.url, "apiKey": place.key or ANY_KEY},
        "models": {place.model: {"name": place.model, "limit": limit}},
    }
    fresh = {"$schema": "https://opencode.ai/config.json"}
    return [_with(path, "provider", provider, fresh)]


def pi(place: Place) -> list[Edit]:
    """pi's provider."""
    path = place.folder("PI_CODING_AGENT_DIR", ".pi", "agent") / "models.json"
    model: dict[str, Any] = {"id": place.model, "reasoning": bool(place.spec.thinking)}
    if place.context_window is not None:
        model["contextWindow"] = place.context_window
        model["maxTokens"] = min(OUTPUT_TOKENS, place.context_window)
    provider = {
        "baseUrl": place.url,
        "api": "openai-responses",
        "apiKey": place.key or ANY_KEY,
        "models": [model],
    }
    return [_with(path, "providers", provider, {})]


def opencode_step(place: Place) -> str:
    """What to do after connecting opencode."""
    return f"opencode --model {PROVIDER}/{place.model}"


def pi_step(place: Place) -> str:
    """What to do after connecting pi."""
    return f"pi --provider {PROVIDER} --model {place.model}"


def _with(path: Path, section: str, provider: dict[str, Any], fresh: dict[str, Any]) -> Edit:
    """The file with our provider in a section. Raises `CannotConnect` for what is no JSON."""
    before = Edit(path, "").before
    try:
        settings = json.loads(before) if before else dict(fresh)
    except ValueError as error:
        message = f"{path} is not plain JSON ({error}); say --print and put the lines in by hand."
        raise CannotConnect(message) from error
    if not isinstance(settings, dict) or not isinstance(settings.get(section, {}), dict):
        raise CannotConnect(f"{path} is not of the form that this knows; say --print instead.")
    settings[section] = {**settings.get(section, {}), PROVIDER: provider}
    return Edit(path, json.dumps(settings, indent=2, ensure_ascii=False) + "\n")
