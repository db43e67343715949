"""What one visitor keeps, another does not find: by any way there is."""

import msgspec
import pytest

from mlx_responses.errors import NotFound, RequestError
from mlx_responses.store import PageQuery, ResponseQuery, TreeQuery
from mlx_responses.visit import Visit
from mlx_responses.wire.codec import decode_request
from mlx_responses.wire.conversations import CreateConversation
from mlx_responses.wire.items import ItemReference, Message
from mlx_responses.wire.request import CompactContext, CountTokens
from tests.worlds import tiny_catalog, with_live

OWNERS = ["anna", "ben", None]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return tiny_catalog(tmp_path_factory.mktemp("models") / "tiny")


def body(**fields):
    asked = {"model": "tiny", "input": "hi", "max_output_tokens": 4, "seed": 1, **fields}
    return decode_request(msgspec.json.encode(asked))[0]


async def made(visit, **fields):
    running = await visit.start(body(**fields))
    return await running.final()


@pytest.mark.parametrize("owner", OWNERS)
def test_a_response_is_found_by_its_owner_alone(catalog, owner):
    async def story(live):
        own = await made(Visit(live, owner))
        visits = {name: Visit(live, name) for name in OWNERS}
        mine = visits.pop(owner)
        assert own.id.encode() in await mine.retrieve(own.id)
        assert [one.id for one in (await mine.responses(ResponseQuery())).data] == [own.id]
        for other in visits.values():
            assert (await other.responses(ResponseQuery())).data == []
            for look in (
                lambda v: v.retrieve(own.id),
                lambda v: v.follow(own.id, -1),
                lambda v: v.cancel(own.id),
                lambda v: v.delete(own.id),
                lambda v: v.tree(own.id, TreeQuery()),
                lambda v: v.hang_up(own.id),
                lambda v: v.input_items(own.id, PageQuery()),
            ):
                with pytest.raises(NotFound):
                    await look(other)
            for go_on in (
                lambda v: made(v, previous_response_id=own.id),
                lambda v: v.count(CountTokens(model="tiny", previous_response_id=own.id)),
                lambda v: v.compact(CompactContext(model="tiny", previous_response_id=own.id)),
            ):
                with pytest.raises(RequestError) as refused:
                    await go_on(other)
                assert refused.value.code == "previous_response_not_found"
            with pytest.raises(NotFound):
                await other.start(body(input=[{"type": "item_reference", "id": own.output[0].id}]))
        await made(mine, previous_response_id=own.id)
        await made(
            mine,
            input=[
                {"type": "item_reference", "id": own.output[0].id},
                {"role": "user", "content": "x"},
            ],
        )
        await mine.delete(own.id)

    with_live(catalog, story)


def test_a_conversation_is_found_by_its_owner_alone(catalog):
    async def story(live):
        anna, ben = Visit(live, "anna"), Visit(live, "ben")
        kept = await anna.create_conversation(CreateConversation(items=[Message("user", "hi")]))
        page = await anna.conversation_items(kept.id, PageQuery())
        for look in (
            lambda v: v.conversation(kept.id),
            lambda v: v.update_conversation(kept.id, {}),
            lambda v: v.delete_conversation(kept.id),
            lambda v: v.conversation_items(kept.id, PageQuery()),
            lambda v: v.add_items(kept.id, [Message("user", "x")]),
            lambda v: v.conversation_item(kept.id, page.first_id),
            lambda v: v.remove_item(kept.id, page.first_id),
            lambda v: made(v, conversation=kept.id),
            lambda v: v.create_conversation(
                CreateConversation(items=[ItemReference(page.first_id)])
            ),
        ):
            with pytest.raises(NotFound):
                await look(ben)
        await made(anna, conversation=kept.id)
        assert (await anna.delete_conversation(kept.id)).deleted

    with_live(catalog, story)


def test_a_turn_in_flight_is_its_owners_too(catalog):
    async def story(live):
        anna, ben = Visit(live, "anna"), Visit(live, "ben")
        running = await anna.start(body(background=True, store=True, max_output_tokens=200))
        assert [one.id for one in anna.turns()] == [running.id]
        assert ben.turns() == []
        with pytest.raises(NotFound):
            await ben.cancel(running.id)
        await anna.cancel(running.id)

    with_live(catalog, story)
