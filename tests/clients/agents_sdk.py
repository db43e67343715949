"""The agents SDK for Python: an agent with a tool, over HTTP and over a WebSocket."""

import asyncio
import json
import os

from agents import (
    Agent,
    ModelSettings,
    OpenAIProvider,
    RunConfig,
    Runner,
    function_tool,
    set_tracing_disabled,
)

set_tracing_disabled(True)
CALLED = []


@function_tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    CALLED.append(city)
    return "17 degrees and foggy"


async def ask(use_socket):
    provider = OpenAIProvider(
        base_url=os.environ["URL"], api_key="local", use_responses_websocket=use_socket
    )
    agent = Agent(
        name="Weather",
        model="pocket",
        tools=[get_weather],
        model_settings=ModelSettings(temperature=0, tool_choice="required"),
    )
    config = RunConfig(model_provider=provider)
    return (
        await Runner.run(agent, "What is the weather in Paris?", run_config=config)
    ).final_output


async def main():
    told = {"http": await ask(False), "socket": await ask(True)}
    print(json.dumps({**told, "calls": len(CALLED)}))


asyncio.run(main())
