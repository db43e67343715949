"""The store's face: responses, their chains and events, conversations, in one SQLite file.

Never knows what is in flight; reads no clock, mints no id. Writes answer with a Future that is done
once the commit is; reads and upkeep block, so an event loop calls them in a thread.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from sqlite_utils import Database

from mlx_responses.store import (
    chains,
    conversations,
    database,
    listing,
    owners,
    responses,
    retention,
    search,
    trees,
)
from mlx_responses.store.checkpoint import Checkpointer
from mlx_responses.store.migrations import migrate
from mlx_responses.store.onlooker import copy
from mlx_responses.store.readers import Readers
from mlx_responses.store.records import (
    Chain,
    Conversation,
    Item,
    ItemPage,
    PageQuery,
    ResponsePage,
    ResponseQuery,
    Stored,
    StoredEvent,
    StoredTurn,
    Tree,
    TreeQuery,
)
from mlx_responses.store.writer import Writer

MAX_EVENTS_READ = 1000
"""Events in one read: some hundred kilobytes, so that a replay does not load a log whole."""

Done = TypeVar("Done")
Forget = Callable[[list[int], int], None]


def remember_nothing(ids: list[int], shared: int) -> None:
    """What to do about a response that goes, where nothing is cached of it."""


class Store:
    """One database file, owned by one process from `open` to `close`; methods from any thread.

    Every method may raise `StoreFailed`; a write may raise `Overloaded` at once.
    """

    def __init__(self, path: Path, lock: database.Lock, db: Database, copying: Database) -> None:
        """Called by `open`; `db` writes, `copying` copies the WAL."""
        self.path = path
        self._lock = lock
        self._readers = Readers(path)
        self._checkpointer = Checkpointer(copying, path)
        self._writer = Writer(db, path, self._checkpointer.wake)
        self._must_forget = True  # a client deleted something; unknown after a restart
        self._unmerged = 0  # responses expired since words left the search index

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create the file, private to its owner, and bring it to this version's schema."""
        path = path.absolute()
        with database.translated(path), ExitStack() as undo:
            database.create_folder(path)
            lock = database.Lock(path)
            undo.callback(lock.release)
            database.create_file(path)
            db = database.connect_writer(path)
            undo.callback(db.close)
            migrate(db, path)
            copying = database.connect_writer(path)
            undo.pop_all()
        return cls(path, lock, db, copying)

    def close(self) -> None:
        """Commit what waits, end the thread, close the file. Harmless a second time."""
        self._readers.close()
        self._checkpointer.close()
        self._writer.close()  # last: with the last connection SQLite empties the WAL
        self._lock.release()

    # Responses

    def save(self, turn: StoredTurn) -> Future[None]:
        """Keep a response: once when it has ended, or first while it waits or runs.

        Saving one again that has not ended replaces it. Fails with `RequestError` if what it
        continues was deleted for good meanwhile and `turn.history` is None.
        """
        return self._writer.submit(partial(responses.save, turn=turn))

    def update(self, turn: StoredTurn) -> Future[bool]:
        """Replace a response that has not ended; False if it has, or was deleted meanwhile."""
        return self._writer.submit(partial(responses.update, turn=turn))

    def set_status(
        self, response_id: str, status: str, response: bytes, events: Sequence[StoredEvent] = ()
    ) -> Future[bool]:
        """Another status and snapshot for one that has not ended, and its last events with them.

        For what ends without a turn of its own: cancelled in the queue, lost in a restart.
        """
        return self._writer.submit(
            partial(
                responses.set_status,
                response_id=response_id,
                status=status,
                response=response,
                events=events,
            )
        )

    def append_events(self, response_id: str, events: Sequence[StoredEvent]) -> Future[bool]:
        """Append to a response's log; False if it was deleted meanwhile."""
        return self._writer.submit(
            partial(responses.append_events, response_id=response_id, events=tuple(events))
        )

    def delete(self, response_id: str) -> Future[bool]:
        """Hide a response; its items stay while a descendant has them as context. False: none."""
        self._must_forget = True
        return self._writer.submit(partial(responses.delete, response_id=response_id))

    def response(self, response_id: str) -> Stored | None:
        """A response that is not deleted."""
        with self._readers.snapshot() as db:
            return listing.response(db, response_id)

    def probe(self) -> Future[None]:
        """Done once something was written: a field that this store has no use for. Raises as
        `save` does."""
        return self._writer.submit(database.write_something)

    def belongs(self, table: str, name: str, owner: str | None) -> bool:
        """Whether `responses`, `conversations` or `items` have this id, and it is the owner's."""
        with self._readers.snapshot() as db:
            return owners.belongs(db, table, name, owner)

    def responses(self, query: ResponseQuery) -> ResponsePage:
        """A page of the responses that match. Raises `RequestError` for an unknown `after`."""
        with self._readers.snapshot() as db:
            return listing.responses(db, query)

    def unfinished(self) -> list[Stored]:
        """Responses that wait or run, oldest first; asked after a restart."""
        with self._readers.snapshot() as db:
            return listing.unfinished(db)

    def events(
        self, response_id: str, after: int = -1, limit: int = MAX_EVENTS_READ
    ) -> list[StoredEvent]:
        """Events numbered above `after`; fewer than `limit` means that there are no more yet."""
        with self._readers.snapshot() as db:
            return listing.events(db, response_id, after, limit)

    # Items and chains

    def token_ids(self, response_id: str) -> tuple[list[int], int]:
        """A response's exact ids, and how many of the first ones a parent that is not deleted
        has too; no ids if there is no such response or they were not kept."""
        with self._readers.snapshot() as db:
            return chains.token_ids(db, response_id)

    def chain(self, response_id: str) -> Chain:
        """What a turn with this `previous_response_id` continues from. Raises `RequestError`."""
        with self._readers.snapshot() as db:
            return chains.chain(db, response_id)

    def tree(self, response_id: str, query: TreeQuery) -> Tree:
        """Responses that grew from the same first one. Raises `NotFound`, `RequestError`."""
        with self._readers.snapshot() as db:
            return trees.tree(db, response_id, query)

    def transcript(self, response_id: str) -> list[Item]:
        """The items of a response and of all before it, oldest first."""
        with self._readers.snapshot() as db:
            return chains.transcript(db, response_id)

    def input_items(self, response_id: str, query: PageQuery) -> ItemPage:
        """A page of a response's whole prompt. Raises `NotFound`, `RequestError`."""
        with self._readers.snapshot() as db:
            return chains.input_items(db, response_id, query)

    def own_input(self, response_id: str) -> list[Item]:
        """The input that came with this request itself; for running a queued one."""
        with self._readers.snapshot() as db:
            return chains.own_input(db, response_id)

    def item(self, item_id: str) -> Item | None:
        """What an `item_reference` points at: the newest item of that id still held."""
        with self._readers.snapshot() as db:
            return chains.item(db, item_id)

    # Conversations

    def create_conversation(
        self, conversation: Conversation, items: Sequence[bytes] = ()
    ) -> Future[None]:
        """Keep a new conversation and its first items."""
        return self._writer.submit(
            partial(conversations.create, conversation=conversation, first_items=items)
        )

    def conversation(self, conversation_id: str) -> Conversation | None:
        """A conversation that is not deleted."""
        with self._readers.snapshot() as db:
            return conversations.get(db, conversation_id)

    def conversation_chain(self, conversation_id: str) -> Chain:
        """What a turn in this conversation continues from. Raises `NotFound`."""
        with self._readers.snapshot() as db:
            return chains.conversation_chain(db, conversation_id)

    def replace_metadata(self, conversation_id: str, metadata: dict[str, str]) -> Future[bool]:
        """New metadata for a conversation; False if there is none."""
        return self._writer.submit(
            partial(
                conversations.replace_metadata, conversation_id=conversation_id, metadata=metadata
            )
        )

    def delete_conversation(self, conversation_id: str) -> Future[bool]:
        """Delete a conversation; responses made in it stay, with their context. False: none."""
        self._must_forget = True
        return self._writer.submit(partial(conversations.delete, conversation_id=conversation_id))

    def conversation_items(self, conversation_id: str, query: PageQuery) -> ItemPage:
        """A page of a conversation's items. Raises `NotFound`, `RequestError`."""
        with self._readers.snapshot() as db:
            return chains.conversation_items(db, conversation_id, query)

    def conversation_item(self, conversation_id: str, item_id: str) -> Item | None:
        """One item of a conversation."""
        with self._readers.snapshot() as db:
            return chains.conversation_item(db, conversation_id, item_id)

    def add_items(self, conversation_id: str, items: Sequence[bytes]) -> Future[None]:
        """Append to a conversation. Fails with `NotFound`."""
        return self._writer.submit(
            partial(conversations.add, conversation_id=conversation_id, new_items=items)
        )

    def remove_item(self, conversation_id: str, item_id: str) -> Future[bool]:
        """Take an item out of a conversation; responses that saw it keep it. False: none."""
        self._must_forget = True
        return self._writer.submit(
            partial(conversations.remove, conversation_id=conversation_id, item_id=item_id)
        )

    # Upkeep

    def expire(self, now: int, forget: Forget = remember_nothing) -> int:
        """Delete every ended response whose `expires_at` has come; how many. `forget` hears of the
        token ids of each, and how many of the first ones are not its own: for caches."""
        expired = self._let_go(partial(retention.expire_some, now=now), forget)
        self._unmerged += expired
        with self._readers.snapshot() as db:
            much = retention.count(db) * retention.FORGET_SHARE
        if self._must_forget or self._unmerged > much:
            self._forget()
        self._repeat(retention.give_back_some)
        return expired

    def shrink(self, max_bytes: int, forget: Forget = remember_nothing) -> int:
        """If the file is larger, delete the oldest ended responses, then conversations; how many.

        Goes a little below `max_bytes`, so as not to begin again with the next turn. Context that
        living descendants need stays, and so may leave the file above it. `forget` as in `expire`.
        """
        if self.size_bytes() <= max_bytes:
            return 0
        target = int(max_bytes * (1 - retention.FORGET_SHARE))
        deleted = self._let_go(partial(retention.shrink_some, max_bytes=target), forget)
        self._forget()
        self._repeat(retention.give_back_some)
        return deleted

    def _forget(self) -> None:
        """Let deleted words leave the search index."""
        self._must_forget, self._unmerged = False, 0
        self._repeat(search.merge_some)

    def _let_go(self, some: Callable[[Database], list[retention.Gone]], forget: Forget) -> int:
        """Delete piece by piece, telling of each once it is gone; how many."""
        total = 0
        for gone in self._pieces(some):
            for one in gone:
                forget(one.ids, one.shared)
            total += len(gone)
        return total

    def _repeat(self, some: Callable[[Database], int]) -> int:
        """Do piece by piece what counts itself; the sum."""
        return sum(self._pieces(some))

    def _pieces(self, some: Callable[[Database], Done]) -> Iterator[Done]:
        """One commit after the other, others' writes between them, until nothing is left to do."""
        while done := self._writer.submit(some).result():
            yield done

    def size_bytes(self) -> int:
        """Bytes in use, as `shrink` counts them."""
        with self._readers.snapshot() as db:
            return database.size_bytes(db)

    def backup(self, path: Path) -> None:
        """Copy the database, as it is now, to a new private file. Turns go on being stored.

        Raises `StoreFailed` if `path` exists.
        """
        copy(self._readers, path)
