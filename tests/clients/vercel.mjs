// The Vercel AI SDK: text, a stream, an object of a schema, and a tool in two steps.
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const model = createOpenAI({ baseURL: process.env.URL, apiKey: "local" })("pocket");
const told = {};

told.text = (await generateText({ model, prompt: "Hello!", temperature: 0 })).text;
told.deltas = "";
for await (const delta of streamText({ model, prompt: "Hello!", temperature: 0 }).textStream) told.deltas += delta;

const person = z.object({ name: z.string(), age: z.number().int() });
told.object = (await generateText({
  model, prompt: "Reply in JSON with keys name and age: Ada Lovelace is 36.", temperature: 0,
  output: Output.object({ schema: person }),
})).output;

const looked = await generateText({
  model, prompt: "What is the weather in Paris?", temperature: 0, stopWhen: stepCountIs(2),
  prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber ? "none" : "required" }),
  tools: {
    get_weather: tool({
      description: "Get the weather of a city.", inputSchema: z.object({ city: z.string() }),
      execute: async ({ city }) => `${city}: 17 degrees and foggy`,
    }),
  },
});
told.calls = looked.steps[0].toolCalls.map((call) => call.toolName);
told.answer = looked.text;

console.log(JSON.stringify(told));
