"""A body's JSON -> the shape that the Structs take: aliases resolved, shorthands written out.

null is dropped where it means leaving out, items get the `type` that they may lack, chat-style
forms become the Responses form. What is wrong in a way that no Struct could name is refused here.
"""

import typing
from collections.abc import Callable
from typing import Any

from mlx_responses.wire.items import Item
from mlx_responses.wire.refusals import refuse
from mlx_responses.wire.tools import OwnTool

Json = dict[str, Any]

METADATA_PAIRS = 16
METADATA_KEY = 64
METADATA_VALUE = 512


def tags(union: Any) -> frozenset[str]:
    """The `type` words of a union of tagged Structs."""
    return frozenset(str(kind.__struct_config__.tag) for kind in typing.get_args(union))


ITEM_TYPES = tags(Item)
TOOL_TYPES = tags(OwnTool)


def prepare(body: Json) -> Json:
    """A copy of `body` without nulls, each field in the one form that its Struct takes."""
    ready = _said(body)
    if "model" not in ready and isinstance(ready.get("models"), list) and ready["models"]:
        ready["model"] = ready["models"][0]
    for name, form in FORMS.items():
        if name in ready:
            ready[name] = form(ready[name], name)
    return ready


def _said(fields: Json) -> Json:
    """Without nulls: on the wire they equal leaving out."""
    return {name: value for name, value in fields.items() if value is not None}


def _items(value: Any, path: str) -> Any:
    if not isinstance(value, list):
        return value
    return [_item(item, f"{path}[{index}]") for index, item in enumerate(value)]


def _item(value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        return value
    item = _said(value)
    item.setdefault("type", _implied_type(item, path))
    kind = item["type"]
    if isinstance(kind, str) and kind not in ITEM_TYPES:
        raise refuse(f"{path}.type", "invalid_value", f"items of type {kind!r} are not done here")
    for name in ("content", "output", "summary"):
        if isinstance(item.get(name), list):
            item[name] = [_said(part) if isinstance(part, dict) else part for part in item[name]]
    if "tools" in item:
        item["tools"] = _tools(item["tools"], f"{path}.tools")
    return item


def _implied_type(item: Json, path: str) -> str:
    if "type" in item:
        return str(item["type"])
    if "role" in item:
        return "message"
    if item.keys() == {"id"}:
        return "item_reference"
    raise refuse(f"{path}.type", "missing_required_parameter")


def _tools(value: Any, path: str) -> Any:
    if not isinstance(value, list):
        return value
    return [_tool(tool, f"{path}[{index}]") for index, tool in enumerate(value)]


def _tool(value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        return value
    kind = value.get("type")
    if kind is None:
        raise refuse(f"{path}.type", "missing_required_parameter")
    if not isinstance(kind, str) or (kind in TOOL_TYPES and not _is_elsewhere(value)):
        tool = _said(_flat(value))
        if "format" in tool:
            tool["format"] = _flat(tool["format"])
        return tool
    return {"type": "hosted", "raw": value}


def _is_elsewhere(tool: Json) -> bool:
    """A shell in a container of a hosted service's."""
    environment = tool.get("environment")
    return isinstance(environment, dict) and environment.get("type", "local") != "local"


def _flat(value: Any, _: str = "") -> Any:
    """The chat-style `{"type": T, T: {...}}` as `{"type": T, ...}`."""
    inner = value.get("type") if isinstance(value, dict) else None
    if isinstance(inner, str) and isinstance(value.get(inner), dict):
        outer = {name: field for name, field in value.items() if name != inner}
        return {**outer, **value[inner]}
    return value


def _choice(value: Any, _: str) -> Any:
    choice = _flat(value)
    if isinstance(choice, dict) and isinstance(choice.get("tools"), list):
        return {**choice, "tools": [_flat(tool) for tool in choice["tools"]]}
    return choice


def _messages(value: Any, _: str) -> Any:
    """Chat messages without nulls, wherever a client may leave out."""
    if not isinstance(value, list):
        return value
    return [_message(message) if isinstance(message, dict) else message for message in value]


def _message(value: Json) -> Json:
    message = _said(value)
    for name in ("content", "tool_calls"):
        if isinstance(message.get(name), list):
            message[name] = [_said(one) if isinstance(one, dict) else one for one in message[name]]
    return message


def _stop(value: Any, _: str) -> Any:
    return [value] if isinstance(value, str) else value


def _logit_bias(value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        return value
    for key, bias in value.items():
        param = f"{path}.{key}"
        if not (key.isascii() and key.isdigit() and len(key) < 10):
            raise refuse(param, "invalid_value", "its key must be a token id")
        if isinstance(bias, bool) or not isinstance(bias, int | float):
            raise refuse(param, "invalid_type", "expected a number")
        if bias < -100:
            raise refuse(param, "decimal_below_min_value", "it must be >= -100")
        if bias > 100:
            raise refuse(param, "decimal_above_max_value", "it must be <= 100")
    return {int(key): bias for key, bias in value.items()}


def _metadata(value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        return value
    if len(value) > METADATA_PAIRS:
        sentence = f"it may have at most {METADATA_PAIRS} pairs"
        raise refuse(path, "array_above_max_length", sentence)
    for key, text in value.items():
        param = f"{path}.{key}"
        if len(key) > METADATA_KEY:
            sentence = f"a key may have at most {METADATA_KEY} characters"
            raise refuse(path, "string_above_max_length", sentence)
        if not isinstance(text, str):
            raise refuse(param, "invalid_type", "expected a string")
        if len(text) > METADATA_VALUE:
            sentence = f"a value may have at most {METADATA_VALUE} characters"
            raise refuse(param, "string_above_max_length", sentence)
    return value


FORMS: dict[str, Callable[[Any, str], Any]] = {
    "input": _items,
    "items": _items,
    "tools": _tools,
    "tool_choice": _choice,
    "response_format": _flat,
    "messages": _messages,
    "stop": _stop,
    "logit_bias": _logit_bias,
    "metadata": _metadata,
}
"""Fields that come in more forms than one, or whose rules need names that msgspec cannot give."""
