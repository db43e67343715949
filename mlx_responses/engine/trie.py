"""Token prefixes as a radix tree: a node is a run of tokens, and what two prefixes share is there
once. Knows where runs begin and end; what they carry is for `prefix.py` to fill and to cut.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

Tokens = np.ndarray[Any, np.dtype[np.int32]]
"""(n,): 4 bytes a token."""
Plain = list[tuple[Any, Any]]
"""A run's share of each plain layer: keys and values (1, heads, tokens, width)."""


class Snapshot:
    """The layers that cannot be shortened, as they are at the end of `node`."""

    __slots__ = ("layers", "nbytes", "node")

    def __init__(self, node: "Node", layers: list[Any]) -> None:
        self.node = node
        self.layers = layers
        self.nbytes = sum(layer.nbytes for layer in layers)


class Node:
    """A run of tokens after those of `parent`; a root has none.

    plain     in RAM; None: on disk only
    snapshot  in RAM, at the run's end
    stem      of `digest`, to be continued by those below
    file      the name of the file with both, if there is one; `file_snapshot`: with a snapshot
    """

    __slots__ = ("children", "file", "file_snapshot", "parent", "plain", "run", "snapshot", "stem")

    def __init__(self, parent: "Node | None", run: Tokens) -> None:
        self.parent: Node | None = parent
        self.run = run
        self.children: dict[int, Node] = {}
        self.plain: Plain | None = None
        self.snapshot: Snapshot | None = None
        self.file: str | None = None
        self.file_snapshot = False
        self.stem: Any = parent.stem.copy() if parent is not None else hashlib.sha256()
        self.stem.update(run.tobytes())
        if parent is not None:
            parent.children[int(run[0])] = self

    @property
    def digest(self) -> str:
        """Names all tokens from the root to the run's end, however they are cut into runs."""
        return str(self.stem.hexdigest()[:32])

    @property
    def nbytes(self) -> int:
        """What the run itself holds in RAM, without its snapshot."""
        return sum(keys.nbytes + values.nbytes for keys, values in self.plain or ())

    def subtree(self) -> Iterator["Node"]:
        """The node and all below it, the lowest first."""
        below = [self]
        for node in below:
            below.extend(node.children.values())
        return reversed(below)

    def path(self) -> list["Node"]:
        """From below the root to this node."""
        node, path = self, []
        while node.parent is not None:
            path.append(node)
            node = node.parent
        return path[::-1]

    def detach(self) -> None:
        """Leave the tree, with all that is below."""
        if self.parent is not None:
            del self.parent.children[int(self.run[0])]

    def split(self, at: int) -> "Node":
        """Cut the run after `at` tokens; the new upper node. This one stays the lower."""
        assert self.parent is not None
        upper = Node(self.parent, self.run[:at].copy())
        self.parent, self.run = upper, self.run[at:].copy()
        upper.children[int(self.run[0])] = self
        return upper


def root() -> Node:
    """An empty tree."""
    return Node(None, np.array([], np.int32))


def as_tokens(tokens: Sequence[int]) -> Tokens:
    """Ids in the tree's type."""
    return np.array(tokens, np.int32)


def walk(tree: Node, tokens: Tokens) -> list[tuple[Node, int]]:
    """The nodes that `tokens` lead through, with the tokens shared: of the last maybe not all."""
    path: list[tuple[Node, int]] = []
    node, place = tree, 0
    while place < len(tokens):
        child = node.children.get(int(tokens[place]))
        if child is None:
            break
        ahead = tokens[place : place + len(child.run)]
        differs = np.flatnonzero(child.run[: len(ahead)] != ahead)
        shared = int(differs[0]) if len(differs) else len(ahead)
        path.append((child, shared))
        if shared < len(child.run):
            break
        node, place = child, place + shared
    return path
