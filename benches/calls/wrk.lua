-- The load: POSTs of one `tools/call`, each with an id of its own. Prints one line that `load.rs` reads.

local marker = "1000000000" -- as many digits as every id has
local before, after
local next_id = tonumber(os.getenv("BENCH_FIRST_ID"))

function init()
  local file = assert(io.open(os.getenv("BENCH_BODY"), "rb"))
  local body = file:read("*a")
  file:close()
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Accept"] = "application/json, text/event-stream"
  wrk.headers["Mcp-Session-Id"] = os.getenv("BENCH_SESSION")
  wrk.headers["Mcp-Protocol-Version"] = "2025-06-18"
  local text = wrk.format("POST", nil, nil, body)
  local from, to = text:find(marker, 1, true)
  before, after = text:sub(1, from - 1), text:sub(to + 1)
end

function request()
  next_id = next_id + 1
  return before .. string.format("%d", next_id) .. after
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    "measured %d %d %d %d %d %d %d %d %d %d %d\n",
    summary.requests, summary.duration, summary.bytes,
    errors.connect, errors.read, errors.write, errors.status, errors.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)
  ))
end
