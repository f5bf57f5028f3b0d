// What conformance.mjs offers: the tools, prompts and resources that the conformance suite knows by name.

import { setTimeout as pause } from "node:timers/promises";

export const LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];
const PAUSE_MS = 50;
const RESOURCE_NOT_FOUND = -32002;
const INVALID_PARAMS = -32602;
// One orange pixel, and a thousandth of a second of silence.
const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP478AAAAOBAUCZnHkFAAAAAElFTkSuQmCC";
const WAV = "UklGRiwAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQgAAACAgICAgICAgA==";

// Registers everything with the server of `session`; `sessions` are all there are, and `name` signs every text.
export function offers({ schemas, name, session, sessions }) {
  const { server } = session;
  const sign = (said) => `${name}: ${said}`;
  const tools = toolsOf({ schemas, sign, session, sessions });
  const prompts = promptsOf({ sign });
  const resources = resourcesOf({ sign });
  const handle = (request, handler) => server.setRequestHandler(schemas[`${request}RequestSchema`], handler);

  handle("ListTools", () => ({ tools: listed(tools) }));
  handle("CallTool", ({ params }, call) => {
    const tool = tools[params.name] ?? fail(INVALID_PARAMS, `there is no tool ${params.name}`);
    return tool.run(params.arguments ?? {}, call);
  });

  handle("ListPrompts", () => ({ prompts: listed(prompts) }));
  handle("GetPrompt", ({ params }) => {
    const prompt = prompts[params.name] ?? fail(INVALID_PARAMS, `there is no prompt ${params.name}`);
    return { messages: prompt.run(params.arguments ?? {}).map((content) => ({ role: "user", content })) };
  });
  handle("Complete", ({ params }) => {
    const values = ["alder", "ash", "teak", "testwood"].filter((word) => word.startsWith(params.argument.value));
    return { completion: { values, total: values.length, hasMore: false } };
  });

  handle("ListResources", () => ({ resources: resources.fixed.map(({ read, ...shown }) => shown) }));
  handle("ListResourceTemplates", () => ({ resourceTemplates: [resources.template] }));
  handle("ReadResource", ({ params: { uri } }) => {
    const content = resources.read(uri) ?? fail(RESOURCE_NOT_FOUND, `there is no resource ${uri}`, { uri });
    return { contents: [{ uri, ...content }] };
  });
  handle("Subscribe", ({ params }) => (session.subscriptions.add(params.uri), {}));
  handle("Unsubscribe", ({ params }) => (session.subscriptions.delete(params.uri), {}));

  handle("SetLevel", ({ params }) => ((session.level = LEVELS.indexOf(params.level)), {}));
}

const listed = (offered) => Object.entries(offered).map(([name, { run, ...shown }]) => ({ name, ...shown }));

function fail(code, message, data) {
  throw Object.assign(new Error(message), { code, data });
}

const text = (said) => ({ type: "text", text: said });
const image = () => ({ type: "image", data: PNG, mimeType: "image/png" });
const resource = (uri, mimeType, said) => ({ type: "resource", resource: { uri, mimeType, text: said } });
const object = (properties = {}) => ({ type: "object", properties, required: Object.keys(properties) });
const string = (description) => ({ type: "string", description });

function toolsOf({ schemas, sign, session, sessions }) {
  const tools = {};
  const tool = (name, description, run, inputSchema = object()) => {
    tools[name] = { description: sign(description), inputSchema, run };
  };
  const answer = (...content) => ({ content });
  const log = async (call, level, data) => {
    if (LEVELS.indexOf(level) < session.level) return;
    await call.sendNotification({ method: "notifications/message", params: { level, logger: "fixture", data } });
  };
  const elicit = async (call, message, requestedSchema) => {
    const asked = { method: "elicitation/create", params: { message, requestedSchema } };
    const { action, content } = await call.sendRequest(asked, schemas.ElicitResultSchema);
    return answer(text(sign(`the user chose ${action} and gave ${JSON.stringify(content ?? null)}`)));
  };

  tool("test_simple_text", "Says one sentence", () => answer(text(sign("a plain sentence"))));
  tool("test_image_content", "Shows an image", () => answer(image()));
  tool("test_audio_content", "Plays a sound", () => answer({ type: "audio", data: WAV, mimeType: "audio/wav" }));
  tool("test_embedded_resource", "Carries a resource along", () =>
    answer(resource("test://embedded-resource", "text/plain", sign("a resource inside of an answer"))));
  tool("test_multiple_content_types", "Says, shows and carries", () =>
    answer(text(sign("three of a kind")), image(), resource("test://mixed-content-resource", "application/json", "{}")));
  tool("test_error_handling", "Never succeeds", () => ({ isError: true, ...answer(text(sign("failed on purpose"))) }));

  tool("test_tool_with_logging", "Logs three times while it runs", async (_, call) => {
    for (const said of ["begun", "half done", "about to answer"]) {
      await log(call, "info", sign(said));
      await pause(PAUSE_MS);
    }
    return answer(text(sign("logged")));
  });
  tool("test_tool_with_progress", "Reports progress three times while it runs", async (_, call) => {
    const progressToken = call._meta?.progressToken;
    for (const progress of [0, 50, 100]) {
      const params = { progressToken, progress, total: 100 };
      if (progressToken !== undefined) await call.sendNotification({ method: "notifications/progress", params });
      await pause(PAUSE_MS);
    }
    return answer(text(sign("progressed")));
  });
  tool("test_reconnection", "Closes its stream before it answers", async (_, call) => {
    call.closeSSEStream?.();
    await pause(PAUSE_MS);
    return answer(text(sign("resumed")));
  });

  tool("test_sampling", "Asks the client's model", async ({ prompt }, call) => {
    const params = { messages: [{ role: "user", content: text(prompt) }], maxTokens: 100 };
    const sampled = await call.sendRequest({ method: "sampling/createMessage", params }, schemas.CreateMessageResultSchema);
    return answer(text(sign(`the model said ${sampled.content.text}`)));
  }, object({ prompt: string("What the model is asked") }));
  tool("test_elicitation", "Asks the user", ({ message }, call) =>
    elicit(call, message, object({ username: string("A name"), email: string("An address") })),
    object({ message: string("What the user is asked") }));
  tool("test_elicitation_sep1034_defaults", "Asks the user, with an answer to every question", (_, call) =>
    elicit(call, sign("change what is wrong"), DEFAULTS));
  tool("test_elicitation_sep1330_enums", "Asks the user to choose, in all five ways", (_, call) =>
    elicit(call, sign("choose"), CHOICES));

  tool("json_schema_2020_12_tool", "Takes what only a schema of 2020-12 can say", () => answer(text(sign("taken"))), SCHEMA_2020_12);

  // Not of the suite: what makes a subscription worth having.
  tool("touch_resource", "Tells every subscriber that a resource changed", async ({ uri }) => {
    for (const { server, subscriptions } of sessions.values()) {
      if (subscriptions.has(uri)) await server.sendResourceUpdated({ uri });
    }
    return answer(text(sign(`touched ${uri}`)));
  }, object({ uri: string("The resource") }));
  return tools;
}

