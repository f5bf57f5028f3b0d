"""A real MCP server on the Python `mcp` SDK (2.x, or 1.x where that is installed), over Streamable HTTP.

Prints `listening on http://127.0.0.1:PORT/mcp` when ready, and one line `request {JSON}` for every HTTP
request it answered: what a peer behind the gateway really saw. Its tools show, delay, stream and change.
"""

import argparse
import asyncio
import json
import signal
import socket
from functools import partial

import uvicorn
from mcp.server.lowlevel import NotificationOptions
from mcp.server.transport_security import TransportSecuritySettings

try:
    from mcp.server.mcpserver import Context, MCPServer
except ImportError:  # SDK 1.x
    MCPServer = None
    from mcp.server.fastmcp import Context, FastMCP

BODY_LIMIT_BYTES = 64 << 20
ANY_HOST = TransportSecuritySettings(enable_dns_rebinding_protection=False)
CONNECTED = {}
"""Sessions that spoke to us, by connection: who must hear that the tool list changed."""


def main():
    args = arguments()
    server, app = server_1x(args) if MCPServer is None else server_2x(args)
    add_tools(server)
    listener = socket.create_server(("127.0.0.1", args.port))
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    config = uvicorn.Config(Recorder(app(), args.require_key), log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int, help="TCP port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--name", default="python-peer", help="serverInfo.name")
    parser.add_argument("--stateless", action="store_true", help="issue no sessions")
    parser.add_argument("--json", action="store_true", help="answer calls as JSON, not as an event stream")
    parser.add_argument("--require-key", metavar="VALUE", help="answer 401 unless Authorization is VALUE")
    return parser.parse_args()


def server_2x(args):
    server = MCPServer(args.name, version="1.0", log_level="WARNING", middleware=[remember])
    announce_list_changed(server._lowlevel_server)
    app = partial(
        server.streamable_http_app,
        json_response=args.json,
        stateless_http=args.stateless,
        transport_security=ANY_HOST,
        max_request_body_size=BODY_LIMIT_BYTES,
    )
    return server, app


def server_1x(args):
    class Server(FastMCP):
        async def list_tools(self):
            remember_session(self._mcp_server.request_context.session)
            return await super().list_tools()

    server = Server(
        args.name,
        log_level="WARNING",
        json_response=args.json,
        stateless_http=args.stateless,
        transport_security=ANY_HOST,
    )
    announce_list_changed(server._mcp_server)
    return server, server.streamable_http_app


def announce_list_changed(lowlevel):
    options = NotificationOptions(tools_changed=True)
    lowlevel.create_initialization_options = partial(lowlevel.create_initialization_options, options)


async def remember(ctx, call_next):
    remember_session(ctx.session)
    return await call_next(ctx)


def remember_session(session):
    CONNECTED[id(getattr(session, "_connection", session))] = session


async def tell_all(ctx):
    remember_session(ctx.session)
    if MCPServer is not None:
        await ctx.notify_tools_changed()
    for connection, session in list(CONNECTED.items()):
        try:
            await session.send_tool_list_changed()
        except Exception:  # that client is gone
            CONNECTED.pop(connection, None)


def add_tools(server):
    @server.tool()
    def add(a: int, b: int) -> int:
        """Adds two numbers."""
        return a + b

    @server.tool()
    def echo(text: str) -> dict:
        """Gives the text back with its length in characters."""
        return {"text": text, "length": len(text)}

    @server.tool()
    def headers(ctx: Context) -> dict:
        """Every request header this call came with; repeated ones joined by a comma."""
        return joined(ctx.request_context.request.headers.items())

    @server.tool()
    def whoami(ctx: Context) -> str:
        """The Authorization header this call came with, or `anonymous`."""
        return ctx.request_context.request.headers.get("authorization", "anonymous")

    @server.tool()
    async def slow(seconds: float) -> str:
        """Answers after so many seconds."""
        await asyncio.sleep(seconds)
        return f"waited {seconds} s"

    @server.tool()
    async def progress(steps: int, delay_ms: int, ctx: Context) -> str:
        """Sends a progress notification, then waits, for every step; then answers."""
        for step in range(steps):
            await ctx.report_progress(step + 1, steps)
            await asyncio.sleep(delay_ms / 1000)
        return f"{steps} steps"

    @server.tool()
    async def add_tool(name: str, ctx: Context) -> str:
        """Adds a tool of that name and says so to every connected client."""
        server.add_tool(lambda: f"I am {name}", name=name, description=f"Says it is {name}.")
        await tell_all(ctx)
        return f"added {name}"

    @server.tool()
    async def remove_tool(name: str, ctx: Context) -> str:
        """Removes the tool of that name and says so to every connected client."""
        server.remove_tool(name) if hasattr(server, "remove_tool") else server._tool_manager.remove_tool(name)
        await tell_all(ctx)
        return f"removed {name}"


class Recorder:
    """ASGI middleware: prints what was asked and answered, and asks for the key."""

    def __init__(self, app, key):
        self.app, self.key = app, key

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = joined((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        seen = {"method": scope["method"], "path": scope["path"], "headers": headers}

        async def record(message):
            if message["type"] == "http.response.start":
                print("request", json.dumps(seen | {"status": message["status"]}), flush=True)
            await send(message)

        if self.key is None or headers.get("authorization") == self.key:
            return await self.app(scope, receive, record)
        start = {"type": "http.response.start", "status": 401, "headers": [(b"www-authenticate", b"Bearer")]}
        await record(start)
        await record({"type": "http.response.body", "body": b"the key is missing or wrong\n"})


def joined(pairs):
    found = {}
    for name, value in pairs:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


if __name__ == "__main__":
    main()
