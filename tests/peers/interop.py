"""One of each that a server can offer, for the interop matrix: on FastMCP where that is installed, else on the Python
`mcp` SDK 2.x, else on its 1.x.

Started as: python interop.py PORT. Prints `listening on http://127.0.0.1:PORT/mcp` when ready.
"""

import asyncio
import socket
import sys

import uvicorn
from pydantic import BaseModel

try:
    from fastmcp import Context, FastMCP as Server
except ImportError:
    try:
        from mcp.server.mcpserver import Context, MCPServer as Server
    except ImportError:  # SDK 1.x
        from mcp.server.fastmcp import Context, FastMCP as Server

NOTE = "note://today"
STEPS = 3
PAUSE_SECONDS = 0.05
server = Server("interop")


class User(BaseModel):
    name: str


@server.tool()
def echo(message: str) -> str:
    """Says the message again."""
    return f"Echo: {message}"


@server.tool()
async def steps(ctx: Context) -> str:
    """Reports progress at every step."""
    for step in range(STEPS):
        await ctx.report_progress(step + 1, STEPS)
        await asyncio.sleep(PAUSE_SECONDS)
    return f"{STEPS} steps"


@server.tool()
async def ask(ctx: Context) -> str:
    """Asks the user for a name."""
    asked = await ctx.elicit("Who are you?", User)
    return f"Hello {asked.data.name}" if asked.action == "accept" else asked.action


@server.prompt()
def greet() -> str:
    """A greeting."""
    return "Greet the user."


@server.resource(NOTE)
def today() -> str:
    """What is to be done."""
    return "Test the gateway."


def main():
    app = server.http_app() if hasattr(server, "http_app") else server.streamable_http_app()
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)).run(sockets=[listener])


if __name__ == "__main__":
    main()
