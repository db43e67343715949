"""What to type or paste, for agents that take variables or flags and for SDKs."""

from collections.abc import Callable
from string import Template

from .place import ANY_KEY, OUTPUT_TOKENS, Place

WINDOW = 32_768
"""Tokens that an agent is told of a model whose window models.toml does not say."""

Snippet = Callable[[Place], str]


def _of(text: str) -> Snippet:
    template = Template(text.lstrip("\n"))

    def filled(place: Place) -> str:
        window = place.context_window or WINDOW
        return template.substitute(
            url=place.url,
            model=place.model,
            key=place.key or ANY_KEY,
            window=window,
            output=min(OUTPUT_TOKENS, window // 2),
        )

    return filled


AGENTS: dict[str, Snippet] = {
    "copilot": _of("""
export COPILOT_PROVIDER_BASE_URL=$url
export COPILOT_PROVIDER_API_KEY=$key
export COPILOT_PROVIDER_WIRE_API=responses
export COPILOT_PROVIDER_TRANSPORT=websockets
export COPILOT_MODEL=$model
export COPILOT_OFFLINE=true
copilot
"""),
    "cline": _of("""
cline auth --provider openai-native --apikey $key --baseurl $url --modelid $model
cline "Say hello."
"""),
    "llm": _of("""
llm openai endpoint $url --responses -m $model "Hello!"
"""),
    "aider": _of("""
OPENAI_API_BASE=$url OPENAI_API_KEY=$key aider --model openai/responses/$model
"""),
    "continue": _of("""
# models.toml in the config directory of mlx-responses, then restart it: Continue takes
# the Responses API only for models of such a name, and chat completions for all others
[aliases]
gpt-5-codex = "$model"

# ~/.continue/config.yaml
name: mlx-responses
version: 1.0.0
schema: v1
models:
  - name: mlx-responses
    provider: openai
    model: gpt-5-codex
    apiBase: $url
    apiKey: $key
"""),
    "vscode": _of("""
// Chat: Manage Language Models, Add Models, Custom Endpoint; what opens is chatLanguageModels.json
[
  {
    "name": "mlx-responses",
    "vendor": "customendpoint",
    "apiKey": "$key",
    "apiType": "responses",
    "models": [
      {
        "id": "$model",
        "name": "$model",
        "url": "$url/responses",
        "toolCalling": true,
        "vision": false,
        "maxInputTokens": $window,
        "maxOutputTokens": $output
      }
    ]
  }
]
"""),
    "qwen-code": _of("""
OPENAI_BASE_URL=$url OPENAI_API_KEY=$key OPENAI_MODEL=$model qwen    # chat completions
"""),
}
"""Agents that are pointed elsewhere for one run; nothing is written for them."""

SDKS: dict[str, Snippet] = {
    "curl": _of("""
curl -s $url/responses -H 'Content-Type: application/json' -H 'Authorization: Bearer $key' \\
  -d '{"model": "$model", "input": "Hello!"}'
"""),
    "openai-python": _of("""
from openai import OpenAI

client = OpenAI(base_url="$url", api_key="$key")
response = client.responses.create(model="$model", input="Hello!")
print(response.output_text)
"""),
    "openai-node": _of("""
import OpenAI from "openai";

const client = new OpenAI({ baseURL: "$url", apiKey: "$key" });
const response = await client.responses.create({ model: "$model", input: "Hello!" });
console.log(response.output_text);
"""),
    "agents-sdk": _of("""
from agents import Agent, OpenAIResponsesModel, Runner, set_tracing_disabled
from openai import AsyncOpenAI

set_tracing_disabled(True)
client = AsyncOpenAI(base_url="$url", api_key="$key")
model = OpenAIResponsesModel(model="$model", openai_client=client)
agent = Agent(name="Guide", instructions="Be brief.", model=model)
print(Runner.run_sync(agent, "Hello!").final_output)
"""),
    "vercel-ai": _of("""
import { createOpenAI } from "@ai-sdk/openai";
import { generateText } from "ai";

const openai = createOpenAI({ baseURL: "$url", apiKey: "$key" });
const { text } = await generateText({ model: openai("$model"), prompt: "Hello!" });
console.log(text);
"""),
    "langchain": _of("""
from langchain_openai import ChatOpenAI

model = ChatOpenAI(base_url="$url", api_key="$key", model="$model", use_responses_api=True)
print(model.invoke("Hello!").text)
"""),
    "pydantic-ai": _of("""
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

provider = OpenAIProvider(base_url="$url", api_key="$key")
agent = Agent(OpenAIResponsesModel("$model", provider=provider))
print(agent.run_sync("Hello!").output)
"""),
    "litellm": _of("""
import litellm

response = litellm.responses(
    model="openai/$model", input="Hello!", api_base="$url", api_key="$key"
)
print(response.output_text)
"""),
}
"""Libraries: a whole program each."""
