"""A real MCP client on the Python `mcp` SDK (2.x, or 1.x where that is installed), driven over stdin and stdout.

One JSON object a line in, one a line out, in the order in which they finish; `id` is echoed.

    {"id":1, "op":"connect", "url":"http://...", "mode":"legacy"|"auto", "headers":{}, "terminate":true,
             "user":{}}                                             the form the user fills in when asked
    {"id":2, "op":"list_tools"}                                     all pages
    {"id":3, "op":"call", "name":"add", "arguments":{}, "timeout":30}
    {"id":4, "op":"ping"}
    {"id":5, "op":"wait_notification", "method":"notifications/...", "timeout":10}
    {"id":6, "op":"http"}                                           what went over the wire so far
    {"id":7, "op":"close"}
    {"id":8, "op":"prompt", "name":"greet"}
    {"id":9, "op":"resource", "uri":"note://today"}

Answers are {"id", "ok":true, "result"} or {"id", "ok":false, "error":{"type", "code", "message", "data", "status"}},
where `status` is the HTTP status of the newest refused request. `"as":"name"` on any line picks one of several
connections. 1.x knows no modes: it always begins with `initialize`. Without `user`, elicitation is not announced.
"""

import asyncio
import json
import logging
import sys
import time
import warnings
from contextlib import AsyncExitStack

try:
    import httpx2 as httpx
    from mcp import Client
    from mcp.types import ElicitResult
except ImportError:  # SDK 1.x
    import httpx
    from mcp import ClientSession
    from mcp.types import ElicitResult, PaginatedRequestParams

    Client = None
from mcp.client.streamable_http import streamable_http_client

PAGES = 1000
SECONDS = 30.0


class Connection:
    """One MCP connection; entered and left by the same task, as the SDK demands."""

    def __init__(self):
        self.exchanges, self.notifications, self.arrived = [], [], asyncio.Event()
        self.closing = asyncio.Event()

    async def op_connect(self, ask):
        ready = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self.live(ask, ready))
        return await ready

    async def live(self, ask, ready):
        try:
            async with AsyncExitStack() as stack:
                hooks = {"response": [self.record]}
                timeout = httpx.Timeout(SECONDS, read=300)
                http = httpx.AsyncClient(headers=ask.get("headers"), timeout=timeout, event_hooks=hooks)
                await stack.enter_async_context(http)
                wire = streamable_http_client(
                    ask["url"], http_client=http, terminate_on_close=ask.get("terminate", True)
                )
                enter = self.enter_1x if Client is None else self.enter_2x
                result = await enter(stack, wire, ask.get("mode", "legacy"), user_of(ask))
                ready.set_result(result)
                await self.closing.wait()
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    async def enter_2x(self, stack, wire, mode, user):
        client = Client(wire, mode=mode, message_handler=self.hear, cache=None, elicitation_callback=user)
        self.session = await stack.enter_async_context(client)
        info, capabilities = client.server_info, client.server_capabilities
        return {
            "protocolVersion": client.protocol_version,
            "serverInfo": plain(info) if info else None,
            "capabilities": plain(capabilities),
            "instructions": client.instructions,
        }

    async def enter_1x(self, stack, wire, _mode, user):
        reader, writer, _ = await stack.enter_async_context(wire)
        session = ClientSession(reader, writer, message_handler=self.hear, elicitation_callback=user)
        self.session = await stack.enter_async_context(session)
        return plain(await self.session.initialize())

    async def op_list_tools(self, _ask):
        tools, cursor = [], None
        for page in range(1, PAGES + 1):
            if Client is not None:
                listed = plain(await self.session.list_tools(cursor=cursor))
            else:
                listed = plain(await self.session.list_tools(params=PaginatedRequestParams(cursor=cursor)))
            tools += listed["tools"]
            cursor = listed.get("nextCursor")
            if cursor is None:
                return {"tools": tools, "pages": page}
        raise RuntimeError(f"tools/list has more than {PAGES} pages")

    async def op_call(self, ask):
        start, progress = time.monotonic(), []

        async def on_progress(done, total, message):
            at = {"at_ms": milliseconds_since(start), "progress": done, "total": total, "message": message}
            progress.append(at)

        call = self.session.call_tool(ask["name"], ask.get("arguments") or {}, progress_callback=on_progress)
        result = plain(await asyncio.wait_for(call, ask.get("timeout", SECONDS)))
        elapsed = milliseconds_since(start)
        return result | {"isError": result.get("isError", False), "progress": progress, "elapsed_ms": elapsed}

    async def op_prompt(self, ask):
        return plain(await self.session.get_prompt(ask["name"]))

    async def op_resource(self, ask):
        return plain(await self.session.read_resource(ask["uri"]))

    async def op_ping(self, _ask):
        return plain(await self.session.send_ping())

    async def op_wait_notification(self, ask):
        return await asyncio.wait_for(self.next_notification(ask["method"]), ask.get("timeout", SECONDS))

    async def next_notification(self, method):
        while True:
            for index, heard in enumerate(self.notifications):
                if heard["method"] == method:
                    return self.notifications.pop(index)
            self.arrived.clear()
            await self.arrived.wait()

    async def op_http(self, _ask):
        return self.exchanges

    async def op_close(self, _ask):
        self.closing.set()
        await self.task
        return {}

    async def hear(self, message):
        heard = getattr(message, "root", message)
        if hasattr(heard, "method"):
            self.notifications.append(plain(heard))
            self.arrived.set()

    async def record(self, response):
        request = response.request
        self.exchanges.append(
            {
                "method": request.method,
                "request": dict(request.headers),
                "body": request.content.decode() if request.method == "POST" else "",
                "status": response.status_code,
                "response": dict(response.headers),
            }
        )

    def refused_status(self, since):
        statuses = [seen["status"] for seen in self.exchanges[since:] if seen["status"] >= 400]
        return statuses[-1] if statuses else None


async def answer(connections, ask):
    if ask["op"] == "connect":
        connections[ask.get("as", "main")] = Connection()
    connection = connections.get(ask.get("as", "main"))
    if connection is None:
        return {"ok": False, "error": {"type": "NotConnected", "message": "connect first"}}
    since = len(connection.exchanges)
    try:
        return {"ok": True, "result": await getattr(connection, f"op_{ask['op']}")(ask)}
    except (Exception, asyncio.CancelledError) as error:
        return {"ok": False, "error": described(error) | {"status": connection.refused_status(since)}}


def user_of(ask):
    """Fills in the form that `connect` came with, whatever is asked; `None` where there is nobody to ask."""

    async def user(_context, _asked):
        return ElicitResult(action="accept", content=ask["user"])

    return user if "user" in ask else None


def described(error):
    while getattr(error, "exceptions", None):  # an exception group
        error = error.exceptions[0]
    rpc = getattr(error, "error", None)
    return {
        "type": type(error).__name__,
        "code": getattr(rpc, "code", None),
        "message": getattr(rpc, "message", None) or str(error),
        "data": getattr(rpc, "data", None),
    }


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def milliseconds_since(start):
    return round((time.monotonic() - start) * 1000)


async def main():
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    warnings.simplefilter("ignore")  # modes are chosen by the test
    connections, tasks = {}, set()

    async def handle(ask):
        print(json.dumps({"id": ask.get("id")} | await answer(connections, ask)), flush=True)

    print(json.dumps({"ready": True, "sdk": 1 if Client is None else 2}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        task = asyncio.create_task(handle(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    asyncio.run(main())
