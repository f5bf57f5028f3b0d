// A server that talks on its event streams when told to: MCP over Streamable HTTP, without an SDK, so that each event,
// id and end is where a test wants it. Started as: node streams.mjs PORT
//
// Prints `listening on http://127.0.0.1:PORT/mcp` when ready; then `opened SESSION LAST_EVENT_ID`, `closed SESSION` for
// each GET and `deleted SESSION`. Tools, each about the session it is called in:
//   say {text}            a log message on the GET stream; kept for whoever comes back
//   hang_up {retry_ms?}   ends the GET stream
//   flood {count, bytes}  as many messages of that size, each once the one before is taken; answers at once
//   fed                   how many of them were taken
//   part {pause_ms}       answers in two parts: an event id and the end of the stream; the result on GET from there

import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { once } from "node:events";

const [port] = process.argv.slice(2);
const sessions = new Map();
const TOOLS = ["say", "hang_up", "flood", "fed", "part"];

const http = createServer(async (request, response) => {
  const id = request.headers["mcp-session-id"];
  if (request.method === "POST") return post(request, response, id);
  const session = sessions.get(id);
  if (!session) return refuse(response, 404);
  if (request.method === "DELETE") {
    sessions.delete(id);
    console.log(`deleted ${id}`);
    return response.writeHead(200).end();
  }
  return follow(request, response, session);
});
http.listen(Number(port), "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${port}/mcp`));

const refuse = (response, status) => response.writeHead(status, { "content-type": "application/json" }).end("{}");
const begin = (response) => response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
const event = ({ id, message }) => `id: ${id}\ndata: ${message ? JSON.stringify(message) : ""}\n\n`;
const log = (data) => ({ jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data } });

async function post(request, response, id) {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) body += chunk;
  const message = JSON.parse(body);
  const answer = (result, headers = {}) => {
    response.writeHead(200, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result }));
  };
  if (message.method === "initialize") {
    const session = { id: randomUUID(), kept: [], last: 0, fed: 0 };
    sessions.set(session.id, session);
    const { protocolVersion } = message.params;
    const capabilities = { logging: {}, tools: {} };
    const serverInfo = { name: "streams", version: "1" };
    return answer({ protocolVersion, capabilities, serverInfo }, { "mcp-session-id": session.id });
  }
  const session = sessions.get(id);
  if (!session) return refuse(response, 404);
  if (message.id === undefined || !message.method) return response.writeHead(202).end();
  if (message.method === "tools/list") {
    return answer({ tools: TOOLS.map((name) => ({ name, inputSchema: { type: "object" } })) });
  }
  if (message.method !== "tools/call") return answer({});
  const { name, arguments: given = {} } = message.params;
  const text = (text) => ({ content: [{ type: "text", text: JSON.stringify(text) }] });
  if (name === "say") keep(session, "get", log(given.text));
  if (name === "hang_up") {
    if (given.retry_ms) session.stream?.write(`retry: ${given.retry_ms}\n\n`);
    session.stream?.end();
  }
  if (name === "flood") flood(session, given);
  if (name === "part") {
    const stream = `post ${message.id}`;
    begin(response);
    response.end(event({ id: keep(session, stream) }));
    const result = { jsonrpc: "2.0", id: message.id, result: text("the second part") };
    setTimeout(() => keep(session, stream, result), given.pause_ms ?? 0);
    return;
  }
  answer(text(name === "fed" ? session.fed : true));
}

// Keeps a message of a stream, and sends it to whoever follows that stream; gives the id of its event.
function keep(session, stream, message) {
  const kept = { id: `${stream}_${++session.last}`, stream, message };
  session.kept.push(kept);
  const open = stream === "get" ? session.stream : session.resumed?.get(stream);
  open?.write(event(kept));
  if (stream !== "get") open?.end();
  return kept.id;
}

async function flood(session, { count, bytes }) {
  const padding = "x".repeat(bytes);
  for (let number = 1; number <= count && session.stream; number += 1) {
    if (!session.stream.write(event({ id: `flood_${number}`, message: log(`${number} ${padding}`) }))) {
      await Promise.race([once(session.stream, "drain"), once(session.stream, "close")]);
    }
    session.fed = number;
  }
}

function follow(request, response, session) {
  const last = request.headers["last-event-id"];
  const from = session.kept.findIndex((kept) => kept.id === last);
  const stream = session.kept[from]?.stream ?? "get";
  if (last && from < 0) return refuse(response, 400);
  if (stream === "get" && session.stream) return refuse(response, 409);
  console.log(`opened ${session.id} ${last ?? "-"}`);
  response.on("close", () => {
    console.log(`closed ${session.id}`);
    if (session.stream === response) session.stream = undefined;
  });
  begin(response);
  const later = last ? session.kept.slice(from + 1).filter((kept) => kept.stream === stream) : [];
  for (const kept of later) response.write(event(kept));
  if (stream !== "get") {
    session.resumed ??= new Map();
    session.resumed.set(stream, response);
    if (later.length > 0) response.end();
    return;
  }
  session.stream = response;
  if (!last) keep(session, "get"); // a place to come back to
}
