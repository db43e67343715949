"""Whatever is stored, fetched, evicted, saved and restarted: what comes back is what was there."""

import tempfile
from pathlib import Path

import caches
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlx_responses.engine import trie
from mlx_responses.engine.disk import Shelf
from mlx_responses.engine.prefix import PrefixCache

PROMPTS = st.lists(st.integers(0, 2), min_size=2, max_size=14)
DEEDS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["store", "favour", "keep private", "fetch", "forget"]), PROMPTS),
        st.tuples(st.sampled_from(["save", "clear", "restart", "expire"]), st.none()),
    ),
    max_size=25,
)
ROOMY, TIGHT = 10**6, 400


class World:
    """A prefix cache and its folder; every law is checked after every deed."""

    def __init__(self, build, folder, ram, disk):
        self.build, self.folder, self.ram, self.disk = build, folder, ram, disk
        self.restart(None)

    def restart(self, _):
        self.shelf = Shelf(self.folder, self.disk)
        self.prefix = PrefixCache(self.ram, self.shelf)
        self.prefix.open("m", caches.empty(self.build), {"model": "m"})

    def store(self, tokens, **how):
        self.prefix.store("m", tokens, caches.holding(self.build, tokens), **how)

    def forget(self, tokens):
        """All of it, but what others share or go on from."""
        self.prefix.forget(tokens)
        nodes = trie.walk(self.prefix._trees["m"].root, trie.as_tokens(tokens))
        if nodes and self.build == "plain" and nodes[-1][1] == len(nodes[-1][0].run):
            assert nodes[-1][0].children or sum(n for _, n in nodes) == 0

    def fetch(self, tokens):
        cache, count = self.prefix.fetch("m", tokens)
        assert count < len(tokens)
        if cache is not None:
            assert caches.contents(cache) == caches.contents(
                caches.holding(self.build, tokens[:count])
            )
            for layer in cache:  # writing to what was fetched harms nobody
                caches.write(layer, [9])
        return count

    def do(self, deed, tokens):
        match deed:
            case "store":
                self.store(tokens)
            case "keep private":
                self.store(tokens, on_disk=False)
            case "favour":
                self.store(tokens, favoured=True)
            case "fetch":
                self.fetch(tokens)
            case "forget":
                self.forget(tokens)
            case "expire":
                self.prefix.expire(2.0**40)
                assert self.prefix.disk_bytes == 0
            case "save":
                self.prefix.save_all()
            case "clear":
                self.prefix.clear()
            case "restart":
                self.restart(None)
        self.check()

    def check(self):
        nodes = [n for n in self.prefix._trees["m"].root.subtree() if n.parent is not None]
        pinned = [n.snapshot for n in nodes if n.snapshot is not None]
        held = sum(n.nbytes for n in nodes) + sum(s.nbytes for s in pinned)
        assert self.prefix.nbytes == held <= self.ram
        assert all(n.plain is not None or n.file is not None for n in nodes)
        self.shelf.settle()
        on_disk = {path.name: path.stat().st_size for path in self.folder.iterdir()}
        assert on_disk.keys() == set(self.shelf.files) >= {n.file for n in nodes if n.file}
        assert sum(on_disk.values()) == self.prefix.disk_bytes <= self.disk


@pytest.mark.parametrize("build", caches.BUILDS)
@given(deeds=DEEDS, ram=st.sampled_from([ROOMY, TIGHT]), disk=st.sampled_from([10**7, 6000]))
@settings(max_examples=25, deadline=None)
def test_what_is_fetched_is_what_was_stored(build, deeds, ram, disk):
    with tempfile.TemporaryDirectory() as folder:
        world = World(build, Path(folder), ram, disk)
        for deed, tokens in deeds:
            world.do(deed, tokens)


@pytest.mark.parametrize("build", caches.BUILDS)
@given(rounds=st.lists(st.lists(PROMPTS, max_size=4), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_with_room_every_stored_prompt_is_found_also_after_restarts(build, rounds):
    with tempfile.TemporaryDirectory() as folder:
        world = World(build, Path(folder), ROOMY, 10**7)
        stored = []
        for prompts in rounds:
            for tokens in prompts:
                world.store(tokens)
                stored.append(tokens)
            world.prefix.save_all()
            world.restart(None)
            for tokens in stored[::2]:  # some stay on disk only
                assert world.fetch([*tokens, 5]) == len(tokens)
            world.check()


@given(prompts=st.lists(st.tuples(st.booleans(), PROMPTS), max_size=8))
@settings(max_examples=60, deadline=None)
def test_what_is_private_is_in_no_file_and_all_else_is(prompts):
    with tempfile.TemporaryDirectory() as folder:
        world = World("plain", Path(folder), ROOMY, 10**7)
        for public, tokens in prompts:
            world.store(tokens, on_disk=public)
            world.prefix.save()
        world.prefix.save_all()
        world.restart(None)
        for public, tokens in prompts:
            others = [other for public, other in prompts if public]
            shared = max((_common(tokens, other) for other in others), default=0)
            assert world.fetch([*tokens, 5]) == (len(tokens) if public else shared)


def _common(one, two):
    pairs = list(zip(one, two, strict=False))
    return next((n for n, (a, b) in enumerate(pairs) if a != b), len(pairs))
