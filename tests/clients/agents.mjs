// The agents SDK for JavaScript: an agent, and one with a tool that it has to use first.
import { Agent, run, setDefaultOpenAIClient, setTracingDisabled, tool } from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";

setTracingDisabled(true);
setDefaultOpenAIClient(new OpenAI({ baseURL: process.env.URL, apiKey: "local" }));
const settings = { temperature: 0 };
const told = {};

told.text = (await run(new Agent({ name: "Guide", model: "pocket", modelSettings: settings }), "Hello!")).finalOutput;

const weather = tool({
  name: "get_weather", description: "Get the weather of a city.", parameters: z.object({ city: z.string() }),
  execute: async () => { told.called = true; return "17 degrees and foggy"; },
});
const agent = new Agent({
  name: "Weather", model: "pocket", tools: [weather], modelSettings: { ...settings, toolChoice: "required" },
});
told.answer = (await run(agent, "What is the weather in Paris?")).finalOutput;

console.log(JSON.stringify(told));
