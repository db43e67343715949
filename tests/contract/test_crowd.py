"""Many clients at once: all are served, none starves, and nothing is left behind."""

import asyncio
import subprocess

import openai

from tests.serving import serving_process

STREAMS = 32
REQUESTS = 500
AT_ONCE = 16
GROWTH_BYTES = 16 * 2**20
"""SQLite's caches still fill up; 64 KiB kept a request would be as much."""
# One token for ever, so that every stream is equally long on any model.
ASK = {"model": "pocket", "temperature": 0, "extra_body": {"logit_bias": {"65": 100}}}


def client_of(pocket_server):
    return openai.AsyncOpenAI(base_url=f"{pocket_server}/v1", api_key="none", timeout=100)


async def arrivals(client, number):
    """When each delta of a stream arrived, in loop time, and how the stream ended."""
    loop = asyncio.get_running_loop()
    stream = await client.responses.create(
        **ASK, input=f"Go on, number {number}.", max_output_tokens=64, stream=True
    )
    times = []
    async for event in stream:
        if event.type == "response.output_text.delta":
            times.append(loop.time())
    return times, event.type


def test_32_streams_at_once_all_complete_and_none_starves(pocket_server):
    async def follow_all():
        async with client_of(pocket_server) as client:
            return await asyncio.gather(*[arrivals(client, n) for n in range(STREAMS)])

    streams = asyncio.run(follow_all())
    assert {ending for _, ending in streams} == {"response.incomplete"}
    begin = max(times[0] for times, _ in streams)
    end = min(times[-1] for times, _ in streams)
    received = [sum(begin <= moment <= end for moment in times) for times, _ in streams]
    assert max(received) < 2 * min(received)


def resident_bytes(process):
    done = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(process.pid)], capture_output=True, text=True, check=True
    )
    return int(done.stdout) * 1024


async def ask_some(server, count):
    async with client_of(server) as client:
        places = asyncio.Semaphore(AT_ONCE)

        async def ask(number):
            async with places:
                await client.responses.create(
                    **ASK, input=f"Number {number % 50}?", max_output_tokens=4
                )

        await asyncio.gather(*[ask(number) for number in range(count)])


def test_memory_is_flat_over_500_requests(tmp_path):
    with serving_process(tmp_path) as (process, url):
        asyncio.run(ask_some(url, REQUESTS // 2))
        before = resident_bytes(process)
        asyncio.run(ask_some(url, REQUESTS // 2))
        assert resident_bytes(process) - before < GROWTH_BYTES
