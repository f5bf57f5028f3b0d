// A real MCP client on the TypeScript SDK 1.x, driven over stdin and stdout as client.py is (see there):
// connect {url, headers, user}, list_tools, call {name, arguments, timeout}, prompt {name}, resource {uri}, ping,
// wait_notification, http, close.
// Started as: node client.mjs FOLDER_OF_THE_SDK

import { createInterface } from "node:readline";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const sdk = (file) => import(pathToFileURL(join(process.argv[2], "dist/esm", file)).href);
const { Client } = await sdk("client/index.js");
const { StreamableHTTPClientTransport } = await sdk("client/streamableHttp.js");
const { ElicitRequestSchema } = await sdk("types.js");
const SECONDS = 30;
const PAGES = 1000;

let client, transport;
let exchanges = [], notifications = [], waiting = [];

const operations = {
  async connect({ url, headers = {}, user }) {
    exchanges = [];
    notifications = [];
    const capabilities = user === undefined ? {} : { elicitation: {} };
    client = new Client({ name: "typescript-peer", version: "1.0" }, { capabilities });
    if (user !== undefined) {
      client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: user }));
    }
    client.fallbackNotificationHandler = async (notification) => hear(notification);
    transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers }, fetch: recorded });
    await client.connect(transport);
    return {
      protocolVersion: transport.protocolVersion,
      serverInfo: client.getServerVersion(),
      capabilities: client.getServerCapabilities(),
      instructions: client.getInstructions() ?? null,
      sessionId: transport.sessionId ?? null,
    };
  },
  async list_tools() {
    const tools = [];
    let cursor;
    for (let pages = 1; pages <= PAGES; pages++) {
      const page = await client.listTools(cursor === undefined ? {} : { cursor });
      tools.push(...page.tools);
      cursor = page.nextCursor;
      if (cursor === undefined) return { tools, pages };
    }
    throw new Error(`tools/list has more than ${PAGES} pages`);
  },
  async call({ name, arguments: args = {}, timeout = SECONDS }) {
    const start = performance.now();
    const since = () => Math.round(performance.now() - start);
    const progress = [];
    const onprogress = (event) => progress.push({ at_ms: since(), ...event });
    const result = await client.callTool({ name, arguments: args }, undefined, { timeout: timeout * 1000, onprogress });
    return { isError: false, ...result, progress, elapsed_ms: since() };
  },
  prompt: ({ name }) => client.getPrompt({ name }),
  resource: ({ uri }) => client.readResource({ uri }),
  ping: () => client.ping(),
  http: async () => exchanges,
  wait_notification({ method, timeout = SECONDS }) {
    const index = notifications.findIndex((heard) => heard.method === method);
    if (index >= 0) return notifications.splice(index, 1)[0];
    return new Promise((resolve, reject) => {
      const waiter = { method, resolve };
      waiting.push(waiter);
      setTimeout(() => {
        waiting = waiting.filter((other) => other !== waiter);
        reject(new Error(`no ${method} within ${timeout} s`));
      }, timeout * 1000).unref();
    });
  },
  async close({ terminate = true }) {
    if (terminate) await transport.terminateSession();
    await client.close();
    return {};
  },
};

function hear(notification) {
  const index = waiting.findIndex((waiter) => waiter.method === notification.method);
  if (index < 0) return notifications.push(notification);
  waiting.splice(index, 1)[0].resolve(notification);
}

async function recorded(url, init) {
  const response = await fetch(url, init);
  exchanges.push({
    method: init?.method ?? "GET",
    request: Object.fromEntries(new Headers(init?.headers)),
    body: init?.body ?? "",
    status: response.status,
    response: Object.fromEntries(response.headers),
  });
  return response;
}

async function answer(ask) {
  const since = exchanges.length;
  try {
    return { ok: true, result: await operations[ask.op](ask) };
  } catch (error) {
    const statuses = exchanges.slice(since).map((seen) => seen.status).filter((status) => status >= 400);
    const { name: type, code = null, message, data = null } = error;
    return { ok: false, error: { type, code, message, data, status: statuses.at(-1) ?? null } };
  }
}

const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");
say({ ready: true, sdk: 1 });
const lines = createInterface({ input: process.stdin });
lines.on("close", () => process.exit(0));
lines.on("line", async (line) => {
  const ask = JSON.parse(line);
  say({ id: ask.id ?? null, ...(await answer(ask)) });
});
