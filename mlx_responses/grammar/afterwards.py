"""A finished document against its JSON Schema, where no mask held it to all of it.

Says where a schema is broken, never what was said. Fetches nothing.
"""

import json
from typing import Any

import jsonschema_rs

from mlx_responses.grammar.document import escaped

LINEAR = jsonschema_rs.RegexOptions()
"""Patterns run in time that grows with the text alone: schemas come from clients."""


def broken_at(schema: Any, document: str) -> str | None:
    """The first place in a document that does not keep to the schema, as "keyword at #/pointer";
    None: it keeps to all that can be checked. A schema that cannot be read checks nothing.
    """
    try:
        value = json.loads(document)
    except (ValueError, RecursionError):
        return "no JSON at #"
    try:
        validator = jsonschema_rs.validator_for(schema, pattern_options=LINEAR, offline=True)
        error = next(validator.iter_errors(value), None)
    except (ValueError, RecursionError):  # of a draft, reference or pattern that is not known here
        return None
    if error is None:
        return None
    pointer = "".join(f"/{escaped(str(step))}" for step in error.instance_path)
    return f"{error.kind.name} at #{pointer}"