// The suite compares these names and defaults.
const DEFAULTS = {
  type: "object",
  properties: {
    name: { type: "string", default: "John Doe" },
    age: { type: "integer", default: 30 },
    score: { type: "number", default: 95.5 },
    status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
    verified: { type: "boolean", default: true },
  },
};

const TITLED = ["value1", "value2", "value3"].map((value, index) => ({ const: value, title: `Choice ${index + 1}` }));
const CHOICES = {
  type: "object",
  properties: {
    untitledSingle: { type: "string", enum: ["option1", "option2", "option3"] },
    titledSingle: { type: "string", oneOf: TITLED },
    legacyEnum: { type: "string", enum: ["opt1", "opt2", "opt3"], enumNames: ["One", "Two", "Three"] },
    untitledMulti: { type: "array", items: { type: "string", enum: ["option1", "option2", "option3"] } },
    titledMulti: { type: "array", items: { anyOf: TITLED } },
  },
};

const SCHEMA_2020_12 = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  $defs: { address: { $anchor: "address", type: "object", properties: { town: { type: "string" } } } },
  type: "object",
  properties: {
    to: { $ref: "#address" },
    by: { enum: ["foot", "rail"] },
    ticket: { type: "string" },
    shoes: { type: "string" },
  },
  allOf: [{ anyOf: [{ required: ["ticket"] }, { required: ["shoes"] }] }],
  if: { properties: { by: { const: "rail" } }, required: ["by"] },
  then: { required: ["ticket"] },
  else: { required: ["shoes"] },
  additionalProperties: false,
};

function promptsOf({ sign }) {
  const argument = (name) => ({ name, description: `The ${name} to put in`, required: true });
  const prompt = (description, run, ...names) => ({ description: sign(description), arguments: names.map(argument), run });
  return {
    test_simple_prompt: prompt("One sentence", () => [text(sign("a plain prompt"))]),
    test_prompt_with_arguments: prompt(
      "One sentence with two gaps",
      ({ arg1, arg2 }) => [text(sign(`first ${arg1}, then ${arg2}`))],
      "arg1", "arg2",
    ),
    test_prompt_with_embedded_resource: prompt(
      "A resource and a sentence",
      ({ resourceUri }) => [resource(resourceUri, "text/plain", sign("inside of a prompt")), text(sign("read it"))],
      "resourceUri",
    ),
    test_prompt_with_image: prompt("An image and a sentence", () => [image(), text(sign("look at it"))]),
  };
}

function resourcesOf({ sign }) {
  const fixed = (uri, name, mimeType, content) => ({
    uri, name, mimeType, description: sign(name), read: () => ({ mimeType, ...content }),
  });
  const all = [
    fixed("test://static-text", "Text that stays", "text/plain", { text: sign("it stays as it is") }),
    fixed("test://static-binary", "Bytes that stay", "image/png", { blob: PNG }),
    fixed("test://watched-resource", "Text to subscribe to", "text/plain", { text: sign("it may change") }),
  ];
  const template = {
    uriTemplate: "test://template/{id}/data",
    name: "Data by id",
    mimeType: "application/json",
    description: sign("one for every id"),
  };
  const read = (uri) => {
    const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
    if (id !== undefined) return { mimeType: "application/json", text: JSON.stringify({ id, from: sign("data") }) };
    return all.find((resource) => resource.uri === uri)?.read();
  };
  return { fixed: all, template, read };
}
