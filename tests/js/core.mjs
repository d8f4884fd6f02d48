// The core five against a running server: generate, stream, edit, Responses over two turns, an error.
// Usage: node core.mjs BASE_URL PICTURE.png MASK.png; prints one line of JSON.
import fs from "node:fs";
import OpenAI, { toFile } from "openai";

const [base, picture, mask] = process.argv.slice(2);
const client = new OpenAI({ baseURL: base, apiKey: "none", maxRetries: 0 });
const told = {};

const made = await client.images.generate({ model: "gpt-image-2", prompt: "a red fox", size: "512x512", n: 2 });
told.generate = made.data.map((one) => Buffer.from(one.b64_json, "base64").subarray(1, 4).toString());
told.usage = made.usage.total_tokens;

told.stream = [];
const stream = await client.images.generate({ model: "gpt-image-2", prompt: "a red fox", stream: true, partial_images: 3 });
for await (const event of stream) told.stream.push(event.type);

const file = (path) => toFile(fs.createReadStream(path), path, { type: "image/png" });
const edited = await client.images.edit({
  model: "gpt-image-2", prompt: "paint it blue", image: [await file(picture), await file(picture)], mask: await file(mask),
});
told.edit = edited.size;

const tools = [{ type: "image_generation" }];
const first = await client.responses.create({ model: "gpt-5", input: "draw a cat", tools });
const second = await client.responses.create({ model: "gpt-5", input: "give it a hat", previous_response_id: first.id, tools });
told.responses = [first, second].map((one) => one.output.filter((item) => item.type === "image_generation_call").length);
told.action = second.output.find((item) => item.type === "image_generation_call").action;

try {
  await client.images.generate({ model: "no-such-model", prompt: "x" });
} catch (error) {
  told.error = [error.status, error.code, error.constructor.name];
}
console.log(JSON.stringify(told));
