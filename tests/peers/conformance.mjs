// The server that the conformance suite is run against: the TypeScript SDK 1.x over Streamable HTTP, with sessions,
// resumable streams and a Host that must be local. What it offers: conformance_offers.mjs.
// Started as: node conformance.mjs FOLDER_OF_THE_SDK PORT [--busy]
//
// Prints `listening on http://127.0.0.1:PORT/mcp` when ready. With --busy it offers the same names and URIs, signs
// every text with another name, and never rests: what it sends unasked uses ids and tokens that the first uses too.

import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { LEVELS, offers } from "./conformance_offers.mjs";

const [folder, port, ...flags] = process.argv.slice(2);
const BUSY = flags.includes("--busy");
const NAME = BUSY ? "conformance-busy" : "conformance";
const RETRY_MS = 200;
const EVENTS_KEPT = 1000;
const BUSY_EVERY_MS = 20;
const PING_MS = 1000;
const LOCAL = /^(https?:\/\/)?(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;

const sdk = (file) => import(pathToFileURL(join(folder, "dist/esm", file)).href);
const { Server } = await sdk("server/index.js");
const { StreamableHTTPServerTransport } = await sdk("server/streamableHttp.js");
const schemas = await sdk("types.js");
const sessions = new Map();

const http = createServer(async (request, response) => {
  const { host, origin, "mcp-session-id": id } = request.headers;
  if (!LOCAL.test(host ?? "") || !LOCAL.test(origin ?? "localhost")) return refuse(response, 403, "not a local host");
  if (request.url !== "/mcp") return refuse(response, 404, "no such path");
  if (id === undefined) return (await newSession()).transport.handleRequest(request, response);
  if (!sessions.has(id)) return refuse(response, 404, "no such session");
  return sessions.get(id).transport.handleRequest(request, response);
});
http.listen(Number(port), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${http.address().port}/mcp`);
});

function refuse(response, status, message) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ jsonrpc: "2.0", id: null, error: { code: -32000, message } }));
}

// A session nobody knows until its `initialize` succeeds; the transport refuses every other first request.
async function newSession() {
  const session = { level: LEVELS.indexOf("debug"), subscriptions: new Set() };
  session.server = new Server(
    { name: NAME, version: "1.0" },
    {
      capabilities: {
        completions: {},
        logging: {},
        prompts: { listChanged: true },
        resources: { listChanged: true, subscribe: true },
        tools: { listChanged: true },
      },
      instructions: `Every text of this server is signed ${NAME}.`,
    },
  );
  session.transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => sessions.set(id, session),
    eventStore: new Events(),
    retryInterval: RETRY_MS,
  });
  offers({ schemas, name: NAME, session, sessions });
  if (BUSY) session.server.oninitialized = () => neverRest(session);
  session.server.onclose = () => {
    clearInterval(session.unrest);
    sessions.delete(session.transport.sessionId);
  };
  await session.server.connect(session.transport);
  return session;
}

// What one session was sent, so that a stream can be resumed. Ids are small numbers: every session has the same ones.
class Events {
  kept = [];
  last = 0;

  async storeEvent(stream, message) {
    this.kept.push({ id: String(++this.last), stream, message });
    if (this.kept.length > EVENTS_KEPT) this.kept.shift();
    return String(this.last);
  }

  async getStreamIdForEventId(id) {
    return this.kept.find((event) => event.id === id)?.stream;
  }

  async replayEventsAfter(id, { send }) {
    const { stream } = this.kept.find((event) => event.id === id);
    const later = this.kept.filter((event) => event.stream === stream && Number(event.id) > Number(id));
    for (const event of later) {
      // A stream begins with an event that only has an id.
      if (event.message.jsonrpc) await send(event.id, event.message);
    }
    return stream;
  }
}

// The first deed is a request, so that its id, 0, is the one that `notifications/cancelled` may name without harm here.
function neverRest(session) {
  const { server } = session;
  const notify = (method, params) => server.notification({ method, params });
  const deeds = [
    () => server.request({ method: "ping" }, schemas.EmptyResultSchema, { timeout: PING_MS }),
    () => notify("notifications/cancelled", { requestId: 0, reason: NAME }),
    (n) => notify("notifications/message", { level: "info", logger: NAME, data: `${NAME}: ${n}` }),
    (n) => notify("notifications/progress", { progressToken: n % 8, progress: n }),
    (n) => notify("notifications/progress", { progressToken: "progress-test-1", progress: n }),
    () => notify("notifications/resources/updated", { uri: "test://watched-resource" }),
    () => notify("notifications/tools/list_changed"),
    () => notify("notifications/prompts/list_changed"),
    () => notify("notifications/resources/list_changed"),
  ];
  let count = 0;
  const next = () => {
    const deed = deeds[count % deeds.length];
    count += 1;
    // Its client may have no stream open, or be gone.
    deed(count).catch(() => {});
  };
  next();
  session.unrest = setInterval(next, BUSY_EVERY_MS);
}
