"""Random forks, conversations, deletions and expiries: the store against a few dicts in memory."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from store_worlds import count, ids, message, put, rows, turn

from mlx_responses.store import Conversation, PageQuery, ResponseQuery, Store

ALL = PageQuery(limit=100, order="asc")


class StoreModel(RuleBasedStateMachine):
    """The model keeps each response's whole context as a list of item ids, and nothing cleverer."""

    names = Bundle("names")
    talks = Bundle("talks")

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "r.db"
        self.store = Store.open(self.path)
        self.prompt: dict[str, list[str]] = {}  # living responses only, as all below
        self.answer: dict[str, list[str]] = {}
        self.tokens: dict[str, list[int]] = {}
        self.expiry: dict[str, int] = {}
        self.talk: dict[str, list[str]] = {}
        self.seen: dict[str, tuple] = {}  # turns that are running: name -> what they loaded
        self.made = 0

    def teardown(self):
        self.store.close()
        self.folder.cleanup()

    def _name(self, prefix: str) -> str:
        self.made += 1
        return f"{prefix}{self.made}"

    def _keep(self, name, context, tokens, expires_at):
        self.prompt[name] = [*context, f"in_{name}"]
        self.answer[name] = [f"out_{name}"]
        self.tokens[name] = tokens
        self.expiry[name] = expires_at

    def _drop(self, name):
        for kept in (self.prompt, self.answer, self.tokens, self.expiry):
            kept.pop(name, None)

    @rule(target=names, tokens=st.lists(st.integers(0, 3), max_size=4), at=st.integers(1, 9))
    def begin_chain(self, tokens, at):
        name = self._name("r")
        put(self.store, turn(name, token_ids=tokens, expires_at=at))
        self._keep(name, [], tokens, at)
        return name

    @rule(
        target=names,
        parent=names,
        tokens=st.lists(st.integers(0, 3), max_size=4),
        gone=st.booleans(),
        at=st.integers(1, 9),
    )
    def continue_chain(self, parent, tokens, gone, at):
        """Sometimes the parent is deleted while the turn runs."""
        if parent not in self.prompt:
            return multiple()
        name = self._name("r")
        context = self.prompt[parent] + self.answer[parent]
        tokens = self.tokens[parent] + tokens
        seen = self.store.chain(parent)
        if gone:
            self.delete(parent)
        history = [item.json for item in seen.items]
        put(self.store, turn(name, parent, token_ids=tokens, expires_at=at, history=history))
        self._keep(name, context, tokens, at)
        return name

    @rule(target=talks)
    def create_conversation(self):
        name = self._name("c")
        first = message(f"first_{name}", "hello")
        self.store.create_conversation(Conversation(id=name, created_at=1), [first]).result()
        self.talk[name] = [f"first_{name}"]
        return name

    @rule(talk=talks)
    def begin_turn(self, talk):
        if talk in self.talk and talk not in [seen[0] for seen in self.seen.values()]:
            found = self.store.conversation_chain(talk)
            self.seen[self._name("r")] = (talk, list(self.talk[talk]), found)

    @rule(target=names)
    def end_turn(self):
        if not self.seen:
            return multiple()
        name, (talk, context, found) = self.seen.popitem()
        history = [item.json for item in found.items]
        at = found.conversation_at
        made = turn(name, conversation_id=talk, conversation_at=at, history=history)
        put(self.store, made)
        self._keep(name, context, [], 100)
        if talk in self.talk:
            self.talk[talk] += [f"in_{name}", f"out_{name}"]
        return name

    @rule(talk=talks)
    def add_item(self, talk):
        if talk in self.talk:
            name = self._name("i")
            self.store.add_items(talk, [message(name, "more")]).result()
            self.talk[talk].append(name)

    @rule(talk=talks, at=st.integers(0, 5))
    def remove_item(self, talk, at):
        if len(self.talk.get(talk, [])) > at:
            item = self.talk[talk].pop(at)
            assert self.store.remove_item(talk, item).result()

    @rule(talk=consumes(talks))
    def delete_conversation(self, talk):
        assert self.store.delete_conversation(talk).result() == (talk in self.talk)
        self.talk.pop(talk, None)

    @rule(name=names)
    def delete(self, name):
        assert self.store.delete(name).result() == (name in self.prompt)
        self._drop(name)

    @rule(now=st.integers(0, 9))
    def expire(self, now):
        over = [name for name, at in self.expiry.items() if at <= now]
        assert self.store.expire(now) == len(over)
        for name in over:
            self._drop(name)

    @rule()
    def restart(self):
        self.store.close()
        self.store = Store.open(self.path)

    @invariant()
    def every_living_response_has_its_context(self):
        listed = self.store.responses(ResponseQuery(limit=100)).data
        assert {response.id for response in listed} == set(self.prompt)
        for name, prompt in self.prompt.items():
            assert ids(self.store.input_items(name, ALL).data) == prompt
            chain = self.store.chain(name)
            assert ids(chain.items) == prompt + self.answer[name]
            assert chain.token_ids == self.tokens[name]

    @invariant()
    def every_conversation_has_its_items(self):
        for talk, items in self.talk.items():
            assert ids(self.store.conversation_items(talk, ALL).data) == items

    @invariant()
    def nothing_is_kept_that_nobody_needs(self):
        kept = {row[0] for row in rows(self.store, "SELECT id FROM items")}
        contexts = [self.prompt, self.answer, self.talk]
        assert kept == {
            item for context in contexts for items in context.values() for item in items
        }
        if not self.prompt:
            assert count(self.store, "responses") == 0


StoreModel.TestCase.settings = settings(
    max_examples=20, stateful_step_count=25, deadline=None, database=None
)
TestStoreModel = StoreModel.TestCase
