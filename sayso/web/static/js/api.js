// Every word that the page exchanges with the server. All routes are public and told in docs/studio-api.md.

import { brief } from "./kept.js";
import { joined } from "./talk/tree.js";

const BASE = "/studio/v1";
let key = brief.get("key") || "";
let locked = () => {};

/** An answer that is an error; `message` is a sentence for a person. */
export class ApiError extends Error {
  constructor(status, error) {
    super(error?.message || `HTTP ${status}`);
    this.status = status;
    this.code = error?.code || null;
    this.details = error?.moderation_details || null;
  }
}

export function useKey(text) {
  key = text.trim();
  brief.set("key", key || null);
}

/** Told when a key is demanded. */
export function onLocked(listener) { locked = listener; }

function headers(more = {}) {
  return key ? { ...more, authorization: `Bearer ${key}` } : more;
}

async function call(method, path, { body, form, signal, query, once } = {}) {
  const words = new URLSearchParams(Object.entries(query || {}).filter(([, value]) => value !== "" && value !== null && value !== undefined));
  const type = body === undefined ? {} : { "content-type": "application/json" };
  if (once) type["idempotency-key"] = once;
  const answer = await fetch(`${BASE}${path}${words.size ? `?${words}` : ""}`, {
    method, signal, headers: headers(type), body: form || (body === undefined ? undefined : JSON.stringify(body)),
  });
  if (!answer.ok) {
    const told = await answer.json().catch(() => null);
    if (answer.status === 401) locked();
    throw new ApiError(answer.status, told?.error);
  }
  return answer;
}

const get = async (path, query, signal) => (await call("GET", path, { query, signal })).json();
const act = async (method, path, body, once = null) => (await call(method, path, { body, once })).json();
const post = (path, body = {}, once = null) => act("POST", path, body, once);
const send = async (path, fields) => {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Blob) form.append(name, value, value.name || "picture.png");
    else form.append(name, value);
  }
  return (await call("POST", path, { form })).json();
};
const id = encodeURIComponent;

export const server = () => get("/server");
export const engines = () => get("/engines");
export const loadEngine = (name) => act("POST", `/engines/${id(name)}/load`);
export const unloadEngine = (name) => act("POST", `/engines/${id(name)}/unload`);
export const fitOf = (name) => get(`/engines/${id(name)}/fit`);
export const settings = () => get("/settings");
export const policy = () => get("/policy");
export const keys = () => get("/keys");
export const createKey = (body) => post("/keys", body);
export const revokeKey = (name) => act("DELETE", `/keys/${id(name)}`);

export const conversations = (query, signal) => get("/conversations", query, signal);
/** A conversation with its turns joined in pairs: what was said, and what came of it. */
export const conversation = async (name, signal) => joined(await get(`/conversations/${id(name)}`, {}, signal));
export const createConversation = (title = null) => post("/conversations", title ? { title } : {});
export const changeConversation = (name, body) => act("PATCH", `/conversations/${id(name)}`, body);
export const deleteConversation = (name) => act("DELETE", `/conversations/${id(name)}`);
export const branch = (name, turn, title) => post(`/conversations/${id(name)}/branch`, title ? { turn, title } : { turn });
/** A word that nobody else says; pages that came without encryption have no `randomUUID`. */
export const unique = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
/** Says something; gives the answer's turn, whose job is under way. The same `once` again gives the same turn, however often it is sent. */
export const sayTurn = (name, body, once = unique()) => post(`/conversations/${id(name)}/turns`, body, once);
export const turn = (name, which) => get(`/conversations/${id(name)}/turns/${id(which)}`);
/** Deletes a turn and all that followed from it. */
export const deleteTurn = (name, which) => act("DELETE", `/conversations/${id(name)}/turns/${id(which)}`);
export const again = (name, which) => post(`/conversations/${id(name)}/turns/${id(which)}/regenerate`, {});
export const job = (name) => get(`/jobs/${id(name)}`);
export const cancelJob = (name) => act("POST", `/jobs/${id(name)}/cancel`);

export const pictures = (query, signal) => get("/pictures", query, signal);
export const picture = (name, signal) => get(`/pictures/${id(name)}`, {}, signal);
export const upload = (file) => send("/pictures", { file });
export const favourite = (name, on) => act(on ? "PUT" : "DELETE", `/pictures/${id(name)}/favourite`);
export const deletePicture = (name) => act("DELETE", `/pictures/${id(name)}`);
export const seal = (name) => get(`/pictures/${id(name)}/seal`);
export const version = (name, file, tool, note) => send(`/pictures/${id(name)}/versions`, { file, tool, note });
export const similar = (file) => send("/pictures/similar", { file });
export const verify = (file) => send("/verify", { file });
/** A sealed file of a picture in a format: a Blob. */
export const file = async (name, format) => (await call("GET", `/pictures/${id(name)}/file`, { query: { format } })).blob();

export const newPair = (body) => post("/arena/pairs", body);
export const pair = (name, signal) => get(`/arena/pairs/${id(name)}`, {}, signal);
export const vote = (name, choice) => post(`/arena/pairs/${id(name)}/vote`, { choice });
export const standings = (category) => get("/arena/standings", { category });

/** Events of a job's log after a number: an async iterator of {seq, kind, data}. Ends with the log or the connection. */
export async function* events(name, after, signal) {
  const answer = await call("GET", `/jobs/${id(name)}/events`, { query: { after: String(after) }, signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    const blocks = rest.split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      const told = parse(block);
      if (told) yield told;
    }
  }
}

function parse(block) {
  let seq = 0, kind = "message", data = "";
  for (const line of block.split(/\r?\n/)) {
    if (line.startsWith("id:")) seq = Number(line.slice(3));
    else if (line.startsWith("event:")) kind = line.slice(6).trim();
    else if (line.startsWith("data:")) data += line.slice(5).trim();
  }
  if (!data || data === "[DONE]") return null;
  const told = JSON.parse(data);
  return { seq: seq || told.seq || 0, kind, data: told };
}
