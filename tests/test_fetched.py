"""Files by URL become files with text, wherever a request can hold one."""

import asyncio

import pytest

from mlx_responses.errors import RequestError
from mlx_responses.fetched import MAX_FILES, Page, fetched
from mlx_responses.prompt.content import file_text
from mlx_responses.wire.items import CustomToolCallOutput, FunctionCallOutput, InputFile, Message
from tests.test_plan import request

URL = "https://example.com/notes/a%20b.md?x=1"


async def fetch(url: str) -> Page:
    if "bad" in url:
        raise RequestError("no", code="file_not_fetched")
    return Page("text/markdown", f"text of {url} ✓")


def made(items):
    return asyncio.run(fetched(items, fetch))


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (lambda parts: Message("user", parts), "content"),
        (lambda parts: FunctionCallOutput("c", parts), "output"),
        (lambda parts: CustomToolCallOutput("c", parts), "output"),
    ],
)
def test_a_file_is_filled_and_keeps_its_url(kind, field):
    (item,) = made([kind([InputFile(file_url=URL)])])
    (part,) = getattr(item, field)
    assert (part.file_url, part.filename) == (URL, "a b.md")
    assert file_text(part, "") == f"File a b.md:\ntext of {URL} ✓"


def test_what_has_its_data_or_no_files_stays_as_it_is():
    items = request(
        input=[
            {"role": "user", "content": "hi"},
            {"role": "user", "content": [{"type": "input_file", "file_data": "data:,x"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        ]
    ).input
    assert made(items) == items


def test_a_refusal_names_the_part():
    good = Message("user", [InputFile(file_url=URL)])
    with pytest.raises(RequestError) as caught:
        made([good, Message("user", [InputFile(file_url="bad")])])
    assert (caught.value.param, caught.value.code) == ("input[1].content[0]", "file_not_fetched")


def test_more_files_than_the_bound_are_refused():
    with pytest.raises(RequestError, match=f"More than {MAX_FILES} files"):
        made([Message("user", [InputFile(file_url=URL)] * (MAX_FILES + 1))])
