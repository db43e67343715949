"""KV caches of prompts already read, found again by their first tokens; in RAM, bounded by bytes,
and behind that on disk, if there is a `Shelf`. Engine thread only. Knows no job and no batch.

A tree of token runs a model. Plain layers are stored by run, so two prompts with a common beginning
hold it once; a fetch joins its runs into arrays of its own, and shortening is taking less of the
last one. Layers that cannot be shortened are snapshots at the ends of runs. All runs and snapshots
of all models stand in one order of use, in which a run is always younger than what depends on it,
and as favoured: the oldest can go without breaking another.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mlx_responses.engine import layers
from mlx_responses.engine.disk import Shelf, Volume
from mlx_responses.engine.recency import Recency
from mlx_responses.engine.trie import Node, Snapshot, Tokens, as_tokens, root, walk

RUN_TOKENS = 256
"""Most tokens of a run: what is given up, or written to disk, at once (32 MB of an 8B model)."""
NEARLY_FULL = 0.75
"""Of the budget: from here on runs are written while the engine is busy, a run a step, so that what
must go from RAM is on disk already."""
FAVOURED = 0.8
"""Of the budget: what favoured prompts may hold against all others."""


class Tree:
    """One model's prefixes. `volume` is where they are on disk, if they are."""

    def __init__(self, shape: layers.Shape, volume: Volume | None) -> None:
        self.shape = shape
        self.volume = volume
        self.root = root()
        self.needs_snapshots = not layers.can_shorten(shape)


