"""Objects in which some member has to bear witness: which of the members with a name it can be.

That is how a rule on all members is broken: `not` over patternProperties, additionalProperties,
propertyNames, and what oneOf excludes. Knows no keyword.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from mlx_responses.grammar.patterns import Unsupported, found_in
from mlx_responses.grammar.shapes import (
    Layer,
    Object,
    Want,
    Witness,
    key_classes,
    known_names,
    member,
    merged,
)

MAX_WAYS = 300
"""Choices of a witness for each rule: names to the power of rules."""


class Asks(Protocol):
    """What has to be known of wants."""

    def possible(self, want: Want) -> bool:
        """Is there any such value?"""
        ...

    def holds(self, want: Want, value: object) -> bool:
        """Does a value satisfy a want?"""
        ...


def witnessed(shape: Object, asks: Asks) -> Iterator[Object]:
    """The same object without `witnesses`: each of them is a member with a name, now required.

    Raises `Unsupported` where a key without a name could bear witness: a later member of the same
    key could take its place, and no grammar remembers keys.
    """
    if not shape.witnesses:
        yield shape
        return
    witness, *others = shape.witnesses
    if _may_be_nameless(shape, witness, asks):
        raise Unsupported("a key that is given no name would have to be remembered")
    names = [name for name in known_names(shape) if bears(witness, name, asks)]
    if len(names) ** len(shape.witnesses) > MAX_WAYS:
        raise Unsupported("too many members could break its rules")
    for name in names:
        if asks.possible(merged(member(shape, name), witness.value)):
            layer = Layer({name: witness.value}, (), ())
            required = tuple(dict.fromkeys((*shape.required, name)))
            layers = (*shape.layers, layer)
            left = replace(shape, layers=layers, required=required, witnesses=tuple(others))
            yield from witnessed(left, asks)


def bears(witness: Witness, name: str, asks: Asks) -> bool:
    """Is it a key that the witness may have?"""
    return (
        name not in witness.others
        and all(found_in(node, name) == sign for node, sign in witness.claims)
        and (not witness.key or asks.holds(witness.key, name))
    )


def _may_be_nameless(shape: Object, witness: Witness, asks: Asks) -> bool:
    for chosen, wanted in key_classes(shape):
        clash = any(chosen.get(node, sign) != sign for node, sign in witness.claims)
        if not clash and asks.possible(merged(wanted, witness.value)):
            return True
    return False
