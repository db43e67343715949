// The openai Node SDK: at once, streamed, a call with its answer, and over a WebSocket.
import OpenAI from "openai";
import { ResponsesWS } from "openai/resources/responses/ws";

const client = new OpenAI({ baseURL: process.env.URL, apiKey: "local", maxRetries: 0 });
const model = "pocket";
const told = {};

told.text = (await client.responses.create({ model, input: "Hello!", temperature: 0 })).output_text;

const stream = client.responses.stream({ model, input: "Hello!", temperature: 0 });
told.deltas = "";
for await (const event of stream) {
  if (event.type === "response.output_text.delta") told.deltas += event.delta;
}
told.status = (await stream.finalResponse()).status;

const tools = [{
  type: "function", name: "get_weather", strict: true,
  parameters: {
    type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false,
  },
}];
const asked = await client.responses.create({
  model, input: "What is the weather in Paris?", tools, tool_choice: "required", parallel_tool_calls: false,
  temperature: 0,
});
const call = asked.output.find((item) => item.type === "function_call");
told.arguments = JSON.parse(call.arguments);
const answered = await client.responses.create({
  model, tools, previous_response_id: asked.id, temperature: 0,
  input: [{ type: "function_call_output", call_id: call.call_id, output: "17 degrees and foggy" }],
});
told.answer = answered.output_text;

told.socket = await new Promise((resolve, reject) => {
  const socket = new ResponsesWS(client);
  socket.on("error", reject);
  socket.on("event", (event) => {
    if (event.type !== "response.completed") return;
    socket.close();
    resolve(event.response.output[0].content[0].text);
  });
  socket.socket.on("open", () =>
    socket.send({ type: "response.create", model, input: "Hello!", temperature: 0 }));
});

console.log(JSON.stringify(told));