class PrefixCache:
    """Token prefixes -> KV caches, for all models together."""

    def __init__(self, budget_bytes: int, shelf: Shelf | None = None) -> None:
        self._budget_bytes = budget_bytes
        self._shelf = shelf
        self._trees: dict[str, Tree] = {}
        self._recent: Recency[Node | Snapshot] = Recency()
        self._unsaved: dict[Node, Volume] = {}
        self._filed: dict[str, Node] = {}

    @property
    def nbytes(self) -> int:
        """What is held in RAM."""
        return self._recent.nbytes

    @property
    def disk_bytes(self) -> int:
        """What is held on disk."""
        return self._shelf.nbytes if self._shelf is not None else 0

    def open(
        self, model_key: str, empty_cache: Sequence[Any], identity: Mapping[str, str] | None = None
    ) -> bool:
        """Make the model known, with what is on disk of it; whether it needs snapshots."""
        volume = None
        if self._shelf is not None and identity:
            volume = self._shelf.volume(identity)
        tree = self._trees[model_key] = Tree(layers.shape_of(empty_cache), volume)
        if volume is not None:
            self._index(tree, volume)
        return tree.needs_snapshots

    def _index(self, tree: Tree, volume: Volume) -> None:
        """Hang what is on disk into the tree; what hangs together with nothing is removed."""
        nodes = {tree.root.digest: tree.root}
        for label in volume.labels():
            parent = nodes.get(label.parent)
            if parent is None or int(label.run[0]) in parent.children:
                volume.remove(label.file)
                continue
            node = Node(parent, label.run)
            node.file, node.file_snapshot = label.file, label.snapshot
            nodes[node.digest] = self._filed[label.file] = node

    def fetch(
        self, model_key: str, tokens: Sequence[int], *, favoured: bool = False
    ) -> tuple[list[Any] | None, int]:
        """A private cache of the longest known prefix, and its length; at least one is left over.

        The caller may write to it: arrays are copied when written. `favoured` as in `store`.
        """
        tree = self._trees.get(model_key)
        if tree is None:
            return None, 0
        # One token short, because the model must run on something: an exact hit is a prefix too.
        wanted = as_tokens(tokens[:-1])
        path = self._usable(tree, wanted)
        while path and not self._warm(tree, [node for node, _ in path]):
            path = self._usable(tree, wanted)
        if not path:
            return None, 0
        last = path[-1][0].snapshot if tree.needs_snapshots else None
        plain = layers.joined([(node.plain or [], count) for node, count in path])
        others = layers.private(last.layers) if last is not None else []
        self._touch([node for node, _ in path], favoured=favoured)
        self._make_room()
        return layers.put_together(tree.shape, plain, others), sum(count for _, count in path)

    def _usable(self, tree: Tree, wanted: Tokens) -> list[tuple[Node, int]]:
        """The way to the longest prefix whose cache can be had."""
        path = walk(tree.root, wanted)
        if tree.needs_snapshots:
            while path and not (_has_snapshot(path[-1][0]) and path[-1][1] == len(path[-1][0].run)):
                path.pop()
        return path

    def _warm(self, tree: Tree, path: Sequence[Node]) -> bool:
        """Bring a way into RAM. False: a file of it was of no use and is gone, look again."""
        for node in path:
            lacks_snapshot = node.file_snapshot and node.snapshot is None
            if node.plain is not None and not (lacks_snapshot and node is path[-1]):
                continue
            cache = tree.volume.read(node.file) if tree.volume and node.file else None
            if cache is None:
                self._forget(node)
                return False
            plain, others = layers.take_apart(cache)
            if node.plain is None:
                self._fill(node, [(layer.keys, layer.values) for layer in plain])
            if others and node.snapshot is None:
                self._pin(node, others)
        return True

    def store(
        self,
        model_key: str,
        tokens: Sequence[int],
        cache: list[Any],
        *,
        on_disk: bool = True,
        favoured: bool = False,
    ) -> None:
        """Keep `cache`, which holds exactly `tokens`; both belong to this object from now on.

        on_disk   whether these tokens may be written to disk
        favoured  they are likely to be asked for again: in RAM, others go first
        """
        if model_key not in self._trees:
            self.open(model_key, cache)
        tree = self._trees[model_key]
        plain, others = layers.take_apart(cache)
        held = layers.used_bytes(plain) + sum(layer.nbytes for layer in others)
        if held > self._budget_bytes:
            if tree.needs_snapshots:
                return
            tokens = tokens[: len(tokens) * self._budget_bytes // held]
        if not len(tokens) or any(layer.offset < len(tokens) for layer in plain):
            return
        path = self._grow(tree, as_tokens(tokens), plain, on_disk=on_disk)
        end = path[-1]
        if tree.needs_snapshots and end.snapshot is None:
            layers.settle(others)
            self._pin(end, others)
            if on_disk and not end.file_snapshot:
                self._unfile(end)  # to be written again, with its snapshot
        self._touch(path, favoured=favoured)
        if on_disk and tree.volume is not None:
            self._unsaved.update((node, tree.volume) for node in path if node.file is None)
        self._make_room()

    def _grow(
        self, tree: Tree, tokens: Tokens, plain: Sequence[Any], *, on_disk: bool
    ) -> list[Node]:
        """The nodes of exactly `tokens`, all in RAM; the missing ones are made."""
        shared = walk(tree.root, tokens)
        path = [node for node, _ in shared]
        if shared and shared[-1][1] < len(path[-1].run):
            whole = path.pop()
            if self._warm(tree, [whole]):
                path.append(self._split(tree, whole, shared[-1][1]))
        place = sum(len(node.run) for node in path)
        if path and place < len(tokens) and self._extends(path[-1], on_disk=on_disk):
            # Cut again together with what follows: many short runs would be slow to join.
            place -= len(path[-1].run)
            self._forget(path.pop())
        start = 0
        for node in path:
            if node.plain is None:
                self._fill(node, layers.cut(plain, start, start + len(node.run)))
            start += len(node.run)
        while place < len(tokens):
            end = min(place + RUN_TOKENS, len(tokens))
            path.append(Node(path[-1] if path else tree.root, tokens[place:end].copy()))
            self._fill(path[-1], layers.cut(plain, place, end))
            place = end
        return path

    def _is_for_disk(self, nodes: Mapping[int, Node]) -> bool:
        return any(
            below.file is not None or below in self._unsaved
            for node in nodes.values()
            for below in node.subtree()
        )

    def _extends(self, node: Node, *, on_disk: bool) -> bool:
        """Whether a run may become part of a longer one: short, nothing hangs on its end, and
        nothing that belongs on disk would stay away from there.
        """
        free = not node.children and not _has_snapshot(node) and len(node.run) < RUN_TOKENS
        return free and (on_disk or (node.file is None and node not in self._unsaved))

    def _split(self, tree: Tree, node: Node, at: int) -> Node:
        """Cut a run that is in RAM in two; the upper half. What was one file will be two."""
        whole = node.plain or []
        for_disk = node.file is not None or node in self._unsaved
        favoured = self._recent.favours(node)
        self._unfile(node)
        self._drop(node)
        upper = node.split(at)
        self._fill(node, layers.cut_run(whole, at, at + len(node.run)), favoured=favoured)
        self._fill(upper, layers.cut_run(whole, 0, at), favoured=favoured)
        if for_disk and tree.volume is not None:
            self._unsaved.update({upper: tree.volume, node: tree.volume})
        return upper

    def _fill(self, node: Node, plain: Any, *, favoured: bool = False) -> None:
        layers.compute(plain)
        node.plain = plain
        self._recent.add(node, node.nbytes, favoured=favoured)

    def _pin(self, node: Node, others: list[Any]) -> None:
        node.snapshot = Snapshot(node, others)
        self._recent.add(node.snapshot, node.snapshot.nbytes)

    def _drop(self, node: Node) -> None:
        """Out of RAM: the run."""
        node.plain = None
        self._recent.remove(node)

    def _unpin(self, node: Node) -> None:
        """Out of RAM: the snapshot."""
        if node.snapshot is not None:
            self._recent.remove(node.snapshot)
            node.snapshot = None

    def _touch(self, path: Sequence[Node], *, favoured: bool) -> None:
        """A way was used: its end's snapshot and its runs are the youngest, the first run most."""
        if path[-1].snapshot is not None:
            self._recent.touch(path[-1].snapshot, favoured=favoured)
        for node in reversed(path):
            self._recent.touch(node, favoured=favoured)
            if node.file is not None and self._shelf is not None:
                self._shelf.touch(node.file)

    def _make_room(self) -> None:
        self._recent.demote(FAVOURED * self._budget_bytes)
        while self.nbytes > self._budget_bytes and (oldest := self._recent.oldest()) is not None:
            if isinstance(oldest, Snapshot):
                self._unpin(oldest.node)
                self._prune(oldest.node)
            else:
                self._drop(oldest)
                if oldest.file is None:
                    self._forget(oldest)

    def _prune(self, node: Node) -> None:
        """A snapshot went: forget runs that no snapshot depends on any more."""
        while node.parent is not None and not node.children and not _has_snapshot(node):
            self._forget(node)
            node = node.parent

    def _forget(self, node: Node) -> None:
        """Out of RAM, off the disk, out of the tree: the node and all below it."""
        for below in node.subtree():
            self._drop(below)
            self._unpin(below)
            self._unfile(below)
            self._unsaved.pop(below, None)
        node.detach()

    def _unfile(self, node: Node) -> None:
        """Off the disk; also when what is there is no longer all that should be."""
        if node.file is not None and self._shelf is not None:
            self._filed.pop(node.file, None)
            self._shelf.remove(node.file)
        node.file, node.file_snapshot = None, False

    def save(self, *, busy: bool = False) -> bool:
        """Write one run to disk, if one is due; whether one was. While busy, only if RAM is short.

        It takes the time of a run's bytes into the page cache, some milliseconds.
        """
        behind = self._shelf is not None and self._shelf.behind
        if busy and (behind or self.nbytes < NEARLY_FULL * self._budget_bytes):
            return False
        while self._unsaved:
            # Beginnings first: a run is of no use without what comes before it.
            last, volume = next(iter(self._unsaved.items()))
            node = next(node for node in last.path() if node is last or node.file is None)
            saved = node in self._unsaved and node.plain is not None and self._write(node, volume)
            self._unsaved.pop(node if saved else last, None)
            if saved:
                return True
        return False

    def save_all(self) -> None:
        """Write all that is due: as many bytes as RAM may hold."""
        while self.save():
            pass
        if self._shelf is not None:
            self._shelf.settle()

    def _write(self, node: Node, volume: Volume) -> bool:
        cache = layers.joined([(node.plain or [], len(node.run))])
        if node.snapshot is not None:
            cache += node.snapshot.layers
        file = volume.write(node, cache, snapshot=node.snapshot is not None)
        if file is None:
            return False
        node.file, node.file_snapshot = file, node.snapshot is not None
        self._filed[file] = node
        self._touch_files(node)
        return True

    def _touch_files(self, node: Node) -> None:
        """The new file's way is the youngest; what is too much on disk goes."""
        assert self._shelf is not None
        for above in reversed(node.path()):
            if above.file is not None:
                self._shelf.touch(above.file)
        for gone in self._shelf.make_room():
            self._lose(gone)

    def _lose(self, file: str) -> None:
        """A file went."""
        evicted = self._filed.pop(file, None)
        if evicted is not None:
            evicted.file, evicted.file_snapshot = None, False
            if evicted.plain is None:
                self._forget(evicted)

    def expire(self, before: float) -> None:
        """Delete files that were used last before that time (Unix seconds)."""
        if self._shelf is not None:
            for gone in self._shelf.expire(before):
                self._lose(gone)

    def forget(self, tokens: Sequence[int], keep: int = 0) -> None:
        """Of all models, from RAM and disk: what is kept of these tokens beyond the first `keep`.

        Not what another prompt shares with them, but from disk if that one must not be there; and
        a run that `keep` falls into goes whole.
        """
        for tree in self._trees.values():
            path = walk(tree.root, as_tokens(tokens))
            # One token more is the end token, which is in the cache and in nobody's words.
            if not path or len(path[-1][0].run) > path[-1][1] + 1:
                continue
            last, end = path[-1][0], sum(shared for _, shared in path)
            while last.parent is not None and end > keep and not self._is_for_disk(last.children):
                if last.children and last.plain is not None:
                    self._unfile(last)
                    self._unsaved.pop(last, None)
                else:
                    self._forget(last)
                end -= len(last.run)
                last = last.parent
            if tree.needs_snapshots:
                self._prune(last)

    def resize(self, budget_bytes: int) -> None:
        """Keep within another budget from now on; what is too much goes at once."""
        self._budget_bytes = budget_bytes
        self._make_room()

    def close(self, model_key: str) -> None:
        """A model is let go of, and all that is in RAM of it; what is on disk waits for `open`."""
        tree = self._trees.pop(model_key)
        for node in list(tree.root.subtree()):
            self._unsaved.pop(node, None)
            if node.file is not None:
                self._filed.pop(node.file, None)
        self._clear(tree)

    def clear(self) -> None:
        """Forget all that is in RAM; what is on disk stays."""
        for tree in self._trees.values():
            self._clear(tree)
        self._unsaved.clear()

    def _clear(self, tree: Tree) -> None:
        for node in list(tree.root.subtree()):
            if node.parent is None:
                continue
            self._drop(node)
            self._unpin(node)
            if node.file is None:
                self._forget(node)


def _has_snapshot(node: Node) -> bool:
    return node.snapshot is not None or node.file_snapshot
